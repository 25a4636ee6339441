namespace Rmqtt
{
    /// <summary>How to publish.</summary>
    public sealed class PublishOptions
    {
        /// <summary>The QoS, 0 to <c>limits.max_qos</c>.</summary>
        public byte QoS { get; set; }

        /// <summary>Whether the broker keeps the message for later subscriptions. With an empty payload, it forgets
        /// the one it has.</summary>
        public bool Retain { get; set; }
    }

    /// <summary>How to subscribe.</summary>
    public sealed class SubscribeOptions
    {
        /// <summary>Messages that may wait for the function; more are dropped and counted. 0 means 1000.</summary>
        public uint MaxQueuedMessages { get; set; }

        /// <summary>The QoS. This version delivers with 0 only.</summary>
        public byte QoS { get; set; }

        /// <summary>As in MQTT 5: 0 and 1 deliver the retained messages first, 2 does not.</summary>
        public byte RetainHandling { get; set; }
    }
}
