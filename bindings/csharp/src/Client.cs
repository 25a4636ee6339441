using System;

namespace Rmqtt
{
    /// <summary>A connection of a client.</summary>
    public sealed class Client
    {
        private unsafe Client(Native.Client* native)
        {
            ClientId = Utf8.Copy(native->ClientId);
            Username = Utf8.Copy(native->Username);
            Address = Utf8.Copy(native->Address);
            Listener = Utf8.Copy(native->Listener);
            NodeId = native->NodeId;
            Serial = native->Serial;
            Protocol = native->Protocol;
            Superuser = native->Superuser != 0;
        }

        /// <summary>The client identifier; the one the broker made up if the client had none.</summary>
        public string ClientId { get; }

        /// <summary>The user name; null if CONNECT has none. For a client that the program vouches for, see
        /// <see cref="Peer" />.</summary>
        public string Username { get; }

        /// <summary>Where the connection comes from, such as <c>192.0.2.1:49152</c>, or what <see cref="Peer" />
        /// says.</summary>
        public string Address { get; }

        /// <summary>The name of the listener that accepted it, or what <see cref="Peer" /> says.</summary>
        public string Listener { get; }

        /// <summary>The <c>node_id</c> of the broker it is connected to.</summary>
        public ulong NodeId { get; }

        /// <summary>Numbers the connections of a broker from 1 on.</summary>
        public ulong Serial { get; }

        /// <summary>The protocol level of CONNECT: 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0.</summary>
        public byte Protocol { get; }

        /// <summary>A hook has said so when it connected: the configured access rules do not hold for it.</summary>
        public bool Superuser { get; }

        /// <summary>Copies; null for NULL.</summary>
        internal static unsafe Client Copy(IntPtr native)
        {
            return native == IntPtr.Zero ? null : new Client((Native.Client*)native);
        }
    }
}
