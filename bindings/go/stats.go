package rmqtt

// #include "shim.h"
import "C"

import "time"

// Stats is a snapshot of a broker. Counters run from New on, over all starts and stops; gauges are of now.
type Stats struct {
	StartedAt                 time.Time     // zero when the broker does not run
	Uptime                    time.Duration // since then
	ConnectedClients          uint64        // gauge
	Sessions                  uint64        // gauge; those of absent clients included
	Subscriptions             uint64        // gauge: of those sessions
	InProcessSubscriptions    uint64        // gauge: of this program
	RetainedMessages          uint64        // gauge
	Connections               uint64        // those that got as far as an accepted CONNECT
	MessagesReceived          uint64        // published by clients, wills included
	MessagesSent              uint64        // to clients
	MessagesPublished         uint64        // by this program
	MessagesDelivered         uint64        // to subscriptions of this program
	MessagesDropped           uint64        // on the way to a client or to a subscription of this program
	DecisionsAllowed          uint64
	DecisionsDenied           uint64 // whatever the cause: those without an answer included
	DecisionsExpired          uint64 // no answer came in time
	DecisionsOverflowed       uint64 // the callback queue was full
	DecisionsPending          uint64 // gauge
	EventsDropped             uint64 // the callback queue was full
	CallbackPanics            uint64 // in callbacks of the library; panics of Go code do not get that far
	MessagesDroppedQueueFull  uint64 // of those, dropped because as many waited as allowed
	MessagesDroppedExpired    uint64 // of those, expired while they waited
	MessagesDroppedTooLarge   uint64 // of those, larger than the client takes
	MessagesDroppedClientGone uint64 // of those, not kept for a client that went
	MessagesDroppedRefused    uint64 // of those, refused by a hook, or because of the topic
	ConnectionsRefused        uint64 // whose CONNECT was refused
	ConnectionsTimedOut       uint64 // whose CONNECT was not complete in time
	ConnectionPanics          uint64 // ended by a panic in the library
	DecisionsWithoutTicket    uint64 // as many as may were open
	DecisionsFailed           uint64 // the hook has panicked, or its answer could not be understood
	DecisionsStopped          uint64 // the broker stopped before there was an answer
	DecisionsDeparted         uint64 // whoever wanted to know was gone before there was an answer
	EventsTold                uint64 // that hooks have been told of
	SlowHookCalls             uint64 // of hooks in place, which Go does not have
	BytesReceived             uint64 // read from clients' connections, also from those that are refused
	BytesSent                 uint64 // written to clients' connections
	QueuedMessages            uint64 // gauge: that wait in sessions, those of absent clients included
	QueuedBytes               uint64 // gauge: that they take, as limits.max_queued_bytes counts them
	InFlight                  uint64 // gauge: messages of QoS 1 and 2 sent to clients, and not acknowledged to the end
	DelayedMessages           uint64 // gauge: of this program, to be published later
	HandshakesFailed          uint64 // connections whose PROXY header, or handshake of TLS, WebSocket or QUIC, failed
	ConnectionsRefusedNetwork uint64 // of those refused, from networks that limits.ip_allow and limits.ip_deny keep out
	ConnectionsRefusedBanned  uint64 // of those refused, of whom is banned
	ConnectionsRefusedRate    uint64 // of those refused, above limits.conn_rate_per_sec or conn_rate_per_ip_per_sec
	MessagesDroppedRate       uint64 // of those that were dropped, because their client published too fast
	PublishesThrottled        uint64 // messages after which a client was not read from for a while: it published too fast
	ConnectionsClosedRate     uint64 // connections closed because their client published too fast
	MessagesDroppedMemory     uint64 // of those, dropped because too little of the memory budget was left
	MemoryQueues              uint64 // gauge: bytes for messages waiting, in flight or delayed
	MemoryRetained            uint64 // gauge: bytes for retained messages
	MemorySessions            uint64 // gauge: bytes for sessions, subscriptions, wills and connections
	MemoryBuffers             uint64 // gauge: bytes for incomplete packets, and for what has not been written yet
	MemoryUsed                uint64 // gauge: bytes in all, which limits.memory_budget_bytes bounds
	ConnectionsRefusedFull    uint64 // of those refused, those for which there was no place
	ConnectionsRefusedLimit   uint64 // of those refused, those whose CONNECT went beyond a limit
	ConnectionsRefusedMemory  uint64 // of those refused, those for which too little memory was left
	ConnectionsClosedLimit    uint64 // closed because of packet size, receive maximum, QoS or retain flag
	ConnectionsClosedSlow     uint64 // closed because the client was too slow for its messages
	ConnectionsClosedMemory   uint64 // closed in the middle of a large packet for want of memory
	SubscriptionsRefused      uint64 // subscriptions that clients asked for and did not get, for whatever cause
	SubscriptionsRefusedLimit uint64 // of those, because of a limit
	MessagesNotRetained       uint64 // too many or too large to be retained, or for want of memory

	// Of ConnectionsRefused, those whose client could not authenticate.
	ConnectionsRefusedAuthentication uint64
	// Of SubscriptionsRefused, those for which too little memory was left.
	SubscriptionsRefusedMemory uint64
}

// Hook names a field of Hooks.
type Hook int32

// The hooks.
const (
	HookAuthenticate         Hook = C.RMQTT_HOOK_AUTHENTICATE
	HookConnected            Hook = C.RMQTT_HOOK_CONNECTED
	HookDisconnected         Hook = C.RMQTT_HOOK_DISCONNECTED
	HookPreConnect           Hook = C.RMQTT_HOOK_PRE_CONNECT
	HookAuthorizePublish     Hook = C.RMQTT_HOOK_AUTHORIZE_PUBLISH
	HookAuthorizeSubscribe   Hook = C.RMQTT_HOOK_AUTHORIZE_SUBSCRIBE
	HookAuthorizeUnsubscribe Hook = C.RMQTT_HOOK_AUTHORIZE_UNSUBSCRIBE
	HookAuthorizeForward     Hook = C.RMQTT_HOOK_AUTHORIZE_FORWARD
	HookAuthExchange         Hook = C.RMQTT_HOOK_AUTH_EXCHANGE
	HookConnack              Hook = C.RMQTT_HOOK_CONNACK
	HookSessionCreated       Hook = C.RMQTT_HOOK_SESSION_CREATED
	HookSessionResumed       Hook = C.RMQTT_HOOK_SESSION_RESUMED
	HookSessionTakenOver     Hook = C.RMQTT_HOOK_SESSION_TAKEN_OVER
	HookSessionTerminated    Hook = C.RMQTT_HOOK_SESSION_TERMINATED
	HookSubscribed           Hook = C.RMQTT_HOOK_SUBSCRIBED
	HookUnsubscribed         Hook = C.RMQTT_HOOK_UNSUBSCRIBED
	HookMessagePublished     Hook = C.RMQTT_HOOK_MESSAGE_PUBLISHED
	HookMessageDelivered     Hook = C.RMQTT_HOOK_MESSAGE_DELIVERED
	HookMessageAcked         Hook = C.RMQTT_HOOK_MESSAGE_ACKED
	HookMessageDropped       Hook = C.RMQTT_HOOK_MESSAGE_DROPPED
	HookWillPublished        Hook = C.RMQTT_HOOK_WILL_PUBLISHED
	HookRetainedChanged      Hook = C.RMQTT_HOOK_RETAINED_CHANGED
	HookFirstSubscriber      Hook = C.RMQTT_HOOK_FIRST_SUBSCRIBER
	HookLastSubscriber       Hook = C.RMQTT_HOOK_LAST_SUBSCRIBER
	HookListenerUp           Hook = C.RMQTT_HOOK_LISTENER_UP
	HookListenerDown         Hook = C.RMQTT_HOOK_LISTENER_DOWN
	HookOverload             Hook = C.RMQTT_HOOK_OVERLOAD
	HookClientBanned         Hook = C.RMQTT_HOOK_CLIENT_BANNED
)

func (h Hook) String() string {
	if h == HookAuthenticate {
		return "Authenticate"
	}
	return name(int32(h), "Connected", "Disconnected", "PreConnect", "AuthorizePublish", "AuthorizeSubscribe",
		"AuthorizeUnsubscribe", "AuthorizeForward", "AuthExchange", "Connack", "SessionCreated", "SessionResumed",
		"SessionTakenOver", "SessionTerminated", "Subscribed", "Unsubscribed", "MessagePublished", "MessageDelivered",
		"MessageAcked", "MessageDropped", "WillPublished", "RetainedChanged", "FirstSubscriber", "LastSubscriber",
		"ListenerUp", "ListenerDown", "Overload", "ClientBanned")
}

// HookStats is a snapshot of one hook. Counters run from New on, over all starts and stops, and over all that have been
// set for the hook. What does not belong to the kind of the hook is zero.
type HookStats struct {
	Allowed       uint64 // decisions
	Denied        uint64 // by the hook; those below are apart
	Expired       uint64 // denied: no answer came in time
	Overflowed    uint64 // denied: the callback queue was full
	WithoutTicket uint64 // denied: as many decisions as may were open
	Failed        uint64 // denied: the hook has panicked; panics of hooks that hear of events do not get that far
	Stopped       uint64 // denied: the broker stopped before there was an answer
	Departed      uint64 // denied: whoever wanted to know was gone before there was an answer
	Told          uint64 // events
	Dropped       uint64 // events: the callback queue was full
	InFlight      uint64 // gauge: decisions that are open; events that wait or are being told
	Slow          uint64 // calls of hooks in place, which Go does not have

	// TimeSum is the times below together: for a decision that from the question to the answer, for an event that of the
	// call.
	TimeSum time.Duration

	// Times is how many times are in each range. The first ones end with 1, 2, 5, 10, 20, 50 microseconds, and so on up to
	// 10 seconds; the last one is beyond.
	Times [C.RMQTT_HOOK_TIME_BUCKETS]uint64
}

func goStats(stats *C.rmqtt_stats_t) Stats {
	result := Stats{
		Uptime:                    time.Duration(stats.uptime_ms) * time.Millisecond,
		ConnectedClients:          uint64(stats.connected_clients),
		Sessions:                  uint64(stats.sessions),
		Subscriptions:             uint64(stats.subscriptions),
		InProcessSubscriptions:    uint64(stats.in_process_subscriptions),
		RetainedMessages:          uint64(stats.retained_messages),
		Connections:               uint64(stats.connections),
		MessagesReceived:          uint64(stats.messages_received),
		MessagesSent:              uint64(stats.messages_sent),
		MessagesPublished:         uint64(stats.messages_published),
		MessagesDelivered:         uint64(stats.messages_delivered),
		MessagesDropped:           uint64(stats.messages_dropped),
		DecisionsAllowed:          uint64(stats.decisions_allowed),
		DecisionsDenied:           uint64(stats.decisions_denied),
		DecisionsExpired:          uint64(stats.decisions_expired),
		DecisionsOverflowed:       uint64(stats.decisions_overflowed),
		DecisionsPending:          uint64(stats.decisions_pending),
		EventsDropped:             uint64(stats.events_dropped),
		CallbackPanics:            uint64(stats.callback_panics),
		MessagesDroppedQueueFull:  uint64(stats.messages_dropped_queue_full),
		MessagesDroppedExpired:    uint64(stats.messages_dropped_expired),
		MessagesDroppedTooLarge:   uint64(stats.messages_dropped_too_large),
		MessagesDroppedClientGone: uint64(stats.messages_dropped_client_gone),
		MessagesDroppedRefused:    uint64(stats.messages_dropped_refused),
		ConnectionsRefused:        uint64(stats.connections_refused),
		ConnectionsTimedOut:       uint64(stats.connections_timed_out),
		ConnectionPanics:          uint64(stats.connection_panics),
		DecisionsWithoutTicket:    uint64(stats.decisions_without_ticket),
		DecisionsFailed:           uint64(stats.decisions_failed),
		DecisionsStopped:          uint64(stats.decisions_stopped),
		DecisionsDeparted:         uint64(stats.decisions_departed),
		EventsTold:                uint64(stats.events_told),
		SlowHookCalls:             uint64(stats.slow_hook_calls),
		BytesReceived:             uint64(stats.bytes_received),
		BytesSent:                 uint64(stats.bytes_sent),
		QueuedMessages:            uint64(stats.queued_messages),
		QueuedBytes:               uint64(stats.queued_bytes),
		InFlight:                  uint64(stats.in_flight),
		DelayedMessages:           uint64(stats.delayed_messages),
		HandshakesFailed:          uint64(stats.handshakes_failed),
		ConnectionsRefusedNetwork: uint64(stats.connections_refused_network),
		ConnectionsRefusedBanned:  uint64(stats.connections_refused_banned),
		ConnectionsRefusedRate:    uint64(stats.connections_refused_rate),
		MessagesDroppedRate:       uint64(stats.messages_dropped_rate),
		PublishesThrottled:        uint64(stats.publishes_throttled),
		ConnectionsClosedRate:     uint64(stats.connections_closed_rate),
		MessagesDroppedMemory:     uint64(stats.messages_dropped_memory),
		MemoryQueues:              uint64(stats.memory_queues),
		MemoryRetained:            uint64(stats.memory_retained),
		MemorySessions:            uint64(stats.memory_sessions),
		MemoryBuffers:             uint64(stats.memory_buffers),
		MemoryUsed:                uint64(stats.memory_used),
		ConnectionsRefusedFull:    uint64(stats.connections_refused_full),
		ConnectionsRefusedLimit:   uint64(stats.connections_refused_limit),
		ConnectionsRefusedMemory:  uint64(stats.connections_refused_memory),
		ConnectionsClosedLimit:    uint64(stats.connections_closed_limit),
		ConnectionsClosedSlow:     uint64(stats.connections_closed_slow),
		ConnectionsClosedMemory:   uint64(stats.connections_closed_memory),
		SubscriptionsRefused:      uint64(stats.subscriptions_refused),
		SubscriptionsRefusedLimit: uint64(stats.subscriptions_refused_limit),
		MessagesNotRetained:       uint64(stats.messages_not_retained),

		ConnectionsRefusedAuthentication: uint64(stats.connections_refused_authentication),
		SubscriptionsRefusedMemory:       uint64(stats.subscriptions_refused_memory),
	}
	if stats.started_at_ms != 0 {
		result.StartedAt = time.UnixMilli(int64(stats.started_at_ms))
	}
	return result
}

func goHookStats(stats *C.rmqtt_hook_stats_t) HookStats {
	result := HookStats{
		Allowed:       uint64(stats.allowed),
		Denied:        uint64(stats.denied),
		Expired:       uint64(stats.expired),
		Overflowed:    uint64(stats.overflowed),
		WithoutTicket: uint64(stats.without_ticket),
		Failed:        uint64(stats.failed),
		Stopped:       uint64(stats.stopped),
		Departed:      uint64(stats.departed),
		Told:          uint64(stats.told),
		Dropped:       uint64(stats.dropped),
		InFlight:      uint64(stats.in_flight),
		Slow:          uint64(stats.slow),
		TimeSum:       time.Duration(stats.time_us_sum) * time.Microsecond,
	}
	for index, count := range stats.time {
		result.Times[index] = uint64(count)
	}
	return result
}
