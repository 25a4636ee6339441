//go:build rmqtt_static

package rmqtt

// #cgo pkg-config: --static rmqttc
import "C"
