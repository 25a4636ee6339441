using System;

namespace Rmqtt
{
    /// <summary>The native library behind the binding.</summary>
    public static unsafe class Library
    {
        private static volatile bool s_checked;

        /// <summary>The version of the native library, such as "0.1.0".</summary>
        public static string Version
        {
            get
            {
                Check();
                return Utf8.Copy(Native.Version());
            }
        }

        /// <summary>Tells whether the native library was built with a feature, such as "tls".</summary>
        public static bool HasFeature(string name)
        {
            Check();
            var text = Utf8.Encode(name, nameof(name));
            fixed (byte* pinned = text)
            {
                return Native.HasFeature(Utf8.View(pinned, text)) != 0;
            }
        }

        /// <summary>Comes before every other call: with another ABI, anything else would read and write at the wrong
        /// places.</summary>
        internal static void Check()
        {
            if (s_checked) return;
            Check(Native.GetAbiVersion());
            s_checked = true;
        }

        internal static void Check(uint found)
        {
            if (found == Native.AbiVersion) return;
            throw new RmqttException(
                Status.Unsupported,
                "the native library rmqttc has ABI version " + found + ", but this Rmqtt.dll is written for version "
                    + Native.AbiVersion + ": install the two from the same release");
        }
    }
}
