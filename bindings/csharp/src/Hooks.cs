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
    /// </summary>
    public sealed class Hooks
    {
        /// <summary>
        /// Decides whether a client may connect. Without it, the configuration decides.
        ///
        /// A task that is complete when it is returned answers at once. Any other one answers when it completes, and
        /// holds up only its client. Without an answer within <c>callbacks.timeout_ms</c> the client is denied; the
        /// token does not tell that, it is cancelled when the broker stops.
        /// </summary>
        public Func<AuthEvent, CancellationToken, Task<Verdict>> Authenticate { get; set; }

        /// <summary>Hears that a client is connected.</summary>
        public Action<ConnectedEvent> Connected { get; set; }

        /// <summary>Hears that a client that was connected is gone.</summary>
        public Action<DisconnectedEvent> Disconnected { get; set; }
    }
}
