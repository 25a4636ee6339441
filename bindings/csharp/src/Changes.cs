using System;

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

        /// <summary>All MQTT 5 properties of a message; empty ones take those that it has away.</summary>
        public Properties Properties { get; set; }

        /// <summary>The client identifier of a client that connects. An MQTT 5 client is told if its CONNECT had none.
        /// What is empty or longer than <c>limits.max_client_id_length</c> refuses the client with 0x85.</summary>
        public string ClientId { get; set; }

        /// <summary>How long the session of a client that connects is to outlive the connection, in whole seconds, up
        /// to <c>session.max_expiry_s</c>; <see cref="System.Threading.Timeout.InfiniteTimeSpan" /> for ever.
        /// DISCONNECT can shorten it, not extend it. A clean session before MQTT 5 ends with its connection
        /// nevertheless.</summary>
        public TimeSpan? SessionExpiry { get; set; }

        /// <summary>The keep alive of an MQTT 5 client that connects, in whole seconds, up to
        /// <c>limits.max_keepalive_s</c>; zero for none.</summary>
        public TimeSpan? KeepAlive { get; set; }

        /// <summary>The configured access rules do not hold for the client that connects.</summary>
        public bool Superuser { get; set; }

        /// <summary>Whether there is text or octets in it, which have to be kept until the library has read
        /// them.</summary>
        internal bool HasViews
        {
            get { return Topic != null || Payload != null || Properties != null || ClientId != null; }
        }

        /// <summary>A copy, since whoever made them may go on changing them.</summary>
        /// <exception cref="ArgumentException">Something cannot be sent. Here the program hears of it; once the client
        /// waits for its answer, nobody does.</exception>
        internal Changes Copy(string parameter)
        {
            if (QoS > 2) throw new ArgumentOutOfRangeException(parameter, QoS, "a QoS is 0, 1 or 2");
            if (SessionExpiry.HasValue) Seconds.OrInfinite(SessionExpiry.Value, parameter);
            if (KeepAlive.HasValue) Seconds.Of(KeepAlive.Value, ushort.MaxValue, parameter);
            return new Changes
            {
                Topic = Utf8.Checked(Topic, parameter),
                Payload = (byte[])Payload?.Clone(),
                QoS = QoS,
                Retain = Retain,
                Properties = Properties?.Copy(parameter),
                ClientId = Utf8.Checked(ClientId, parameter),
                SessionExpiry = SessionExpiry,
                KeepAlive = KeepAlive,
                Superuser = Superuser,
            };
        }

        /// <summary>Fills in all but the views.</summary>
        internal unsafe void Fill(Native.Verdict* native)
        {
            var replace = (Native.Replace)0;
            if (QoS.HasValue)
            {
                replace |= Native.Replace.Qos;
                native->Qos = QoS.Value;
            }
            if (Retain.HasValue)
            {
                replace |= Native.Replace.Retain;
                native->Retain = Retain.Value ? (byte)1 : (byte)0;
            }
            if (SessionExpiry.HasValue)
            {
                replace |= Native.Replace.SessionExpiry;
                native->SessionExpiryS = Seconds.OrInfinite(SessionExpiry.Value, nameof(SessionExpiry));
            }
            if (KeepAlive.HasValue)
            {
                replace |= Native.Replace.KeepAlive;
                native->KeepAliveS = (ushort)Seconds.Of(KeepAlive.Value, ushort.MaxValue, nameof(KeepAlive));
            }
            native->Superuser = Superuser ? (byte)1 : (byte)0;
            native->Replace |= (uint)replace;
        }

        /// <summary>Fills in the views.</summary>
        internal unsafe void Fill(Native.Verdict* native, Views views)
        {
            var replace = (Native.Replace)0;
            if (Topic != null) replace |= Native.Replace.Topic;
            if (Payload != null) replace |= Native.Replace.Payload;
            if (Properties != null) replace |= Native.Replace.Properties;
            if (ClientId != null) replace |= Native.Replace.ClientId;
            native->Topic = views.Of(Topic);
            native->Payload = views.Of(Payload);
            native->Properties = views.Of(Properties);
            native->ClientId = views.Of(ClientId);
            native->Replace |= (uint)replace;
        }
    }
}
