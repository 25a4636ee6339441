package rmqtt

// #include "shim.h"
import "C"

import (
	"strconv"
	"time"
)

// Client is a connection of a client.
type Client struct {
	ClientID    string // the one the broker made up if the client had none
	Username    string
	HasUsername bool   // tells no user name from an empty one
	Address     string // such as "192.0.2.1:49152", or what Peer says
	Listener    string // the name of the listener that accepted it, or what Peer says
	NodeID      uint64 // the node_id of the broker
	Serial      uint64 // numbers the connections of a broker, so that two under one ClientID can be told apart
	Protocol    byte   // 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0
	Superuser   bool   // a hook has said so: the configured access rules do not hold for it
}

// ClientEvent is a client that is connected.
type ClientEvent struct {
	Client
}

// DisconnectEvent is a client that is gone.
type DisconnectEvent struct {
	Client
	Reason     string // for people
	By         DisconnectedBy
	ReasonCode byte // of an MQTT 5 DISCONNECT, whatever the client speaks
}

// DisconnectedBy tells who ended a connection.
type DisconnectedBy int32

// Who ends connections.
const (
	DisconnectedByClient  DisconnectedBy = C.RMQTT_DISCONNECTED_BY_CLIENT  // with a DISCONNECT
	DisconnectedByBroker  DisconnectedBy = C.RMQTT_DISCONNECTED_BY_BROKER  // for a fault, silence, a takeover, a stop
	DisconnectedByNetwork DisconnectedBy = C.RMQTT_DISCONNECTED_BY_NETWORK // without a DISCONNECT
)

func (by DisconnectedBy) String() string {
	return name(int32(by), "client", "broker", "network")
}

// ConnackEvent is a CONNECT that has been answered.
type ConnackEvent struct {
	Client
	Reason         string // for people; empty if there is none
	ReasonCode     byte   // of MQTT 5, whatever the client speaks: 0 if it is connected
	SessionPresent bool   // whether the client finds the session that it had before
}

// SessionEvent is a session that has begun, changes hands, or is over.
//
// Its Client is the connection that has the session; for SessionTakenOver the one that loses it, for SessionTerminated
// the last one that had it.
type SessionEvent struct {
	Client
	End SessionEnd // for SessionTerminated, else 0
}

// SessionEnd tells why a session is over.
type SessionEnd int32

// Why sessions end.
const (
	SessionEndDisconnected SessionEnd = C.RMQTT_SESSION_END_DISCONNECTED // it was to last no longer than its connection
	SessionEndExpired      SessionEnd = C.RMQTT_SESSION_END_EXPIRED      // its client did not come back in time
	SessionEndCleanStart   SessionEnd = C.RMQTT_SESSION_END_CLEAN_START  // its client came back with clean start
	SessionEndStopped      SessionEnd = C.RMQTT_SESSION_END_STOPPED      // the broker stops
	SessionEndDiscarded    SessionEnd = C.RMQTT_SESSION_END_DISCARDED    // Broker.Disconnect has discarded it
)

func (end SessionEnd) String() string {
	return name(int32(end), "disconnected", "expired", "clean start", "stopped", "discarded")
}

// SubscribedEvent is a client that has subscribed to one filter, or changed its subscription to it.
type SubscribedEvent struct {
	Client
	Filter            string // as in SUBSCRIBE
	Granted           string // the filter whose messages it gets: that one, unless a hook has put another in its place
	Identifier        uint32 // of the subscription; 0 for none
	QoS               byte   // the highest, as granted
	NoLocal           bool   // not the messages that the client publishes itself
	RetainAsPublished bool   // the retain flag as publishers set it
	RetainHandling    byte   // as in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not
}

// UnsubscribedEvent is a client that has given up its subscription to one filter.
type UnsubscribedEvent struct {
	Client
	Filter string // as it was subscribed to
}

// PublishedEvent is a message on its way to its receivers, with what AuthorizePublish has changed of it.
type PublishedEvent struct {
	Message
	Receivers uint64 // how many sessions and subscriptions of this program it goes to
}

// DeliveredEvent is a message that is written to a client for the first time.
type DeliveredEvent struct {
	Client          // who gets it
	Message Message // with what AuthorizeForward has changed of it
	QoS     byte    // that it is sent with
	Retain  bool    // that it is sent with
}

// AckedEvent is a message that a client has acknowledged, with PUBACK for QoS 1 or PUBREC for QoS 2.
type AckedEvent struct {
	Client     // who has acknowledged it
	Message    Message
	QoS        byte // that it was sent with
	ReasonCode byte // of the acknowledgement; from 0x80 on the client has refused the message
}

// DroppedEvent is a message that does not reach a receiver, or nobody at all.
type DroppedEvent struct {
	Client  *Client // who does not get it; nil if nobody does, or if a subscription of this program does not
	Message Message
	Cause   DropCause
}

// DropCause tells why a message was dropped.
type DropCause int32

// Why messages are dropped.
const (
	DropQueueFull    DropCause = C.RMQTT_DROP_QUEUE_FULL    // as much waits for the receiver as may
	DropExpired      DropCause = C.RMQTT_DROP_EXPIRED       // the message has expired
	DropTooLarge     DropCause = C.RMQTT_DROP_TOO_LARGE     // the client takes no packets so large
	DropClientGone   DropCause = C.RMQTT_DROP_CLIENT_GONE   // the client went before it was sent, and it is not kept
	DropRefused      DropCause = C.RMQTT_DROP_REFUSED       // a hook or a rule refused it
	DropRateExceeded DropCause = C.RMQTT_DROP_RATE_EXCEEDED // its client has published too fast
	DropMemory       DropCause = C.RMQTT_DROP_MEMORY        // there is too little memory for what waits for the receiver already
)

func (cause DropCause) String() string {
	return name(int32(cause), "queue full", "expired", "too large", "client gone", "refused", "rate exceeded",
		"memory")
}

// RetainedEvent is a change of the retained message of a topic.
type RetainedEvent struct {
	Message // the one that is retained now, that took the one before back, or that has expired
	Change  RetainedChange
}

// RetainedChange tells what has become of the retained message of a topic.
type RetainedChange int32

// What becomes of retained messages.
const (
	RetainedSet     RetainedChange = C.RMQTT_RETAINED_SET     // there is one, or another one than before
	RetainedRemoved RetainedChange = C.RMQTT_RETAINED_REMOVED // taken back: with an empty one, or by RetainedDelete
	RetainedExpired RetainedChange = C.RMQTT_RETAINED_EXPIRED // it has expired
)

func (change RetainedChange) String() string {
	return name(int32(change), "set", "removed", "expired")
}

// SubscriberEvent is the first subscriber of a topic filter, or the last one to give it up.
type SubscriberEvent struct {
	Filter string  // without `$share/{group}/`
	Client *Client // whose subscription it is; nil for one of this program
}

// ListenerEvent is a listener that is open, or closed.
type ListenerEvent struct {
	Listener
}

// OverloadEvent is a limit of the broker as a whole that is reached, or under which there is room again.
type OverloadEvent struct {
	Resource Resource
	Limit    uint64
	Begun    bool // something had to be refused; if not, a tenth of the limit is free again
}

// Resource is what there may be too much of. Later versions may have more.
type Resource int32

// What is limited.
const (
	ResourceConnections      Resource = C.RMQTT_RESOURCE_CONNECTIONS       // limits.max_connections
	ResourceSessions         Resource = C.RMQTT_RESOURCE_SESSIONS          // limits.max_sessions
	ResourceRetainedMessages Resource = C.RMQTT_RESOURCE_RETAINED_MESSAGES // retain.max_messages
	ResourceMemory           Resource = C.RMQTT_RESOURCE_MEMORY            // limits.memory_budget_bytes
)

func (r Resource) String() string {
	return name(int32(r), "connections", "sessions", "retained messages", "memory")
}

// BannedEvent is somebody who is kept out from now on.
type BannedEvent struct {
	Kind     BanKind
	Value    string // the address, client identifier or user name; of IPv6 the network, such as "2001:db8::/64"
	Cause    BanCause
	Duration time.Duration // 0 until Broker.Unban
}

// name is that of a number of C that counts from 1.
func name(number int32, names ...string) string {
	if number >= 1 && int(number) <= len(names) {
		return names[number-1]
	}
	return "unknown " + strconv.Itoa(int(number))
}

// Listener is where clients connect.
type Listener struct {
	Name    string
	Type    string // such as "tcp"
	Address string // such as "127.0.0.1:1883"; as configured while the broker does not run
	Port    uint16 // the real one while the broker runs, also where port 0 is configured
}

func goClient(client *C.rmqtt_client_t) Client {
	return Client{
		ClientID:    goString(client.client_id),
		Username:    goString(client.username),
		HasUsername: client.username.ptr != nil,
		Address:     goString(client.address),
		Listener:    goString(client.listener),
		NodeID:      uint64(client.node_id),
		Serial:      uint64(client.serial),
		Protocol:    byte(client.protocol),
		Superuser:   bool(client.superuser),
	}
}

func goClientOrNil(client *C.rmqtt_client_t) *Client {
	if client == nil {
		return nil
	}
	result := goClient(client)
	return &result
}

func goDisconnectEvent(event *C.rmqtt_disconnected_t) DisconnectEvent {
	return DisconnectEvent{
		Client:     goClient(event.client),
		Reason:     goString(event.reason),
		By:         DisconnectedBy(event.by),
		ReasonCode: byte(event.reason_code),
	}
}

func goConnackEvent(event *C.rmqtt_connack_t) ConnackEvent {
	return ConnackEvent{
		Client:         goClient(event.client),
		Reason:         goString(event.reason_string),
		ReasonCode:     byte(event.reason_code),
		SessionPresent: bool(event.session_present),
	}
}

func goSessionEvent(event *C.rmqtt_session_event_t) SessionEvent {
	return SessionEvent{Client: goClient(event.client), End: SessionEnd(event.end)}
}

func goSubscribedEvent(event *C.rmqtt_subscribed_t) SubscribedEvent {
	return SubscribedEvent{
		Client:            goClient(event.client),
		Filter:            goString(event.filter),
		Granted:           goString(event.granted),
		Identifier:        uint32(event.identifier),
		QoS:               byte(event.qos),
		NoLocal:           bool(event.no_local),
		RetainAsPublished: bool(event.retain_as_published),
		RetainHandling:    byte(event.retain_handling),
	}
}

func goPublishedEvent(event *C.rmqtt_message_published_t) PublishedEvent {
	return PublishedEvent{Message: goMessage(event.message), Receivers: uint64(event.receivers)}
}

func goDeliveredEvent(event *C.rmqtt_message_delivered_t) DeliveredEvent {
	return DeliveredEvent{
		Client:  goClient(event.client),
		Message: goMessage(event.message),
		QoS:     byte(event.qos),
		Retain:  bool(event.retain),
	}
}

func goAckedEvent(event *C.rmqtt_message_acked_t) AckedEvent {
	return AckedEvent{
		Client:     goClient(event.client),
		Message:    goMessage(event.message),
		QoS:        byte(event.qos),
		ReasonCode: byte(event.reason_code),
	}
}

func goDroppedEvent(event *C.rmqtt_message_dropped_t) DroppedEvent {
	return DroppedEvent{
		Client:  goClientOrNil(event.client),
		Message: goMessage(event.message),
		Cause:   DropCause(event.cause),
	}
}

func goRetainedEvent(event *C.rmqtt_retained_changed_t) RetainedEvent {
	return RetainedEvent{Message: goMessage(event.message), Change: RetainedChange(event.change)}
}

func goSubscriberEvent(event *C.rmqtt_subscriber_event_t) SubscriberEvent {
	return SubscriberEvent{Filter: goString(event.filter), Client: goClientOrNil(event.client)}
}

func goListener(info *C.rmqtt_listener_info_t) Listener {
	return Listener{
		Name:    goString(info.name),
		Type:    goString(info._type),
		Address: goString(info.address),
		Port:    uint16(info.port),
	}
}

func goOverloadEvent(event *C.rmqtt_overload_t) OverloadEvent {
	return OverloadEvent{
		Resource: Resource(event.resource),
		Limit:    uint64(event.limit),
		Begun:    bool(event.begun),
	}
}

func goBannedEvent(event *C.rmqtt_client_banned_t) BannedEvent {
	return BannedEvent{
		Kind:     BanKind(event.kind),
		Value:    goString(event.value),
		Cause:    BanCause(event.cause),
		Duration: time.Duration(event.ban_ms) * time.Millisecond,
	}
}
