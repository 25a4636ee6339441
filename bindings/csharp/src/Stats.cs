using System;

namespace Rmqtt
{
    /// <summary>A snapshot of a broker. Counters run from its construction on, over all starts and stops; gauges are of
    /// now.</summary>
    public sealed class Stats
    {
        internal Stats(Native.Stats native)
        {
            StartedAt = native.StartedAtMs == 0
                ? (DateTimeOffset?)null
                : DateTimeOffset.FromUnixTimeMilliseconds((long)native.StartedAtMs);
            Uptime = TimeSpan.FromMilliseconds(native.UptimeMs);
            ConnectedClients = (long)native.ConnectedClients;
            Sessions = (long)native.Sessions;
            Subscriptions = (long)native.Subscriptions;
            InProcessSubscriptions = (long)native.InProcessSubscriptions;
            RetainedMessages = (long)native.RetainedMessages;
            Connections = (long)native.Connections;
            MessagesReceived = (long)native.MessagesReceived;
            MessagesSent = (long)native.MessagesSent;
            MessagesPublished = (long)native.MessagesPublished;
            MessagesDelivered = (long)native.MessagesDelivered;
            MessagesDropped = (long)native.MessagesDropped;
            DecisionsAllowed = (long)native.DecisionsAllowed;
            DecisionsDenied = (long)native.DecisionsDenied;
            DecisionsExpired = (long)native.DecisionsExpired;
            DecisionsOverflowed = (long)native.DecisionsOverflowed;
            DecisionsPending = (long)native.DecisionsPending;
            EventsDropped = (long)native.EventsDropped;
            CallbackPanics = (long)native.CallbackPanics;
            MessagesDroppedQueueFull = (long)native.MessagesDroppedQueueFull;
            MessagesDroppedExpired = (long)native.MessagesDroppedExpired;
            MessagesDroppedTooLarge = (long)native.MessagesDroppedTooLarge;
            MessagesDroppedClientGone = (long)native.MessagesDroppedClientGone;
            MessagesDroppedRefused = (long)native.MessagesDroppedRefused;
            ConnectionsRefused = (long)native.ConnectionsRefused;
            ConnectionsTimedOut = (long)native.ConnectionsTimedOut;
            ConnectionPanics = (long)native.ConnectionPanics;
            DecisionsWithoutTicket = (long)native.DecisionsWithoutTicket;
            DecisionsFailed = (long)native.DecisionsFailed;
            DecisionsStopped = (long)native.DecisionsStopped;
            DecisionsDeparted = (long)native.DecisionsDeparted;
            EventsTold = (long)native.EventsTold;
            SlowHookCalls = (long)native.SlowHookCalls;
            BytesReceived = (long)native.BytesReceived;
            BytesSent = (long)native.BytesSent;
            QueuedMessages = (long)native.QueuedMessages;
            QueuedBytes = (long)native.QueuedBytes;
            InFlight = (long)native.InFlight;
            DelayedMessages = (long)native.DelayedMessages;
            HandshakesFailed = (long)native.HandshakesFailed;
            ConnectionsRefusedNetwork = (long)native.ConnectionsRefusedNetwork;
            ConnectionsRefusedBanned = (long)native.ConnectionsRefusedBanned;
            ConnectionsRefusedRate = (long)native.ConnectionsRefusedRate;
            ConnectionsRefusedAuthentication = (long)native.ConnectionsRefusedAuthentication;
            MessagesDroppedRate = (long)native.MessagesDroppedRate;
            PublishesThrottled = (long)native.PublishesThrottled;
            ConnectionsClosedRate = (long)native.ConnectionsClosedRate;
            MessagesDroppedMemory = (long)native.MessagesDroppedMemory;
            MemoryQueues = (long)native.MemoryQueues;
            MemoryRetained = (long)native.MemoryRetained;
            MemorySessions = (long)native.MemorySessions;
            MemoryBuffers = (long)native.MemoryBuffers;
            MemoryUsed = (long)native.MemoryUsed;
            ConnectionsRefusedFull = (long)native.ConnectionsRefusedFull;
            ConnectionsRefusedLimit = (long)native.ConnectionsRefusedLimit;
            ConnectionsRefusedMemory = (long)native.ConnectionsRefusedMemory;
            ConnectionsClosedLimit = (long)native.ConnectionsClosedLimit;
            ConnectionsClosedSlow = (long)native.ConnectionsClosedSlow;
            ConnectionsClosedMemory = (long)native.ConnectionsClosedMemory;
            SubscriptionsRefused = (long)native.SubscriptionsRefused;
            SubscriptionsRefusedLimit = (long)native.SubscriptionsRefusedLimit;
            SubscriptionsRefusedMemory = (long)native.SubscriptionsRefusedMemory;
            MessagesNotRetained = (long)native.MessagesNotRetained;
        }

        /// <summary>When the current run started; null when the broker does not run.</summary>
        public DateTimeOffset? StartedAt { get; }

        /// <summary>The time since then.</summary>
        public TimeSpan Uptime { get; }

        /// <summary>Gauge: clients connected.</summary>
        public long ConnectedClients { get; }

        /// <summary>Gauge: sessions of clients, those of absent clients included.</summary>
        public long Sessions { get; }

        /// <summary>Gauge: subscriptions of those sessions.</summary>
        public long Subscriptions { get; }

        /// <summary>Gauge: subscriptions of the program.</summary>
        public long InProcessSubscriptions { get; }

        /// <summary>Gauge: retained messages.</summary>
        public long RetainedMessages { get; }

        /// <summary>Counter: connections that got as far as an accepted CONNECT.</summary>
        public long Connections { get; }

        /// <summary>Counter: messages that clients published, wills included.</summary>
        public long MessagesReceived { get; }

        /// <summary>Counter: messages sent to clients.</summary>
        public long MessagesSent { get; }

        /// <summary>Counter: messages that the program published.</summary>
        public long MessagesPublished { get; }

        /// <summary>Counter: messages handed to subscriptions of the program.</summary>
        public long MessagesDelivered { get; }

        /// <summary>Counter: messages that did not reach a client or a subscription of the program, for whatever
        /// cause.</summary>
        public long MessagesDropped { get; }

        /// <summary>Counter: decisions of hooks that allowed.</summary>
        public long DecisionsAllowed { get; }

        /// <summary>Counter: decisions of hooks that denied, for whatever cause; those below are among
        /// them.</summary>
        public long DecisionsDenied { get; }

        /// <summary>Counter: decisions denied because no answer came in time.</summary>
        public long DecisionsExpired { get; }

        /// <summary>Counter: decisions denied because the callback queue was full.</summary>
        public long DecisionsOverflowed { get; }

        /// <summary>Gauge: deferred decisions that are open.</summary>
        public long DecisionsPending { get; }

        /// <summary>Counter: events dropped because the callback queue was full.</summary>
        public long EventsDropped { get; }

        /// <summary>Counter: panics caught in callbacks.</summary>
        public long CallbackPanics { get; }

        /// <summary>Counter: of those, dropped because as many messages waited as allowed.</summary>
        public long MessagesDroppedQueueFull { get; }

        /// <summary>Counter: of those, dropped because they had expired while they waited.</summary>
        public long MessagesDroppedExpired { get; }

        /// <summary>Counter: of those, dropped because they were larger than the client takes.</summary>
        public long MessagesDroppedTooLarge { get; }

        /// <summary>Counter: of those, dropped because their client went before they were sent, and they were
        /// not kept for it.</summary>
        public long MessagesDroppedClientGone { get; }

        /// <summary>Counter: of those, refused: by a hook, or because of the topic.</summary>
        public long MessagesDroppedRefused { get; }

        /// <summary>Counter: connections whose CONNECT was refused, or that were closed because there
        /// were as many as allowed.</summary>
        public long ConnectionsRefused { get; }

        /// <summary>Counter: connections closed because their CONNECT was not complete in time.</summary>
        public long ConnectionsTimedOut { get; }

        /// <summary>Counter: connections ended by a panic in the library, which is a fault worth reporting.</summary>
        public long ConnectionPanics { get; }

        /// <summary>Counter: decisions denied because <c>callbacks.max_pending</c> of those that are made later were
        /// open.</summary>
        public long DecisionsWithoutTicket { get; }

        /// <summary>Counter: decisions denied because the hook failed: it threw, its task failed or was cancelled, or
        /// its answer could not be understood.</summary>
        public long DecisionsFailed { get; }

        /// <summary>Counter: decisions denied because the broker stopped before there was an answer.</summary>
        public long DecisionsStopped { get; }

        /// <summary>Counter: decisions denied because whoever wanted to know was gone before there was an
        /// answer.</summary>
        public long DecisionsDeparted { get; }

        /// <summary>Counter: events that hooks have been told of.</summary>
        public long EventsTold { get; }

        /// <summary>Counter: calls of hooks in place that were seen to take 10 milliseconds or more.</summary>
        public long SlowHookCalls { get; }

        /// <summary>Counter: bytes read from clients' connections, from the first one on, also of those that are
        /// refused.</summary>
        public long BytesReceived { get; }

        /// <summary>Counter: bytes written to clients' connections.</summary>
        public long BytesSent { get; }

        /// <summary>Gauge: messages that wait in sessions, those of absent clients included.</summary>
        public long QueuedMessages { get; }

        /// <summary>Gauge: bytes that they take, as <c>limits.max_queued_bytes</c> counts them.</summary>
        public long QueuedBytes { get; }

        /// <summary>Gauge: messages of QoS 1 and 2 that have been sent to clients, and not acknowledged to the
        /// end.</summary>
        public long InFlight { get; }

        /// <summary>Gauge: messages of the program that are to be published later.</summary>
        public long DelayedMessages { get; }

        /// <summary>Counter: connections that ended below MQTT because a header of the PROXY protocol, or a handshake
        /// of TLS, WebSocket or QUIC, failed. Those that were too slow are in
        /// <see cref="ConnectionsTimedOut" />.</summary>
        public long HandshakesFailed { get; }

        /// <summary>Counter: of <see cref="ConnectionsRefused" />, those from networks that <c>limits.ip_allow</c> and
        /// <c>limits.ip_deny</c> keep out.</summary>
        public long ConnectionsRefusedNetwork { get; }

        /// <summary>Counter: of <see cref="ConnectionsRefused" />, those of whom is banned.</summary>
        public long ConnectionsRefusedBanned { get; }

        /// <summary>Counter: of <see cref="ConnectionsRefused" />, those above <c>limits.conn_rate_per_sec</c> or
        /// <c>limits.conn_rate_per_ip_per_sec</c>.</summary>
        public long ConnectionsRefusedRate { get; }

        /// <summary>Counter: of <see cref="ConnectionsRefused" />, those whose client could not authenticate.</summary>
        public long ConnectionsRefusedAuthentication { get; }

        /// <summary>Counter: of <see cref="MessagesDropped" />, dropped because their client published faster than the
        /// limits let it.</summary>
        public long MessagesDroppedRate { get; }

        /// <summary>Counter: messages after which a client was not read from for a while, because it had published too
        /// fast.</summary>
        public long PublishesThrottled { get; }

        /// <summary>Counter: connections closed because their client published faster than the limits let it.</summary>
        public long ConnectionsClosedRate { get; }

        /// <summary>Counter: of <see cref="MessagesDropped" />, dropped because too little of the memory
        /// budget was left.</summary>
        public long MessagesDroppedMemory { get; }

        /// <summary>Gauge: bytes held for messages on their way: waiting, in flight or delayed.</summary>
        public long MemoryQueues { get; }

        /// <summary>Gauge: bytes held for retained messages.</summary>
        public long MemoryRetained { get; }

        /// <summary>Gauge: bytes held for sessions, their subscriptions and wills, and their
        /// connections.</summary>
        public long MemorySessions { get; }

        /// <summary>Gauge: bytes held for packets that are not complete yet, and for what has not been
        /// written yet.</summary>
        public long MemoryBuffers { get; }

        /// <summary>Gauge: bytes held in all, by the broker's own account: what
        /// <c>limits.memory_budget_bytes</c> bounds.</summary>
        public long MemoryUsed { get; }

        /// <summary>Counter: of <see cref="ConnectionsRefused" />, those for which there was no place:
        /// <c>max_connections</c>, of a listener or in all, or <c>max_sessions</c>.</summary>
        public long ConnectionsRefusedFull { get; }

        /// <summary>Counter: of <see cref="ConnectionsRefused" />, those whose CONNECT went beyond a limit: its size,
        /// its client identifier, its keep alive before MQTT 5, or its will.</summary>
        public long ConnectionsRefusedLimit { get; }

        /// <summary>Counter: of <see cref="ConnectionsRefused" />, those for which too little of the memory budget was
        /// left.</summary>
        public long ConnectionsRefusedMemory { get; }

        /// <summary>Counter: connections closed because their client went beyond what CONNACK told it: with the size of
        /// a packet, QoS 2 messages at once, QoS, or a message to be retained.</summary>
        public long ConnectionsClosedLimit { get; }

        /// <summary>Counter: connections closed because their client was too slow for its messages:
        /// <c>limits.slow_consumer</c> is <c>disconnect</c>.</summary>
        public long ConnectionsClosedSlow { get; }

        /// <summary>Counter: connections closed in the middle of a large packet because there was no memory at
        /// all.</summary>
        public long ConnectionsClosedMemory { get; }

        /// <summary>Counter: subscriptions that clients asked for and did not get, for whatever cause.</summary>
        public long SubscriptionsRefused { get; }

        /// <summary>Counter: of those, because of <c>max_subscriptions</c> or <c>max_topic_levels</c>, or because
        /// shared subscriptions are turned off.</summary>
        public long SubscriptionsRefusedLimit { get; }

        /// <summary>Counter: of those, because too little of the memory budget was left.</summary>
        public long SubscriptionsRefusedMemory { get; }

        /// <summary>Counter: messages that were to be retained and were not, because of <c>retain.max_messages</c>,
        /// <c>retain.max_payload_bytes</c> or the memory budget. They are delivered all the same.</summary>
        public long MessagesNotRetained { get; }
    }
}
