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

        internal enum VerdictKind
        {
            Deny = 0,
            Allow = 1,
            Deferred = 2,
            Drop = 3,
        }

        [Flags]
        internal enum Replace
        {
            Topic = 1,
            Payload = 2,
            Qos = 4,
            Retain = 8,
        }

        internal enum Hook
        {
            Authenticate = 0,
            Connected = 1,
            Disconnected = 2,
            PreConnect = 3,
            AuthorizePublish = 4,
            AuthorizeSubscribe = 5,
            AuthorizeUnsubscribe = 6,
            AuthorizeForward = 7,
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
            internal fixed byte ReservedToo[2];
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
            internal fixed byte Reserved[7];
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
            internal fixed byte Reserved[5];
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
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct Publish
        {
            internal UIntPtr StructSize;
            internal Str Topic;
            internal Bytes Payload;
            internal byte Qos;
            internal byte Retain;
            internal fixed byte Reserved[6];
        }

        [StructLayout(LayoutKind.Sequential)]
        internal struct SubscribeOptions
        {
            internal UIntPtr StructSize;
            internal uint MaxQueuedMessages;
            internal byte Qos;
            internal byte RetainHandling;
            internal fixed byte Reserved[2];
        }

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate void DropFn(IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate void LogFn(LogLine* line, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate void MessageFn(Message* message, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate int AuthenticateFn(Authenticate* authenticate, Verdict* verdict, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate void ConnectedFn(Connected* connected, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate void DisconnectedFn(Disconnected* disconnected, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate int PreConnectFn(PreConnect* connection, Verdict* verdict, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate int AuthorizePublishFn(AuthorizePublish* publish, Verdict* verdict, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate int AuthorizeSubscribeFn(AuthorizeSubscribe* subscribe, Verdict* verdict, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate int AuthorizeUnsubscribeFn(
            AuthorizeUnsubscribe* unsubscribe, Verdict* verdict, IntPtr userData);

        [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
        internal delegate int AuthorizeForwardFn(AuthorizeForward* forward, Verdict* verdict, IntPtr userData);

        [DllImport(Library, EntryPoint = "rmqtt_abi_version", CallingConvention = CallingConvention.Cdecl)]
        internal static extern uint GetAbiVersion();

        [DllImport(Library, EntryPoint = "rmqtt_version", CallingConvention = CallingConvention.Cdecl)]
        internal static extern Str Version();

        [DllImport(Library, EntryPoint = "rmqtt_has_feature", CallingConvention = CallingConvention.Cdecl)]
        internal static extern byte HasFeature(Str name);

        [DllImport(Library, EntryPoint = "rmqtt_status_name", CallingConvention = CallingConvention.Cdecl)]
        internal static extern Str StatusName(int status);

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

        [DllImport(Library, EntryPoint = "rmqtt_broker_publish", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerPublish(BrokerHandle broker, Publish* message, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_broker_subscribe", CallingConvention = CallingConvention.Cdecl)]
        internal static extern int BrokerSubscribe(
            BrokerHandle broker, Str filter, SubscribeOptions* options, IntPtr onMessage, IntPtr userData, IntPtr drop,
            out SubscriptionHandle subscription, out IntPtr error);

        [DllImport(Library, EntryPoint = "rmqtt_subscription_free", CallingConvention = CallingConvention.Cdecl)]
        internal static extern void SubscriptionFree(IntPtr subscription);
    }
}
