package rmqtt

// #include "shim.h"
import "C"

import (
	"math"
	"time"
)

// Never is the session expiry interval of a session that is kept for ever.
const Never time.Duration = math.MaxUint32 * time.Second

// AuthEvent is a client that wants to connect.
type AuthEvent struct {
	Client
	Password                   []byte // nil if there is none
	KeepAlive                  time.Duration
	CleanStart                 bool
	Will                       *Message // nil if there is none
	UserProperties             []UserProperty
	SessionExpiry              time.Duration // Never for ever; before MQTT 5: 0 with clean session, else Never
	RequestResponseInformation bool          // the client would like to be told where answers go
	RequestProblemInformation  bool          // the client takes reason strings and user properties with every packet
	MaximumPacketSize          uint32        // that the client takes, in bytes; 0 for no limit
	ReceiveMaximum             uint16        // QoS 1 and 2 messages that the client takes at once
	TopicAliasMaximum          uint16        // topic aliases that the client takes
	Connection                 Connection    // what is known of it
}

// AuthExchangeEvent is one round of an MQTT 5 enhanced authentication.
type AuthExchangeEvent struct {
	Client
	Method     string      // the authentication method of its CONNECT
	Data       []byte      // the authentication data of this round; nil if there is none
	Round      uint32      // 1 for CONNECT, or for the AUTH that begins a re-authentication; one more for each AUTH after it
	Again      bool        // whether the client is connected already, and authenticates again
	Connection *Connection // what is known of it; nil with Again
}

// PreConnectEvent is a connection that has sent nothing yet in MQTT.
type PreConnectEvent struct {
	Address    string     // such as "192.0.2.1:49152"
	Listener   string     // the name of the listener that accepted it
	Connection Connection // what is known of it so far
	Stage      Stage      // how far it has come
}

// PublishEvent is a message that is to be published.
//
// Its Origin is OriginClient, OriginAPI, OriginDelayed for one of the program that is asked about when it is due, or
// OriginWill: a will is asked about when its client connects, and again when it is published.
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

// ForwardEvent is a message that is to be sent to a client for the first time.
type ForwardEvent struct {
	Client  // who is to get it
	Message Message
	QoS     byte // that it is sent with: the lower one of the message's and the subscription's
	Retain  bool // that it is sent with
}

func goAuthEvent(event *C.rmqtt_authenticate_t) AuthEvent {
	result := AuthEvent{
		Client:                     goClient(event.client),
		Password:                   goBytes(event.password),
		KeepAlive:                  time.Duration(event.keep_alive_s) * time.Second,
		CleanStart:                 bool(event.clean_start),
		UserProperties:             goUserProperties(event.user_properties, event.user_property_count),
		SessionExpiry:              time.Duration(event.session_expiry_s) * time.Second,
		RequestResponseInformation: bool(event.request_response_information),
		RequestProblemInformation:  bool(event.request_problem_information),
		MaximumPacketSize:          uint32(event.maximum_packet_size),
		ReceiveMaximum:             uint16(event.receive_maximum),
		TopicAliasMaximum:          uint16(event.topic_alias_maximum),
		Connection:                 goConnection(event.connection),
	}
	if event.will != nil {
		will := goMessage(event.will)
		result.Will = &will
	}
	return result
}

func goAuthExchangeEvent(event *C.rmqtt_auth_exchange_t) AuthExchangeEvent {
	return AuthExchangeEvent{
		Client:     goClient(event.client),
		Method:     goString(event.method),
		Data:       goBytes(event.data),
		Round:      uint32(event.round),
		Again:      bool(event.again),
		Connection: goConnectionOrNil(event.connection),
	}
}

func goPreConnectEvent(event *C.rmqtt_pre_connect_t) PreConnectEvent {
	return PreConnectEvent{
		Address:    goString(event.address),
		Listener:   goString(event.listener),
		Connection: goConnection(event.connection),
		Stage:      Stage(event.stage),
	}
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

func goForwardEvent(event *C.rmqtt_authorize_forward_t) ForwardEvent {
	return ForwardEvent{
		Client:  goClient(event.client),
		Message: goMessage(event.message),
		QoS:     byte(event.qos),
		Retain:  bool(event.retain),
	}
}
