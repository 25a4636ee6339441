using System;

namespace Rmqtt
{
    /// <summary>The MQTT 5 properties of a message that those who exchange it have put in.</summary>
    public sealed class Properties
    {
        /// <summary>Content type; null if there is none.</summary>
        public string ContentType { get; set; }

        /// <summary>Response topic, a topic name; null if there is none.</summary>
        public string ResponseTopic { get; set; }

        /// <summary>Correlation data; null if there is none.</summary>
        public byte[] CorrelationData { get; set; }

        /// <summary>User properties; empty if there are none.</summary>
        public UserProperties UserProperties { get; } = new UserProperties();

        /// <summary>Message expiry interval, in whole seconds: what is left of it; null if the message does not
        /// expire.</summary>
        public TimeSpan? MessageExpiry { get; set; }

        /// <summary>Payload format indicator: 1 if the payload is UTF-8 text, else 0.</summary>
        public byte PayloadFormatIndicator { get; set; }

        /// <summary>Copies; null for NULL.</summary>
        internal static unsafe Properties Copy(IntPtr native)
        {
            return native == IntPtr.Zero ? null : Copy((Native.Properties*)native);
        }

        /// <summary>A copy, as of <see cref="Changes" />.</summary>
        /// <exception cref="ArgumentException">Something cannot be sent.</exception>
        internal Properties Copy(string parameter)
        {
            if (PayloadFormatIndicator > 1)
            {
                throw new ArgumentOutOfRangeException(
                    parameter, PayloadFormatIndicator, "a payload format indicator is 0 or 1");
            }
            if (MessageExpiry.HasValue) Seconds.Of(MessageExpiry.Value, uint.MaxValue, parameter);
            var copy = new Properties
            {
                ContentType = Utf8.Checked(ContentType, parameter),
                ResponseTopic = Utf8.Checked(ResponseTopic, parameter),
                CorrelationData = (byte[])CorrelationData?.Clone(),
                MessageExpiry = MessageExpiry,
                PayloadFormatIndicator = PayloadFormatIndicator,
            };
            copy.UserProperties.AddAll(UserProperties);
            return copy;
        }

        private static unsafe Properties Copy(Native.Properties* native)
        {
            var copy = new Properties
            {
                ContentType = Utf8.Copy(native->ContentType),
                ResponseTopic = Utf8.Copy(native->ResponseTopic),
                CorrelationData = Utf8.Copy(native->CorrelationData),
                PayloadFormatIndicator = native->PayloadFormatIndicator,
            };
            if (native->HasMessageExpiry != 0) copy.MessageExpiry = TimeSpan.FromSeconds(native->MessageExpiryS);
            copy.UserProperties.AddAll(UserProperties.Copy(native->UserProperties, native->UserPropertyCount));
            return copy;
        }
    }
}
