using System;

namespace Rmqtt
{
    /// <summary>Which clients are asked for. A client has to meet all that is set; text that is null or empty does not
    /// matter.</summary>
    public sealed class ClientQuery
    {
        /// <summary>What the client identifier begins with.</summary>
        public string ClientIdPrefix { get; set; }

        /// <summary>The user name.</summary>
        public string Username { get; set; }

        /// <summary>Where the connection comes from: a host, such as <c>192.0.2.1</c>, or with the port, such as
        /// <c>192.0.2.1:49152</c>.</summary>
        public string Address { get; set; }

        /// <summary>The name of the listener.</summary>
        public string Listener { get; set; }

        /// <summary>The client identifier behind which to begin: <c>next</c> of the page before.</summary>
        public string After { get; set; }

        /// <summary>Whether the client is connected.</summary>
        public Presence Connected { get; set; }

        /// <summary>How many clients at most, up to 1000. 0 means 100.</summary>
        public uint Limit { get; set; }

        internal unsafe Native.Query ToNative(Views views)
        {
            return new Native.Query
            {
                StructSize = (UIntPtr)sizeof(Native.Query),
                ClientIdPrefix = views.Of(ClientIdPrefix),
                Username = views.Of(Username),
                Address = views.Of(Address),
                Listener = views.Of(Listener),
                After = views.Of(After),
                Connected = (int)Connected,
                Limit = Limit,
            };
        }
    }

    /// <summary>Whether a client that has a session is connected.</summary>
    public enum Presence
    {
        /// <summary>It does not matter.</summary>
        Any = 0,

        /// <summary>It is connected.</summary>
        Connected = 1,

        /// <summary>It is not: its session waits for it.</summary>
        NotConnected = 2,
    }
}
