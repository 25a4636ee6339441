using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace Rmqtt
{
    /// <summary>Text and octets that the library looks at until this is disposed.</summary>
    internal sealed unsafe class Views : IDisposable
    {
        private readonly List<GCHandle> _pinned = new List<GCHandle>();

        /// <summary>Text; absent for null.</summary>
        internal Native.Str Of(string text)
        {
            if (text == null) return default(Native.Str);
            var encoded = Utf8.Encode(text, nameof(text));
            return Utf8.View((byte*)Pin(encoded), encoded);
        }

        /// <summary>Octets; absent for null.</summary>
        internal Native.Bytes Of(byte[] octets)
        {
            if (octets == null) return default(Native.Bytes);
            // Where there is nothing to point to, there must be a pointer nevertheless.
            var pointer = Pin(octets.Length == 0 ? new byte[1] : octets);
            return new Native.Bytes { Ptr = pointer, Len = (UIntPtr)octets.Length };
        }

        /// <summary>A pointer to as many as there are; NULL for none.</summary>
        internal IntPtr Of(UserProperties properties)
        {
            if (properties.Count == 0) return IntPtr.Zero;
            var native = new Native.UserProperty[properties.Count];
            for (var index = 0; index < native.Length; index++)
            {
                native[index].Name = Of(properties[index].Name);
                native[index].Value = Of(properties[index].Value);
            }
            return Pin(native);
        }

        /// <summary>A pointer to one; NULL for null.</summary>
        internal IntPtr Of(Properties properties)
        {
            if (properties == null) return IntPtr.Zero;
            var expiry = properties.MessageExpiry;
            var native = new Native.Properties
            {
                StructSize = (UIntPtr)sizeof(Native.Properties),
                ContentType = Of(properties.ContentType),
                ResponseTopic = Of(properties.ResponseTopic),
                CorrelationData = Of(properties.CorrelationData),
                UserProperties = Of(properties.UserProperties),
                UserPropertyCount = (UIntPtr)properties.UserProperties.Count,
                MessageExpiryS = Seconds.Of(expiry.GetValueOrDefault(), uint.MaxValue, nameof(properties)),
                HasMessageExpiry = expiry.HasValue ? (byte)1 : (byte)0,
                PayloadFormatIndicator = properties.PayloadFormatIndicator,
            };
            return Pin(new[] { native });
        }

        public void Dispose()
        {
            foreach (var pinned in _pinned) pinned.Free();
            _pinned.Clear();
        }

        private IntPtr Pin(Array array)
        {
            var pinned = GCHandle.Alloc(array, GCHandleType.Pinned);
            _pinned.Add(pinned);
            return pinned.AddrOfPinnedObject();
        }
    }
}
