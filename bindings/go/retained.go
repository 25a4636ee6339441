package rmqtt

// #include "shim.h"
import "C"

import "runtime/cgo"

// Retained calls fn for each retained message that matches a topic filter, in the order of their names, level by level:
// "a", "a/b", "a-b". Those that have expired are left out. Messages that come or go meanwhile may be shown or not; each that
// stays is shown once. The filter is one without $share; "#" is all but those whose names begin with "$".
//
// fn is called on the goroutine that calls Retained, before it returns, with nothing locked: it may delete what it is
// shown. Only Close, which waits for Retained to end, must not be called there. A panic of fn is the caller's, and ends what
// is shown. If the broker is stopped meanwhile, Retained fails with [ErrInvalidState].
func (b *Broker) Retained(filter string, fn func(Message)) error {
	if fn == nil {
		return errNoFunction
	}
	c, err := b.enter()
	if err != nil {
		return err
	}
	defer b.leave()
	return show(fn, func(handle cgo.Handle) error { return callRetained(c, filter, handle) })
}

// RetainedGet returns the retained message of one topic. It fails with [ErrNotFound] if there is none, or it has expired.
func (b *Broker) RetainedGet(topic string) (message Message, err error) {
	c, err := b.enter()
	if err != nil {
		return Message{}, err
	}
	defer b.leave()
	found := func(m Message) { message = m }
	err = show(found, func(handle cgo.Handle) error { return callRetainedGet(c, topic, handle) })
	return message, err
}

// RetainedDelete forgets the retained messages that match a topic filter, and tells how many there were.
// Hooks.RetainedChanged hears of each. The filter is one without $share; a topic name is the filter of its own message, and
// "#" is all but those whose names begin with "$".
func (b *Broker) RetainedDelete(filter string) (deleted uint64, err error) {
	c, err := b.enter()
	if err != nil {
		return 0, err
	}
	defer b.leave()
	return callRetainedDelete(c, filter)
}

// viewer is a function that retained messages are shown to.
type viewer struct {
	fn       func(Message)
	panicked bool
	value    any // of the panic
}

// show brings a panic of fn past the library, which it cannot pass through.
func show(fn func(Message), call func(cgo.Handle) error) error {
	v := &viewer{fn: fn}
	handle := cgo.NewHandle(v)
	defer handle.Delete()
	err := call(handle)
	if v.panicked {
		panic(v.value)
	}
	return err
}

func (v *viewer) show(message *C.rmqtt_message_t) {
	if v.panicked {
		return
	}
	v.panicked = true
	defer func() {
		if v.panicked {
			v.value = recover()
		}
	}()
	v.fn(goMessage(message))
	v.panicked = false
}
