namespace Rmqtt
{
    /// <summary>What has become of a message of this program.</summary>
    public sealed class PublishReport
    {
        internal unsafe PublishReport(Native.PublishReport* native)
        {
            Receivers = (long)native->Receivers;
            Acknowledged = (long)native->Acknowledged;
            Lost = (long)native->Lost;
            Stage = (PublishStage)native->Stage;
            Last = native->Last != 0;
        }

        /// <summary>How far it has come.</summary>
        public PublishStage Stage { get; }

        /// <summary>How many receivers it was queued for: sessions of clients, and subscriptions of this
        /// program.</summary>
        public long Receivers { get; }

        /// <summary>How many of those have acknowledged it. For a client that is an answer to QoS 1 or 2, for a
        /// subscription of this program the return of its function or <see cref="Message.Acknowledge()" />. 0 before
        /// the last report.</summary>
        public long Acknowledged { get; }

        /// <summary>Receivers that were to acknowledge it, but have gone, or lost it to their full queue. 0 before the
        /// last report.</summary>
        public long Lost { get; }

        /// <summary>Nothing more will be reported.</summary>
        public bool Last { get; }
    }

    /// <summary>How far a message has come. A number without a name is one of a later version.</summary>
    public enum PublishStage
    {
        /// <summary>It is queued for everyone who gets it.</summary>
        Queued = 1,

        /// <summary>Everyone who was connected when it was queued, and gets it with QoS 1 or 2, has acknowledged it or
        /// is gone.</summary>
        Acknowledged = 2,

        /// <summary>It goes nowhere: <see cref="Hooks.AuthorizePublish" /> has refused it.</summary>
        Refused = 3,
    }
}
