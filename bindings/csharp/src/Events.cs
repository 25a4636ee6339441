using System;

namespace Rmqtt
{
    /// <summary>A client wants to connect. A copy: keep it as long as you like.</summary>
    public sealed class AuthEvent
    {
        internal unsafe AuthEvent(Native.Authenticate* native)
        {
            Client = Client.Copy(native->Client);
            Will = Message.Copy(native->Will);
            Password = Utf8.Copy(native->Password);
            KeepAlive = TimeSpan.FromSeconds(native->KeepAliveS);
            CleanStart = native->CleanStart != 0;
        }

        /// <summary>Who wants to connect.</summary>
        public Client Client { get; }

        /// <summary>The client identifier.</summary>
        public string ClientId
        {
            get { return Client.ClientId; }
        }

        /// <summary>The user name; null if CONNECT has none.</summary>
        public string Username
        {
            get { return Client.Username; }
        }

        /// <summary>The password; null if CONNECT has none.</summary>
        public byte[] Password { get; }

        /// <summary>The will; null if CONNECT has none.</summary>
        public Message Will { get; }

        /// <summary>The keep alive that CONNECT asks for; zero for none.</summary>
        public TimeSpan KeepAlive { get; }

        /// <summary>Whether the session before is to be discarded.</summary>
        public bool CleanStart { get; }
    }

    /// <summary>A client is connected.</summary>
    public sealed class ConnectedEvent
    {
        internal unsafe ConnectedEvent(Native.Connected* native)
        {
            Client = Client.Copy(native->Client);
        }

        /// <summary>Who is connected.</summary>
        public Client Client { get; }
    }

    /// <summary>A client that was connected is gone.</summary>
    public sealed class DisconnectedEvent
    {
        internal unsafe DisconnectedEvent(Native.Disconnected* native)
        {
            Client = Client.Copy(native->Client);
            Reason = Utf8.Copy(native->Reason);
            By = (DisconnectedBy)native->By;
            ReasonCode = native->ReasonCode;
        }

        /// <summary>Who is gone.</summary>
        public Client Client { get; }

        /// <summary>Why, in words.</summary>
        public string Reason { get; }

        /// <summary>Who ended the connection.</summary>
        public DisconnectedBy By { get; }

        /// <summary>Why, as an MQTT 5 DISCONNECT reason code, whatever the client speaks.</summary>
        public byte ReasonCode { get; }
    }

    /// <summary>Who ended a connection. A number without a name is one of a later version.</summary>
    public enum DisconnectedBy
    {
        /// <summary>The client, with a DISCONNECT.</summary>
        Client = 1,

        /// <summary>The broker: for a fault of the client, its silence, a new connection under its name, or a
        /// stop.</summary>
        Broker = 2,

        /// <summary>The network: the connection ended without a DISCONNECT.</summary>
        Network = 3,
    }

    /// <summary>A callback threw, or its task failed or was cancelled.</summary>
    public sealed class CallbackFailedEventArgs : EventArgs
    {
        internal CallbackFailedEventArgs(string callback, Exception exception)
        {
            Callback = callback;
            Exception = exception;
        }

        /// <summary>Which one: <c>Authenticate</c>, <c>Connected</c>, <c>Disconnected</c> or
        /// <c>Subscription</c>.</summary>
        public string Callback { get; }

        /// <summary>What it threw.</summary>
        public Exception Exception { get; }
    }
}
