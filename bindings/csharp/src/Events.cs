using System;
using System.Collections.Generic;

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
            UserProperties = new UserProperties();
            // A library of an earlier version does not tell the rest.
            var told = (byte*)native + (ulong)native->StructSize;
            if ((byte*)(&native->TopicAliasMaximum + 1) > told) return;
            RequestResponseInformation = native->RequestResponseInformation != 0;
            RequestProblemInformation = native->RequestProblemInformation != 0;
            UserProperties = Rmqtt.UserProperties.Copy(native->UserProperties, native->UserPropertyCount);
            SessionExpiry = Seconds.OrInfinite(native->SessionExpiryS);
            MaximumPacketSize = native->MaximumPacketSize;
            ReceiveMaximum = native->ReceiveMaximum;
            TopicAliasMaximum = native->TopicAliasMaximum;
            if ((byte*)(&native->Connection + 1) > told) return;
            Connection = Connection.Copy(native->Connection);
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

        /// <summary>Clean start, in MQTT before 5 clean session: whether the session before is to be
        /// discarded.</summary>
        public bool CleanStart { get; }

        /// <summary>Request response information: the client would like to be told where answers go.</summary>
        public bool RequestResponseInformation { get; }

        /// <summary>Request problem information: the client takes reason strings and user properties with every
        /// packet.</summary>
        public bool RequestProblemInformation { get; }

        /// <summary>The user properties of CONNECT; empty if there are none.</summary>
        public IReadOnlyList<UserProperty> UserProperties { get; }

        /// <summary>How long the session is to outlive the connection;
        /// <see cref="System.Threading.Timeout.InfiniteTimeSpan" /> for ever. Before MQTT 5: zero with clean session,
        /// else for ever.</summary>
        public TimeSpan SessionExpiry { get; }

        /// <summary>The largest packet that the client takes, in bytes; 0 for no limit.</summary>
        public uint MaximumPacketSize { get; }

        /// <summary>QoS 1 and 2 messages that the client takes at once, at least 1.</summary>
        public ushort ReceiveMaximum { get; }

        /// <summary>Topic aliases that the client takes.</summary>
        public ushort TopicAliasMaximum { get; }

        /// <summary>What is known of the connection: TLS, certificate, load balancer.</summary>
        public Connection Connection { get; }
    }

    /// <summary>A connection that has sent nothing yet in MQTT.</summary>
    public sealed class PreConnectEvent
    {
        internal unsafe PreConnectEvent(Native.PreConnect* native)
        {
            Address = Utf8.Copy(native->Address);
            Listener = Utf8.Copy(native->Listener);
            // A library of an earlier version does not tell the rest, and asks at one stage only.
            Stage = Stage.Accepted;
            if ((ulong)native->StructSize < (ulong)sizeof(Native.PreConnect)) return;
            Connection = Connection.Copy(native->Connection);
            Stage = (Stage)native->Stage;
        }

        /// <summary>Where it comes from, such as <c>192.0.2.1:49152</c>.</summary>
        public string Address { get; }

        /// <summary>The name of the listener that accepted it.</summary>
        public string Listener { get; }

        /// <summary>What is known of it so far.</summary>
        public Connection Connection { get; }

        /// <summary>How far it has come.</summary>
        public Stage Stage { get; }
    }

    /// <summary>A message is to be published.</summary>
    public sealed class PublishEvent
    {
        internal unsafe PublishEvent(Native.AuthorizePublish* native)
        {
            Message = Message.Copy(native->Message);
        }

        /// <summary>The message, with its publisher. Its origin is <see cref="Origin.Client" />,
        /// <see cref="Origin.Api" />, <see cref="Origin.Delayed" /> for one of the program that is asked about when it is
        /// due, or <see cref="Origin.Will" />: a will is asked about when its client connects, and again when it is
        /// published.</summary>
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

    /// <summary>A message is to be sent to a client for the first time.</summary>
    public sealed class ForwardEvent
    {
        internal unsafe ForwardEvent(Native.AuthorizeForward* native)
        {
            Client = Client.Copy(native->Client);
            Message = Message.Copy(native->Message);
            QoS = native->Qos;
            Retain = native->Retain != 0;
        }

        /// <summary>Who is to get it.</summary>
        public Client Client { get; }

        /// <summary>The message, with its publisher.</summary>
        public Message Message { get; }

        /// <summary>The QoS that it is sent with: the lower one of the message's and the subscription's.</summary>
        public byte QoS { get; }

        /// <summary>The retain flag that it is sent with.</summary>
        public bool Retain { get; }
    }

    /// <summary>A client authenticates in a way of its own, round by round: MQTT 5 enhanced authentication.</summary>
    public sealed class AuthExchangeEvent
    {
        internal unsafe AuthExchangeEvent(Native.AuthExchange* native)
        {
            Client = Client.Copy(native->Client);
            Method = Utf8.Copy(native->Method);
            Data = Utf8.Copy(native->Data);
            Round = native->Round;
            Again = native->Again != 0;
            // A library of an earlier version does not tell the rest.
            if ((ulong)native->StructSize < (ulong)sizeof(Native.AuthExchange)) return;
            Connection = Connection.Copy(native->Connection);
        }

        /// <summary>Who authenticates.</summary>
        public Client Client { get; }

        /// <summary>The authentication method of its CONNECT.</summary>
        public string Method { get; }

        /// <summary>The authentication data of this round; null if there is none.</summary>
        public byte[] Data { get; }

        /// <summary>1 for CONNECT, or for the AUTH that begins a re-authentication; one more for each AUTH that
        /// follows.</summary>
        public uint Round { get; }

        /// <summary>Whether the client is connected already, and authenticates again.</summary>
        public bool Again { get; }

        /// <summary>What is known of the connection: TLS, certificate, load balancer; null with
        /// <see cref="Again" />.</summary>
        public Connection Connection { get; }
    }

    /// <summary>A CONNECT that could be read has been answered.</summary>
    public sealed class ConnackEvent
    {
        internal unsafe ConnackEvent(Native.Connack* native)
        {
            Client = Client.Copy(native->Client);
            Reason = Utf8.Copy(native->ReasonString);
            ReasonCode = native->ReasonCode;
            SessionPresent = native->SessionPresent != 0;
        }

        /// <summary>Who wanted to connect.</summary>
        public Client Client { get; }

        /// <summary>The reason string; null if there is none.</summary>
        public string Reason { get; }

        /// <summary>The reason code of MQTT 5, whatever the client speaks: 0 if it is connected.</summary>
        public byte ReasonCode { get; }

        /// <summary>Whether the client finds the session that it had before.</summary>
        public bool SessionPresent { get; }
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

        /// <summary>The broker: for a fault of the client, its silence, a new connection under its name, a stop, or
        /// because the program says so.</summary>
        Broker = 2,

        /// <summary>The network: the connection ended without a DISCONNECT.</summary>
        Network = 3,
    }

    /// <summary>A session has begun, or changes hands.</summary>
    public sealed class SessionEvent
    {
        internal unsafe SessionEvent(Native.SessionEvent* native)
        {
            Client = Client.Copy(native->Client);
        }

        /// <summary>The connection that has the session; if it is taken over, the one that loses it.</summary>
        public Client Client { get; }
    }

    /// <summary>A session is over.</summary>
    public sealed class SessionTerminatedEvent
    {
        internal unsafe SessionTerminatedEvent(Native.SessionEvent* native)
        {
            Client = Client.Copy(native->Client);
            End = (SessionEnd)native->End;
        }

        /// <summary>The last connection that had it.</summary>
        public Client Client { get; }

        /// <summary>Why.</summary>
        public SessionEnd End { get; }
    }

    /// <summary>Why a session is over. A number without a name is one of a later version.</summary>
    public enum SessionEnd
    {
        /// <summary>It was to last no longer than its connection.</summary>
        Disconnected = 1,

        /// <summary>Its client did not come back within the session expiry interval.</summary>
        Expired = 2,

        /// <summary>Its client came back with clean start.</summary>
        CleanStart = 3,

        /// <summary>The broker stops.</summary>
        Stopped = 4,

        /// <summary>The program has discarded it, with <see cref="Broker.Disconnect" />.</summary>
        Discarded = 5,
    }

    /// <summary>A client has subscribed, or changed a subscription.</summary>
    public sealed class SubscribedEvent
    {
        internal unsafe SubscribedEvent(Native.Subscribed* native)
        {
            Client = Client.Copy(native->Client);
            Filter = Utf8.Copy(native->Filter);
            Granted = Utf8.Copy(native->Granted);
            Identifier = native->Identifier;
            QoS = native->Qos;
            NoLocal = native->NoLocal != 0;
            RetainAsPublished = native->RetainAsPublished != 0;
            RetainHandling = native->RetainHandling;
        }

        /// <summary>Who has subscribed.</summary>
        public Client Client { get; }

        /// <summary>The topic filter, as in SUBSCRIBE.</summary>
        public string Filter { get; }

        /// <summary>The filter whose messages it gets: that one, unless a hook has put another in its place.</summary>
        public string Granted { get; }

        /// <summary>The subscription identifier; 0 for none.</summary>
        public uint Identifier { get; }

        /// <summary>The highest QoS, as granted.</summary>
        public byte QoS { get; }

        /// <summary>Not the messages that the client publishes itself.</summary>
        public bool NoLocal { get; }

        /// <summary>The retain flag as publishers set it.</summary>
        public bool RetainAsPublished { get; }

        /// <summary>As in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not.</summary>
        public byte RetainHandling { get; }
    }

    /// <summary>A client has unsubscribed. When its session ends, <see cref="Hooks.SessionTerminated" /> tells that all
    /// its subscriptions are over.</summary>
    public sealed class UnsubscribedEvent
    {
        internal unsafe UnsubscribedEvent(Native.Unsubscribed* native)
        {
            Client = Client.Copy(native->Client);
            Filter = Utf8.Copy(native->Filter);
        }

        /// <summary>Who has unsubscribed.</summary>
        public Client Client { get; }

        /// <summary>The topic filter, as it was subscribed to.</summary>
        public string Filter { get; }
    }

    /// <summary>A message is on its way to its receivers.</summary>
    public sealed class MessagePublishedEvent
    {
        internal unsafe MessagePublishedEvent(Native.MessagePublished* native)
        {
            Message = Message.Copy(native->Message);
            Receivers = (long)native->Receivers;
        }

        /// <summary>The message, with what <see cref="Hooks.AuthorizePublish" /> has changed of it.</summary>
        public Message Message { get; }

        /// <summary>How many sessions and subscriptions of the program it goes to.</summary>
        public long Receivers { get; }
    }

    /// <summary>A message is written to a client for the first time.</summary>
    public sealed class MessageDeliveredEvent
    {
        internal unsafe MessageDeliveredEvent(Native.MessageDelivered* native)
        {
            Client = Client.Copy(native->Client);
            Message = Message.Copy(native->Message);
            QoS = native->Qos;
            Retain = native->Retain != 0;
        }

        /// <summary>Who gets it.</summary>
        public Client Client { get; }

        /// <summary>The message, with what <see cref="Hooks.AuthorizeForward" /> has changed of it.</summary>
        public Message Message { get; }

        /// <summary>The QoS that it is sent with.</summary>
        public byte QoS { get; }

        /// <summary>The retain flag that it is sent with.</summary>
        public bool Retain { get; }
    }

    /// <summary>A client has acknowledged a message of QoS 1 with PUBACK, or one of QoS 2 with PUBREC.</summary>
    public sealed class MessageAckedEvent
    {
        internal unsafe MessageAckedEvent(Native.MessageAcked* native)
        {
            Client = Client.Copy(native->Client);
            Message = Message.Copy(native->Message);
            QoS = native->Qos;
            ReasonCode = native->ReasonCode;
        }

        /// <summary>Who has acknowledged it.</summary>
        public Client Client { get; }

        /// <summary>The message.</summary>
        public Message Message { get; }

        /// <summary>The QoS that it was sent with.</summary>
        public byte QoS { get; }

        /// <summary>The reason code of the acknowledgement; from 0x80 on the client has refused the message.</summary>
        public byte ReasonCode { get; }
    }

    /// <summary>A message does not reach a receiver, or nobody at all.</summary>
    public sealed class MessageDroppedEvent
    {
        internal unsafe MessageDroppedEvent(Native.MessageDropped* native)
        {
            Client = Client.Copy(native->Client);
            Message = Message.Copy(native->Message);
            Cause = (DropCause)native->Cause;
        }

        /// <summary>The client that does not get it; null if nobody does, or if a subscription of the program does
        /// not.</summary>
        public Client Client { get; }

        /// <summary>The message.</summary>
        public Message Message { get; }

        /// <summary>Why.</summary>
        public DropCause Cause { get; }
    }

    /// <summary>Why a message was dropped. A number without a name is one of a later version.</summary>
    public enum DropCause
    {
        /// <summary>As much waits for the receiver as may.</summary>
        QueueFull = 1,

        /// <summary>The message has expired.</summary>
        Expired = 2,

        /// <summary>The client takes no packets so large.</summary>
        TooLarge = 3,

        /// <summary>The client went before the message was sent, and it is not kept.</summary>
        ClientGone = 4,

        /// <summary>A hook or a rule refused it.</summary>
        Refused = 5,

        /// <summary>Its client has published faster than the limits let it.</summary>
        RateExceeded = 6,
        /// <summary>There is too little memory for what waits for the receiver already.</summary>
        Memory = 7,
    }

    /// <summary>The retained message of a topic has changed.</summary>
    public sealed class RetainedChangedEvent
    {
        internal unsafe RetainedChangedEvent(Native.RetainedChanged* native)
        {
            Message = Message.Copy(native->Message);
            Change = (RetainedChange)native->Change;
        }

        /// <summary>The message that is retained now, that took the one before back, or that has expired.</summary>
        public Message Message { get; }

        /// <summary>What has become of it.</summary>
        public RetainedChange Change { get; }
    }

    /// <summary>What has become of the retained message of a topic. A number without a name is one of a later
    /// version.</summary>
    public enum RetainedChange
    {
        /// <summary>There is one, or another one than before.</summary>
        Set = 1,

        /// <summary>It has been taken back: with an empty one, or by
        /// <see cref="Broker.DeleteRetained" />.</summary>
        Removed = 2,

        /// <summary>It has expired.</summary>
        Expired = 3,
    }

    /// <summary>Somebody is the first to subscribe to a topic filter, or the last to give it up.</summary>
    public sealed class SubscriberEvent
    {
        internal unsafe SubscriberEvent(Native.SubscriberEvent* native)
        {
            Filter = Utf8.Copy(native->Filter);
            Client = Client.Copy(native->Client);
        }

        /// <summary>The topic filter, without <c>$share/{group}/</c>.</summary>
        public string Filter { get; }

        /// <summary>The client whose subscription it is; null for one of the program.</summary>
        public Client Client { get; }
    }

    /// <summary>Something had to be refused because a limit of the broker as a whole is reached, or there is room
    /// again: a tenth of the limit.</summary>
    public sealed class OverloadEvent
    {
        internal unsafe OverloadEvent(Native.Overload* native)
        {
            Limit = (long)native->Limit;
            Resource = (Resource)native->Resource;
            Begun = native->Begun != 0;
        }

        /// <summary>The limit.</summary>
        public long Limit { get; }

        /// <summary>What there is too much of.</summary>
        public Resource Resource { get; }

        /// <summary>Whether it has begun; if not, it is over.</summary>
        public bool Begun { get; }
    }

    /// <summary>What there may be too much of. A number without a name is one of a later version.</summary>
    public enum Resource
    {
        /// <summary>Connections, <c>limits.max_connections</c>.</summary>
        Connections = 1,

        /// <summary>Sessions, <c>limits.max_sessions</c>.</summary>
        Sessions = 2,

        /// <summary>Retained messages, <c>retain.max_messages</c>.</summary>
        RetainedMessages = 3,

        /// <summary>Memory, <c>limits.memory_budget_bytes</c>.</summary>
        Memory = 4,
    }

    /// <summary>Somebody is kept out from now on.</summary>
    public sealed class ClientBannedEvent
    {
        internal unsafe ClientBannedEvent(Native.ClientBanned* native)
        {
            Value = Utf8.Copy(native->Value);
            Kind = (BanKind)native->Kind;
            Cause = (BanCause)native->Cause;
            Duration = Milliseconds.Saturated(native->BanMs);
        }

        /// <summary>The address, client identifier or user name; of IPv6 the network, such as
        /// <c>2001:db8::/64</c>.</summary>
        public string Value { get; }

        /// <summary>What it is.</summary>
        public BanKind Kind { get; }

        /// <summary>Why.</summary>
        public BanCause Cause { get; }

        /// <summary>How long; zero until <see cref="Broker.Unban" />.</summary>
        public TimeSpan Duration { get; }
    }

    /// <summary>What of a client is banned. A number without a name is one of a later version.</summary>
    public enum BanKind
    {
        /// <summary>Its address: one of IPv4, or a /64 network of IPv6.</summary>
        Ip = 1,

        /// <summary>Its client identifier.</summary>
        ClientId = 2,

        /// <summary>Its user name.</summary>
        User = 3,
    }

    /// <summary>Why somebody is banned. A number without a name is one of a later version.</summary>
    public enum BanCause
    {
        /// <summary>Too many attempts to authenticate have failed, <c>limits.ban.failures</c>.</summary>
        Authentication = 1,

        /// <summary>It has connected too often, <c>limits.ban.flaps</c>.</summary>
        Flapping = 2,

        /// <summary>The program has said so, with <see cref="Broker.Ban" />.</summary>
        Api = 3,
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
