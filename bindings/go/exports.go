package rmqtt

// #include "shim.h"
import "C"

import "runtime/cgo"

// The functions that the library reaches through shim.c. No panic may leave them: the stack above is not Go's.

//export rmqttGoDrop
func rmqttGoDrop(handle C.uintptr_t) {
	cgo.Handle(handle).Delete()
}

//export rmqttGoAuthenticate
func rmqttGoAuthenticate(event *C.rmqtt_authenticate_t, ticket C.rmqtt_decision_t, handle C.uintptr_t) {
	set := cgo.Handle(handle).Value().(*hookSet)
	set.ask(goAuthEvent(event), func(verdict Verdict) { callComplete(ticket, verdict) })
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
