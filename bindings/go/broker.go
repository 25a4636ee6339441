// Package rmqtt runs an MQTT broker inside a Go program.
//
//	b, err := rmqtt.New(`{"listeners":[{"address":"127.0.0.1:1883"}]}`, rmqtt.Hooks{Authenticate: check})
//	if err != nil { ... }
//	defer b.Close()
//	err = b.Start()
//
// Everything may be called from any goroutine and, unless it says otherwise, from any callback. What callbacks get is
// theirs to keep.
package rmqtt

// #include "shim.h"
import "C"

import (
	"context"
	"encoding/json"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Broker is an MQTT broker. [New] makes one; Close must end it, for nothing else does.
type Broker struct {
	id      string
	timeout atomic.Int64 // of decisions, a time.Duration
	freed   chan struct{}

	mu     sync.Mutex
	c      *C.rmqtt_broker_t
	calls  int // calls of the library under way, which keep c alive
	closed bool
	run    *run
}

// run is the context of the decisions between a start and a stop.
type run struct {
	ctx    context.Context
	cancel context.CancelFunc
}

func newRun() *run {
	ctx, cancel := context.WithCancel(context.Background())
	return &run{ctx, cancel}
}

// New makes a broker that does not run yet. `{}` is a configuration.
func New(configJSON string, hooks Hooks) (*Broker, error) {
	if err := checkABI(ABIVersion(), C.RMQTT_ABI_VERSION); err != nil {
		return nil, err
	}
	c, err := callNew(configJSON)
	if err != nil {
		return nil, err
	}
	b := &Broker{
		id:    goString(C.rmqtt_broker_id(c)),
		freed: make(chan struct{}),
		c:     c,
		run:   newRun(),
	}
	b.timeout.Store(int64(decisionTimeout(configJSON)))
	if err := b.SetHooks(hooks); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// decisionTimeout reads a configuration that the library has accepted. The library does not tell a hook its deadline.
func decisionTimeout(configJSON string) time.Duration {
	var config struct {
		Callbacks struct {
			TimeoutMS *int64 `json:"timeout_ms"`
		} `json:"callbacks"`
	}
	if err := json.Unmarshal([]byte(configJSON), &config); err != nil || config.Callbacks.TimeoutMS == nil {
		return 5 * time.Second
	}
	return time.Duration(*config.Callbacks.TimeoutMS) * time.Millisecond
}

// enter keeps the broker of the library alive until leave.
func (b *Broker) enter() (*C.rmqtt_broker_t, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.c == nil {
		return nil, errClosed
	}
	b.calls++
	return b.c, nil
}

func (b *Broker) leave() {
	b.mu.Lock()
	b.calls--
	last := b.closed && b.calls == 0
	b.mu.Unlock()
	if last {
		C.rmqtt_broker_free(b.c)
		close(b.freed)
	}
}

func (b *Broker) currentRun() *run {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.run
}

// end tells the hooks of a run that nobody waits for them any more.
func (b *Broker) end(ended *run) {
	b.mu.Lock()
	if b.run == ended {
		b.run = newRun()
	}
	b.mu.Unlock()
	ended.cancel()
}

// SetHooks sets the hooks in place of those before, all at once, whether the broker runs or not. Calls under way end
// with the hooks they began with.
func (b *Broker) SetHooks(hooks Hooks) error {
	c, err := b.enter()
	if err != nil {
		return err
	}
	defer b.leave()
	begin := func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(b.currentRun().ctx, time.Duration(b.timeout.Load()))
	}
	return callSetHooks(c, &hookSet{hooks, begin})
}

// Start binds every listener and lets clients in. If one listener cannot be bound, none is, and nothing runs.
func (b *Broker) Start() error {
	c, err := b.enter()
	if err != nil {
		return err
	}
	defer b.leave()
	return callStart(c)
}

// Stop closes the listeners, then every connection, for which clients have up to the grace; it waits for callbacks
// that run and delivers the events that are queued. Clients that wait for a decision are denied, but their hooks are not
// waited for. A broker that does not run stays as it is; Start may follow.
//
// In the hooks that hear of events and the functions of subscriptions, of reports and of the log, it fails with
// ErrWouldDeadlock.
func (b *Broker) Stop(grace time.Duration) error {
	c, err := b.enter()
	if err != nil {
		return err
	}
	defer b.leave()
	run := b.currentRun()
	if err := toError(C.rmqtt_broker_stop(c, milliseconds(grace)), nil); err != nil {
		return err
	}
	b.end(run)
	return nil
}

func milliseconds(duration time.Duration) C.uint32_t {
	return C.uint32_t(units(duration, time.Millisecond, math.MaxUint32))
}

// units rounds up to whole units: at least what was asked for, but no more than there can be.
func units(duration, unit time.Duration, most int64) int64 {
	switch {
	case duration <= 0:
		return 0
	case duration > time.Duration(most)*unit:
		return most
	default:
		return int64((duration + unit - 1) / unit)
	}
}

// Close stops the broker without grace and frees it. Later calls do nothing; other functions fail with [ErrClosed].
//
// In a callback, it returns at once and the rest happens soon after. Elsewhere it waits for other calls on the broker to
// end, such as a Stop with its grace.
func (b *Broker) Close() {
	b.mu.Lock()
	if b.closed || b.c == nil {
		b.mu.Unlock()
		return
	}
	b.closed = true
	b.calls++
	b.mu.Unlock()

	run := b.currentRun()
	status := C.rmqtt_broker_stop(b.c, 0)
	b.end(run)
	b.leave()
	// In a callback, a call under way elsewhere may be a Stop that waits for this very callback.
	if status != C.RMQTT_ERR_WOULD_DEADLOCK {
		<-b.freed
	}
}

// ID is the id of the configuration, also after Close.
func (b *Broker) ID() string { return b.id }

// Running tells whether the broker is between a start and a stop.
func (b *Broker) Running() bool {
	c, err := b.enter()
	if err != nil {
		return false
	}
	defer b.leave()
	return bool(C.rmqtt_broker_running(c))
}

// ConnectedClients tells how many clients are connected; 0 if the broker does not run.
func (b *Broker) ConnectedClients() uint64 {
	c, err := b.enter()
	if err != nil {
		return 0
	}
	defer b.leave()
	return uint64(C.rmqtt_broker_connected_clients(c))
}

// Listeners tells where the listeners are bound, in the order of the configuration.
func (b *Broker) Listeners() ([]Listener, error) {
	c, err := b.enter()
	if err != nil {
		return nil, err
	}
	defer b.leave()
	listeners := make([]Listener, C.rmqtt_broker_listener_count(c))
	for index := range listeners {
		if listeners[index], err = callListener(c, index); err != nil {
			return nil, err
		}
	}
	return listeners, nil
}

// Stats takes a snapshot. It never waits for a client or a callback.
func (b *Broker) Stats() (Stats, error) {
	c, err := b.enter()
	if err != nil {
		return Stats{}, err
	}
	defer b.leave()
	return callStats(c)
}

// HookStats takes a snapshot of one hook, whether it is set or not. It never waits for a client or a callback.
func (b *Broker) HookStats(hook Hook) (HookStats, error) {
	c, err := b.enter()
	if err != nil {
		return HookStats{}, err
	}
	defer b.leave()
	return callHookStats(c, hook)
}

// MetricsJSON is all statistics as one JSON object: those of Stats by their names in C, and hooks, an object with one for
// each hook that is set or has been called. It never waits for a client or a callback.
func (b *Broker) MetricsJSON() (string, error) {
	c, err := b.enter()
	if err != nil {
		return "", err
	}
	defer b.leave()
	return callMetrics(c, C.RMQTT_METRICS_JSON)
}

// Subscribe calls fn for every message that matches a topic filter, in order, one call at a time; those that are
// retained come first, maybe before Subscribe returns. `$share/{group}/{filter}` takes turns with the other members of
// the group, clients included.
//
// What happens when fn is slower than messages come is a matter of [OnOverflow]. The subscription ends with a stop of the
// broker, when what waits has been delivered, but must be closed.
func (b *Broker) Subscribe(filter string, fn func(Message), options ...SubscribeOption) (*Subscription, error) {
	if fn == nil {
		return nil, errNoFunction
	}
	return b.subscribe(filter, fn, false, options)
}

// SubscribeBatch is Subscribe for a function that takes as many messages as there are, up to [MaxBatch], in one call. The
// slice is fn's to keep. With many small messages that is several times as fast. Without [ManualAck], the return of a call
// acknowledges all of its messages.
func (b *Broker) SubscribeBatch(filter string, fn func([]Message), options ...SubscribeOption) (*Subscription, error) {
	if fn == nil {
		return nil, errNoFunction
	}
	return b.subscribe(filter, fn, true, options)
}

var errNoFunction = &Error{Code: ErrInvalidArgument, Message: "the function is nil"}

func (b *Broker) subscribe(filter string, fn any, batch bool, options []SubscribeOption) (*Subscription, error) {
	c, err := b.enter()
	if err != nil {
		return nil, err
	}
	defer b.leave()
	given := newSubscribeOptions()
	for _, option := range options {
		option(&given)
	}
	subscription, err := callSubscribe(c, filter, &given, fn, batch)
	if err != nil {
		return nil, err
	}
	return &Subscription{c: subscription}, nil
}
