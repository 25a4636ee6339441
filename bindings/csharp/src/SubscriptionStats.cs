namespace Rmqtt
{
    /// <summary>A snapshot of a subscription of the program.</summary>
    public sealed class SubscriptionStats
    {
        internal SubscriptionStats(Native.SubscriptionStats native)
        {
            Delivered = (long)native.Delivered;
            Acknowledged = (long)native.Acknowledged;
            Dropped = (long)native.Dropped;
            QueuedMessages = (long)native.QueuedMessages;
            QueuedBytes = (long)native.QueuedBytes;
            Unacknowledged = (long)native.Unacknowledged;
            Paused = native.Paused != 0;
        }

        /// <summary>Counter: messages that the function has had.</summary>
        public long Delivered { get; }

        /// <summary>Counter: messages acknowledged with <see cref="Message.Acknowledge()" />.</summary>
        public long Acknowledged { get; }

        /// <summary>Counter: messages dropped, because the queue was full or they had expired.</summary>
        public long Dropped { get; }

        /// <summary>Gauge: messages that wait.</summary>
        public long QueuedMessages { get; }

        /// <summary>Gauge: what those take in memory, about, in bytes.</summary>
        public long QueuedBytes { get; }

        /// <summary>Gauge: messages that the function has had, and that have to be acknowledged.</summary>
        public long Unacknowledged { get; }

        /// <summary>Whether it is paused.</summary>
        public bool Paused { get; }
    }
}
