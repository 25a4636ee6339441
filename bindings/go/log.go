package rmqtt

// #include "shim.h"
import "C"

import "runtime/cgo"

// Level is how important a line of the log is.
type Level int32

// The levels, the most important first.
const (
	LevelError Level = C.RMQTT_LEVEL_ERROR // something that should work does not
	LevelWarn  Level = C.RMQTT_LEVEL_WARN  // something is odd, or was refused for want of an answer
	LevelInfo  Level = C.RMQTT_LEVEL_INFO  // what an operator wants to know
	LevelDebug Level = C.RMQTT_LEVEL_DEBUG // what a developer of the program wants to know
	LevelTrace Level = C.RMQTT_LEVEL_TRACE // what a developer of the library wants to know
)

func (l Level) String() string {
	return name(int32(l), "error", "warn", "info", "debug", "trace")
}

// LogLine is one line of the log.
type LogLine struct {
	Level   Level
	Target  string // the part of the library that speaks
	Message string
}

// SetLog sets where the log of all brokers of this process goes: lines of that level and those more important, one at
// a time. Nil turns it off, which it is at first. fn may be slow; if it is too slow, lines are lost and counted.
//
// When SetLog returns, the function set before is not called any more; if a callback calls SetLog, that holds soon
// after.
func SetLog(level Level, fn func(LogLine)) error {
	if err := checkABI(ABIVersion(), C.RMQTT_ABI_VERSION); err != nil {
		return err
	}
	var handle cgo.Handle
	if fn != nil {
		handle = cgo.NewHandle(fn)
	}
	return toError(C.rmqttgo_log_set(C.rmqtt_level_t(level), C.uintptr_t(handle)), nil)
}
