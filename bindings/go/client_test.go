package rmqtt

import (
	"bufio"
	"bytes"
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
	id      []byte     // the packet identifier of the last PUBLISH that has one
	got     properties // those of the last packet that was looked into
	reason  string     // the reason string among them
}

type connect struct {
	id, username, password string
	willTopic, will        string
	version                byte // 4 if 0
	resume                 bool // no clean start
	properties, willProps  []byte
}

// The identifiers of properties.
const (
	payloadFormat     = 0x01
	messageExpiry     = 0x02
	contentType       = 0x03
	responseTopic     = 0x08
	correlationData   = 0x09
	subscriptionID    = 0x0b
	sessionExpiry     = 0x11
	assignedClientID  = 0x12
	serverKeepAlive   = 0x13
	authMethod        = 0x15
	authData          = 0x16
	requestProblem    = 0x17
	requestResponse   = 0x19
	responseInfo      = 0x1a
	serverReference   = 0x1c
	reasonString      = 0x1f
	receiveMaximum    = 0x21
	topicAliasMaximum = 0x22
	userProperty      = 0x26
	maximumPacketSize = 0x27
)

// properties are those of a packet that came: numbers are their octets.
type properties struct {
	values map[byte]string
	user   []UserProperty
}

// readProperties returns what follows them.
func readProperties(data []byte) (got properties, rest []byte, err error) {
	length, size := binary.Uvarint(data)
	if size <= 0 || uint64(len(data)-size) < length {
		return got, nil, fmt.Errorf("no properties but %v", data)
	}
	data, rest = data[size:size+int(length)], data[size+int(length):]
	got.values = map[byte]string{}
	take := func(count int) (taken string) {
		if count > len(data) {
			err, count = fmt.Errorf("cut off: %v", data), len(data)
		}
		taken, data = string(data[:count]), data[count:]
		return taken
	}
	takeText := func() string {
		size := take(2)
		if err != nil {
			return ""
		}
		return take(int(binary.BigEndian.Uint16([]byte(size))))
	}
	for err == nil && len(data) > 0 {
		switch id := take(1)[0]; id {
		case userProperty:
			name := takeText()
			got.user = append(got.user, UserProperty{name, takeText()})
		case contentType, responseTopic, correlationData, assignedClientID, authMethod, authData, responseInfo,
			serverReference, reasonString:
			got.values[id] = takeText()
		case messageExpiry, sessionExpiry, maximumPacketSize:
			got.values[id] = take(4)
		case serverKeepAlive, receiveMaximum, topicAliasMaximum:
			got.values[id] = take(2)
		default: // a subscription identifier of the tests is small, too
			got.values[id] = take(1)
		}
	}
	return got, rest, err
}

// with makes a property of octets, or of text with its length.
func with(id byte, octets ...byte) []byte { return append([]byte{id}, octets...) }

func withText(id byte, value string) []byte { return append([]byte{id}, text(value)...) }

func withUser(name, value string) []byte {
	return append(withText(userProperty, name), text(value)...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

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
	return clientOn(t, conn)
}

func clientOn(t *testing.T, conn net.Conn) (*client, error) {
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
	if how.resume {
		flags = 0
	}
	payload := text(how.id)
	if how.willTopic != "" {
		flags |= 4
		payload = join(payload, c.properties(how.willProps), text(how.willTopic), text(how.will))
	}
	if how.username != "" {
		flags |= 0x80
		payload = append(payload, text(how.username)...)
	}
	if how.password != "" {
		flags |= 0x40
		payload = append(payload, text(how.password)...)
	}
	return c.write(0x10, text("MQTT"), []byte{version, flags, 0, 60}, c.properties(how.properties), payload)
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
	return body[1], c.keep(body[2:])
}

// keep keeps the properties at the end of a packet, if there are any.
func (c *client) keep(data []byte) error {
	c.got, c.reason = properties{}, ""
	if len(data) == 0 {
		return nil
	}
	got, rest, err := readProperties(data)
	if err != nil || len(rest) > 0 {
		return fmt.Errorf("no properties but %v: %v", data, err)
	}
	c.got, c.reason = got, got.values[reasonString]
	return nil
}

// properties is what MQTT 5 says of them, also if there are none.
func (c *client) properties(given ...[]byte) []byte {
	if c.version != 5 {
		return nil
	}
	all := join(given...)
	return append(binary.AppendUvarint(nil, uint64(len(all))), all...)
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
func (c *client) trySubscribe(filter string, options byte, given ...[]byte) byte {
	c.t.Helper()
	if err := c.write(0x82, []byte{0, 1}, c.properties(given...), text(filter), []byte{options}); err != nil {
		c.t.Fatal(err)
	}
	return c.codeBehind(c.answer(0x90)[2:])
}

// unsubscribe returns the code of UNSUBACK, which only MQTT 5 has.
func (c *client) unsubscribe(filter string) byte {
	c.t.Helper()
	if err := c.write(0xa2, []byte{0, 1}, c.properties(), text(filter)); err != nil {
		c.t.Fatal(err)
	}
	return c.codeBehind(c.answer(0xb0)[2:])
}

// codeBehind returns the code behind the properties of a packet, and keeps these.
func (c *client) codeBehind(body []byte) byte {
	c.t.Helper()
	if c.version == 5 {
		got, rest, err := readProperties(body)
		if err != nil {
			c.t.Fatal(err)
		}
		c.got, c.reason, body = got, got.values[reasonString], rest
	}
	if len(body) != 1 {
		c.t.Fatal("not one code but", body)
	}
	return body[0]
}

func (c *client) publish(topic, payload string, given ...[]byte) {
	c.t.Helper()
	if err := c.write(0x30, text(topic), c.properties(given...), []byte(payload)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) retain(topic, payload string, given ...[]byte) {
	c.t.Helper()
	if err := c.write(0x31, text(topic), c.properties(given...), []byte(payload)); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) sendPublish1(topic, payload string, given ...[]byte) {
	c.t.Helper()
	if err := c.write(0x32, text(topic), []byte{0, 1}, c.properties(given...), []byte(payload)); err != nil {
		c.t.Fatal(err)
	}
}

// puback returns the code of PUBACK, and keeps its properties.
func (c *client) puback() byte {
	c.t.Helper()
	return c.code(c.answer(0x40)[2:])
}

// code returns the code at the end of a packet, which may leave it out, and keeps the properties behind it.
func (c *client) code(body []byte) byte {
	c.t.Helper()
	if len(body) == 0 {
		body = []byte{0}
	}
	if err := c.keep(body[1:]); err != nil {
		c.t.Fatal(err)
	}
	return body[0]
}

func (c *client) publish1(topic, payload string, given ...[]byte) byte {
	c.t.Helper()
	c.sendPublish1(topic, payload, given...)
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

// nextOf returns the next PUBLISH and its QoS, and keeps its properties; it does not acknowledge it.
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
		c.id, rest = rest[:2], rest[2:]
	}
	if c.version == 5 {
		if c.got, rest, err = readProperties(rest); err != nil {
			c.t.Fatal(err)
		}
	}
	return string(body[2 : 2+length]), string(rest), qos
}

func (c *client) expect(topic, payload string, qos byte) {
	c.t.Helper()
	if gotTopic, gotPayload, gotQoS := c.nextOf(); gotTopic != topic || gotPayload != payload || gotQoS != qos {
		c.t.Errorf("%q %q %d", gotTopic, gotPayload, gotQoS)
	}
}

// ack sends PUBACK for the last PUBLISH.
func (c *client) ack() {
	c.t.Helper()
	if err := c.write(0x40, c.id); err != nil {
		c.t.Fatal(err)
	}
}

// auth sends AUTH.
func (c *client) auth(code byte, given ...[]byte) {
	c.t.Helper()
	if err := c.write(0xf0, []byte{code}, c.properties(given...)); err != nil {
		c.t.Fatal(err)
	}
}

// expectCode reads a packet that begins with a code, such as AUTH, and keeps its properties.
func (c *client) expectCode(first, code byte) {
	c.t.Helper()
	got, body, err := c.read()
	if err != nil || got != first {
		c.t.Fatalf("not %#x but %#x %v %v", first, got, body, err)
	}
	if got := c.code(body); got != code {
		c.t.Errorf("%#x", got)
	}
}

// leave sends DISCONNECT.
func (c *client) leave(code byte, given ...[]byte) {
	c.t.Helper()
	if err := c.write(0xe0, []byte{code}, c.properties(given...)); err != nil {
		c.t.Fatal(err)
	}
}

// connected is a client of MQTT 5 that has been let in.
func connected(t *testing.T, b *Broker, id string) *client {
	t.Helper()
	return connectedWith(t, b, connect{id: id})
}

func connectedWith(t *testing.T, b *Broker, how connect) *client {
	t.Helper()
	how.version = 5
	c := dial(t, b)
	if code := c.connect(how); code != 0 {
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
