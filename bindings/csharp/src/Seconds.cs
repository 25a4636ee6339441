using System;
using System.Threading;

namespace Rmqtt
{
    /// <summary>Times in whole seconds.</summary>
    internal static class Seconds
    {
        /// <summary>For intervals that can be without an end.</summary>
        private const uint Infinite = uint.MaxValue;

        internal static TimeSpan OrInfinite(uint seconds)
        {
            return seconds == Infinite ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(seconds);
        }

        internal static uint OrInfinite(TimeSpan time, string parameter)
        {
            return time == Timeout.InfiniteTimeSpan ? Infinite : Of(time, Infinite, parameter);
        }

        /// <summary>What is before the year 1 or after 9999 is the first or the last moment that there is.</summary>
        internal static DateTimeOffset Since1970(long seconds)
        {
            var first = DateTimeOffset.MinValue.ToUnixTimeSeconds();
            var last = DateTimeOffset.MaxValue.ToUnixTimeSeconds();
            return DateTimeOffset.FromUnixTimeSeconds(Math.Min(Math.Max(seconds, first), last));
        }

        /// <summary>A part of a second counts as one: nothing but zero becomes 0, which often means something else
        /// altogether.</summary>
        internal static uint Of(TimeSpan time, uint max, string parameter)
        {
            var seconds = Math.Ceiling(time.TotalSeconds);
            if (seconds < 0 || seconds > max || time < TimeSpan.Zero)
            {
                throw new ArgumentOutOfRangeException(parameter, time, "it is 0 to " + max + " seconds long");
            }
            return (uint)seconds;
        }
    }
}
