using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt
{
    /// <summary>
    /// An MQTT broker.
    ///
    /// Every member may be used from any thread and from inside any callback, unless it says otherwise; after
    /// <see cref="Dispose" /> they throw <see cref="ObjectDisposedException" />. A broker lives until it is disposed,
    /// also if the program keeps no reference to it.
    /// </summary>
    public sealed unsafe class Broker : IDisposable
    {
        // A broker that serves clients must not vanish because a variable went out of scope.
        private static readonly ConcurrentDictionary<Broker, bool> Alive = new ConcurrentDictionary<Broker, bool>();

        // Only the broker keeps its subscriptions alive: without it, the finalizers free those left over.
        private readonly ConcurrentDictionary<Subscription, bool> _subscriptions =
            new ConcurrentDictionary<Subscription, bool>();

        private readonly BrokerHandle _handle;
        private CancellationTokenSource _stopping = new CancellationTokenSource();

        /// <summary>Makes a broker that does not run yet.</summary>
        /// <param name="configJson">The configuration as JSON; <c>{}</c> is one.</param>
        /// <param name="hooks">The hooks, or null.</param>
        /// <exception cref="RmqttException">The configuration has faults; or the native library is of another
        /// release.</exception>
        public Broker(string configJson, Hooks hooks = null)
        {
            Library.Check();
            var config = Utf8.Encode(configJson, nameof(configJson));
            fixed (byte* pinned = config)
            {
                var status = Native.BrokerNew(Utf8.View(pinned, config), out _handle, out var error);
                RmqttException.ThrowIfFailed(status, error);
            }
            try
            {
                Id = Utf8.Copy(Native.BrokerId(_handle));
                if (hooks != null) SetHooks(hooks);
            }
            catch
            {
                _handle.Dispose();
                throw;
            }
            Alive.TryAdd(this, true);
        }

        /// <summary>
        /// Tells of exceptions that callbacks of this broker threw, and of tasks that failed or were cancelled. Raised
        /// on the thread where that happened. What a handler of this event throws is lost.
        /// </summary>
        public event EventHandler<CallbackFailedEventArgs> CallbackFailed;

        /// <summary>The name of the broker: the <c>id</c> of its configuration.</summary>
        public string Id { get; }

        /// <summary>Whether the broker runs.</summary>
        public bool Running
        {
            get { return Native.BrokerRunning(_handle) != 0; }
        }

        /// <summary>How many clients are connected.</summary>
        public long ConnectedClients
        {
            get { return (long)Native.BrokerConnectedClients(_handle); }
        }

        /// <summary>The listeners, in the order of the configuration.</summary>
        public IReadOnlyList<Listener> Listeners
        {
            get
            {
                // The text belongs to the broker, which must not be freed while it is copied.
                var held = false;
                try
                {
                    _handle.DangerousAddRef(ref held);
                    var listeners = new Listener[(int)Native.BrokerListenerCount(_handle)];
                    for (var index = 0; index < listeners.Length; index++)
                    {
                        var info = new Native.ListenerInfo { StructSize = (UIntPtr)sizeof(Native.ListenerInfo) };
                        RmqttException.ThrowIfFailed(Native.BrokerListenerInfo(_handle, (UIntPtr)index, &info));
                        listeners[index] = new Listener(info);
                    }
                    return Array.AsReadOnly(listeners);
                }
                finally
                {
                    if (held) _handle.DangerousRelease();
                }
            }
        }

        /// <summary>Cancelled when the current run ends.</summary>
        internal CancellationToken Stopping
        {
            get { return Volatile.Read(ref _stopping).Token; }
        }

        /// <summary>Checks a configuration without making a broker.</summary>
        /// <exception cref="RmqttException">The configuration has faults.</exception>
        public static void ValidateConfig(string configJson)
        {
            Library.Check();
            var config = Utf8.Encode(configJson, nameof(configJson));
            fixed (byte* pinned = config)
            {
                var status = Native.ConfigValidate(Utf8.View(pinned, config), out var error);
                RmqttException.ThrowIfFailed(status, error);
            }
        }

        /// <summary>Sets the hooks in place of those before, all at once; null takes those before away. Calls under
        /// way end with the hooks they began with.</summary>
        public void SetHooks(Hooks hooks)
        {
            int status;
            IntPtr error;
            if (hooks == null)
            {
                status = Native.BrokerSetHooks(_handle, null, out error);
            }
            else
            {
                // Hold the broker first: past this point the library is sure to get the user_data, and to free it.
                var held = false;
                try
                {
                    _handle.DangerousAddRef(ref held);
                    var native = new HookCalls(this, hooks).ToNative();
                    status = Native.BrokerSetHooks(_handle, &native, out error);
                }
                finally
                {
                    if (held) _handle.DangerousRelease();
                }
            }
            RmqttException.ThrowIfFailed(status, error);
        }

        /// <summary>Binds every listener and lets clients in. If one listener cannot be bound, none is.</summary>
        /// <exception cref="RmqttException">A listener cannot be bound; or the broker runs already.</exception>
        public void Start()
        {
            var status = Native.BrokerStart(_handle, out var error);
            RmqttException.ThrowIfFailed(status, error);
        }

        /// <summary>
        /// Closes the listeners, then every connection; waits for callbacks that run. A broker that does not run stays
        /// as it is.
        /// </summary>
        /// <param name="grace">How long clients may take to be disconnected in order, wills included.</param>
        /// <exception cref="RmqttException">With <see cref="Status.WouldDeadlock" /> in any callback.</exception>
        public void Stop(TimeSpan grace)
        {
            var milliseconds = Milliseconds(grace);
            var stopping = Volatile.Read(ref _stopping);
            // In a callback, the library refuses and the run goes on.
            var refused = CallbackThread.IsCurrent || _handle.IsClosed;
            if (!refused) Cancel(stopping);
            RmqttException.ThrowIfFailed(Native.BrokerStop(_handle, milliseconds));
            // No hook runs any more that could take the fresh token for that of the run that has ended.
            Interlocked.CompareExchange(ref _stopping, new CancellationTokenSource(), stopping);
        }

        /// <summary>As <see cref="Stop" />, on a thread of the pool. A callback may begin this, but must not wait for
        /// it: the stop waits for the callback.</summary>
        public Task StopAsync(TimeSpan grace)
        {
            Milliseconds(grace);
            if (_handle.IsClosed) throw new ObjectDisposedException(nameof(Broker));
            return Task.Run(() => Stop(grace));
        }

        /// <summary>
        /// Stops the broker without grace if it runs, and frees it. In a callback, this returns at once and a thread
        /// of the library does the rest. A second call does nothing.
        /// </summary>
        public void Dispose()
        {
            Cancel(Volatile.Read(ref _stopping));
            _handle.Dispose();
            Alive.TryRemove(this, out _);
            _subscriptions.Clear();
        }

        /// <summary>Takes a snapshot.</summary>
        public Stats GetStats()
        {
            var stats = new Native.Stats { StructSize = (UIntPtr)sizeof(Native.Stats) };
            RmqttException.ThrowIfFailed(Native.BrokerStats(_handle, &stats));
            return new Stats(stats);
        }

        /// <summary>Takes a snapshot of one hook, set or not.</summary>
        /// <exception cref="RmqttException">The library does not know that hook.</exception>
        public HookStats GetHookStats(Hook hook)
        {
            var stats = new Native.HookStats { StructSize = (UIntPtr)sizeof(Native.HookStats) };
            RmqttException.ThrowIfFailed(Native.BrokerHookStats(_handle, (int)hook, &stats));
            return new HookStats(&stats);
        }

        /// <summary>Writes all statistics, those of the hooks included, as one JSON object, for a program that hands
        /// them on.</summary>
        public string MetricsJson()
        {
            var status = Native.BrokerMetrics(_handle, (int)Native.MetricsFormat.Json, out var text);
            RmqttException.ThrowIfFailed(status);
            try
            {
                return Utf8.Copy(Native.StringView(text));
            }
            finally
            {
                Native.StringFree(text);
            }
        }

        /// <summary>Publishes text as UTF-8.</summary>
        /// <seealso cref="Publish(string, byte[], PublishOptions)" />
        public void Publish(string topic, string payload, PublishOptions options = null)
        {
            var bytes = Utf8.Encode(payload, nameof(payload));
            Publish(topic, bytes, bytes.Length - 1, options);
        }

        /// <summary>Publishes a message to everyone who is subscribed: clients, and subscriptions of this program. It
        /// is queued for all of them when this returns; with <see cref="Hooks.AuthorizePublish" />, once that has
        /// allowed it, for which this does not wait.</summary>
        /// <exception cref="RmqttException">The topic is none, or the broker does not run; with
        /// <see cref="Status.WouldBlock" />, too many messages wait for the hook.</exception>
        public void Publish(string topic, byte[] payload, PublishOptions options = null)
        {
            if (payload == null) throw new ArgumentNullException(nameof(payload));
            Publish(topic, payload, payload.Length, options);
        }

        /// <summary>Delivers every message that matches a topic filter, the retained ones first.</summary>
        /// <param name="filter">A topic filter; <c>$share/{group}/{filter}</c> takes turns with the other members of
        /// the group.</param>
        /// <param name="onMessage">Called for each message, in order, one call at a time. May block: what does not fit
        /// into the queue meanwhile is dropped and counted.</param>
        /// <param name="options">Options, or null.</param>
        /// <exception cref="RmqttException">The filter is none, or the broker does not run.</exception>
        public Subscription Subscribe(string filter, Action<Message> onMessage, SubscribeOptions options = null)
        {
            if (onMessage == null) throw new ArgumentNullException(nameof(onMessage));
            var text = Utf8.Encode(filter, nameof(filter));
            var native = new Native.SubscribeOptions { StructSize = (UIntPtr)sizeof(Native.SubscribeOptions) };
            if (options != null)
            {
                native.MaxQueuedMessages = options.MaxQueuedMessages;
                native.Qos = options.QoS;
                native.RetainHandling = options.RetainHandling;
            }
            var held = false;
            try
            {
                // As in SetHooks: once it exists, the user_data has to get into the hands of the library.
                _handle.DangerousAddRef(ref held);
                fixed (byte* pinned = text)
                {
                    var status = Native.BrokerSubscribe(
                        _handle, Utf8.View(pinned, text), &native, SubscriptionCalls.MessagePointer,
                        UserData.Of(new SubscriptionCalls(this, onMessage)), UserData.Drop, out var handle,
                        out var error);
                    RmqttException.ThrowIfFailed(status, error);
                    var subscription = new Subscription(this, handle, filter);
                    _subscriptions.TryAdd(subscription, true);
                    // Dispose on another thread may have cleared the list just before.
                    if (_handle.IsClosed) Forget(subscription);
                    return subscription;
                }
            }
            finally
            {
                if (held) _handle.DangerousRelease();
            }
        }

        internal void Forget(Subscription subscription)
        {
            _subscriptions.TryRemove(subscription, out _);
        }

        /// <summary>Runs a callback without an answer.</summary>
        internal void Guard<T>(string callback, Action<T> action, T argument)
        {
            try
            {
                action(argument);
            }
            catch (Exception exception)
            {
                RaiseCallbackFailed(callback, exception);
            }
        }

        internal void RaiseCallbackFailed(string callback, Exception exception)
        {
            try
            {
                CallbackFailed?.Invoke(this, new CallbackFailedEventArgs(callback, exception));
            }
            catch (Exception)
            {
                // As documented.
            }
        }

        private static uint Milliseconds(TimeSpan grace)
        {
            var milliseconds = grace.TotalMilliseconds;
            if (milliseconds < 0 || milliseconds > uint.MaxValue)
            {
                throw new ArgumentOutOfRangeException(nameof(grace), grace, "a grace is 0 to 49 days long");
            }
            return (uint)milliseconds;
        }

        // Cancelling runs what waits for the token. That is code of the program, and has no business on the thread that
        // stops, which may be one of the library.
        private static void Cancel(CancellationTokenSource source)
        {
            if (source.IsCancellationRequested) return;
            ThreadPool.QueueUserWorkItem(
                _ =>
                {
                    try
                    {
                        source.Cancel();
                    }
                    catch (AggregateException)
                    {
                        // What a registration throws is its own affair, and must not end the process.
                    }
                });
        }

        private void Publish(string topic, byte[] payload, int length, PublishOptions options)
        {
            var text = Utf8.Encode(topic, nameof(topic));
            fixed (byte* pinnedTopic = text, pinnedPayload = payload)
            {
                var message = new Native.Publish
                {
                    StructSize = (UIntPtr)sizeof(Native.Publish),
                    Topic = Utf8.View(pinnedTopic, text),
                    Payload = new Native.Bytes { Ptr = (IntPtr)pinnedPayload, Len = (UIntPtr)length },
                    Qos = options == null ? (byte)0 : options.QoS,
                    Retain = options != null && options.Retain ? (byte)1 : (byte)0,
                };
                var status = Native.BrokerPublish(_handle, &message, out var error);
                RmqttException.ThrowIfFailed(status, error);
            }
        }
    }
}
