package rmqtt

// #include "shim.h"
import "C"

import "fmt"

// Version is the version of the library, such as "0.1.0".
func Version() string { return goString(C.rmqtt_version()) }

// ABIVersion is the version of the binary interface that the library speaks.
func ABIVersion() uint32 { return uint32(C.rmqtt_abi_version()) }

// HasFeature tells whether the library was built with a feature: "tcp", "tls", "websocket", "quic", "unix",
// "persistence" or "cluster".
func HasFeature(name string) bool { return callHasFeature(name) }

// ValidateConfig checks a configuration without making a broker.
func ValidateConfig(configJSON string) error {
	if err := checkABI(ABIVersion(), C.RMQTT_ABI_VERSION); err != nil {
		return err
	}
	return callValidate(configJSON)
}

// A library of another ABI would read the structs of this package wrong. The name of the shared library prevents it,
// unless somebody has renamed a file.
func checkABI(library, header uint32) error {
	if library == header {
		return nil
	}
	return &Error{Code: ErrUnsupported, Message: fmt.Sprintf(
		"the library speaks ABI %d, but this program was compiled for ABI %d: compile it again, or install that library",
		library, header)}
}
