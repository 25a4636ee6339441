using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Sockets;
using System.Runtime.InteropServices;
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
        /// Puts another configuration in the place of the one that there is. Of a broker that runs, everything changes
        /// at once that can, and the rest at the next start; docs/configuration.md says which keys are which.
        /// Certificates, keys and lists are read again, also where the text is the same. Clients stay connected. A
        /// second call waits for the first one to end.
        /// </summary>
        /// <param name="configJson">The whole new configuration as JSON.</param>
        /// <returns>JSON text, <c>{"applied":[...],"needs_restart":[...],"rejected":[],"closed":[...]}</c>: JSON
        /// pointers into the new configuration, of what has changed and holds now, and of what differs from what holds
        /// until the next start; and the names of listeners that have been closed.</returns>
        /// <exception cref="RmqttException">The configuration has faults, or certificates and keys that are of no use;
        /// with <see cref="Status.Bind" />, a new listener cannot be bound. Nothing has changed then.</exception>
        public string Reload(string configJson)
        {
            var config = Utf8.Encode(configJson, nameof(configJson));
            fixed (byte* pinned = config)
            {
                var view = Utf8.View(pinned, config);
                var status = Native.BrokerReload(_handle, view, out var report, out var error);
                // There is a report after a failure, too. It says what the exception does.
                var text = Utf8.Take(report);
                RmqttException.ThrowIfFailed(status, error);
                return text;
            }
        }

        /// <summary>
        /// Closes the listeners, then every connection; waits for callbacks that run. A broker that does not run stays
        /// as it is.
        /// </summary>
        /// <param name="grace">How long clients may take to be disconnected in order, wills included.</param>
        /// <exception cref="RmqttException">With <see cref="Status.WouldDeadlock" /> in any callback.</exception>
        public void Stop(TimeSpan grace)
        {
            var milliseconds = (uint)Milliseconds.Of(grace, uint.MaxValue, nameof(grace));
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
            Milliseconds.Of(grace, uint.MaxValue, nameof(grace));
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
            return Utf8.Take(text);
        }

        /// <summary>Publishes text as UTF-8.</summary>
        /// <seealso cref="Publish(string, byte[], PublishOptions)" />
        public void Publish(string topic, string payload, PublishOptions options = null)
        {
            Publish(new Publication(topic, payload, options), PublishCalls.For(this, options));
        }

        /// <summary>Publishes a message to everyone who is subscribed: clients, and subscriptions of this program. It
        /// is queued for all of them when this returns; with <see cref="Hooks.AuthorizePublish" />, once that has
        /// allowed it, for which this does not wait; with <see cref="PublishOptions.Delay" />, when it is
        /// due.</summary>
        /// <exception cref="RmqttException">The topic is none, or the broker does not run; with
        /// <see cref="Status.NotFound" />, there is no session of that client; with <see cref="Status.WouldBlock" />,
        /// there is no room: a receiver has too much to work off, too many messages wait for the hook or are delayed,
        /// or too many are to be reported on.</exception>
        public void Publish(string topic, byte[] payload, PublishOptions options = null)
        {
            Publish(new Publication(topic, payload, options), PublishCalls.For(this, options));
        }

        /// <summary>Publishes text as UTF-8.</summary>
        /// <seealso cref="PublishAsync(string, byte[], PublishOptions)" />
        public Task<PublishReport> PublishAsync(string topic, string payload, PublishOptions options = null)
        {
            return PublishAsync(new Publication(topic, payload, options));
        }

        /// <summary>
        /// As <see cref="Publish(string, byte[], PublishOptions)" />, with a task that completes with the last report:
        /// when everyone who gets the message with QoS 1 or 2 has acknowledged it, or is gone; with nobody to wait for,
        /// when it is queued. It is cancelled if the broker stops before.
        ///
        /// The message is queued when this returns, so that messages keep their order. The task fails with what
        /// <see cref="Publish(string, byte[], PublishOptions)" /> says of the library; mistakes in the arguments are
        /// thrown here. What waits for the task runs on no thread of the library.
        /// </summary>
        public Task<PublishReport> PublishAsync(string topic, byte[] payload, PublishOptions options = null)
        {
            return PublishAsync(new Publication(topic, payload, options));
        }

        /// <summary>Publishes messages one after the other, each as
        /// <see cref="Publish(string, byte[], PublishOptions)" /> does, and faster. It ends at the first one that is
        /// not published.</summary>
        /// <exception cref="RmqttException">As there; <see cref="RmqttException.Accepted" /> have been published, the
        /// next one has not.</exception>
        public void PublishBatch(IEnumerable<Publication> messages)
        {
            if (messages == null) throw new ArgumentNullException(nameof(messages));
            var copy = messages.ToArray();
            var native = new Native.Publish[copy.Length];
            using (var views = new Views())
            {
                fixed (Native.Publish* pinned = native)
                {
                    for (var index = 0; index < copy.Length; index++)
                    {
                        if (copy[index] == null) throw new ArgumentException("a message is null", nameof(messages));
                        copy[index].Fill(&pinned[index], views);
                    }
                    var held = false;
                    try
                    {
                        // As in SetHooks.
                        _handle.DangerousAddRef(ref held);
                        for (var index = 0; index < copy.Length; index++)
                        {
                            PublishCalls.For(this, copy[index].Options)?.Fill(&pinned[index]);
                        }
                        var status = Native.BrokerPublishBatch(
                            _handle, pinned, (UIntPtr)copy.Length, out var accepted, out var error);
                        RmqttException.ThrowIfFailed(status, error, (int)accepted);
                    }
                    finally
                    {
                        if (held) _handle.DangerousRelease();
                    }
                }
            }
        }

        /// <summary>Delivers every message that matches a topic filter, the retained ones first.</summary>
        /// <param name="filter">A topic filter; <c>$share/{group}/{filter}</c> takes turns with the other members of
        /// the group.</param>
        /// <param name="onMessage">Called for each message, in order, one call at a time. May block: what happens to
        /// messages for which there is no room meanwhile is a matter of <see cref="SubscribeOptions.Overflow" />. Its
        /// return acknowledges the message, also if it throws, unless that is left to
        /// <see cref="Message.Acknowledge()" />.</param>
        /// <param name="options">Options, or null.</param>
        /// <exception cref="RmqttException">The filter is none, an option is out of range, or the broker does not
        /// run.</exception>
        public Subscription Subscribe(string filter, Action<Message> onMessage, SubscribeOptions options = null)
        {
            return Subscribe(filter, new SubscriptionCalls(this, onMessage), options);
        }

        /// <summary>As <see cref="Subscribe(string, Action{Message}, SubscribeOptions)" />, but hands over as many
        /// messages as there are, up to <see cref="SubscribeOptions.MaxBatch" />, in one call, whose return
        /// acknowledges all of them. With many small messages that is faster.</summary>
        public Subscription SubscribeBatch(
            string filter, Action<IReadOnlyList<Message>> onMessages, SubscribeOptions options = null)
        {
            return Subscribe(filter, new SubscriptionCalls(this, onMessages), options);
        }

        /// <summary>Lists the retained messages that match a topic filter.</summary>
        /// <seealso cref="ForEachRetained" />
        public IReadOnlyList<Message> ListRetained(string filter)
        {
            var messages = new List<Message>();
            ForEachRetained(filter, messages.Add);
            return messages;
        }

        /// <summary>Calls a function for each retained message that matches a topic filter, in the order of their
        /// names, level by level: <c>a</c>, <c>a/b</c>, <c>a-b</c>. Messages that come or go meanwhile may be shown or
        /// not; each that stays is shown once.</summary>
        /// <param name="filter">A topic filter, without <c>$share</c>; <c>#</c> is all but those whose names begin
        /// with <c>$</c>.</param>
        /// <param name="onMessage">Called here, before this returns. It may do what the caller may, such as deleting
        /// what it is shown. What it throws is thrown here, and it is not called again.</param>
        /// <exception cref="RmqttException">The filter is none or shared, or the broker does not run, or is stopped
        /// meanwhile.</exception>
        public void ForEachRetained(string filter, Action<Message> onMessage)
        {
            if (onMessage == null) throw new ArgumentNullException(nameof(onMessage));
            var text = Utf8.Encode(filter, nameof(filter));
            using (var calls = new RetainedCalls(onMessage))
            {
                fixed (byte* pinned = text)
                {
                    var status = Native.BrokerRetained(
                        _handle, Utf8.View(pinned, text), RetainedCalls.MessagePointer, calls.Pointer, out var error);
                    calls.ThrowIfFailed(status, error);
                }
            }
        }

        /// <summary>The retained message of one topic; null if there is none.</summary>
        /// <exception cref="RmqttException">The topic is none, or the broker does not run.</exception>
        public Message GetRetained(string topic)
        {
            Message found = null;
            var text = Utf8.Encode(topic, nameof(topic));
            using (var calls = new RetainedCalls(message => found = message))
            {
                fixed (byte* pinned = text)
                {
                    var status = Native.BrokerRetainedGet(
                        _handle, Utf8.View(pinned, text), RetainedCalls.MessagePointer, calls.Pointer, out var error);
                    if (status == (int)Status.NotFound)
                    {
                        Native.ErrorFree(error);
                        return null;
                    }
                    calls.ThrowIfFailed(status, error);
                }
            }
            return found;
        }

        /// <summary>Retains text as UTF-8.</summary>
        /// <seealso cref="SetRetained(string, byte[], PublishOptions)" />
        public void SetRetained(string topic, string payload, PublishOptions options = null)
        {
            Publish(new Publication(topic, payload, options), PublishCalls.For(this, options), onlyRetain: true);
        }

        /// <summary>Retains a message, in place of the one of its topic before, without sending it to those who are
        /// subscribed: who subscribes later gets it. <see cref="Hooks.RetainedChanged" /> is told,
        /// <see cref="Hooks.AuthorizePublish" /> is not asked.</summary>
        /// <param name="topic">The topic name.</param>
        /// <param name="payload">The payload; not empty, <see cref="DeleteRetained" /> forgets.</param>
        /// <param name="options">QoS and properties, or null. Delays and reports are refused.</param>
        /// <exception cref="RmqttException">The topic is none, the payload is empty or too large, nothing is retained
        /// at all, or the broker does not run; with <see cref="Status.WouldBlock" />, <c>retain.max_messages</c> of
        /// other topics are retained.</exception>
        public void SetRetained(string topic, byte[] payload, PublishOptions options = null)
        {
            Publish(new Publication(topic, payload, options), PublishCalls.For(this, options), onlyRetain: true);
        }

        /// <summary>Forgets the retained messages that match a topic filter, of which
        /// <see cref="Hooks.RetainedChanged" /> is told.</summary>
        /// <param name="filter">A topic filter, without <c>$share</c>. A topic name is the filter of its own message;
        /// <c>#</c> is all but those whose names begin with <c>$</c>.</param>
        /// <returns>How many there were.</returns>
        /// <exception cref="RmqttException">The filter is none or shared, or the broker does not run.</exception>
        public long DeleteRetained(string filter)
        {
            var text = Utf8.Encode(filter, nameof(filter));
            fixed (byte* pinned = text)
            {
                var status = Native.BrokerRetainedDelete(
                    _handle, Utf8.View(pinned, text), out var deleted, out var error);
                RmqttException.ThrowIfFailed(status, error);
                return (long)deleted;
            }
        }

        /// <summary>Lists clients that have a session, connected or not, in the order of their client identifiers, a
        /// page at a time. Never waits for a client or a callback.</summary>
        /// <param name="query">Which clients, or null for the first 100 of all.</param>
        /// <returns>JSON, as text, for a parser of the program's choice:
        /// <c>{"clients":[...],"next":"..."}</c>; docs/messages.md has the fields of a client. <c>next</c> is there
        /// only if there may be more clients: it is <see cref="ClientQuery.After" /> for the next page. Clients that
        /// come and go between two pages may be in neither of them; no client is in both.</returns>
        /// <exception cref="RmqttException">A number is out of range, or the broker does not run.</exception>
        public string ListClients(ClientQuery query = null)
        {
            using (var views = new Views())
            {
                var native = query == null ? default(Native.Query) : query.ToNative(views);
                var status = Native.BrokerClients(
                    _handle, query == null ? null : &native, out var json, out var error);
                RmqttException.ThrowIfFailed(status, error);
                return Utf8.Take(json);
            }
        }

        /// <summary>Shows one client, connected or not, as JSON text: one of the objects that
        /// <see cref="ListClients" /> lists; null if there is no session of such a client.</summary>
        /// <exception cref="RmqttException">The broker does not run.</exception>
        public string GetClient(string clientId)
        {
            var client = Utf8.Encode(clientId, nameof(clientId));
            fixed (byte* pinned = client)
            {
                var status = Native.BrokerClient(_handle, Utf8.View(pinned, client), out var json, out var error);
                if (status == (int)Status.NotFound)
                {
                    Native.ErrorFree(error);
                    return null;
                }
                RmqttException.ThrowIfFailed(status, error);
                return Utf8.Take(json);
            }
        }

        /// <summary>
        /// Disconnects a client, and ends its session if wanted. An MQTT 5 client gets DISCONNECT with the reason code;
        /// any other sees its connection close. The will is published. <see cref="Hooks.Disconnected" /> is told
        /// <see cref="DisconnectedBy.Broker" /> and the reason code, <see cref="Hooks.SessionTerminated" />
        /// <see cref="SessionEnd.Discarded" />.
        ///
        /// When this returns, the connection has been asked to close, and does so soon. A session that is discarded
        /// while its client is away is not found any more then; its will and the event come soon after.
        /// </summary>
        /// <param name="clientId">The client identifier.</param>
        /// <param name="reasonCode">One that a server may send in DISCONNECT: 0x00 or 0x80 and above, such as 0x98,
        /// administrative action.</param>
        /// <param name="discardSession">Whether the session ends, with its subscriptions and all that waits in it; also
        /// that of a client that is away.</param>
        /// <exception cref="RmqttException">A server must not send that reason code in DISCONNECT, or the broker does
        /// not run; with <see cref="Status.NotFound" />, the client is not connected, or, if its session is to be
        /// discarded, has none.</exception>
        public void Disconnect(string clientId, byte reasonCode, bool discardSession = false)
        {
            var client = Utf8.Encode(clientId, nameof(clientId));
            fixed (byte* pinned = client)
            {
                var status = Native.BrokerDisconnect(
                    _handle, Utf8.View(pinned, client), reasonCode, discardSession ? (byte)1 : (byte)0, out var error);
                RmqttException.ThrowIfFailed(status, error);
            }
        }

        /// <summary>Subscribes a client, connected or not, as if it had done so itself:
        /// <see cref="Hooks.Subscribed" /> is told, and retained messages are delivered as the options say, to a client
        /// that is away when it comes back. No hook and no access rule is asked, and <c>limits.max_subscriptions</c> is
        /// not looked at. If the client has the filter already, the options are replaced.</summary>
        /// <param name="clientId">The client identifier.</param>
        /// <param name="filter">A topic filter; <c>$share/{group}/{filter}</c> is one, too.</param>
        /// <param name="options">Options, or null.</param>
        /// <exception cref="RmqttException">The filter is none, an option is out of range, or the broker does not run;
        /// with <see cref="Status.NotFound" />, there is no session of such a client.</exception>
        public void SubscribeClient(string clientId, string filter, ClientSubscription options = null)
        {
            var client = Utf8.Encode(clientId, nameof(clientId));
            var text = Utf8.Encode(filter, nameof(filter));
            var native = options == null ? default(Native.ClientSubscription) : options.ToNative();
            fixed (byte* pinnedClient = client, pinnedText = text)
            {
                var status = Native.BrokerSubscribeClient(
                    _handle, Utf8.View(pinnedClient, client), Utf8.View(pinnedText, text),
                    options == null ? null : &native, out var error);
                RmqttException.ThrowIfFailed(status, error);
            }
        }

        /// <summary>Ends a subscription of a client, connected or not, as if it had done so itself:
        /// <see cref="Hooks.Unsubscribed" /> is told. No hook is asked. Messages that wait for the client already
        /// stay.</summary>
        /// <param name="clientId">The client identifier.</param>
        /// <param name="filter">The topic filter, as it was subscribed to.</param>
        /// <exception cref="RmqttException">The filter is none, or the broker does not run; with
        /// <see cref="Status.NotFound" />, there is no session of such a client, or it is not subscribed to the
        /// filter.</exception>
        public void UnsubscribeClient(string clientId, string filter)
        {
            var client = Utf8.Encode(clientId, nameof(clientId));
            var text = Utf8.Encode(filter, nameof(filter));
            fixed (byte* pinnedClient = client, pinnedText = text)
            {
                var status = Native.BrokerUnsubscribeClient(
                    _handle, Utf8.View(pinnedClient, client), Utf8.View(pinnedText, text), out var error);
                RmqttException.ThrowIfFailed(status, error);
            }
        }

        /// <summary>How many would get a message to a topic, if it were published now by somebody who is not among
        /// them: sessions, those of absent clients included, and subscriptions of this program; of each shared group
        /// one.</summary>
        /// <exception cref="RmqttException">The topic is none, or the broker does not run.</exception>
        public long SubscriberCount(string topic)
        {
            var text = Utf8.Encode(topic, nameof(topic));
            fixed (byte* pinned = text)
            {
                var status = Native.BrokerSubscriberCount(
                    _handle, Utf8.View(pinned, text), out var count, out var error);
                RmqttException.ThrowIfFailed(status, error);
                return (long)count;
            }
        }

        /// <summary>Explains what would become of something that a client might do, and which rule, hook or default
        /// decides it. Nothing is done, and no hook is asked.</summary>
        /// <param name="clientId">The client identifier.</param>
        /// <param name="action">What it might do.</param>
        /// <param name="topic">The topic name that it might publish to, or the filter that it might subscribe to; one
        /// that is none is explained, too.</param>
        /// <returns>JSON, as text; docs/messages.md has its fields.</returns>
        /// <exception cref="RmqttException">There is no such action, or the broker does not run; with
        /// <see cref="Status.NotFound" />, there is no session of such a client.</exception>
        public string Explain(string clientId, ClientAction action, string topic)
        {
            var client = Utf8.Encode(clientId, nameof(clientId));
            var text = Utf8.Encode(topic, nameof(topic));
            fixed (byte* pinnedClient = client, pinnedText = text)
            {
                var status = Native.BrokerExplain(
                    _handle, Utf8.View(pinnedClient, client), (int)action, Utf8.View(pinnedText, text), out var json,
                    out var error);
                RmqttException.ThrowIfFailed(status, error);
                return Utf8.Take(json);
            }
        }

        /// <summary>Keeps somebody out: connections from that address are closed at once, clients of that client
        /// identifier or user name are refused with 0x8A. Clients that are connected are disconnected with 0x98. A ban
        /// that is there already is replaced; all end with the run of the broker. <see cref="Hooks.ClientBanned" /> is
        /// told.</summary>
        /// <param name="kind">What the value is.</param>
        /// <param name="value">An IP address, a client identifier, or a user name. Of an address of IPv6, its /64
        /// network is banned.</param>
        /// <param name="duration">How long; zero until <see cref="Unban" />.</param>
        /// <exception cref="RmqttException">There is no such kind, the value is empty or no address, or the broker does
        /// not run.</exception>
        public void Ban(BanKind kind, string value, TimeSpan duration = default(TimeSpan))
        {
            var text = Utf8.Encode(value, nameof(value));
            var milliseconds = (ulong)Milliseconds.Of(duration, long.MaxValue, nameof(duration));
            fixed (byte* pinned = text)
            {
                var status = Native.BrokerBan(
                    _handle, (int)kind, Utf8.View(pinned, text), milliseconds, out var error);
                RmqttException.ThrowIfFailed(status, error);
            }
        }

        /// <summary>Lets somebody in again, whoever or whatever has kept it out. What has been counted of it is
        /// forgotten.</summary>
        /// <param name="kind">What the value is.</param>
        /// <param name="value">As for <see cref="Ban" />.</param>
        /// <exception cref="RmqttException">As for <see cref="Ban" />; with <see cref="Status.NotFound" />, it is not
        /// banned.</exception>
        public void Unban(BanKind kind, string value)
        {
            var text = Utf8.Encode(value, nameof(value));
            fixed (byte* pinned = text)
            {
                var status = Native.BrokerUnban(_handle, (int)kind, Utf8.View(pinned, text), out var error);
                RmqttException.ThrowIfFailed(status, error);
            }
        }

        /// <summary>Lists all who are kept out.</summary>
        /// <returns>JSON, as text, such as
        /// <c>{"bans":[{"kind":"ip","value":"192.0.2.1","cause":"authentication","left_ms":299000}]}</c>.
        /// <c>kind</c> is "ip", "client_id" or "user"; <c>cause</c> is "authentication", "flapping" or "api";
        /// <c>left_ms</c> is null for one that lasts until <see cref="Unban" />.</returns>
        /// <exception cref="RmqttException">The broker does not run.</exception>
        public string ListBans()
        {
            var status = Native.BrokerBans(_handle, out var json, out var error);
            RmqttException.ThrowIfFailed(status, error);
            return Utf8.Take(json);
        }

        /// <summary>
        /// Serves the client at the other end of a connected socket, from the first byte on that nobody has read, like
        /// one that a listener has accepted: <see cref="Hooks.PreConnect" /> is asked, <c>limits.max_connections</c>
        /// counts it, and the stop of the broker disconnects it.
        /// </summary>
        /// <param name="socket">A connected stream socket, which nobody uses any more: it passes to the broker and is
        /// disposed, also if this throws.</param>
        /// <param name="peer">What is known about the client, or null.</param>
        /// <exception cref="RmqttException">It is no such socket, or something about the peer is out of order, or the
        /// broker does not run; with <see cref="Status.WouldBlock" />, there are <c>limits.max_connections</c>
        /// already.</exception>
        public void Attach(Socket socket, Peer peer = null)
        {
            if (socket == null) throw new ArgumentNullException(nameof(socket));
            using (socket)
            {
                // Its handle would not tell that it has been disposed.
                socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Type);
                Attach((int)socket.Handle, peer);
                GC.KeepAlive(socket);
            }
        }

        /// <summary>As <see cref="Attach(Socket, Peer)" />, with a handle that owns the descriptor of such a
        /// socket.</summary>
        public void Attach(SafeHandle handle, Peer peer = null)
        {
            if (handle == null) throw new ArgumentNullException(nameof(handle));
            using (handle)
            {
                var held = false;
                try
                {
                    handle.DangerousAddRef(ref held);
                    Attach((int)handle.DangerousGetHandle(), peer);
                }
                finally
                {
                    if (held) handle.DangerousRelease();
                }
            }
        }

        /// <summary>
        /// Makes a connection without a network, for any MQTT client that takes a stream: a pair of Unix sockets, one
        /// of which the broker serves as <see cref="Attach(Socket, Peer)" /> does.
        /// </summary>
        /// <param name="peer">What is known about the client, or null.</param>
        /// <returns>The client's end, which the caller disposes. One thread may read while another one writes;
        /// disposing ends both. It takes timeouts. Its asynchronous calls wait on threads of the pool.</returns>
        /// <exception cref="RmqttException">Something about the peer is out of order, or the broker does not run; with
        /// <see cref="Status.WouldBlock" />, there are <c>limits.max_connections</c> already.</exception>
        public Stream ConnectPair(Peer peer = null)
        {
            using (var views = new Views())
            {
                var native = peer == null ? default(Native.Peer) : peer.ToNative(views);
                var status = Native.BrokerConnectPair(
                    _handle, peer == null ? null : &native, out var descriptor, out var error);
                RmqttException.ThrowIfFailed(status, error);
                return new PairStream(new DescriptorHandle(descriptor));
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

        private void Publish(Publication message, PublishCalls calls, bool onlyRetain = false)
        {
            var native = default(Native.Publish);
            using (var views = new Views())
            {
                message.Fill(&native, views);
                var held = false;
                try
                {
                    // As in SetHooks.
                    _handle.DangerousAddRef(ref held);
                    calls?.Fill(&native);
                    IntPtr error;
                    var status = onlyRetain
                        ? Native.BrokerRetainedSet(_handle, &native, out error)
                        : Native.BrokerPublish(_handle, &native, out error);
                    RmqttException.ThrowIfFailed(status, error);
                }
                finally
                {
                    if (held) _handle.DangerousRelease();
                }
            }
        }

        private Task<PublishReport> PublishAsync(Publication message)
        {
            var calls = new PublishCalls(this, message.Options);
            try
            {
                Publish(message, calls);
                calls.Release();
            }
            catch (RmqttException exception)
            {
                calls.Failed(exception);
            }
            return calls.Last;
        }

        private Subscription Subscribe(string filter, SubscriptionCalls calls, SubscribeOptions options)
        {
            var text = Utf8.Encode(filter, nameof(filter));
            var native = (options ?? new SubscribeOptions()).ToNative();
            var held = false;
            try
            {
                // As in SetHooks: once it exists, the user_data has to get into the hands of the library.
                _handle.DangerousAddRef(ref held);
                fixed (byte* pinned = text)
                {
                    SubscriptionHandle handle;
                    IntPtr error;
                    var view = Utf8.View(pinned, text);
                    var userData = UserData.Of(calls);
                    var status = calls.TakesBatches
                        ? Native.BrokerSubscribeBatch(
                            _handle, view, &native, SubscriptionCalls.MessagesPointer, userData, UserData.Drop,
                            out handle, out error)
                        : Native.BrokerSubscribe(
                            _handle, view, &native, SubscriptionCalls.MessagePointer, userData, UserData.Drop,
                            out handle, out error);
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

        private void Attach(int owned, Peer peer)
        {
            var held = false;
            using (var views = new Views())
            {
                var native = peer == null ? default(Native.Peer) : peer.ToNative(views);
                try
                {
                    // Once it is taken, the descriptor has to get into the hands of the library.
                    _handle.DangerousAddRef(ref held);
                    var status = Native.BrokerAttachFd(
                        _handle, Posix.Take(owned), peer == null ? null : &native, out var error);
                    RmqttException.ThrowIfFailed(status, error);
                }
                finally
                {
                    if (held) _handle.DangerousRelease();
                }
            }
        }
    }
}
