using System;
using System.Runtime.InteropServices;

namespace Rmqtt
{
    /// <summary>
    /// The C interface as it is, and nothing else. Names follow those of rmqtt.h, so that a test can compare every
    /// struct and constant with the recorded layout.
    /// </summary>
    internal static unsafe class Native
    {
        private const string Library = "rmqttc";

        /// <summary>The RMQTT_ABI_VERSION that this file is written for.</summary>
        internal const uint AbiVersion = 0;

        /// <summary>RMQTT_HOOK_TIME_BUCKETS.</summary>
        internal const int HookTimeBuckets = 23;

        internal enum VerdictKind
        {
            Deny = 0,
            Allow = 1,
            Deferred = 2,
            Drop = 3,
            Continue = 4,
            Failed = 5,
        }

        [Flags]
        internal enum Replace
        {
            Topic = 1,
            Payload = 2,
            Qos = 4,
            Retain = 8,
            Properties = 16,
            ClientId = 32,
            SessionExpiry = 64,
            KeepAlive = 128,
        }

        internal enum MetricsFormat
        {
            Json = 0,
            Prometheus = 1,
        }

        // Every struct is blittable: no marshaller stands between a callback and its data. Hence IntPtr for pointers
        // to functions and byte for bool.

        [StructLayout(LayoutKind.Sequential)]
        internal struct Str
        {
            internal IntPtr Ptr;
            internal UIntPtr Len;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Bytes
        {
            internal IntPtr Ptr;
            internal UIntPtr Len;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Fault
        {
            internal UIntPtr StructSize;
            internal Str Pointer;
            internal Str Message;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct LogLine
        {
            internal UIntPtr StructSize;
            internal Str Target;
            internal Str Message;
            internal int Level;
            internal fixed byte Reserved[4];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct UserProperty
        {
            internal Str Name;
            internal Str Value;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Properties
        {
            internal UIntPtr StructSize;
            internal Str ContentType;
            internal Str ResponseTopic;
            internal Bytes CorrelationData;
            internal IntPtr UserProperties;
            internal UIntPtr UserPropertyCount;
            internal uint MessageExpiryS;
            internal byte HasMessageExpiry;
            internal byte PayloadFormatIndicator;
            internal fixed byte Reserved[2];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Verdict
        {
            internal UIntPtr StructSize;
            internal Str ReasonString;
            internal int Kind;
            internal byte ReasonCode;
            internal fixed byte Reserved[3];
            internal Str Topic;
            internal Bytes Payload;
            internal uint Replace;
            internal byte Qos;
            internal byte Retain;
            internal ushort KeepAliveS;
            internal IntPtr Properties;
            internal IntPtr UserProperties;
            internal UIntPtr UserPropertyCount;
            internal Str ClientId;
            internal Bytes AuthData;
            internal Str ResponseInformation;
            internal Str ServerReference;
            internal uint SessionExpiryS;
            internal byte Superuser;
            internal fixed byte ReservedTail[3];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Client
        {
            internal UIntPtr StructSize;
            internal Str ClientId;
            internal Str Username;
            internal Str Address;
            internal Str Listener;
            internal ulong NodeId;
            internal ulong Serial;
            internal byte Protocol;
            internal byte Superuser;
            internal fixed byte Reserved[6];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Message
        {
            internal UIntPtr StructSize;
            internal Str Topic;
            internal Bytes Payload;
            internal IntPtr Publisher;
            internal int Origin;
            internal byte Qos;
            internal byte Retain;
            internal fixed byte Reserved[2];
            internal IntPtr Properties;
            internal ulong Delivery;
            internal IntPtr Owner;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Certificate
        {
            internal UIntPtr StructSize;
            internal Str Subject;
            internal Str CommonName;
            internal Str Issuer;
            internal Str Serial;
            internal Str Sha256;
            internal IntPtr AlternativeNames;
            internal UIntPtr AlternativeNameCount;
            internal long NotBeforeS;
            internal long NotAfterS;
            internal Bytes Der;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Connection
        {
            internal UIntPtr StructSize;
            internal Str Transport;
            internal Str ProxyAddress;
            internal Str ProxyAuthority;
            internal Str ProxyAlpn;
            internal Str ProxyTlsVersion;
            internal Str ProxyCommonName;
            internal Bytes ProxyUniqueId;
            internal Str TlsVersion;
            internal Str CipherSuite;
            internal Str ServerName;
            internal Str Alpn;
            internal IntPtr Certificate;
            internal int Pid;
            internal uint Uid;
            internal uint Gid;
            internal fixed byte Reserved[4];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Authenticate
        {
            internal UIntPtr StructSize;
            internal IntPtr Client;
            internal IntPtr Will;
            internal Bytes Password;
            internal ushort KeepAliveS;
            internal byte CleanStart;
            internal byte RequestResponseInformation;
            internal byte RequestProblemInformation;
            internal fixed byte Reserved[3];
            internal IntPtr UserProperties;
            internal UIntPtr UserPropertyCount;
            internal uint SessionExpiryS;
            internal uint MaximumPacketSize;
            internal ushort ReceiveMaximum;
            internal ushort TopicAliasMaximum;
            internal fixed byte ReservedTail[4];
            internal IntPtr Connection;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Connected
        {
            internal UIntPtr StructSize;
            internal IntPtr Client;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Disconnected
        {
            internal UIntPtr StructSize;
            internal IntPtr Client;
            internal Str Reason;
            internal int By;
            internal byte ReasonCode;
            internal fixed byte Reserved[3];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct PreConnect
        {
            internal UIntPtr StructSize;
            internal Str Address;
            internal Str Listener;
            internal IntPtr Connection;
            internal int Stage;
            internal fixed byte Reserved[4];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct AuthorizePublish
        {
            internal UIntPtr StructSize;
            internal IntPtr Message;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct AuthorizeSubscribe
        {
            internal UIntPtr StructSize;
            internal IntPtr Client;
            internal Str Filter;
            internal uint Identifier;
            internal byte Qos;
            internal byte NoLocal;
            internal byte RetainAsPublished;
            internal byte RetainHandling;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct AuthorizeUnsubscribe
        {
            internal UIntPtr StructSize;
            internal IntPtr Client;
            internal Str Filter;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct AuthorizeForward
        {
            internal UIntPtr StructSize;
            internal IntPtr Client;
            internal IntPtr Message;
            internal byte Qos;
            internal byte Retain;
            internal fixed byte Reserved[6];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct AuthExchange
        {
            internal UIntPtr StructSize;
            internal IntPtr Client;
            internal Str Method;
            internal Bytes Data;
            internal uint Round;
            internal byte Again;
            internal fixed byte Reserved[3];
            internal IntPtr Connection;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Connack
        {
            internal UIntPtr StructSize;
            internal IntPtr Client;
            internal Str ReasonString;
            internal byte ReasonCode;
            internal byte SessionPresent;
            internal fixed byte Reserved[6];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct SessionEvent
        {
            internal UIntPtr StructSize;
            internal IntPtr Client;
            internal int End;
            internal fixed byte Reserved[4];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Subscribed
        {
            internal UIntPtr StructSize;
            internal IntPtr Client;
            internal Str Filter;
            internal Str Granted;
            internal uint Identifier;
            internal byte Qos;
            internal byte NoLocal;
            internal byte RetainAsPublished;
            internal byte RetainHandling;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Unsubscribed
        {
            internal UIntPtr StructSize;
            internal IntPtr Client;
            internal Str Filter;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct MessagePublished
        {
            internal UIntPtr StructSize;
            internal IntPtr Message;
            internal ulong Receivers;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct MessageDelivered
        {
            internal UIntPtr StructSize;
            internal IntPtr Client;
            internal IntPtr Message;
            internal byte Qos;
            internal byte Retain;
            internal fixed byte Reserved[6];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct MessageAcked
        {
            internal UIntPtr StructSize;
            internal IntPtr Client;
            internal IntPtr Message;
            internal byte Qos;
            internal byte ReasonCode;
            internal fixed byte Reserved[6];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct MessageDropped
        {
            internal UIntPtr StructSize;
            internal IntPtr Client;
            internal IntPtr Message;
            internal int Cause;
            internal fixed byte Reserved[4];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct RetainedChanged
        {
            internal UIntPtr StructSize;
            internal IntPtr Message;
            internal int Change;
            internal fixed byte Reserved[4];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct SubscriberEvent
        {
            internal UIntPtr StructSize;
            internal Str Filter;
            internal IntPtr Client;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Overload
        {
            internal UIntPtr StructSize;
            internal ulong Limit;
            internal int Resource;
            internal byte Begun;
            internal fixed byte Reserved[3];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct ClientBanned
        {
            internal UIntPtr StructSize;
            internal Str Value;
            internal int Kind;
            internal int Cause;
            internal ulong BanMs;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Hooks
        {
            internal UIntPtr StructSize;
            internal IntPtr UserData;
            internal IntPtr Drop;
            internal IntPtr Authenticate;
            internal IntPtr Connected;
            internal IntPtr Disconnected;
            internal IntPtr PreConnect;
            internal IntPtr AuthorizePublish;
            internal IntPtr AuthorizeSubscribe;
            internal IntPtr AuthorizeUnsubscribe;
            internal fixed byte Flags[64];
            internal IntPtr AuthorizeForward;
            internal IntPtr AuthExchange;
            internal IntPtr Connack;
            internal IntPtr SessionCreated;
            internal IntPtr SessionResumed;
            internal IntPtr SessionTakenOver;
            internal IntPtr SessionTerminated;
            internal IntPtr Subscribed;
            internal IntPtr Unsubscribed;
            internal IntPtr MessagePublished;
            internal IntPtr MessageDelivered;
            internal IntPtr MessageAcked;
            internal IntPtr MessageDropped;
            internal IntPtr WillPublished;
            internal IntPtr RetainedChanged;
            internal IntPtr FirstSubscriber;
            internal IntPtr LastSubscriber;
            internal IntPtr ListenerUp;
            internal IntPtr ListenerDown;
            internal IntPtr Overload;
            internal IntPtr ClientBanned;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct ListenerInfo
        {
            internal UIntPtr StructSize;
            internal Str Name;
            internal Str Type;
            internal Str Address;
            internal ushort Port;
            internal fixed byte Reserved[6];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Stats
        {
            internal UIntPtr StructSize;
            internal ulong StartedAtMs;
            internal ulong UptimeMs;
            internal ulong ConnectedClients;
            internal ulong Sessions;
            internal ulong Subscriptions;
            internal ulong InProcessSubscriptions;
            internal ulong RetainedMessages;
            internal ulong Connections;
            internal ulong MessagesReceived;
            internal ulong MessagesSent;
            internal ulong MessagesPublished;
            internal ulong MessagesDelivered;
            internal ulong MessagesDropped;
            internal ulong DecisionsAllowed;
            internal ulong DecisionsDenied;
            internal ulong DecisionsExpired;
            internal ulong DecisionsOverflowed;
            internal ulong DecisionsPending;
            internal ulong EventsDropped;
            internal ulong CallbackPanics;
            internal ulong MessagesDroppedQueueFull;
            internal ulong MessagesDroppedExpired;
            internal ulong MessagesDroppedTooLarge;
            internal ulong MessagesDroppedClientGone;
            internal ulong MessagesDroppedRefused;
            internal ulong ConnectionsRefused;
            internal ulong ConnectionsTimedOut;
            internal ulong ConnectionPanics;
            internal ulong DecisionsWithoutTicket;
            internal ulong DecisionsFailed;
            internal ulong DecisionsStopped;
            internal ulong DecisionsDeparted;
            internal ulong EventsTold;
            internal ulong SlowHookCalls;
            internal ulong BytesReceived;
            internal ulong BytesSent;
            internal ulong QueuedMessages;
            internal ulong QueuedBytes;
            internal ulong InFlight;
            internal ulong DelayedMessages;
            internal ulong HandshakesFailed;
            internal ulong ConnectionsRefusedNetwork;
            internal ulong ConnectionsRefusedBanned;
            internal ulong ConnectionsRefusedRate;
            internal ulong ConnectionsRefusedAuthentication;
            internal ulong MessagesDroppedRate;
            internal ulong PublishesThrottled;
            internal ulong ConnectionsClosedRate;
            internal ulong MessagesDroppedMemory;
            internal ulong MemoryQueues;
            internal ulong MemoryRetained;
            internal ulong MemorySessions;
            internal ulong MemoryBuffers;
            internal ulong MemoryUsed;
            internal ulong ConnectionsRefusedFull;
            internal ulong ConnectionsRefusedLimit;
            internal ulong ConnectionsRefusedMemory;
            internal ulong ConnectionsClosedLimit;
            internal ulong ConnectionsClosedSlow;
            internal ulong ConnectionsClosedMemory;
            internal ulong SubscriptionsRefused;
            internal ulong SubscriptionsRefusedLimit;
            internal ulong SubscriptionsRefusedMemory;
            internal ulong MessagesNotRetained;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct HookStats
        {
            internal UIntPtr StructSize;
            internal ulong Allowed;
            internal ulong Denied;
            internal ulong Expired;
            internal ulong Overflowed;
            internal ulong WithoutTicket;
            internal ulong Failed;
            internal ulong Stopped;
            internal ulong Departed;
            internal ulong Told;
            internal ulong Dropped;
            internal ulong InFlight;
            internal ulong Slow;
            internal ulong TimeUsSum;
            internal fixed ulong Time[HookTimeBuckets];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct PublishReport
        {
            internal UIntPtr StructSize;
            internal ulong Receivers;
            internal ulong Acknowledged;
            internal ulong Lost;
            internal int Stage;
            internal byte Last;
            internal fixed byte Reserved[3];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Publish
        {
            internal UIntPtr StructSize;
            internal Str Topic;
            internal Bytes Payload;
            internal byte Qos;
            internal byte Retain;
            internal fixed byte Reserved[2];
            internal uint WaitMs;
            internal IntPtr Properties;
            internal Str ClientId;
            internal ulong DelayMs;
            internal IntPtr OnReport;
            internal IntPtr UserData;
            internal IntPtr Drop;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Peer
        {
            internal UIntPtr StructSize;
            internal Str Address;
            internal Str Listener;
            internal Str Username;
            internal uint ConnectTimeoutMs;
            internal byte Authenticated;
            internal fixed byte Reserved[3];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Query
        {
            internal UIntPtr StructSize;
            internal Str ClientIdPrefix;
            internal Str Username;
            internal Str Address;
            internal Str Listener;
            internal Str After;
            internal int Connected;
            internal uint Limit;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct ClientSubscription
        {
            internal UIntPtr StructSize;
            internal uint Identifier;
            internal byte Qos;
            internal byte NoLocal;
            internal byte RetainAsPublished;
            internal byte RetainHandling;
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct SubscriptionStats
        {
            internal UIntPtr StructSize;
            internal ulong Delivered;
            internal ulong Acknowledged;
            internal ulong Dropped;
            internal ulong QueuedMessages;
            internal ulong QueuedBytes;
            internal ulong Unacknowledged;
            internal byte Paused;
            internal fixed byte Reserved[7];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct SubscribeOptions
        {
            internal UIntPtr StructSize;
            internal uint MaxQueuedMessages;
            internal byte Qos;
            internal byte RetainHandling;
            internal byte Overflow;
            internal byte ManualAck;
            internal ulong MaxQueuedBytes;
            internal uint ReceiveMaximum;
            internal uint MaxBatch;
            internal byte RetainAsPublished;
            internal byte NoLocal;
            internal fixed byte Reserved[6];
        }

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate void DropFn(IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate void LogFn(LogLine* line, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate void MessageFn(Message* message, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate void MessagesFn(IntPtr* messages, UIntPtr count, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate void PublishReportFn(PublishReport* report, IntPtr userData);

        // Every hook has one of these two types, but for the struct that it gets.

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate void EventFn(IntPtr native, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate int DecisionFn(IntPtr native, Verdict* verdict, IntPtr userData);

        [DllImport(Library, EntryPoint = "rmqtt_abi_version", CallingConvention = CallingConvention.Cdecl)]
        internal static extern uint GetAbiVersion();

        [DllImport(Library, EntryPoint = "rmqtt_version", CallingConvention = CallingConvention.Cdecl)]
        internal static extern Str Version();

        [DllImport(Library, EntryPoint = "rmqtt_has_feature", CallingConvention = CallingConvention.Cdecl)]
        internal static extern byte HasFeature(Str name);

        [DllImport(Library, EntryPoint = "rmqtt_status_name", CallingConvention = CallingConvention.Cdecl)]
        internal static extern Str StatusName(int status);

        [DllImport(Library, EntryPoint = "rmqtt_string_view", CallingConvention = CallingConvention.Cdecl)]
        internal static extern Str StringView(IntPtr text);

        [DllImport(Library, EntryPoint = "rmqtt_string_free", CallingConvention = CallingConvention.Cdecl)]
        internal static extern void StringFree(IntPtr text);

        [DllImport(Library, EntryPoint = "rmqtt_error_message", CallingConvention = CallingConvention.Cdecl)]
        internal static extern Str ErrorMessage(IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_error_fault_count", CallingConvention = CallingConvention.Cdecl)]
        internal static extern UIntPtr ErrorFaultCount(IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_error_fault", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int ErrorFault(IntPtr error, UIntPtr index, Fault* fault);

        [DllImport(Library, EntryPoint = "rmqtt_error_free", CallingConvention = CallingConvention.Cdecl)]
        internal static extern void ErrorFree(IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_log_set", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int LogSet(int max, IntPtr onLine, IntPtr userData, IntPtr drop);

        [DllImport(Library, EntryPoint = "rmqtt_decision_defer", CallingConvention = CallingConvention.Cdecl)]
        internal static extern ulong DecisionDefer();

        [DllImport(Library, EntryPoint = "rmqtt_decision_complete", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int DecisionComplete(ulong decision, Verdict* verdict);

        [DllImport(Library, EntryPoint = "rmqtt_config_validate", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int ConfigValidate(Str configJson, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_new", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerNew(Str configJson, out BrokerHandle broker, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_set_hooks", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerSetHooks(BrokerHandle broker, Hooks* hooks, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_start", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerStart(BrokerHandle broker, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_reload", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerReload(
            BrokerHandle broker, Str configJson, out IntPtr reportJson, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_stop", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerStop(BrokerHandle broker, uint graceMs);

        [DllImport(Library, EntryPoint = "rmqtt_broker_free", CallingConvention = CallingConvention.Cdecl)]
        internal static extern void BrokerFree(IntPtr broker);

        [DllImport(Library, EntryPoint = "rmqtt_broker_id", CallingConvention = CallingConvention.Cdecl)]
        internal static extern Str BrokerId(BrokerHandle broker);

        [DllImport(Library, EntryPoint = "rmqtt_broker_running", CallingConvention = CallingConvention.Cdecl)]
        internal static extern byte BrokerRunning(BrokerHandle broker);

        [DllImport(Library, EntryPoint = "rmqtt_broker_connected_clients", CallingConvention = CallingConvention.Cdecl)]
        internal static extern ulong BrokerConnectedClients(BrokerHandle broker);

        [DllImport(Library, EntryPoint = "rmqtt_broker_listener_count", CallingConvention = CallingConvention.Cdecl)]
        internal static extern UIntPtr BrokerListenerCount(BrokerHandle broker);

        [DllImport(Library, EntryPoint = "rmqtt_broker_listener_info", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerListenerInfo(BrokerHandle broker, UIntPtr index, ListenerInfo* info);

        [DllImport(Library, EntryPoint = "rmqtt_broker_stats", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerStats(BrokerHandle broker, Stats* stats);

        [DllImport(Library, EntryPoint = "rmqtt_broker_hook_stats", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerHookStats(BrokerHandle broker, int hook, HookStats* stats);

        [DllImport(Library, EntryPoint = "rmqtt_broker_metrics", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerMetrics(BrokerHandle broker, int format, out IntPtr text);

        [DllImport(Library, EntryPoint = "rmqtt_broker_publish", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerPublish(BrokerHandle broker, Publish* message, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_publish_batch", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerPublishBatch(
            BrokerHandle broker, Publish* messages, UIntPtr count, out UIntPtr accepted, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_retained", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerRetained(
            BrokerHandle broker, Str filter, IntPtr onMessage, IntPtr userData, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_retained_get", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerRetainedGet(
            BrokerHandle broker, Str topic, IntPtr onMessage, IntPtr userData, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_retained_set", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerRetainedSet(BrokerHandle broker, Publish* message, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_retained_delete", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerRetainedDelete(
            BrokerHandle broker, Str filter, out ulong deleted, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_attach_fd", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerAttachFd(BrokerHandle broker, int fd, Peer* peer, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_connect_pair", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerConnectPair(BrokerHandle broker, Peer* peer, out int fd, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_clients", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerClients(BrokerHandle broker, Query* query, out IntPtr json, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_client", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerClient(
            BrokerHandle broker, Str clientId, out IntPtr json, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_disconnect", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerDisconnect(
            BrokerHandle broker, Str clientId, byte reasonCode, byte discardSession, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_subscribe_client", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerSubscribeClient(
            BrokerHandle broker, Str clientId, Str filter, ClientSubscription* options, out IntPtr error);

        [DllImport(
            Library, EntryPoint = "rmqtt_broker_unsubscribe_client", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerUnsubscribeClient(
            BrokerHandle broker, Str clientId, Str filter, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_subscriber_count", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerSubscriberCount(
            BrokerHandle broker, Str topic, out ulong count, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_explain", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerExplain(
            BrokerHandle broker, Str clientId, int action, Str topic, out IntPtr json, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_ban", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerBan(
            BrokerHandle broker, int kind, Str value, ulong durationMs, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_unban", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerUnban(BrokerHandle broker, int kind, Str value, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_bans", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerBans(BrokerHandle broker, out IntPtr json, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_subscribe", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerSubscribe(
            BrokerHandle broker, Str filter, SubscribeOptions* options, IntPtr onMessage, IntPtr userData, IntPtr drop,
            out SubscriptionHandle subscription, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_subscribe_batch", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerSubscribeBatch(
            BrokerHandle broker, Str filter, SubscribeOptions* options, IntPtr onMessages, IntPtr userData, IntPtr drop,
            out SubscriptionHandle subscription, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_subscription_free", CallingConvention = CallingConvention.Cdecl)]
        internal static extern void SubscriptionFree(IntPtr subscription);

        [DllImport(Library, EntryPoint = "rmqtt_subscription_pause", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int SubscriptionPause(SubscriptionHandle subscription);

        [DllImport(Library, EntryPoint = "rmqtt_subscription_resume", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int SubscriptionResume(SubscriptionHandle subscription);

        [DllImport(Library, EntryPoint = "rmqtt_subscription_stats", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int GetSubscriptionStats(SubscriptionHandle subscription, SubscriptionStats* stats);

        [DllImport(Library, EntryPoint = "rmqtt_delivery_ack", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int DeliveryAck(ulong delivery);
    }
}
