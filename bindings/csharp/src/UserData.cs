using System;
using System.Runtime.InteropServices;

namespace Rmqtt
{
    /// <summary>
    /// Managed objects as the user_data of callbacks: the library owns the GCHandle and frees it through
    /// <see cref="Drop" />, whatever the call that took it has answered.
    /// </summary>
    internal static class UserData
    {
        // The delegate has to outlive every pointer to it.
        private static readonly Native.DropFn DropDelegate = Free;

        internal static readonly IntPtr Drop = Marshal.GetFunctionPointerForDelegate(DropDelegate);

        internal static IntPtr Of(object target)
        {
            return GCHandle.ToIntPtr(GCHandle.Alloc(target));
        }

        internal static T Target<T>(IntPtr userData) where T : class
        {
            return (T)GCHandle.FromIntPtr(userData).Target;
        }

        /// <summary>Frees it, for whoever does not leave that to <see cref="Drop" />.</summary>
        internal static void Free(IntPtr userData)
        {
            try
            {
                GCHandle.FromIntPtr(userData).Free();
            }
            catch (Exception)
            {
                // Only a handle freed twice gets here, and no exception may cross into the library.
            }
        }
    }
}
