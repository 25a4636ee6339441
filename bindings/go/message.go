package rmqtt

// #include "shim.h"
import "C"

import (
	"time"
	"unsafe"
)

// Message is a message that the broker hands to the program. It is a copy, all of it: there is nothing to retain or to
// release, as there is in C.
type Message struct {
	Topic      string
	Payload    []byte
	Publisher  *Client // who published it, or whose will it is; nil if no connection did, or if that is gone
	Origin     Origin
	QoS        byte
	Retain     bool
	Properties Properties
	Delivery   Delivery // what has to be acknowledged: 0 unless [ManualAck] says so, and for QoS 0
}

// Delivery is a message that this program has to acknowledge: a number that stays harmless when its subscription or its
// broker is gone.
type Delivery uint64

// Ack acknowledges the message, in whatever order, on any goroutine. Until then it counts against [ReceiveMaximum]. When
// its subscription ends, or its broker stops, without that, it is lost; one of a shared subscription goes to another
// member when its subscription ends.
//
// It fails with [ErrExpired] if the message has been acknowledged already, or its subscription or its run of the broker is
// over, and with [ErrInvalidArgument] for 0.
func (d Delivery) Ack() error {
	return toError(C.rmqtt_delivery_ack(C.rmqtt_delivery_t(d)), nil)
}

// Properties are the MQTT 5 properties of a message that those who exchange it have put in. The zero value is none.
type Properties struct {
	ContentType            string // empty for none
	ResponseTopic          string // a topic name; empty for none
	CorrelationData        []byte // nil for none
	UserProperties         []UserProperty
	MessageExpiry          time.Duration // in whole seconds: what is left of it; only with HasMessageExpiry
	HasMessageExpiry       bool          // whether the message expires
	PayloadFormatIndicator byte          // 1 if the payload is UTF-8 text, else 0
}

// UserProperty is a name with a value. Names may come more than once, in an order that is kept.
type UserProperty struct {
	Name, Value string
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
	return name(int32(o), "client", "api", "will", "retained", "bridge", "cluster", "system", "delayed")
}

func goMessage(message *C.rmqtt_message_t) Message {
	return Message{
		Topic:      goString(message.topic),
		Payload:    goBytes(message.payload),
		Publisher:  goClientOrNil(message.publisher),
		Origin:     Origin(message.origin),
		QoS:        byte(message.qos),
		Retain:     bool(message.retain),
		Properties: goProperties(message.properties),
		Delivery:   Delivery(message.delivery),
	}
}

func goProperties(properties *C.rmqtt_properties_t) Properties {
	if properties == nil {
		return Properties{}
	}
	return Properties{
		ContentType:            goString(properties.content_type),
		ResponseTopic:          goString(properties.response_topic),
		CorrelationData:        goBytes(properties.correlation_data),
		UserProperties:         goUserProperties(properties.user_properties, properties.user_property_count),
		MessageExpiry:          time.Duration(properties.message_expiry_s) * time.Second,
		HasMessageExpiry:       bool(properties.has_message_expiry),
		PayloadFormatIndicator: byte(properties.payload_format_indicator),
	}
}

func goUserProperties(properties *C.rmqtt_user_property_t, count C.size_t) []UserProperty {
	if count == 0 {
		return nil
	}
	result := make([]UserProperty, count)
	for index, property := range unsafe.Slice(properties, count) {
		result[index] = UserProperty{Name: goString(property.name), Value: goString(property.value)}
	}
	return result
}
