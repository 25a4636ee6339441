using System;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt
{
    /// <summary>
    /// The code of the program that the broker asks and tells. Null: not interested, at no cost.
    ///
    /// Hooks run on threads of the library that serve no client. They may block, which holds up their client and one
    /// of those threads, and they may call the whole API; only <see cref="Broker.Stop" /> refuses. Those of one client
    /// run one at a time and in order. An exception does not leave a hook: it denies where there is something to
    /// decide, which is counted as a failure, and raises <see cref="Broker.CallbackFailed" />.
    ///
    /// Of the hooks that decide, a task that is complete when it is returned answers at once. Any other one answers
    /// when it completes, and holds up only its client. No answer within <c>callbacks.timeout_ms</c> is a denial; the
    /// token does not tell that, it is cancelled when the broker stops.
    ///
    /// The library can also call hooks in place, on the threads that serve clients, if they promise to take
    /// microseconds. A runtime that collects garbage cannot promise that, so there is no such option here.
    /// </summary>
    public sealed class Hooks
    {
        /// <summary>Decides whether a client may connect. Without it, and with <see cref="Verdict.Continue" />, the
        /// configuration decides.</summary>
        public Func<AuthEvent, CancellationToken, Task<Verdict>> Authenticate { get; set; }

        /// <summary>Hears that a client is connected.</summary>
        public Action<ConnectedEvent> Connected { get; set; }

        /// <summary>Hears that a client that was connected is gone.</summary>
        public Action<DisconnectedEvent> Disconnected { get; set; }

        /// <summary>Decides whether a connection may say anything; if not, it is closed without a word. Asked when the
        /// connection has been accepted, before any handshake costs anything, and on listeners with TLS, WebSocket or
        /// QUIC once more after that, when the certificate and the address that a reverse proxy tells of are
        /// known.</summary>
        public Func<PreConnectEvent, CancellationToken, Task<Verdict>> PreConnect { get; set; }

        /// <summary>Decides whether a message may be published, be it of a client, a will, or this program's own, and
        /// as what. Without it, every message may, but no client's to <c>$SYS/#</c> that is not a superuser.</summary>
        public Func<PublishEvent, CancellationToken, Task<Verdict>> AuthorizePublish { get; set; }

        /// <summary>Decides whether a client may subscribe, filter by filter, and to what. Without it, it
        /// may.</summary>
        public Func<SubscribeEvent, CancellationToken, Task<Verdict>> AuthorizeSubscribe { get; set; }

        /// <summary>Decides whether a client may unsubscribe, filter by filter. Without it, it may.</summary>
        public Func<UnsubscribeEvent, CancellationToken, Task<Verdict>> AuthorizeUnsubscribe { get; set; }

        /// <summary>Decides whether a client gets a message, be it a live one, one that has waited for it, or a
        /// retained one, and as what: another topic, payload, retain flag or properties for this client, or a lower
        /// QoS. It is asked once for each receiver and message, before the first time that it is sent. Whatever denies
        /// drops the message for this client. Without it, the client gets it.</summary>
        public Func<ForwardEvent, CancellationToken, Task<Verdict>> AuthorizeForward { get; set; }

        /// <summary>Decides about each round of an enhanced authentication, in the place of
        /// <see cref="Authenticate" />; <see cref="Verdict.Continue" /> challenges the client once more. A
        /// re-authentication that is denied ends the connection. Without it, a client that asks for one is refused with
        /// 0x8C.</summary>
        public Func<AuthExchangeEvent, CancellationToken, Task<Verdict>> AuthExchange { get; set; }

        /// <summary>Hears how a CONNECT has been answered.</summary>
        public Action<ConnackEvent> Connack { get; set; }

        /// <summary>Hears that a client has got a session that there was not before.</summary>
        public Action<SessionEvent> SessionCreated { get; set; }

        /// <summary>Hears that a client has got the session that was kept for it.</summary>
        public Action<SessionEvent> SessionResumed { get; set; }

        /// <summary>Hears that a connection loses its session to a new one under its client identifier;
        /// <see cref="Disconnected" /> follows.</summary>
        public Action<SessionEvent> SessionTakenOver { get; set; }

        /// <summary>Hears that a session is over, with all that was kept in it.</summary>
        public Action<SessionTerminatedEvent> SessionTerminated { get; set; }

        /// <summary>Hears that a client has subscribed.</summary>
        public Action<SubscribedEvent> Subscribed { get; set; }

        /// <summary>Hears that a client has unsubscribed.</summary>
        public Action<UnsubscribedEvent> Unsubscribed { get; set; }

        /// <summary>Hears of each message that is on its way, wills and those of the program included.</summary>
        public Action<MessagePublishedEvent> MessagePublished { get; set; }

        /// <summary>Hears of each message that is written to a client for the first time.</summary>
        public Action<MessageDeliveredEvent> MessageDelivered { get; set; }

        /// <summary>Hears of each message that a client has acknowledged.</summary>
        public Action<MessageAckedEvent> MessageAcked { get; set; }

        /// <summary>Hears of each message that does not reach a receiver.</summary>
        public Action<MessageDroppedEvent> MessageDropped { get; set; }

        /// <summary>Hears of each will that is on its way; so does <see cref="MessagePublished" />.</summary>
        public Action<MessagePublishedEvent> WillPublished { get; set; }

        /// <summary>Hears that the retained message of a topic has changed.</summary>
        public Action<RetainedChangedEvent> RetainedChanged { get; set; }

        /// <summary>Hears that a filter that nobody was subscribed to has its first subscriber.</summary>
        public Action<SubscriberEvent> FirstSubscriber { get; set; }

        /// <summary>Hears that nobody is subscribed to a filter any more.</summary>
        public Action<SubscriberEvent> LastSubscriber { get; set; }

        /// <summary>Hears that a listener is open.</summary>
        public Action<Listener> ListenerUp { get; set; }

        /// <summary>Hears that a listener is closed.</summary>
        public Action<Listener> ListenerDown { get; set; }

        /// <summary>Hears that a limit of the broker as a whole is reached, or that there is room again.</summary>
        public Action<OverloadEvent> Overload { get; set; }

        /// <summary>Hears that somebody is kept out from now on.</summary>
        public Action<ClientBannedEvent> ClientBanned { get; set; }

        internal Hooks Copy()
        {
            return (Hooks)MemberwiseClone();
        }
    }
}
