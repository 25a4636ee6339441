using System;
using System.Diagnostics;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    /// <summary>What a test expects. Waiting always has a deadline.</summary>
    internal static class Check
    {
        internal static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

        internal static void True(bool condition, string what)
        {
            if (!condition) throw new Exception("expected: " + what);
        }

        internal static void Equal<T>(T expected, T found, string what)
        {
            if (!Equals(expected, found))
            {
                throw new Exception(what + ": expected " + expected + ", found " + found);
            }
        }

        internal static T Throws<T>(Action body, string what) where T : Exception
        {
            try
            {
                body();
            }
            catch (T exception)
            {
                return exception;
            }
            throw new Exception(what + ": expected " + typeof(T).Name);
        }

        internal static void Until(Func<bool> condition, string what)
        {
            var clock = Stopwatch.StartNew();
            while (!condition())
            {
                if (clock.Elapsed > Patience) throw new Exception("not in time: " + what);
                Thread.Sleep(2);
            }
        }

        internal static void Signalled(WaitHandle handle, string what)
        {
            if (!handle.WaitOne(Patience)) throw new Exception("not in time: " + what);
        }

        internal static T Result<T>(Task<T> task, string what)
        {
            if (!task.Wait(Patience)) throw new Exception("not in time: " + what);
            return task.Result;
        }
    }
}
