package rmqtt

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// patience bounds every wait: long, since it passes only where a test fails.
const patience = 20 * time.Second

// client speaks as much MQTT 3.1.1 as the tests need, or 5 as far as CONNACK.
type client struct {
	t      *testing.T
	conn   net.Conn
	reader *bufio.Reader
	reason string // the reason string of CONNACK
}

type connect struct {
	id, username, password string
	willTopic, will        string
	version                byte // 4 if 0
}

func dial(t *testing.T, b *Broker) *client {
	t.Helper()
	c, err := dialAddress(t, address(t, b))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.conn.Close() })
	return c
}

func dialAddress(t *testing.T, address string) (*client, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	return &client{t: t, conn: conn, reader: bufio.NewReader(conn)}, nil
}

func address(t *testing.T, b *Broker) string {
	t.Helper()
	listeners, err := b.Listeners()
	if err != nil {
		t.Fatal(err)
	}
	return listeners[0].Address
}

func text(s string) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(s))), s...)
}

func (c *client) write(first byte, body ...[]byte) error {
	var all []byte
	for _, part := range body {
		all = append(all, part...)
	}
	packet := append(binary.AppendUvarint([]byte{first}, uint64(len(all))), all...)
	_, err := c.conn.Write(packet)
	return err
}

func (c *client) read() (first byte, body []byte, err error) {
	if first, err = c.reader.ReadByte(); err != nil {
		return 0, nil, err
	}
	length, err := binary.ReadUvarint(c.reader)
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, length)
	_, err = io.ReadFull(c.reader, body)
	return first, body, err
}

func (c *client) sendConnect(how connect) error {
	version := how.version
	if version == 0 {
		version = 4
	}
	flags := byte(2)
	payload := text(how.id)
	if how.willTopic != "" {
		flags |= 4
		payload = append(append(payload, text(how.willTopic)...), text(how.will)...)
	}
	if how.username != "" {
		flags |= 0x80
		payload = append(payload, text(how.username)...)
	}
	if how.password != "" {
		flags |= 0x40
		payload = append(payload, text(how.password)...)
	}
	head := append(text("MQTT"), version, flags, 0, 60)
	if version == 5 {
		head = append(head, 0)
	}
	return c.write(0x10, head, payload)
}

// tryConnect returns the code of CONNACK.
func (c *client) tryConnect(how connect) (byte, error) {
	if err := c.sendConnect(how); err != nil {
		return 0, err
	}
	return c.connack()
}

func (c *client) connack() (byte, error) {
	first, body, err := c.read()
	if err != nil {
		return 0, err
	}
	if first != 0x20 || len(body) < 2 {
		return 0, fmt.Errorf("no CONNACK but %#x %v", first, body)
	}
	// A refusal has no other property: their length, the identifier, the length of the text, the text.
	if body[1] >= 0x80 && len(body) > 3 {
		if len(body) < 6 || body[3] != 0x1f || int(binary.BigEndian.Uint16(body[4:])) != len(body)-6 {
			return 0, fmt.Errorf("no reason string but %v", body[2:])
		}
		c.reason = string(body[6:])
	}
	return body[1], nil
}

func (c *client) connect(how connect) byte {
	c.t.Helper()
	code, err := c.tryConnect(how)
	if err != nil {
		c.t.Fatal(err)
	}
	return code
}

func (c *client) subscribe(filter string) {
	c.t.Helper()
	if err := c.write(0x82, []byte{0, 1}, text(filter), []byte{0}); err != nil {
		c.t.Fatal(err)
	}
	if first, body, err := c.read(); err != nil || first != 0x90 || body[2] != 0 {
		c.t.Fatal("no SUBACK", first, body, err)
	}
}

func (c *client) publish(topic, payload string) {
	c.t.Helper()
	if err := c.write(0x30, text(topic), []byte(payload)); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next PUBLISH, of QoS 0.
func (c *client) next() (topic, payload string) {
	c.t.Helper()
	first, body, err := c.read()
	if err != nil || first&0xf0 != 0x30 {
		c.t.Fatal("no PUBLISH", first, body, err)
	}
	length := binary.BigEndian.Uint16(body)
	return string(body[2 : 2+length]), string(body[2+length:])
}

func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case value := <-from:
		return value
	case <-time.After(patience):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time: " + what)
		}
	}
}

const oneListener = `"listeners":[{"name":"main","address":"127.0.0.1:0"}]`

// config is a configuration with one listener and, maybe, more.
func config(more ...string) string {
	return "{" + strings.Join(append(more, oneListener), ",") + "}"
}

// started makes a broker that runs and that the test closes.
func started(t *testing.T, config string, hooks Hooks) *Broker {
	t.Helper()
	b, err := New(config, hooks)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	if err := b.Start(); err != nil {
		t.Fatal(err)
	}
	return b
}

func stats(t *testing.T, b *Broker) Stats {
	t.Helper()
	s, err := b.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return s
}
