package rmqtt

// #include "shim.h"
import "C"

import (
	"context"
	"runtime/cgo"
)

// The functions that the library reaches through shim.c. No panic may leave them: the stack above is not Go's.

//export rmqttGoDrop
func rmqttGoDrop(handle C.uintptr_t) {
	cgo.Handle(handle).Delete()
}

//export rmqttGoAuthenticate
func rmqttGoAuthenticate(event *C.rmqtt_authenticate_t, ticket C.rmqtt_decision_t, handle C.uintptr_t) {
	ev := goAuthEvent(event)
	ask(handle, ticket, "Authenticate", func(ctx context.Context, hooks *Hooks) Verdict {
		return hooks.Authenticate(ctx, ev)
	})
}

//export rmqttGoPreConnect
func rmqttGoPreConnect(event *C.rmqtt_pre_connect_t, ticket C.rmqtt_decision_t, handle C.uintptr_t) {
	ev := PreConnectEvent{Address: goString(event.address), Listener: goString(event.listener)}
	ask(handle, ticket, "PreConnect", func(ctx context.Context, hooks *Hooks) Verdict {
		return hooks.PreConnect(ctx, ev)
	})
}

//export rmqttGoAuthorizePublish
func rmqttGoAuthorizePublish(event *C.rmqtt_authorize_publish_t, ticket C.rmqtt_decision_t, handle C.uintptr_t) {
	ev := PublishEvent{goMessage(event.message)}
	ask(handle, ticket, "AuthorizePublish", func(ctx context.Context, hooks *Hooks) Verdict {
		return hooks.AuthorizePublish(ctx, ev)
	})
}

//export rmqttGoAuthorizeSubscribe
func rmqttGoAuthorizeSubscribe(event *C.rmqtt_authorize_subscribe_t, ticket C.rmqtt_decision_t, handle C.uintptr_t) {
	ev := goSubscribeEvent(event)
	ask(handle, ticket, "AuthorizeSubscribe", func(ctx context.Context, hooks *Hooks) Verdict {
		return hooks.AuthorizeSubscribe(ctx, ev)
	})
}

//export rmqttGoAuthorizeUnsubscribe
func rmqttGoAuthorizeUnsubscribe(event *C.rmqtt_authorize_unsubscribe_t, ticket C.rmqtt_decision_t, handle C.uintptr_t) {
	ev := UnsubscribeEvent{Client: goClient(event.client), Filter: goString(event.filter)}
	ask(handle, ticket, "AuthorizeUnsubscribe", func(ctx context.Context, hooks *Hooks) Verdict {
		return hooks.AuthorizeUnsubscribe(ctx, ev)
	})
}

func ask(handle C.uintptr_t, ticket C.rmqtt_decision_t, name string, hook decision) {
	set := cgo.Handle(handle).Value().(*hookSet)
	set.ask(name, hook, func(verdict Verdict) { callComplete(ticket, verdict) })
}

//export rmqttGoConnected
func rmqttGoConnected(event *C.rmqtt_connected_t, handle C.uintptr_t) {
	defer catch("Connected")
	cgo.Handle(handle).Value().(*hookSet).hooks.Connected(ClientEvent{goClient(event.client)})
}

//export rmqttGoDisconnected
func rmqttGoDisconnected(event *C.rmqtt_disconnected_t, handle C.uintptr_t) {
	defer catch("Disconnected")
	cgo.Handle(handle).Value().(*hookSet).hooks.Disconnected(goDisconnectEvent(event))
}

//export rmqttGoMessage
func rmqttGoMessage(message *C.rmqtt_message_t, handle C.uintptr_t) {
	defer catch("Subscribe")
	cgo.Handle(handle).Value().(func(Message))(goMessage(message))
}

//export rmqttGoLogLine
func rmqttGoLogLine(line *C.rmqtt_log_line_t, handle C.uintptr_t) {
	defer catch("SetLog")
	cgo.Handle(handle).Value().(func(LogLine))(LogLine{
		Level:   Level(line.level),
		Target:  goString(line.target),
		Message: goString(line.message),
	})
}
