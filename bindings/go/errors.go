package rmqtt

// #include "shim.h"
import "C"

import "strconv"

// Code says what kind of failure an [Error] is. Codes are errors themselves, for errors.Is.
type Code int32

// What a function can fail with.
const (
	ErrInvalidArgument Code = C.RMQTT_ERR_INVALID_ARGUMENT // an argument is out of range or not UTF-8; nothing was done
	ErrInvalidConfig   Code = C.RMQTT_ERR_INVALID_CONFIG   // the configuration has faults: see Error.Faults
	ErrInvalidState    Code = C.RMQTT_ERR_INVALID_STATE    // the broker runs already, or does not run
	ErrBind            Code = C.RMQTT_ERR_BIND             // a listener could not be bound; none is
	ErrIO              Code = C.RMQTT_ERR_IO               // the system refused a resource, such as a thread
	ErrUnsupported     Code = C.RMQTT_ERR_UNSUPPORTED      // this version or build of the library cannot do that
	ErrWouldDeadlock   Code = C.RMQTT_ERR_WOULD_DEADLOCK   // the call would wait for the callback that makes it
	ErrExpired         Code = C.RMQTT_ERR_EXPIRED          // the decision or acknowledgement has been made already
	ErrForked          Code = C.RMQTT_ERR_FORKED           // the broker belongs to another process
	ErrPanic           Code = C.RMQTT_ERR_PANIC            // a fault of the library that it survived
	ErrInternal        Code = C.RMQTT_ERR_INTERNAL         // a fault of the library that it noticed
	ErrWouldBlock      Code = C.RMQTT_ERR_WOULD_BLOCK      // there is no room for it now; later there may be
	ErrNotFound        Code = C.RMQTT_ERR_NOT_FOUND        // there is no such client, message or subscription

	// ErrClosed: the broker or the subscription has been closed. The library knows no closed brokers; its codes are negative.
	ErrClosed Code = 1
)

func (c Code) Error() string { return "rmqtt: " + c.String() }

// String is the name that the C header gives the code.
func (c Code) String() string {
	switch {
	case c == ErrClosed:
		return "closed"
	case c > 0:
		return "unknown status " + strconv.Itoa(int(c))
	}
	return goString(C.rmqtt_status_name(C.rmqtt_status_t(c)))
}

// Error is why a call failed. Every error of this package is one.
type Error struct {
	Code    Code
	Message string  // for people
	Faults  []Fault // with ErrInvalidConfig: all of them
}

// Fault is one thing that is wrong with a configuration.
type Fault struct {
	Pointer string // where, as a JSON pointer; empty for the whole text
	Message string
}

func (e *Error) Error() string { return "rmqtt: " + e.Message }

// Is makes errors.Is(err, rmqtt.ErrBind) work.
func (e *Error) Is(target error) bool {
	code, ok := target.(Code)
	return ok && code == e.Code
}

var errClosed = &Error{Code: ErrClosed, Message: "the broker is closed"}

// toError frees err.
func toError(status C.rmqtt_status_t, err *C.rmqtt_error_t) error {
	if status == C.RMQTT_OK {
		return nil
	}
	result := &Error{Code: Code(status)}
	if err == nil {
		// The functions that explain nothing can fail in few ways; the most likely one deserves words.
		result.Message = result.Code.String()
		if result.Code == ErrWouldDeadlock {
			result.Message = "a callback cannot wait for callbacks to end"
		}
		return result
	}
	defer C.rmqtt_error_free(err)
	result.Message = goString(C.rmqtt_error_message(err))
	for index := C.size_t(0); index < C.rmqtt_error_fault_count(err); index++ {
		if fault, ok := callFault(err, index); ok {
			result.Faults = append(result.Faults, fault)
		}
	}
	return result
}
