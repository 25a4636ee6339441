package rmqtt

// #include "shim.h"
import "C"

import (
	"context"
	"runtime/cgo"
	"unsafe"
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
	ev := goPreConnectEvent(event)
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

//export rmqttGoAuthorizeForward
func rmqttGoAuthorizeForward(event *C.rmqtt_authorize_forward_t, ticket C.rmqtt_decision_t, handle C.uintptr_t) {
	ev := goForwardEvent(event)
	ask(handle, ticket, "AuthorizeForward", func(ctx context.Context, hooks *Hooks) Verdict {
		return hooks.AuthorizeForward(ctx, ev)
	})
}

//export rmqttGoAuthExchange
func rmqttGoAuthExchange(event *C.rmqtt_auth_exchange_t, ticket C.rmqtt_decision_t, handle C.uintptr_t) {
	ev := goAuthExchangeEvent(event)
	ask(handle, ticket, "AuthExchange", func(ctx context.Context, hooks *Hooks) Verdict {
		return hooks.AuthExchange(ctx, ev)
	})
}

func ask(handle C.uintptr_t, ticket C.rmqtt_decision_t, name string, hook decision) {
	hooksOf(handle).ask(name, hook, func(verdict Verdict) { callComplete(ticket, verdict) })
}

func hooksOf(handle C.uintptr_t) *hookSet {
	return cgo.Handle(handle).Value().(*hookSet)
}

//export rmqttGoConnected
func rmqttGoConnected(event *C.rmqtt_connected_t, handle C.uintptr_t) {
	defer catch("Connected")
	hooksOf(handle).hooks.Connected(ClientEvent{goClient(event.client)})
}

//export rmqttGoDisconnected
func rmqttGoDisconnected(event *C.rmqtt_disconnected_t, handle C.uintptr_t) {
	defer catch("Disconnected")
	hooksOf(handle).hooks.Disconnected(goDisconnectEvent(event))
}

//export rmqttGoConnack
func rmqttGoConnack(event *C.rmqtt_connack_t, handle C.uintptr_t) {
	defer catch("Connack")
	hooksOf(handle).hooks.Connack(goConnackEvent(event))
}

//export rmqttGoSessionCreated
func rmqttGoSessionCreated(event *C.rmqtt_session_event_t, handle C.uintptr_t) {
	defer catch("SessionCreated")
	hooksOf(handle).hooks.SessionCreated(goSessionEvent(event))
}

//export rmqttGoSessionResumed
func rmqttGoSessionResumed(event *C.rmqtt_session_event_t, handle C.uintptr_t) {
	defer catch("SessionResumed")
	hooksOf(handle).hooks.SessionResumed(goSessionEvent(event))
}

//export rmqttGoSessionTakenOver
func rmqttGoSessionTakenOver(event *C.rmqtt_session_event_t, handle C.uintptr_t) {
	defer catch("SessionTakenOver")
	hooksOf(handle).hooks.SessionTakenOver(goSessionEvent(event))
}

//export rmqttGoSessionTerminated
func rmqttGoSessionTerminated(event *C.rmqtt_session_event_t, handle C.uintptr_t) {
	defer catch("SessionTerminated")
	hooksOf(handle).hooks.SessionTerminated(goSessionEvent(event))
}

//export rmqttGoSubscribed
func rmqttGoSubscribed(event *C.rmqtt_subscribed_t, handle C.uintptr_t) {
	defer catch("Subscribed")
	hooksOf(handle).hooks.Subscribed(goSubscribedEvent(event))
}

//export rmqttGoUnsubscribed
func rmqttGoUnsubscribed(event *C.rmqtt_unsubscribed_t, handle C.uintptr_t) {
	defer catch("Unsubscribed")
	hooksOf(handle).hooks.Unsubscribed(UnsubscribedEvent{Client: goClient(event.client), Filter: goString(event.filter)})
}

//export rmqttGoMessagePublished
func rmqttGoMessagePublished(event *C.rmqtt_message_published_t, handle C.uintptr_t) {
	defer catch("MessagePublished")
	hooksOf(handle).hooks.MessagePublished(goPublishedEvent(event))
}

//export rmqttGoMessageDelivered
func rmqttGoMessageDelivered(event *C.rmqtt_message_delivered_t, handle C.uintptr_t) {
	defer catch("MessageDelivered")
	hooksOf(handle).hooks.MessageDelivered(goDeliveredEvent(event))
}

//export rmqttGoMessageAcked
func rmqttGoMessageAcked(event *C.rmqtt_message_acked_t, handle C.uintptr_t) {
	defer catch("MessageAcked")
	hooksOf(handle).hooks.MessageAcked(goAckedEvent(event))
}

//export rmqttGoMessageDropped
func rmqttGoMessageDropped(event *C.rmqtt_message_dropped_t, handle C.uintptr_t) {
	defer catch("MessageDropped")
	hooksOf(handle).hooks.MessageDropped(goDroppedEvent(event))
}

//export rmqttGoWillPublished
func rmqttGoWillPublished(event *C.rmqtt_message_published_t, handle C.uintptr_t) {
	defer catch("WillPublished")
	hooksOf(handle).hooks.WillPublished(goPublishedEvent(event))
}

//export rmqttGoRetainedChanged
func rmqttGoRetainedChanged(event *C.rmqtt_retained_changed_t, handle C.uintptr_t) {
	defer catch("RetainedChanged")
	hooksOf(handle).hooks.RetainedChanged(goRetainedEvent(event))
}

//export rmqttGoFirstSubscriber
func rmqttGoFirstSubscriber(event *C.rmqtt_subscriber_event_t, handle C.uintptr_t) {
	defer catch("FirstSubscriber")
	hooksOf(handle).hooks.FirstSubscriber(goSubscriberEvent(event))
}

//export rmqttGoLastSubscriber
func rmqttGoLastSubscriber(event *C.rmqtt_subscriber_event_t, handle C.uintptr_t) {
	defer catch("LastSubscriber")
	hooksOf(handle).hooks.LastSubscriber(goSubscriberEvent(event))
}

//export rmqttGoListenerUp
func rmqttGoListenerUp(event *C.rmqtt_listener_info_t, handle C.uintptr_t) {
	defer catch("ListenerUp")
	hooksOf(handle).hooks.ListenerUp(ListenerEvent{goListener(event)})
}

//export rmqttGoListenerDown
func rmqttGoListenerDown(event *C.rmqtt_listener_info_t, handle C.uintptr_t) {
	defer catch("ListenerDown")
	hooksOf(handle).hooks.ListenerDown(ListenerEvent{goListener(event)})
}

//export rmqttGoOverload
func rmqttGoOverload(event *C.rmqtt_overload_t, handle C.uintptr_t) {
	defer catch("Overload")
	hooksOf(handle).hooks.Overload(goOverloadEvent(event))
}

//export rmqttGoClientBanned
func rmqttGoClientBanned(event *C.rmqtt_client_banned_t, handle C.uintptr_t) {
	defer catch("ClientBanned")
	hooksOf(handle).hooks.ClientBanned(goBannedEvent(event))
}

//export rmqttGoMessage
func rmqttGoMessage(message *C.rmqtt_message_t, handle C.uintptr_t) {
	defer catch("Subscribe")
	cgo.Handle(handle).Value().(func(Message))(goMessage(message))
}

//export rmqttGoMessages
func rmqttGoMessages(messages **C.rmqtt_message_t, count C.size_t, handle C.uintptr_t) {
	defer catch("Subscribe")
	batch := make([]Message, count)
	for index, message := range unsafe.Slice(messages, count) {
		batch[index] = goMessage(message)
	}
	cgo.Handle(handle).Value().(func([]Message))(batch)
}

//export rmqttGoRetained
func rmqttGoRetained(message *C.rmqtt_message_t, handle C.uintptr_t) {
	cgo.Handle(handle).Value().(*viewer).show(message)
}

//export rmqttGoReport
func rmqttGoReport(report *C.rmqtt_publish_report_t, handle C.uintptr_t) {
	defer catch("OnReport")
	cgo.Handle(handle).Value().(func(PublishReport))(goReport(report))
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
