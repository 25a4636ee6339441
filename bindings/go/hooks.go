package rmqtt

// #include "shim.h"
import "C"

import "context"

// Hooks is the code of the program that the broker asks and tells. Nil: not interested, at no cost.
//
// What runs for one client keeps its order; what runs for different clients runs at the same time. Hooks may block and
// may call everything in this package; only Stop answers ErrWouldDeadlock in the hooks that hear of events and the
// functions of subscriptions and reports. A panic ends in OnPanic; in the hooks that decide it also denies.
//
// The hooks that decide, those that return a Verdict, run in a goroutine of their own each, so a slow answer holds up no
// one but its client. The context ends when the answer has no use any more: after callbacks.timeout_ms of the
// configuration, or because the broker has stopped. What was asked for is denied then, whatever the hook returns.
//
// The library can also call hooks in place, on the threads that serve clients, if they promise to take microseconds.
// Go cannot promise that, for the scheduler and the garbage collector have a say, so there is no such option here.
type Hooks struct {
	// Authenticate decides whether a client may connect. Without it, and with Continue(nil), the configuration decides.
	Authenticate func(ctx context.Context, ev AuthEvent) Verdict

	// Connected hears that a client is connected.
	Connected func(ev ClientEvent)

	// Disconnected hears that a client that was connected is gone.
	Disconnected func(ev DisconnectEvent)

	// PreConnect decides whether a connection may say anything; if not, it is closed without a word. It is asked when the
	// connection has been accepted, before any handshake costs anything, and on listeners with TLS, WebSocket or QUIC once
	// more after that, when the certificate and the address that a reverse proxy tells of are known.
	PreConnect func(ctx context.Context, ev PreConnectEvent) Verdict

	// AuthorizePublish decides whether a message may be published, be it of a client, a will, or this program's own, and
	// as what. Without it, every message may, but no client's to $SYS/# that is not a superuser.
	AuthorizePublish func(ctx context.Context, ev PublishEvent) Verdict

	// AuthorizeSubscribe decides whether a client may subscribe, filter by filter, and to what. Without it, it may, but to
	// $SYS/# only if acl.sys_topics says so.
	AuthorizeSubscribe func(ctx context.Context, ev SubscribeEvent) Verdict

	// AuthorizeUnsubscribe decides whether a client may unsubscribe, filter by filter. Without it, it may.
	AuthorizeUnsubscribe func(ctx context.Context, ev UnsubscribeEvent) Verdict

	// AuthorizeForward decides whether a client gets a message, and as what. It is asked once for each receiver and
	// message, before the first time that it is sent. Whatever denies drops the message for this client. Without it, the
	// client gets it.
	AuthorizeForward func(ctx context.Context, ev ForwardEvent) Verdict

	// AuthExchange decides about each round of an MQTT 5 enhanced authentication, in the place of Authenticate: Continue
	// challenges the client once more. Without it, a client that asks for one is refused with 0x8C.
	AuthExchange func(ctx context.Context, ev AuthExchangeEvent) Verdict

	// Connack hears how a CONNECT that could be read has been answered, before Connected.
	Connack func(ev ConnackEvent)

	// SessionCreated hears that a client has got a session that there was not before.
	SessionCreated func(ev SessionEvent)

	// SessionResumed hears that a client has got the session that was kept for it.
	SessionResumed func(ev SessionEvent)

	// SessionTakenOver hears that a connection loses its session to a new one under its client identifier; Disconnected
	// follows.
	SessionTakenOver func(ev SessionEvent)

	// SessionTerminated hears that a session is over, with all that was kept in it.
	SessionTerminated func(ev SessionEvent)

	// Subscribed hears that a client has subscribed, filter by filter.
	Subscribed func(ev SubscribedEvent)

	// Unsubscribed hears that a client has unsubscribed, filter by filter. When its session ends, only SessionTerminated
	// tells that all its subscriptions are over.
	Unsubscribed func(ev UnsubscribedEvent)

	// MessagePublished hears of each message that is on its way, wills and those of this program included.
	MessagePublished func(ev PublishedEvent)

	// MessageDelivered hears of each message that is written to a client for the first time.
	MessageDelivered func(ev DeliveredEvent)

	// MessageAcked hears of each message that a client has acknowledged.
	MessageAcked func(ev AckedEvent)

	// MessageDropped hears of each message that does not reach a receiver.
	MessageDropped func(ev DroppedEvent)

	// WillPublished hears of each will that is on its way; so does MessagePublished.
	WillPublished func(ev PublishedEvent)

	// RetainedChanged hears that the retained message of a topic has changed.
	RetainedChanged func(ev RetainedEvent)

	// FirstSubscriber hears that a filter that nobody was subscribed to has its first subscriber.
	FirstSubscriber func(ev SubscriberEvent)

	// LastSubscriber hears that nobody is subscribed to a filter any more.
	LastSubscriber func(ev SubscriberEvent)

	// ListenerUp hears that a listener is open.
	ListenerUp func(ev ListenerEvent)

	// ListenerDown hears that a listener is closed.
	ListenerDown func(ev ListenerEvent)

	// Overload hears that a limit of the broker as a whole is reached, or that there is room again.
	Overload func(ev OverloadEvent)

	// ClientBanned hears that somebody is kept out from now on.
	ClientBanned func(ev BannedEvent)
}

// hookSet is what the user data of a hook table stands for.
type hookSet struct {
	hooks Hooks
	begin func() (context.Context, context.CancelFunc) // makes the context of a decision
}

// decision calls one of the hooks that decide, with the event it was made for.
type decision func(ctx context.Context, hooks *Hooks) Verdict

// ask is called by the library. It takes the context here, where a stop of the broker still waits for it: in the
// goroutine, it could be that of the next run.
func (set *hookSet) ask(name string, hook decision, answer func(Verdict)) {
	ctx, cancel := set.begin()
	go set.decide(ctx, cancel, name, hook, answer)
}

// decide answers also where the hook panics or leaves with runtime.Goexit.
func (set *hookSet) decide(ctx context.Context, cancel context.CancelFunc, name string, hook decision, answer func(Verdict)) {
	verdict := failed
	defer func() {
		cancel()
		answer(verdict)
	}()
	defer catch(name)
	verdict = hook(ctx, &set.hooks)
}
