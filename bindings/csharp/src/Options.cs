using System;

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

        /// <summary>The MQTT 5 properties; null for none. Clients of older versions get the message without
        /// them.</summary>
        public Properties Properties { get; set; }

        /// <summary>The only client that gets the message, whatever it is subscribed to; null: everyone who is
        /// subscribed.</summary>
        public string ClientId { get; set; }

        /// <summary>When it is published, from now on, in whole milliseconds. Its message expiry interval begins then.
        /// Delayed messages are gone when the broker stops.</summary>
        public TimeSpan Delay { get; set; }

        /// <summary>How long the call may wait for room, in whole milliseconds, before it throws with
        /// <see cref="Status.WouldBlock" />.</summary>
        public TimeSpan Wait { get; set; }

        /// <summary>Told of what becomes of the message, on a callback thread, one call at a time for all messages of
        /// the broker; null if nobody wants to know. When the broker stops before the last report, none comes.
        /// <c>callbacks.max_pending</c> messages may be open.</summary>
        public Action<PublishReport> OnReport { get; set; }

        /// <summary>Fills in all but what reports.</summary>
        internal unsafe void Fill(Native.Publish* native, Views views)
        {
            native->Qos = QoS;
            native->Retain = Retain ? (byte)1 : (byte)0;
            native->WaitMs = (uint)Milliseconds.Of(Wait, uint.MaxValue, nameof(Wait));
            native->Properties = views.Of(Properties);
            native->ClientId = views.Of(ClientId);
            native->DelayMs = (ulong)Milliseconds.Of(Delay, long.MaxValue, nameof(Delay));
        }
    }

    /// <summary>How to subscribe.</summary>
    public sealed class SubscribeOptions
    {
        /// <summary>Messages that may wait for the function. 0 means 1000.</summary>
        public uint MaxQueuedMessages { get; set; }

        /// <summary>What the messages that wait may take in memory, about, in bytes. 0 means 16 MiB. One message may
        /// always wait.</summary>
        public ulong MaxQueuedBytes { get; set; }

        /// <summary>What happens to a message for which there is no room.</summary>
        public Overflow Overflow { get; set; }

        /// <summary>The highest QoS of the messages, 0 to 2. Messages come with the lower one of it and their
        /// own.</summary>
        public byte QoS { get; set; }

        /// <summary>As in MQTT 5: 0 and 1 deliver the retained messages first, 2 does not. A shared subscription never
        /// gets them.</summary>
        public byte RetainHandling { get; set; }

        /// <summary>The retain flag of messages as their publisher set it, instead of false.</summary>
        public bool RetainAsPublished { get; set; }

        /// <summary>Not the messages that this program publishes. Not for a shared subscription.</summary>
        public bool NoLocal { get; set; }

        /// <summary>Messages of QoS 1 and 2 are acknowledged with <see cref="Message.Acknowledge()" />, instead of by
        /// the return of the function. When the subscription ends, or the broker stops, without that, they are lost;
        /// those of a shared subscription go to another member when it ends.</summary>
        public bool ManualAck { get; set; }

        /// <summary>With <see cref="ManualAck" />: how many messages may be unacknowledged at a time, up to 65535; no
        /// more are delivered then. 0 means 65535.</summary>
        public uint ReceiveMaximum { get; set; }

        /// <summary>With <see cref="Broker.SubscribeBatch" />: messages of one call, up to 65536. 0 means
        /// 256.</summary>
        public uint MaxBatch { get; set; }

        internal unsafe Native.SubscribeOptions ToNative()
        {
            return new Native.SubscribeOptions
            {
                StructSize = (UIntPtr)sizeof(Native.SubscribeOptions),
                MaxQueuedMessages = MaxQueuedMessages,
                Qos = QoS,
                RetainHandling = RetainHandling,
                Overflow = (byte)Overflow,
                ManualAck = ManualAck ? (byte)1 : (byte)0,
                MaxQueuedBytes = MaxQueuedBytes,
                ReceiveMaximum = ReceiveMaximum,
                MaxBatch = MaxBatch,
                RetainAsPublished = RetainAsPublished ? (byte)1 : (byte)0,
                NoLocal = NoLocal ? (byte)1 : (byte)0,
            };
        }
    }

    /// <summary>What happens to a message that finds the queue of a subscription full.</summary>
    public enum Overflow : byte
    {
        /// <summary>It is dropped, and counted.</summary>
        DropNewest = 0,

        /// <summary>The oldest ones give way to it; they are dropped, and counted.</summary>
        DropOldest = 1,

        /// <summary>If it was published with QoS 1 or 2, it is queued all the same, and its publisher has to wait until
        /// a quarter of the room is there again: a client is not read from meanwhile, publishing throws with
        /// <see cref="Status.WouldBlock" />. With QoS 0, it is dropped, and counted.</summary>
        Block = 2,
    }
}
