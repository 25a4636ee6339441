using System;

namespace Rmqtt
{
    /// <summary>
    /// A subscription of the program. It lives until it is disposed, or its broker is; a broker that stops ends it.
    /// </summary>
    public sealed class Subscription : IDisposable
    {
        private readonly Broker _broker;
        private readonly SubscriptionHandle _handle;

        internal Subscription(Broker broker, SubscriptionHandle handle, string filter)
        {
            _broker = broker;
            _handle = handle;
            Filter = filter;
        }

        /// <summary>The topic filter.</summary>
        public string Filter { get; }

        /// <summary>
        /// Ends the subscription. When this returns, its function does not run and will not run; in that function,
        /// that holds once it has returned. It waits for a function that runs on another thread, so two functions must
        /// not dispose each other's subscription at the same time. A second call does nothing.
        /// </summary>
        public void Dispose()
        {
            _broker.Forget(this);
            _handle.Dispose();
        }
    }
}
