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
	Address     string // such as "192.0.2.1:49152"
	Listener    string // the name of the listener that accepted it
	NodeID      uint64 // the node_id of the broker
	Serial      uint64 // numbers the connections of a broker, so that two under one ClientID can be told apart
	Protocol    byte   // 3 is MQTT 3.1, 4 is 3.1.1, 5 is 5.0
}

// AuthEvent is a client that wants to connect.
type AuthEvent struct {
	Client
	Password   []byte // nil if there is none
	KeepAlive  time.Duration
	CleanStart bool
	Will       *Message // nil if there is none
}

// PreConnectEvent is a connection that has sent nothing yet.
type PreConnectEvent struct {
	Address  string // such as "192.0.2.1:49152"
	Listener string // the name of the listener that accepted it
}

// PublishEvent is a message that is to be published.
//
// Its Origin is OriginClient, OriginAPI or OriginWill: a will is asked about when its client connects, and again when it
// is published.
type PublishEvent struct {
	Message
}

// SubscribeEvent is a client that wants to subscribe to one filter.
type SubscribeEvent struct {
	Client
	Filter            string // `$share/{group}/` included
	Identifier        uint32 // of the subscription; 0 for none
	QoS               byte   // the highest that it asks for, at most limits.max_qos
	NoLocal           bool   // not the messages that the client publishes itself
	RetainAsPublished bool   // the retain flag as publishers set it
	RetainHandling    byte   // as in MQTT 5: 0 delivers retained messages, 1 does for a new subscription, 2 does not
}

// UnsubscribeEvent is a client that wants to give up its subscription to one filter.
type UnsubscribeEvent struct {
	Client
	Filter string // as the client has subscribed to it
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
	switch by {
	case DisconnectedByClient:
		return "client"
	case DisconnectedByBroker:
		return "broker"
	case DisconnectedByNetwork:
		return "network"
	}
	return "unknown " + strconv.Itoa(int(by))
}

// Message is a message that the broker hands to the program.
type Message struct {
	Topic     string
	Payload   []byte
	Publisher *Client // nil if no connection published it, or if that is gone
	Origin    Origin
	QoS       byte
	Retain    bool
}

// Origin is what made a message enter the broker. Later versions may have more.
type Origin int32

// Where messages come from.
const (
	OriginClient   Origin = C.RMQTT_ORIGIN_CLIENT   // a connected client
	OriginAPI      Origin = C.RMQTT_ORIGIN_API      // this program
	OriginWill     Origin = C.RMQTT_ORIGIN_WILL     // the will of a client
	OriginRetained Origin = C.RMQTT_ORIGIN_RETAINED // it was retained, and comes because of a new subscription
	OriginBridge   Origin = C.RMQTT_ORIGIN_BRIDGE   // a bridge
	OriginCluster  Origin = C.RMQTT_ORIGIN_CLUSTER  // another node
	OriginSystem   Origin = C.RMQTT_ORIGIN_SYSTEM   // the broker itself
	OriginDelayed  Origin = C.RMQTT_ORIGIN_DELAYED  // it was published earlier, to be delivered now
)

func (o Origin) String() string {
	names := [...]string{"client", "api", "will", "retained", "bridge", "cluster", "system", "delayed"}
	if o >= 1 && int(o) <= len(names) {
		return names[o-1]
	}
	return "unknown " + strconv.Itoa(int(o))
}

// Listener is where clients connect.
type Listener struct {
	Name    string
	Type    string // such as "tcp"
	Address string // such as "127.0.0.1:1883"; as configured while the broker does not run
	Port    uint16 // the real one while the broker runs, also where port 0 is configured
}

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
	DecisionsDenied           uint64 // the two below included
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
	}
}

func goMessage(message *C.rmqtt_message_t) Message {
	result := Message{
		Topic:   goString(message.topic),
		Payload: goBytes(message.payload),
		Origin:  Origin(message.origin),
		QoS:     byte(message.qos),
		Retain:  bool(message.retain),
	}
	if message.publisher != nil {
		publisher := goClient(message.publisher)
		result.Publisher = &publisher
	}
	return result
}

func goAuthEvent(event *C.rmqtt_authenticate_t) AuthEvent {
	result := AuthEvent{
		Client:     goClient(event.client),
		Password:   goBytes(event.password),
		KeepAlive:  time.Duration(event.keep_alive_s) * time.Second,
		CleanStart: bool(event.clean_start),
	}
	if event.will != nil {
		will := goMessage(event.will)
		result.Will = &will
	}
	return result
}

func goSubscribeEvent(event *C.rmqtt_authorize_subscribe_t) SubscribeEvent {
	return SubscribeEvent{
		Client:            goClient(event.client),
		Filter:            goString(event.filter),
		Identifier:        uint32(event.identifier),
		QoS:               byte(event.qos),
		NoLocal:           bool(event.no_local),
		RetainAsPublished: bool(event.retain_as_published),
		RetainHandling:    byte(event.retain_handling),
	}
}

func goDisconnectEvent(event *C.rmqtt_disconnected_t) DisconnectEvent {
	return DisconnectEvent{
		Client:     goClient(event.client),
		Reason:     goString(event.reason),
		By:         DisconnectedBy(event.by),
		ReasonCode: byte(event.reason_code),
	}
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
	}
	if stats.started_at_ms != 0 {
		result.StartedAt = time.UnixMilli(int64(stats.started_at_ms))
	}
	return result
}
