//go:build !rmqtt_static

package rmqtt

// #cgo pkg-config: rmqttc
import "C"
