using System;
using System.Runtime.InteropServices;

namespace Rmqtt
{
    /// <summary>Owns a descriptor.</summary>
    internal sealed class DescriptorHandle : SafeHandle
    {
        internal DescriptorHandle(int descriptor) : base((IntPtr)(-1), true)
        {
            SetHandle((IntPtr)descriptor);
        }

        public override bool IsInvalid
        {
            get { return handle == (IntPtr)(-1); }
        }

        protected override bool ReleaseHandle()
        {
            Posix.CloseDescriptor((int)handle);
            return true;
        }
    }
}
