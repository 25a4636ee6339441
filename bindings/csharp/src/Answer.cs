namespace Rmqtt
{
    /// <summary>What an MQTT 5 client gets besides yes or no. Null is none; what does not belong to the question is not
    /// looked at.</summary>
    public sealed class Answer
    {
        /// <summary>The reason string, in the packet that answers the client. Of those for the filters of one SUBSCRIBE
        /// or UNSUBSCRIBE, the first is sent.</summary>
        public string Reason { get; set; }

        /// <summary>User properties, in the packet that answers the client. Those for the filters of one SUBSCRIBE or
        /// UNSUBSCRIBE are sent together.</summary>
        public UserProperties UserProperties { get; } = new UserProperties();

        /// <summary>Authentication data for the client of <see cref="Hooks.AuthExchange" />, with a yes or to go
        /// on.</summary>
        public byte[] AuthData { get; set; }

        /// <summary>Response information for a client that connects and has asked for it.</summary>
        public string ResponseInformation { get; set; }

        /// <summary>Where a client that may not connect, or not stay connected, should go, for 0x9C and 0x9D.</summary>
        public string ServerReference { get; set; }

        /// <summary>A copy with those of another one, as of <see cref="Verdict.With" />.</summary>
        /// <exception cref="System.ArgumentException">Something is not Unicode.</exception>
        internal Answer With(Answer other, string parameter)
        {
            var both = new Answer
            {
                Reason = Utf8.Checked(other.Reason, parameter) ?? Reason,
                AuthData = (byte[])other.AuthData?.Clone() ?? AuthData,
                ResponseInformation = Utf8.Checked(other.ResponseInformation, parameter) ?? ResponseInformation,
                ServerReference = Utf8.Checked(other.ServerReference, parameter) ?? ServerReference,
            };
            both.UserProperties.AddAll(UserProperties);
            both.UserProperties.AddAll(other.UserProperties);
            return both;
        }
    }
}
