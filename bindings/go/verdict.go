package rmqtt

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"math"
	"time"
	"unsafe"
)

// Verdict is a decision. The zero value denies.
//
// The methods return the verdict with a detail more, and leave the one they are called on as it is:
// Allow.WithTopic("a").WithQoS(0). Details that do not belong to what was asked are not looked at.
type Verdict struct {
	kind       verdictKind
	reasonCode byte
	reason     string

	// What replace names is put in the place of what was asked for. Octets are strings, and what is longer is behind a
	// pointer, so that verdicts compare.
	replace       uint32
	topic         string
	payload       string
	qos           byte
	retain        bool
	properties    *Properties
	clientID      string
	sessionExpiry uint32
	keepAlive     uint16

	userProperties      *[]UserProperty
	authData            string
	hasAuthData         bool
	responseInformation string
	serverReference     string
	superuser           bool
}

type verdictKind int32

// The plain verdicts.
var (
	Allow = Verdict{kind: C.RMQTT_VERDICT_ALLOW}
	Deny  = Verdict{}

	// Drop denies, but does not tell the client: its message goes nowhere and is acknowledged as if it had. It is Deny
	// for what is not a message.
	Drop = Verdict{kind: C.RMQTT_VERDICT_DROP}

	// A hook that has panicked: denies, and is counted as a failure.
	failed = Verdict{kind: C.RMQTT_VERDICT_FAILED}
)

// DenyWith denies with an MQTT 5 reason code, 0x80 or above, and words for the client, which may be empty.
//
// A code that the answer cannot carry is sent as 0x80, and a client of an older protocol gets what that has in its place.
// Words are as those of WithReason.
func DenyWith(reasonCode byte, reason string) Verdict {
	return Verdict{reasonCode: reasonCode, reason: reason}
}

// Continue goes on with an enhanced authentication, with data as the challenge; nil for none. From Authenticate,
// Continue(nil) leaves it to the configuration, as without the hook. It denies everything else, and in round 64.
func Continue(data []byte) Verdict {
	return Verdict{kind: C.RMQTT_VERDICT_CONTINUE}.WithAuthData(data)
}

// WithReason returns the verdict with words for an MQTT 5 client, whatever is decided, in the packet that answers it. Of
// those for the filters of one SUBSCRIBE or UNSUBSCRIBE, the first are sent.
func (v Verdict) WithReason(reason string) Verdict {
	v.reason = reason
	return v
}

// WithUserProperties returns the verdict with these user properties, and no others, for an MQTT 5 client, whatever is
// decided, in the packet that answers it. Those for the filters of one SUBSCRIBE or UNSUBSCRIBE are sent together.
func (v Verdict) WithUserProperties(properties ...UserProperty) Verdict {
	properties = append([]UserProperty(nil), properties...)
	v.userProperties = &properties
	return v
}

// WithAuthData returns the verdict with authentication data for the client of an exchange that is allowed or goes on;
// nil is none.
func (v Verdict) WithAuthData(data []byte) Verdict {
	v.authData = string(data)
	v.hasAuthData = data != nil
	return v
}

// WithServerReference returns the verdict with where an MQTT 5 client that may not connect, or not stay connected, should
// go, for the reason codes 0x9C and 0x9D.
func (v Verdict) WithServerReference(server string) Verdict {
	v.serverReference = server
	return v
}

// WithTopic returns the verdict with another topic name for a message, or another filter for a subscription. What is
// none refuses what was asked for. This and the methods below change verdicts that allow.
func (v Verdict) WithTopic(topic string) Verdict {
	v.replace |= C.RMQTT_REPLACE_TOPIC
	v.topic = topic
	return v
}

// WithPayload returns the verdict with another payload for a message; nil is an empty one.
func (v Verdict) WithPayload(payload []byte) Verdict {
	v.replace |= C.RMQTT_REPLACE_PAYLOAD
	v.payload = string(payload)
	return v
}

// WithQoS returns the verdict with another QoS for a message, or a lower one for a subscription. One above 2 denies.
func (v Verdict) WithQoS(qos byte) Verdict {
	v.replace |= C.RMQTT_REPLACE_QOS
	v.qos = qos
	return v
}

// WithRetain returns the verdict with another retain flag for a message.
func (v Verdict) WithRetain(retain bool) Verdict {
	v.replace |= C.RMQTT_REPLACE_RETAIN
	v.retain = retain
	return v
}

// WithProperties returns the verdict with other MQTT 5 properties for a message, in the place of all that it has.
func (v Verdict) WithProperties(properties Properties) Verdict {
	v.replace |= C.RMQTT_REPLACE_PROPERTIES
	properties.CorrelationData = append(properties.CorrelationData[:0:0], properties.CorrelationData...)
	properties.UserProperties = append([]UserProperty(nil), properties.UserProperties...)
	v.properties = &properties
	return v
}

// WithClientID returns the verdict with another client identifier for a client that connects. An MQTT 5 client is told if
// it came without one. What is empty or longer than limits.max_client_id_length refuses the client with 0x85.
func (v Verdict) WithClientID(id string) Verdict {
	v.replace |= C.RMQTT_REPLACE_CLIENT_ID
	v.clientID = id
	return v
}

// WithSessionExpiry returns the verdict with another session expiry interval for a client that connects, rounded up to
// whole seconds, up to session.max_expiry_s; [Never] for ever. A clean session before MQTT 5 ends with its connection
// nevertheless.
func (v Verdict) WithSessionExpiry(expiry time.Duration) Verdict {
	v.replace |= C.RMQTT_REPLACE_SESSION_EXPIRY
	v.sessionExpiry = uint32(units(expiry, time.Second, math.MaxUint32))
	return v
}

// WithKeepAlive returns the verdict with another keep alive for an MQTT 5 client that connects, rounded up to whole
// seconds, up to limits.max_keepalive_s; 0 for none.
func (v Verdict) WithKeepAlive(keepAlive time.Duration) Verdict {
	v.replace |= C.RMQTT_REPLACE_KEEP_ALIVE
	v.keepAlive = uint16(units(keepAlive, time.Second, math.MaxUint16))
	return v
}

// WithResponseInformation returns the verdict with response information for an MQTT 5 client that connects and has asked
// for it.
func (v Verdict) WithResponseInformation(information string) Verdict {
	v.responseInformation = information
	return v
}

// WithSuperuser returns the verdict with a client that connects as a superuser: the configured access rules do not hold
// for it.
func (v Verdict) WithSuperuser() Verdict {
	v.superuser = true
	return v
}

// callComplete copies what the verdict points to: the library takes no memory of Go behind a pointer.
//
// An answer that comes too late is no error: the broker has denied already, and the hook learned so from its context.
func callComplete(ticket C.rmqtt_decision_t, verdict Verdict) {
	var memory copies
	defer memory.free()
	c := C.rmqtt_verdict_t{
		struct_size:          C.sizeof_rmqtt_verdict_t,
		kind:                 C.rmqtt_verdict_kind_t(verdict.kind),
		reason_code:          C.uint8_t(verdict.reasonCode),
		reason_string:        memory.text(verdict.reason),
		replace:              C.uint32_t(verdict.replace),
		topic:                memory.text(verdict.topic),
		qos:                  C.uint8_t(verdict.qos),
		retain:               C.bool(verdict.retain),
		keep_alive_s:         C.uint16_t(verdict.keepAlive),
		client_id:            memory.text(verdict.clientID),
		response_information: memory.text(verdict.responseInformation),
		server_reference:     memory.text(verdict.serverReference),
		session_expiry_s:     C.uint32_t(verdict.sessionExpiry),
		superuser:            C.bool(verdict.superuser),
	}
	if verdict.replace&C.RMQTT_REPLACE_PAYLOAD != 0 {
		c.payload = memory.octets(verdict.payload)
	}
	if verdict.userProperties != nil {
		c.user_properties, c.user_property_count = memory.userProperties(*verdict.userProperties)
	}
	if verdict.hasAuthData {
		c.auth_data = memory.octets(verdict.authData)
	}
	if verdict.properties != nil {
		c.properties = memory.properties(verdict.properties)
	}
	C.rmqtt_decision_complete(ticket, &c)
}

// copies is memory of C that is freed together.
type copies []unsafe.Pointer

func (c *copies) free() {
	for _, copied := range *c {
		C.free(copied)
	}
}

func (c *copies) keep(copied unsafe.Pointer) unsafe.Pointer {
	*c = append(*c, copied)
	return copied
}

// text takes what is empty for absent.
func (c *copies) text(text string) C.rmqtt_str_t {
	if text == "" {
		return C.rmqtt_str_t{}
	}
	return C.rmqtt_str_t{ptr: (*C.char)(c.keep(unsafe.Pointer(C.CString(text)))), len: C.size_t(len(text))}
}

// octets are there, even if they are empty.
func (c *copies) octets(octets string) C.rmqtt_bytes_t {
	return C.rmqtt_bytes_t{ptr: (*C.uint8_t)(c.keep(unsafe.Pointer(C.CString(octets)))), len: C.size_t(len(octets))}
}

func (c *copies) userProperties(properties []UserProperty) (*C.rmqtt_user_property_t, C.size_t) {
	if len(properties) == 0 {
		return nil, 0
	}
	count := C.size_t(len(properties))
	first := (*C.rmqtt_user_property_t)(c.keep(C.calloc(count, C.sizeof_rmqtt_user_property_t)))
	for index, property := range properties {
		unsafe.Slice(first, count)[index] = C.rmqtt_user_property_t{name: c.text(property.Name), value: c.text(property.Value)}
	}
	return first, count
}

func (c *copies) properties(properties *Properties) *C.rmqtt_properties_t {
	copied := (*C.rmqtt_properties_t)(c.keep(C.calloc(1, C.sizeof_rmqtt_properties_t)))
	copied.struct_size = C.sizeof_rmqtt_properties_t
	copied.content_type = c.text(properties.ContentType)
	copied.response_topic = c.text(properties.ResponseTopic)
	if properties.CorrelationData != nil {
		copied.correlation_data = c.octets(string(properties.CorrelationData))
	}
	copied.user_properties, copied.user_property_count = c.userProperties(properties.UserProperties)
	copied.message_expiry_s = C.uint32_t(units(properties.MessageExpiry, time.Second, math.MaxUint32))
	copied.has_message_expiry = C.bool(properties.HasMessageExpiry)
	copied.payload_format_indicator = C.uint8_t(properties.PayloadFormatIndicator)
	return copied
}
