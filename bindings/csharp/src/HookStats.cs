using System;
using System.Collections.Generic;

namespace Rmqtt
{
    /// <summary>A snapshot of one hook. Counters run from the construction of the broker on, over all starts and stops,
    /// and over all that have been set for the hook; gauges are of now. What does not belong to the kind of the hook is
    /// zero.</summary>
    public sealed class HookStats
    {
        internal unsafe HookStats(Native.HookStats* native)
        {
            Allowed = (long)native->Allowed;
            Denied = (long)native->Denied;
            Expired = (long)native->Expired;
            Overflowed = (long)native->Overflowed;
            WithoutTicket = (long)native->WithoutTicket;
            Failed = (long)native->Failed;
            Stopped = (long)native->Stopped;
            Departed = (long)native->Departed;
            Told = (long)native->Told;
            Dropped = (long)native->Dropped;
            InFlight = (long)native->InFlight;
            Slow = (long)native->Slow;
            TimeSum = Microseconds((long)native->TimeUsSum);
            var times = new HookTimes[Native.HookTimeBuckets];
            // 1, 2, 5, 10, 20, 50 and so on; the last one is beyond.
            long decade = 1;
            for (var index = 0; index < times.Length; index++)
            {
                var step = index % 3;
                var end = decade * (step == 0 ? 1 : step == 1 ? 2 : 5);
                if (step == 2) decade *= 10;
                var last = index == times.Length - 1;
                times[index] = new HookTimes(last ? (TimeSpan?)null : Microseconds(end), (long)native->Time[index]);
            }
            Times = Array.AsReadOnly(times);
        }

        /// <summary>Counter: decisions that allowed.</summary>
        public long Allowed { get; }

        /// <summary>Counter: decisions that denied because the hook said so. Those below are apart: together they are
        /// all that denied.</summary>
        public long Denied { get; }

        /// <summary>Counter: decisions denied because no answer came in time.</summary>
        public long Expired { get; }

        /// <summary>Counter: decisions denied because <c>callbacks.queue</c> of them waited for a thread.</summary>
        public long Overflowed { get; }

        /// <summary>Counter: decisions denied because <c>callbacks.max_pending</c> of those that are made later were
        /// open.</summary>
        public long WithoutTicket { get; }

        /// <summary>Counter: decisions denied because the hook threw, because its task failed or was cancelled, or
        /// because its answer could not be understood.</summary>
        public long Failed { get; }

        /// <summary>Counter: decisions denied because the broker stopped before there was an answer.</summary>
        public long Stopped { get; }

        /// <summary>Counter: decisions denied because whoever wanted to know was gone before there was an
        /// answer.</summary>
        public long Departed { get; }

        /// <summary>Counter: events that the hook has been told of.</summary>
        public long Told { get; }

        /// <summary>Counter: events dropped because <c>callbacks.queue</c> of them waited for a thread.</summary>
        public long Dropped { get; }

        /// <summary>Gauge: decisions that are open; events that wait for a thread, or are being told.</summary>
        public long InFlight { get; }

        /// <summary>Counter: calls in place that were seen to take 10 milliseconds or more.</summary>
        public long Slow { get; }

        /// <summary>Counter: the times below together.</summary>
        public TimeSpan TimeSum { get; }

        /// <summary>Counters: how many times are in each range, the shortest first. For a decision it is the time from
        /// the question to the answer, for an event that of the call.</summary>
        public IReadOnlyList<HookTimes> Times { get; }

        private static TimeSpan Microseconds(long microseconds)
        {
            return TimeSpan.FromTicks(microseconds * (TimeSpan.TicksPerMillisecond / 1000));
        }
    }

    /// <summary>How many times of a hook are in one range.</summary>
    public sealed class HookTimes
    {
        internal HookTimes(TimeSpan? end, long count)
        {
            End = end;
            Count = count;
        }

        /// <summary>The end of the range; null for the last one, which has none.</summary>
        public TimeSpan? End { get; }

        /// <summary>How many times are in that range alone.</summary>
        public long Count { get; }
    }
}
