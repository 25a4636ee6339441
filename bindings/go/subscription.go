package rmqtt

// #include "shim.h"
import "C"

import (
	"math"
	"sync"
)

// Subscription is a subscription of this program. It outlives its broker if it must, without receiving anything.
type Subscription struct {
	mu sync.Mutex
	c  *C.rmqtt_subscription_t
}

// Close ends the subscription. When it returns, its function does not run and will not; in that function itself, this
// holds once the function has returned. Later calls do nothing.
//
// It waits for a call that runs, so two functions must not close each other's subscription at the same time.
func (s *Subscription) Close() {
	s.mu.Lock()
	c := s.c
	s.c = nil
	s.mu.Unlock()
	// Without the lock: it waits for the function, which may call Close too.
	C.rmqtt_subscription_free(c)
}

// Pause has the function called no more, until Resume. A call that runs goes on; so does a call with several messages.
// Messages that come wait, as many as the queue takes. It fails with [ErrClosed] after Close; so do Resume and Stats.
func (s *Subscription) Pause() error {
	return s.with(func(c *C.rmqtt_subscription_t) error { return toError(C.rmqtt_subscription_pause(c), nil) })
}

// Resume has the function called again.
func (s *Subscription) Resume() error {
	return s.with(func(c *C.rmqtt_subscription_t) error { return toError(C.rmqtt_subscription_resume(c), nil) })
}

// SubscriptionStats is a snapshot of a subscription.
type SubscriptionStats struct {
	Delivered      uint64 // messages that the function has had
	Acknowledged   uint64 // messages acknowledged with Delivery.Ack
	Dropped        uint64 // messages, because the queue was full or they had expired
	QueuedMessages uint64 // gauge: messages that wait
	QueuedBytes    uint64 // gauge: what those take in memory, about
	Unacknowledged uint64 // gauge: messages that the function has had, and that have to be acknowledged
	Paused         bool
}

// Stats takes a snapshot. It never waits for a call.
func (s *Subscription) Stats() (stats SubscriptionStats, err error) {
	err = s.with(func(c *C.rmqtt_subscription_t) (err error) {
		stats, err = callSubscriptionStats(c)
		return err
	})
	return stats, err
}

// with keeps the subscription of the library alive for a call that waits for nothing.
func (s *Subscription) with(call func(*C.rmqtt_subscription_t) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c == nil {
		return &Error{Code: ErrClosed, Message: "the subscription is closed"}
	}
	return call(s.c)
}

// SubscribeOption changes how to subscribe.
type SubscribeOption func(*subscribeOptions)

type subscribeOptions = C.rmqtt_subscribe_options_t

// MaxQueued sets how many messages may wait for the function; what happens to more is a matter of [OnOverflow]. 0 means
// 1000.
func MaxQueued(messages uint32) SubscribeOption {
	return func(options *subscribeOptions) { options.max_queued_messages = C.uint32_t(messages) }
}

// MaxQueuedBytes sets what the messages that wait may take in memory, about. 0 means 16 MiB. One message may always wait.
func MaxQueuedBytes(bytes uint64) SubscribeOption {
	return func(options *subscribeOptions) { options.max_queued_bytes = C.uint64_t(bytes) }
}

// Overflow is what happens to a message that finds the queue of a subscription full.
type Overflow int32

// What happens to messages that have no place.
const (
	OverflowDropNewest Overflow = C.RMQTT_OVERFLOW_DROP_NEWEST // it is dropped, and counted
	OverflowDropOldest Overflow = C.RMQTT_OVERFLOW_DROP_OLDEST // the oldest ones give way, and are dropped and counted

	// OverflowBlock: if it was published with QoS 1 or 2, it is queued all the same, and its publisher has to wait until a
	// quarter of the room is there again: a client is not read from meanwhile, Publish fails with ErrWouldBlock. With
	// QoS 0, it is dropped, and counted.
	OverflowBlock Overflow = C.RMQTT_OVERFLOW_BLOCK
)

func (o Overflow) String() string {
	return name(int32(o)+1, "drop newest", "drop oldest", "block")
}

// OnOverflow sets what happens when more messages come than may wait. Without it, they are dropped and counted.
func OnOverflow(policy Overflow) SubscribeOption {
	return func(options *subscribeOptions) {
		if policy < 0 || policy > math.MaxUint8 {
			policy = math.MaxUint8 // that is none either
		}
		options.overflow = C.uint8_t(policy)
	}
}

// QoS sets the highest QoS of the messages, 0 to 2; without it, 0. Messages come with the lower one of it and their own.
func QoS(qos byte) SubscribeOption {
	return func(options *subscribeOptions) { options.qos = C.uint8_t(qos) }
}

// ManualAck has messages of QoS 1 and 2 acknowledged with [Delivery.Ack], instead of by the return of the function, be it
// with a panic.
func ManualAck() SubscribeOption {
	return func(options *subscribeOptions) { options.manual_ack = true }
}

// ReceiveMaximum sets, for [ManualAck], how many messages may be unacknowledged at a time, up to 65535; no more are
// delivered then. 0 means 65535.
func ReceiveMaximum(messages uint32) SubscribeOption {
	return func(options *subscribeOptions) { options.receive_maximum = C.uint32_t(messages) }
}

// MaxBatch sets, for SubscribeBatch, how many messages come in one call, up to 65536. 0 means 256.
func MaxBatch(messages uint32) SubscribeOption {
	return func(options *subscribeOptions) { options.max_batch = C.uint32_t(messages) }
}

// NoRetained leaves out the messages that are retained already.
func NoRetained() SubscribeOption {
	return func(options *subscribeOptions) { options.retain_handling = 2 }
}

// RetainAsPublished leaves the retain flag of messages as their publisher set it, instead of false.
func RetainAsPublished() SubscribeOption {
	return func(options *subscribeOptions) { options.retain_as_published = true }
}

// NoLocal leaves out the messages that this program publishes. Not for a shared subscription.
func NoLocal() SubscribeOption {
	return func(options *subscribeOptions) { options.no_local = true }
}
