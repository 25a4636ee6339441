using System;

namespace Rmqtt
{
    /// <summary>What the program knows about a connection that it brings.</summary>
    public sealed class Peer
    {
        /// <summary>Where it comes from, as hooks and the log show it. Null: host and port of the other end for a TCP
        /// socket, <c>unix</c> for any other, <c>pair</c> for <see cref="Broker.ConnectPair" />.</summary>
        public string Address { get; set; }

        /// <summary>What hooks and the log show as the name of its listener. Null: <c>attached</c>.</summary>
        public string Listener { get; set; }

        /// <summary>The user name of a client that is <see cref="Authenticated" />, in place of the one in CONNECT.
        /// Null: the one in CONNECT.</summary>
        public string Username { get; set; }

        /// <summary>How long the client may take until its CONNECT is complete, in whole milliseconds, up to one hour.
        /// Zero means 15 seconds.</summary>
        public TimeSpan ConnectTimeout { get; set; }

        /// <summary>The program vouches for the client: neither <see cref="Hooks.Authenticate" /> and
        /// <see cref="Hooks.AuthExchange" /> nor the configuration are asked who it is, and the password of CONNECT is
        /// not looked at. Otherwise the hooks decide as about any client, and without hooks
        /// <c>auth.allow_anonymous</c>.</summary>
        public bool Authenticated { get; set; }

        internal unsafe Native.Peer ToNative(Views views)
        {
            return new Native.Peer
            {
                StructSize = (UIntPtr)sizeof(Native.Peer),
                Address = views.Of(Address),
                Listener = views.Of(Listener),
                Username = views.Of(Username),
                ConnectTimeoutMs = (uint)Milliseconds.Of(ConnectTimeout, uint.MaxValue, nameof(ConnectTimeout)),
                Authenticated = Authenticated ? (byte)1 : (byte)0,
            };
        }
    }
}
