using System;
using System.Runtime.InteropServices;

namespace Rmqtt
{
    /// <summary>How important a line of the log is.</summary>
    public enum LogLevel
    {
        /// <summary>Something that should work does not.</summary>
        Error = 1,

        /// <summary>Something is odd, or was refused for want of an answer.</summary>
        Warn = 2,

        /// <summary>What an operator wants to know: listeners, start, stop.</summary>
        Info = 3,

        /// <summary>What a developer of the program wants to know.</summary>
        Debug = 4,

        /// <summary>What a developer of the library wants to know.</summary>
        Trace = 5,
    }

    /// <summary>The log of all brokers of this process.</summary>
    public static unsafe class Log
    {
        // The delegate has to outlive every pointer to it.
        private static readonly Native.LogFn LineDelegate = OnLine;

        private static readonly IntPtr LinePointer = Marshal.GetFunctionPointerForDelegate(LineDelegate);

        /// <summary>
        /// Sets where the log goes; without it, it goes nowhere. When this returns, the function set before does not
        /// run any more, unless this is called by a callback.
        /// </summary>
        /// <param name="max">Lines of this level and those more important are delivered.</param>
        /// <param name="onLine">Gets level, part of the library, and message, one call at a time on a thread of its
        /// own. Null turns the log off. What it throws is lost: there is no log to tell it.</param>
        /// <exception cref="RmqttException">The level is none, or the thread cannot be started.</exception>
        public static void Set(LogLevel max, Action<LogLevel, string, string> onLine)
        {
            Library.Check();
            RmqttException.ThrowIfFailed(
                onLine == null
                    ? Native.LogSet((int)max, IntPtr.Zero, IntPtr.Zero, IntPtr.Zero)
                    : Native.LogSet((int)max, LinePointer, UserData.Of(onLine), UserData.Drop));
        }

        private static void OnLine(Native.LogLine* line, IntPtr userData)
        {
            CallbackThread.Enter();
            try
            {
                var onLine = UserData.Target<Action<LogLevel, string, string>>(userData);
                onLine((LogLevel)line->Level, Utf8.Copy(line->Target), Utf8.Copy(line->Message));
            }
            catch (Exception)
            {
                // As documented.
            }
            finally
            {
                CallbackThread.Leave();
            }
        }
    }
}
