// A broker that hears one message of its own and ends.
package main

import (
	"context"
	"fmt"
	"log"
	"time"

	rmqtt "github.com/rmqtt-c/rmqtt-c/bindings/go"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	b, err := rmqtt.New(`{"listeners":[{"address":"127.0.0.1:0"}]}`, rmqtt.Hooks{
		Authenticate: func(ctx context.Context, ev rmqtt.AuthEvent) rmqtt.Verdict {
			if ev.Username == "alice" && string(ev.Password) == "secret" {
				return rmqtt.Allow
			}
			return rmqtt.Deny
		},
		Disconnected: func(ev rmqtt.DisconnectEvent) { fmt.Println("bye", ev.ClientID, ev.Reason) },
	})
	if err != nil {
		return err
	}
	defer b.Close()
	if err := b.Start(); err != nil {
		return err
	}
	listeners, err := b.Listeners()
	if err != nil {
		return err
	}
	fmt.Println("listening on", listeners[0].Address)

	heard := make(chan rmqtt.Message, 1)
	sub, err := b.Subscribe("plant/#", func(m rmqtt.Message) { heard <- m })
	if err != nil {
		return err
	}
	defer sub.Close()
	if err := b.Publish("plant/1/state", []byte("on"), nil); err != nil {
		return err
	}
	m := <-heard
	fmt.Printf("%s: %s\n", m.Topic, m.Payload)
	return b.Stop(5 * time.Second)
}
