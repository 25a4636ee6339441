namespace Rmqtt
{
    /// <summary>What is put in the place of what was asked for. Null leaves it as it is; what does not belong to the
    /// question is not looked at.</summary>
    public sealed class Changes
    {
        /// <summary>The topic name of a message, the filter of a subscription. What is none refuses what was asked
        /// for.</summary>
        public string Topic { get; set; }

        /// <summary>The payload of a message.</summary>
        public byte[] Payload { get; set; }

        /// <summary>The QoS of a message, 0 to 2; the highest QoS of a subscription, which can only be
        /// lowered.</summary>
        public byte? QoS { get; set; }

        /// <summary>Whether a message is retained.</summary>
        public bool? Retain { get; set; }

        /// <summary>A copy, since whoever made them may go on changing them.</summary>
        internal Changes Copy()
        {
            return new Changes
            {
                Topic = Topic,
                Payload = (byte[])Payload?.Clone(),
                QoS = QoS,
                Retain = Retain,
            };
        }
    }
}
