package rmqtt

import (
	"runtime/debug"
	"sync/atomic"
)

// Panic is a panic of a callback.
type Panic struct {
	Callback string // the field of Hooks, such as "Authenticate", or "Subscribe", "OnReport" or "SetLog"
	Value    any    // what was thrown
	Stack    []byte // where, as of debug.Stack
}

var panicHandler atomic.Value

// OnPanic sets the function that hears of panics in callbacks, of all brokers. They cannot pass through the library,
// and without such a function they are dropped. Nil takes it away.
func OnPanic(fn func(Panic)) { panicHandler.Store(fn) }

// catch is deferred directly: it recovers.
func catch(callback string) {
	value := recover()
	if value == nil {
		return
	}
	fn, _ := panicHandler.Load().(func(Panic))
	if fn == nil {
		return
	}
	// There is nobody left to tell if the handler panics too.
	defer func() { _ = recover() }()
	fn(Panic{Callback: callback, Value: value, Stack: debug.Stack()})
}
