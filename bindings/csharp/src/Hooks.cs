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
    /// run one at a time and in order. An exception does not leave a hook: it denies, and raises
    /// <see cref="Broker.CallbackFailed" />.
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
        /// <summary>Decides whether a client may connect. Without it, the configuration decides.</summary>
        public Func<AuthEvent, CancellationToken, Task<Verdict>> Authenticate { get; set; }

        /// <summary>Hears that a client is connected.</summary>
        public Action<ConnectedEvent> Connected { get; set; }

        /// <summary>Hears that a client that was connected is gone.</summary>
        public Action<DisconnectedEvent> Disconnected { get; set; }

        /// <summary>Decides whether a connection may say anything; if not, it is closed without a word.</summary>
        public Func<PreConnectEvent, CancellationToken, Task<Verdict>> PreConnect { get; set; }

        /// <summary>Decides whether a message may be published, be it of a client, a will, or this program's own, and
        /// as what. Without it, every message may, but no client's to <c>$SYS/#</c>.</summary>
        public Func<PublishEvent, CancellationToken, Task<Verdict>> AuthorizePublish { get; set; }

        /// <summary>Decides whether a client may subscribe, filter by filter, and to what. Without it, it
        /// may.</summary>
        public Func<SubscribeEvent, CancellationToken, Task<Verdict>> AuthorizeSubscribe { get; set; }

        /// <summary>Decides whether a client may unsubscribe, filter by filter. Without it, it may.</summary>
        public Func<UnsubscribeEvent, CancellationToken, Task<Verdict>> AuthorizeUnsubscribe { get; set; }
    }
}
