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

    /// <summary>A connection that has sent nothing yet.</summary>
    public sealed class PreConnectEvent
    {
        internal unsafe PreConnectEvent(Native.PreConnect* native)
        {
            Address = Utf8.Copy(native->Address);
            Listener = Utf8.Copy(native->Listener);
        }

        /// <summary>Where it comes from, such as <c>192.0.2.1:49152</c>.</summary>
        public string Address { get; }

        /// <summary>The name of the listener that accepted it.</summary>
        public string Listener { get; }
    }

    /// <summary>A message is to be published.</summary>
    public sealed class PublishEvent
    {
        internal unsafe PublishEvent(Native.AuthorizePublish* native)
        {
            Message = Message.Copy(native->Message);
        }

        /// <summary>The message, with its publisher. Its origin is <see cref="Origin.Client" />,
        /// <see cref="Origin.Api" /> or <see cref="Origin.Will" />: a will is asked about when its client connects, and
        /// again when it is published.</summary>
        public Message Message { get; }
    }

    /// <summary>A client wants to subscribe to one filter.</summary>
    public sealed class SubscribeEvent
    {
        internal unsafe SubscribeEvent(Native.AuthorizeSubscribe* native)
        {
            Client = Client.Copy(native->Client);
            Filter = Utf8.Copy(native->Filter);
            Identifier = native->Identifier;
            QoS = native->Qos;
            NoLocal = native->NoLocal != 0;
            RetainAsPublished = native->RetainAsPublished != 0;
            RetainHandling = native->RetainHandling;
        }

        /// <summary>Who.</summary>
        public Client Client { get; }

        /// <summary>The topic filter, <c>$share/{group}/</c> included.</summary>
        public string Filter { get; }

        /// <summary>The subscription identifier; 0 for none.</summary>
        public uint Identifier { get; }

        /// <summary>The highest QoS that it asks for, at most <c>limits.max_qos</c>.</summary>
        public byte QoS { get; }

        /// <summary>Not the messages that the client publishes itself.</summary>
        public bool NoLocal { get; }

        /// <summary>The retain flag as publishers set it.</summary>
        public bool RetainAsPublished { get; }

        /// <summary>As in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not.</summary>
        public byte RetainHandling { get; }
    }

    /// <summary>A client wants to give up its subscription to one filter.</summary>
    public sealed class UnsubscribeEvent
    {
        internal unsafe UnsubscribeEvent(Native.AuthorizeUnsubscribe* native)
        {
            Client = Client.Copy(native->Client);
            Filter = Utf8.Copy(native->Filter);
        }

        /// <summary>Who.</summary>
        public Client Client { get; }

        /// <summary>The topic filter, as the client has subscribed to it.</summary>
        public string Filter { get; }
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

        /// <summary>Which one: the name of the property of <see cref="Hooks" />, such as <c>Authenticate</c>, or
        /// <c>Subscription</c>.</summary>
        public string Callback { get; }

        /// <summary>What it threw.</summary>
        public Exception Exception { get; }
    }
}
