using System;

namespace Rmqtt
{
    /// <summary>A message to publish.</summary>
    public sealed class Publication
    {
        /// <summary>Makes one of octets.</summary>
        /// <param name="topic">The topic name.</param>
        /// <param name="payload">The payload; not copied.</param>
        /// <param name="options">Options, or null.</param>
        /// <exception cref="ArgumentException">Topic or payload is null, or the topic is not Unicode.</exception>
        public Publication(string topic, byte[] payload, PublishOptions options = null)
        {
            Utf8.Check(topic, nameof(topic));
            Topic = topic;
            Payload = payload ?? throw new ArgumentNullException(nameof(payload));
            Options = options;
        }

        /// <summary>Makes one of text, as UTF-8.</summary>
        /// <exception cref="ArgumentException">Topic or payload is null, or not Unicode.</exception>
        public Publication(string topic, string payload, PublishOptions options = null)
            : this(topic, Utf8.Octets(payload, nameof(payload)), options)
        {
        }

        /// <summary>The topic name.</summary>
        public string Topic { get; }

        /// <summary>The payload.</summary>
        public byte[] Payload { get; }

        /// <summary>Options; null for the defaults.</summary>
        public PublishOptions Options { get; }

        /// <summary>Fills in all but what reports.</summary>
        internal unsafe void Fill(Native.Publish* native, Views views)
        {
            native->StructSize = (UIntPtr)sizeof(Native.Publish);
            native->Topic = views.Of(Topic);
            native->Payload = views.Of(Payload);
            Options?.Fill(native, views);
        }
    }
}
