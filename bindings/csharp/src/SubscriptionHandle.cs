using System;
using System.Runtime.InteropServices;

namespace Rmqtt
{
    /// <summary>Owns a native subscription.</summary>
    internal sealed class SubscriptionHandle : SafeHandle
    {
        internal SubscriptionHandle() : base(IntPtr.Zero, true)
        {
        }

        public override bool IsInvalid
        {
            get { return handle == IntPtr.Zero; }
        }

        protected override bool ReleaseHandle()
        {
            // For the reason that BrokerHandle has.
            if (!Environment.HasShutdownStarted) Native.SubscriptionFree(handle);
            return true;
        }
    }
}
