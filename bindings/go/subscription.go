package rmqtt

// #include "shim.h"
import "C"

import "sync"

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

// SubscribeOption changes how to subscribe.
type SubscribeOption func(*subscribeOptions)

type subscribeOptions struct {
	maxQueued      uint32
	qos            byte
	retainHandling byte
}

// MaxQueued sets how many messages may wait for the function; more are dropped and counted. 0 means 1000.
func MaxQueued(messages uint32) SubscribeOption {
	return func(options *subscribeOptions) { options.maxQueued = messages }
}

// QoS sets the QoS. This version of the library delivers with 0 only.
func QoS(qos byte) SubscribeOption {
	return func(options *subscribeOptions) { options.qos = qos }
}

// NoRetained leaves out the messages that are retained already.
func NoRetained() SubscribeOption {
	return func(options *subscribeOptions) { options.retainHandling = 2 }
}
