package rmqtt

import (
	"context"
	"time"
)

// Hooks is the code of the program that the broker asks and tells. Nil: not interested.
//
// What runs for one client keeps its order; what runs for different clients runs at the same time. Hooks may block and
// may call everything in this package; only Stop answers ErrWouldDeadlock in Connected, Disconnected and the functions
// of subscriptions. A panic ends in OnPanic; in Authenticate it also denies.
type Hooks struct {
	// Authenticate decides whether a client may connect. Without it, the configuration decides.
	//
	// It runs in a goroutine of its own, so a slow answer holds up no one but its client. The context ends when the
	// answer has no use any more: after callbacks.timeout_ms of the configuration, or because the broker has stopped.
	// The client is denied then, whatever the hook returns.
	Authenticate func(ctx context.Context, ev AuthEvent) Verdict

	// Connected hears that a client is connected.
	Connected func(ev ClientEvent)

	// Disconnected hears that a client that was connected is gone.
	Disconnected func(ev DisconnectEvent)
}

// Verdict is a decision. The zero value denies.
type Verdict struct {
	allow      bool
	reasonCode byte
	reason     string
}

// The two plain verdicts.
var (
	Allow = Verdict{allow: true}
	Deny  = Verdict{}
)

// DenyWith denies with an MQTT 5 reason code, 0x80 or above, and words for the client, which may be empty.
//
// The library refuses a connection with 0x86 (bad user name or password) or 0x87 (not authorized), and takes any other
// code for the latter. A client of an older protocol gets 4 or 5.
func DenyWith(reasonCode byte, reason string) Verdict {
	return Verdict{reasonCode: reasonCode, reason: reason}
}

// hookSet is what the user data of a hook table stands for.
type hookSet struct {
	hooks   Hooks
	timeout time.Duration
	run     func() context.Context
}

// ask is called by the library. It takes the context here, where a stop of the broker still waits for it: in the
// goroutine, it could be that of the next run.
func (set *hookSet) ask(event AuthEvent, answer func(Verdict)) {
	ctx, cancel := context.WithTimeout(set.run(), set.timeout)
	go set.decide(ctx, cancel, event, answer)
}

// decide answers also where the hook panics or leaves with runtime.Goexit.
func (set *hookSet) decide(ctx context.Context, cancel context.CancelFunc, event AuthEvent, answer func(Verdict)) {
	verdict := Deny
	defer func() {
		cancel()
		answer(verdict)
	}()
	defer catch("Authenticate")
	verdict = set.hooks.Authenticate(ctx, event)
}
