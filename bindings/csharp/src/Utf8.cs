using System;
using System.Runtime.InteropServices;
using System.Text;

namespace Rmqtt
{
    /// <summary>Text and octets on their way across the boundary.</summary>
    internal static unsafe class Utf8
    {
        // Half a surrogate pair is a mistake of the caller: better an exception than another topic.
        private static readonly Encoding Strict = new UTF8Encoding(false, true);

        /// <summary>Encodes with a NUL behind, so that the array is never empty and pinning it never gives NULL: text
        /// of length zero stays text that is there.</summary>
        internal static byte[] Encode(string text, string parameter)
        {
            if (text == null) throw new ArgumentNullException(parameter);
            var bytes = new byte[Strict.GetByteCount(text) + 1];
            Strict.GetBytes(text, 0, text.Length, bytes, 0);
            return bytes;
        }

        /// <summary>Encodes as it is, for a payload.</summary>
        internal static byte[] Octets(string text, string parameter)
        {
            if (text == null) throw new ArgumentNullException(parameter);
            return Strict.GetBytes(text);
        }

        /// <summary>The same text, if it is Unicode; null for null. What is checked where the program hands it over is
        /// sure to be encoded later, where nobody would hear of a fault.</summary>
        internal static string Checked(string text, string parameter)
        {
            if (text != null) Check(text, parameter);
            return text;
        }

        /// <summary>Throws if it is null, or not Unicode.</summary>
        internal static void Check(string text, string parameter)
        {
            if (text == null) throw new ArgumentNullException(parameter);
            Strict.GetByteCount(text);
        }

        /// <summary>Views what <see cref="Encode" /> has made and the caller has pinned.</summary>
        internal static Native.Str View(byte* pinned, byte[] encoded)
        {
            return new Native.Str { Ptr = (IntPtr)pinned, Len = (UIntPtr)(encoded.Length - 1) };
        }

        /// <summary>Copies text; null where it is absent.</summary>
        internal static string Copy(Native.Str text)
        {
            return text.Ptr == IntPtr.Zero ? null : Strict.GetString((byte*)text.Ptr, checked((int)text.Len));
        }

        /// <summary>Copies a string of the library and frees it.</summary>
        internal static string Take(IntPtr text)
        {
            try
            {
                return Copy(Native.StringView(text));
            }
            finally
            {
                Native.StringFree(text);
            }
        }

        /// <summary>Copies octets; null where they are absent.</summary>
        internal static byte[] Copy(Native.Bytes bytes)
        {
            if (bytes.Ptr == IntPtr.Zero) return null;
            var copy = new byte[checked((int)bytes.Len)];
            Marshal.Copy(bytes.Ptr, copy, 0, copy.Length);
            return copy;
        }
    }
}
