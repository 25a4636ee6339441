package rmqtt

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime/debug"
	"testing"
	"time"
)

// witness hears how clients come, and lets in those that it is asked about.
func witness(told chan string) Hooks {
	return Hooks{
		PreConnect: func(ctx context.Context, ev PreConnectEvent) Verdict {
			told <- "before " + ev.Address + " " + ev.Listener
			return Allow
		},
		Authenticate: func(ctx context.Context, ev AuthEvent) Verdict {
			told <- "asked"
			return Allow
		},
		Connected: func(ev ClientEvent) {
			told <- ev.ClientID + " " + ev.Username + " " + ev.Address + " " + ev.Listener
		},
	}
}

func expectTold(t *testing.T, told <-chan string, want ...string) {
	t.Helper()
	for _, want := range want {
		if got := receive(t, told); got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
}

func pair(t *testing.T, b *Broker, peer *Peer) *client {
	t.Helper()
	conn, err := b.Pair(peer)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c, err := clientOn(t, conn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestPair(t *testing.T) {
	told := make(chan string, 8)
	b := started(t, "{}", witness(told))
	c := pair(t, b, nil)
	if code := c.connect(connect{id: "c", version: 5}); code != 0 {
		t.Error(code)
	}
	expectTold(t, told, "before pair attached", "asked", "c  pair attached")
	c.subscribe("a")
	if err := b.Publish("a", []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	c.expect("a", "x", 0)

	vouched := pair(t, b, &Peer{Address: "the cellar", Listener: "pipes", Username: "alice", Authenticated: true})
	if code := vouched.connect(connect{id: "v", username: "bob", version: 5}); code != 0 {
		t.Error(code)
	}
	expectTold(t, told, "before the cellar pipes", "v alice the cellar pipes")

	// Its time is limited.
	late := pair(t, b, &Peer{ConnectTimeout: 50 * time.Millisecond})
	if _, _, err := late.read(); err != io.EOF {
		t.Error(err)
	}
	for _, peer := range []Peer{{ConnectTimeout: 2 * time.Hour}, {Username: "alice"}, {Address: "a\x00b"}} {
		if _, err := b.Pair(&peer); !errors.Is(err, ErrInvalidArgument) {
			t.Error(peer, err)
		}
	}
	if err := b.Stop(time.Second); err != nil {
		t.Error(err)
	}
	c.expectCode(0xe0, 0x8b)
	if _, err := b.Pair(nil); !errors.Is(err, ErrInvalidState) {
		t.Error(err)
	}
}

func TestAttach(t *testing.T) {
	told := make(chan string, 8)
	b := started(t, `{"limits":{"max_connections":2}}`, witness(told))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	// accepted is both ends of a connection.
	accepted := func() (net.Conn, *client) {
		t.Helper()
		c, err := dialAddress(t, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.conn.Close() })
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		return conn, c
	}
	conn, c := accepted()
	// What has come already is not lost.
	if err := c.sendConnect(connect{id: "c", version: 5}); err != nil {
		t.Fatal(err)
	}
	where := c.conn.LocalAddr().String()
	if err := b.Attach(conn, nil); err != nil {
		t.Fatal(err)
	}
	if code, err := c.connack(); code != 0 || err != nil {
		t.Error(code, err)
	}
	expectTold(t, told, "before "+where+" attached", "asked", "c  "+where+" attached")
	c.subscribe("a")
	c.publish("a", "x")
	c.expect("a", "x", 0)
	if _, err := conn.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Error("not passed on:", err)
	}

	conn, unix := accepted()
	if err := b.Attach(conn, &Peer{Listener: "inetd", Authenticated: true}); err != nil {
		t.Fatal(err)
	}
	if code := unix.connect(connect{id: "u"}); code != 0 {
		t.Error(code)
	}
	where = unix.conn.LocalAddr().String()
	expectTold(t, told, "before "+where+" inetd", "u  "+where+" inetd")

	// It is closed whatever the answer is.
	refused := func(name string, conn net.Conn, other *client, want Code) {
		t.Helper()
		if err := b.Attach(conn, nil); !errors.Is(err, want) {
			t.Error(name, err)
		}
		if _, _, err := other.read(); err != io.EOF {
			t.Error(name, err)
		}
	}
	conn, other := accepted()
	refused("too many", conn, other, ErrWouldBlock)
	near, far := net.Pipe()
	c, err = clientOn(t, far)
	if err != nil {
		t.Fatal(err)
	}
	refused("no socket", near, c, ErrInvalidArgument)
	conn, _ = accepted()
	conn.Close()
	if err := b.Attach(conn, nil); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Attach(packets.(*net.UDPConn), nil); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
	if err := b.Stop(0); err != nil {
		t.Fatal(err)
	}
	conn, other = accepted()
	refused("stopped", conn, other, ErrInvalidState)
}

// What the program brings does not stay open behind its back.
func TestDescriptorsAreClosed(t *testing.T) {
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(entries)
	}
	// The garbage collector must not hide what is left open.
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	b := started(t, config(anonymous), Hooks{})
	before := descriptors()
	for i := 0; i < 20; i++ {
		conn, err := b.Pair(nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Attach(conn, nil); err != nil { // both ends are the broker's
			t.Fatal(err)
		}
		if _, err := b.Pair(&Peer{Username: "nobody"}); err == nil {
			t.Error("no error")
		}
	}
	if err := b.Stop(0); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all closed", func() bool { return descriptors() <= before })
}
