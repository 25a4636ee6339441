package rmqtt

// #include "shim.h"
import "C"

import (
	"math"
	"runtime/cgo"
	"time"
)

// PublishOptions is how to publish.
type PublishOptions struct {
	QoS        byte       // 0 to limits.max_qos of the configuration
	Retain     bool       // keep it for later subscriptions; with an empty payload, forget the one that is kept
	Properties Properties // clients of versions before MQTT 5 get the message without them

	// ClientID is the only client that gets the message, whatever it is subscribed to; empty: everyone who is subscribed.
	ClientID string

	// Delay is when it is published, from now on, rounded up to whole milliseconds. Its message expiry interval begins
	// then. Delayed messages are gone when the broker stops.
	Delay time.Duration

	// Wait is how long the call may wait for room, rounded up to whole milliseconds, before it fails with ErrWouldBlock.
	Wait time.Duration

	// OnReport hears what becomes of the message, one call at a time for all messages of the broker. When the broker stops
	// before the last report, there is none. callbacks.max_pending messages may be open.
	OnReport func(PublishReport)
}

// Publication is a message to publish with [Broker.PublishBatch].
type Publication struct {
	Topic   string
	Payload []byte
	PublishOptions
}

// PublishReport is what has become of a message of this program.
type PublishReport struct {
	Receivers    uint64 // how many it was queued for: sessions of clients, and subscriptions of this program
	Acknowledged uint64 // how many of those have acknowledged it; 0 before the last report
	Lost         uint64 // that were to acknowledge it, but have gone or lost it to a full queue; 0 before the last report
	Stage        PublishStage
	Last         bool // nothing more will be reported
}

// PublishStage is how far a message has come.
type PublishStage int32

// How far messages come.
const (
	// PublishQueued: it is queued for everyone who gets it.
	PublishQueued PublishStage = C.RMQTT_PUBLISH_QUEUED

	// PublishAcknowledged: everyone who was connected when it was queued, and gets it with QoS 1 or 2, has acknowledged it
	// or is gone. A subscription of this program acknowledges with the return of its function, or with Delivery.Ack.
	PublishAcknowledged PublishStage = C.RMQTT_PUBLISH_ACKNOWLEDGED

	// PublishRefused: it goes nowhere, AuthorizePublish has refused it.
	PublishRefused PublishStage = C.RMQTT_PUBLISH_REFUSED
)

func (s PublishStage) String() string {
	return name(int32(s), "queued", "acknowledged", "refused")
}

// Publish publishes a message to everyone who is subscribed: clients, and subscriptions of this program. It is queued
// for all of them when this returns. Nil options are the defaults.
//
// With Hooks.AuthorizePublish, it is queued once that hook has allowed it, for which this does not wait. A delayed message
// is published, and the hook asked, when it is due.
//
// It fails with [ErrWouldBlock] if there is no room after PublishOptions.Wait: a receiver has too much to work off, or too
// many messages wait for the hook, are delayed, or are to be reported on; with [ErrNotFound] if there is no session of the
// client PublishOptions.ClientID. Nothing is published then.
func (b *Broker) Publish(topic string, payload []byte, options *PublishOptions) error {
	c, err := b.enter()
	if err != nil {
		return err
	}
	defer b.leave()
	if options == nil {
		options = &PublishOptions{}
	}
	var memory copies
	defer memory.free()
	return callPublish(c, topic, payload, options.ClientID, memory.publication(options))
}

// PublishBatch publishes messages one after the other, each as Publish does, and faster. It ends at the first one that is
// not published: accepted is how many are, those at the front, and the error is that of the one behind them.
func (b *Broker) PublishBatch(messages []Publication) (accepted int, err error) {
	c, err := b.enter()
	if err != nil {
		return 0, err
	}
	defer b.leave()
	if len(messages) == 0 {
		return 0, nil
	}
	var memory copies
	defer memory.free()
	// One piece of memory for all of them: a slice of slices is nothing that the library could read.
	var size int
	for index := range messages {
		message := &messages[index]
		size += len(message.Topic) + len(message.Payload) + len(message.ClientID)
	}
	octets := make([]byte, 0, size+1)
	raw := make([]C.rmqttgo_publication, len(messages))
	for index := range messages {
		message := &messages[index]
		octets = append(append(append(octets, message.Topic...), message.ClientID...), message.Payload...)
		raw[index] = memory.publication(&message.PublishOptions)
		raw[index].topic_len = C.size_t(len(message.Topic))
		raw[index].client_id_len = C.size_t(len(message.ClientID))
		raw[index].payload_len = C.size_t(len(message.Payload))
	}
	return callPublishBatch(c, raw, octets[:size+1])
}

// RetainedSet retains a message, in place of the one of its topic before, without sending it to those who are subscribed:
// who subscribes later gets it. Hooks.RetainedChanged hears of it; Hooks.AuthorizePublish is not asked. Of the options, QoS
// and Properties count; Delay, ClientID and OnReport are refused. Nil options are the defaults.
//
// It fails with [ErrInvalidArgument] for an empty payload, and with [ErrWouldBlock] if retain.max_messages of other topics
// are retained.
func (b *Broker) RetainedSet(topic string, payload []byte, options *PublishOptions) error {
	c, err := b.enter()
	if err != nil {
		return err
	}
	defer b.leave()
	if options == nil {
		options = &PublishOptions{}
	}
	if options.OnReport != nil {
		return &Error{Code: ErrInvalidArgument, Message: "of what is retained without being sent, nothing is reported"}
	}
	var memory copies
	defer memory.free()
	return callRetainedSet(c, topic, payload, options.ClientID, memory.publication(options))
}

// publication makes a handle of the function, which passes to the library with the message, whatever it answers.
func (c *copies) publication(options *PublishOptions) C.rmqttgo_publication {
	publication := C.rmqttgo_publication{
		qos:      C.uint8_t(options.QoS),
		retain:   C.bool(options.Retain),
		wait_ms:  milliseconds(options.Wait),
		delay_ms: C.uint64_t(units(options.Delay, time.Millisecond, math.MaxInt64/int64(time.Millisecond))),
	}
	if !options.Properties.none() {
		publication.properties = c.properties(&options.Properties)
	}
	if options.OnReport != nil {
		publication.handle = C.uintptr_t(cgo.NewHandle(options.OnReport))
	}
	return publication
}

func (p *Properties) none() bool {
	return p.ContentType == "" && p.ResponseTopic == "" && p.CorrelationData == nil && len(p.UserProperties) == 0 &&
		!p.HasMessageExpiry && p.PayloadFormatIndicator == 0
}

func goReport(report *C.rmqtt_publish_report_t) PublishReport {
	return PublishReport{
		Receivers:    uint64(report.receivers),
		Acknowledged: uint64(report.acknowledged),
		Lost:         uint64(report.lost),
		Stage:        PublishStage(report.stage),
		Last:         bool(report.last),
	}
}

// pointer is where octets begin; nil for none. Its type says that there are octets only: what else is in the same piece of
// memory is none of the library's business.
func pointer(octets []byte) *C.uint8_t {
	if len(octets) == 0 {
		return nil
	}
	return (*C.uint8_t)(&octets[0])
}
