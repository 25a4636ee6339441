using System;

namespace Rmqtt
{
    /// <summary>Times as the library has them.</summary>
    internal static class Milliseconds
    {
        /// <summary>A part of a millisecond counts as one: nothing but zero becomes 0, which often means something else
        /// altogether.</summary>
        internal static long Of(TimeSpan time, long max, string parameter)
        {
            var milliseconds = time.Ticks / TimeSpan.TicksPerMillisecond;
            if (time.Ticks % TimeSpan.TicksPerMillisecond > 0) milliseconds++;
            if (milliseconds > max || time < TimeSpan.Zero)
            {
                throw new ArgumentOutOfRangeException(parameter, time, "it is 0 to " + max + " milliseconds long");
            }
            return milliseconds;
        }

        /// <summary>What is longer than a <see cref="TimeSpan" /> can be is the longest that there is.</summary>
        internal static TimeSpan Saturated(ulong milliseconds)
        {
            const ulong Most = long.MaxValue / TimeSpan.TicksPerMillisecond;
            return milliseconds > Most
                ? TimeSpan.MaxValue
                : TimeSpan.FromTicks((long)milliseconds * TimeSpan.TicksPerMillisecond);
        }
    }
}
