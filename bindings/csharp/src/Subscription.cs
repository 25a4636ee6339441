using System;

namespace Rmqtt
{
    /// <summary>
    /// A subscription of the program. It lives until it is disposed, or its broker is; a broker that stops ends it.
    ///
    /// Every member may be used from any thread, its own function included; after <see cref="Dispose" /> they throw
    /// <see cref="ObjectDisposedException" />.
    /// </summary>
    public sealed unsafe class Subscription : IDisposable
    {
        private readonly Broker _broker;
        private readonly SubscriptionHandle _handle;

        // Whoever is inside of a call holds the handle, and would be the one to free it, after Dispose has returned.
        // Nobody waits for the function in here: it may come here itself.
        private readonly object _calls = new object();
        private bool _disposed;

        internal Subscription(Broker broker, SubscriptionHandle handle, string filter)
        {
            _broker = broker;
            _handle = handle;
            Filter = filter;
        }

        /// <summary>The topic filter.</summary>
        public string Filter { get; }

        /// <summary>Has the function called no more, until <see cref="Resume" />. A call that runs goes on, also one
        /// with several messages. Messages that come wait, as many as the queue takes.</summary>
        public void Pause()
        {
            lock (_calls)
            {
                ThrowIfDisposed();
                RmqttException.ThrowIfFailed(Native.SubscriptionPause(_handle));
            }
        }

        /// <summary>Has the function called again.</summary>
        public void Resume()
        {
            lock (_calls)
            {
                ThrowIfDisposed();
                RmqttException.ThrowIfFailed(Native.SubscriptionResume(_handle));
            }
        }

        /// <summary>Takes a snapshot. Never waits for the function.</summary>
        public SubscriptionStats GetStats()
        {
            var stats = new Native.SubscriptionStats { StructSize = (UIntPtr)sizeof(Native.SubscriptionStats) };
            lock (_calls)
            {
                ThrowIfDisposed();
                RmqttException.ThrowIfFailed(Native.GetSubscriptionStats(_handle, &stats));
            }
            return new SubscriptionStats(stats);
        }

        /// <summary>
        /// Ends the subscription. When this returns, its function does not run and will not run; in that function,
        /// that holds once it has returned. It waits for a function that runs on another thread, so two functions must
        /// not dispose each other's subscription at the same time. A second call does nothing.
        /// </summary>
        public void Dispose()
        {
            lock (_calls)
            {
                _disposed = true;
            }
            _broker.Forget(this);
            _handle.Dispose();
        }

        private void ThrowIfDisposed()
        {
            if (_disposed) throw new ObjectDisposedException(nameof(Subscription));
        }
    }
}
