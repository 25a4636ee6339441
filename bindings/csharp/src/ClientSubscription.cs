using System;

namespace Rmqtt
{
    /// <summary>How to subscribe a client.</summary>
    public sealed class ClientSubscription
    {
        /// <summary>The subscription identifier that an MQTT 5 client gets with the messages, up to 268435455; 0 for
        /// none.</summary>
        public uint Identifier { get; set; }

        /// <summary>The highest QoS of the messages, 0 to <c>limits.max_qos</c>.</summary>
        public byte QoS { get; set; }

        /// <summary>Not the messages that the client publishes itself. Not for a shared subscription.</summary>
        public bool NoLocal { get; set; }

        /// <summary>The retain flag of messages as their publisher set it.</summary>
        public bool RetainAsPublished { get; set; }

        /// <summary>As in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not.</summary>
        public byte RetainHandling { get; set; }

        internal unsafe Native.ClientSubscription ToNative()
        {
            return new Native.ClientSubscription
            {
                StructSize = (UIntPtr)sizeof(Native.ClientSubscription),
                Identifier = Identifier,
                Qos = QoS,
                NoLocal = NoLocal ? (byte)1 : (byte)0,
                RetainAsPublished = RetainAsPublished ? (byte)1 : (byte)0,
                RetainHandling = RetainHandling,
            };
        }
    }
}
