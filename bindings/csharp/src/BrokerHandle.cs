using System;
using System.Runtime.InteropServices;

namespace Rmqtt
{
    /// <summary>
    /// Owns a native broker. Each call holds a reference while it runs, so a broker that is disposed meanwhile is
    /// freed by the last of them, never under it.
    /// </summary>
    internal sealed class BrokerHandle : SafeHandle
    {
        internal BrokerHandle() : base(IntPtr.Zero, true)
        {
        }

        public override bool IsInvalid
        {
            get { return handle == IntPtr.Zero; }
        }

        protected override bool ReleaseHandle()
        {
            // At the end of the process no managed code can run on the callback threads any more: freeing would wait
            // for callbacks that never return.
            if (!Environment.HasShutdownStarted) Native.BrokerFree(handle);
            return true;
        }
    }
}
