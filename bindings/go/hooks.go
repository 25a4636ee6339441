package rmqtt

// #include "shim.h"
import "C"

import (
	"context"
	"time"
)

// Hooks is the code of the program that the broker asks and tells. Nil: not interested.
//
// What runs for one client keeps its order; what runs for different clients runs at the same time. Hooks may block and
// may call everything in this package; only Stop answers ErrWouldDeadlock in Connected, Disconnected and the functions
// of subscriptions. A panic ends in OnPanic; in the hooks that decide it also denies.
//
// The hooks that decide, those that return a Verdict, run in a goroutine of their own each, so a slow answer holds up no
// one but its client. The context ends when the answer has no use any more: after callbacks.timeout_ms of the
// configuration, or because the broker has stopped. What was asked for is denied then, whatever the hook returns.
//
// The library can also call hooks in place, on the threads that serve clients, if they promise to take microseconds.
// Go cannot promise that, for the scheduler and the garbage collector have a say, so there is no such option here.
type Hooks struct {
	// Authenticate decides whether a client may connect. Without it, the configuration decides.
	Authenticate func(ctx context.Context, ev AuthEvent) Verdict

	// Connected hears that a client is connected.
	Connected func(ev ClientEvent)

	// Disconnected hears that a client that was connected is gone.
	Disconnected func(ev DisconnectEvent)

	// PreConnect decides whether a connection may say anything; if not, it is closed without a word.
	PreConnect func(ctx context.Context, ev PreConnectEvent) Verdict

	// AuthorizePublish decides whether a message may be published, be it of a client, a will, or this program's own, and
	// as what. Without it, every message may, but no client's to $SYS/#.
	AuthorizePublish func(ctx context.Context, ev PublishEvent) Verdict

	// AuthorizeSubscribe decides whether a client may subscribe, filter by filter, and to what. Without it, it may.
	AuthorizeSubscribe func(ctx context.Context, ev SubscribeEvent) Verdict

	// AuthorizeUnsubscribe decides whether a client may unsubscribe, filter by filter. Without it, it may.
	AuthorizeUnsubscribe func(ctx context.Context, ev UnsubscribeEvent) Verdict
}

// Verdict is a decision. The zero value denies.
type Verdict struct {
	kind       verdictKind
	reasonCode byte
	reason     string

	// What replace names is put in the place of what was asked for. The payload is a string so that verdicts compare.
	replace uint32
	topic   string
	payload string
	qos     byte
	retain  bool
}

type verdictKind int32

// The plain verdicts.
var (
	Allow = Verdict{kind: C.RMQTT_VERDICT_ALLOW}
	Deny  = Verdict{}

	// Drop denies, but does not tell the client: its message goes nowhere and is acknowledged as if it had. It is Deny
	// for what is not a message.
	Drop = Verdict{kind: C.RMQTT_VERDICT_DROP}
)

// DenyWith denies with an MQTT 5 reason code, 0x80 or above, and words for the client, which may be empty.
//
// A code that the answer cannot carry is sent as 0x80, and a client of an older protocol gets what that has in its place.
// Words reach MQTT 5 clients that connect, or that publish with QoS 1 or 2.
func DenyWith(reasonCode byte, reason string) Verdict {
	return Verdict{reasonCode: reasonCode, reason: reason}
}

// WithTopic returns the verdict with another topic name for a message, or another filter for a subscription. What is
// none refuses what was asked for. This and the methods below change verdicts that allow, as in Allow.WithTopic("a").
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

// hookSet is what the user data of a hook table stands for.
type hookSet struct {
	hooks   Hooks
	timeout time.Duration
	run     func() context.Context
}

// decision calls one of the hooks that decide, with the event it was made for.
type decision func(ctx context.Context, hooks *Hooks) Verdict

// ask is called by the library. It takes the context here, where a stop of the broker still waits for it: in the
// goroutine, it could be that of the next run.
func (set *hookSet) ask(name string, hook decision, answer func(Verdict)) {
	ctx, cancel := context.WithTimeout(set.run(), set.timeout)
	go set.decide(ctx, cancel, name, hook, answer)
}

// decide answers also where the hook panics or leaves with runtime.Goexit.
func (set *hookSet) decide(ctx context.Context, cancel context.CancelFunc, name string, hook decision, answer func(Verdict)) {
	verdict := Deny
	defer func() {
		cancel()
		answer(verdict)
	}()
	defer catch(name)
	verdict = hook(ctx, &set.hooks)
}
