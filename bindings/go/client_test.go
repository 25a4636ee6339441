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

// client speaks as much MQTT 3.1.1 and 5 as the tests need.
type client struct {
	t       *testing.T
	conn    net.Conn
	reader  *bufio.Reader
	version byte
	reason  string // the reason string of the last CONNACK or PUBACK
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
	c.version = version
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
	if body[1] < 0x80 {
		return body[1], nil
	}
	return body[1], c.keepReason(body[2:])
}

// keepReason reads the properties of a refusal. There is none but the reason string: their length, the identifier, the
// length of the text, the text.
func (c *client) keepReason(properties []byte) error {
	c.reason = ""
	if len(properties) < 2 {
		return nil
	}
	if len(properties) < 4 || properties[1] != 0x1f || int(binary.BigEndian.Uint16(properties[2:])) != len(properties)-4 {
		return fmt.Errorf("no reason string but %v", properties)
	}
	c.reason = string(properties[4:])
	return nil
}

// properties is what MQTT 5 needs to say that there are none.
func (c *client) properties() []byte {
	if c.version == 5 {
		return []byte{0}
	}
	return nil
}

// answer reads the answer to what was sent with the packet identifier 1.
func (c *client) answer(first byte) []byte {
	c.t.Helper()
	got, body, err := c.read()
	if err != nil || got != first || len(body) < 2 {
		c.t.Fatalf("not %#x but %#x %v %v", first, got, body, err)
	}
	return body
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
	if code := c.trySubscribe(filter, 0); code != 0 {
		c.t.Fatalf("SUBACK with %#x", code)
	}
}

// trySubscribe returns the code of SUBACK.
func (c *client) trySubscribe(filter string, options byte) byte {
	c.t.Helper()
	if err := c.write(0x82, []byte{0, 1}, c.properties(), text(filter), []byte{options}); err != nil {
		c.t.Fatal(err)
	}
	body := c.answer(0x90)
	return body[len(body)-1]
}

// unsubscribe returns the code of UNSUBACK, which only MQTT 5 has.
func (c *client) unsubscribe(filter string) byte {
	c.t.Helper()
	if err := c.write(0xa2, []byte{0, 1}, c.properties(), text(filter)); err != nil {
		c.t.Fatal(err)
	}
	body := c.answer(0xb0)
	return body[len(body)-1]
}

func (c *client) publish(topic, payload string) {
	c.t.Helper()
	if err := c.write(0x30, text(topic), c.properties(), []byte(payload)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) sendPublish1(topic, payload string) {
	c.t.Helper()
	if err := c.write(0x32, text(topic), []byte{0, 1}, c.properties(), []byte(payload)); err != nil {
		c.t.Fatal(err)
	}
}

// puback returns the code of PUBACK, and keeps its reason string.
func (c *client) puback() byte {
	c.t.Helper()
	c.reason = ""
	body := c.answer(0x40)
	if len(body) < 3 {
		return 0
	}
	if err := c.keepReason(body[3:]); err != nil {
		c.t.Fatal(err)
	}
	return body[2]
}

func (c *client) publish1(topic, payload string) byte {
	c.t.Helper()
	c.sendPublish1(topic, payload)
	return c.puback()
}

// next returns the next PUBLISH, of QoS 0.
func (c *client) next() (topic, payload string) {
	c.t.Helper()
	topic, payload, qos := c.nextOf()
	if qos != 0 {
		c.t.Fatal("QoS", qos)
	}
	return topic, payload
}

// nextOf returns the next PUBLISH and its QoS; it does not acknowledge it.
func (c *client) nextOf() (topic, payload string, qos byte) {
	c.t.Helper()
	first, body, err := c.read()
	if err != nil || first&0xf0 != 0x30 {
		c.t.Fatal("no PUBLISH", first, body, err)
	}
	qos = first >> 1 & 3
	length := binary.BigEndian.Uint16(body)
	rest := body[2+length:]
	if qos > 0 {
		rest = rest[2:]
	}
	return string(body[2 : 2+length]), string(rest[len(c.properties()):]), qos
}

func (c *client) expect(topic, payload string, qos byte) {
	c.t.Helper()
	if gotTopic, gotPayload, gotQoS := c.nextOf(); gotTopic != topic || gotPayload != payload || gotQoS != qos {
		c.t.Errorf("%q %q %d", gotTopic, gotPayload, gotQoS)
	}
}

// connected is a client of MQTT 5 that has been let in.
func connected(t *testing.T, b *Broker, id string) *client {
	t.Helper()
	c := dial(t, b)
	if code := c.connect(connect{id: id, version: 5}); code != 0 {
		t.Fatalf("CONNACK with %#x", code)
	}
	return c
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
