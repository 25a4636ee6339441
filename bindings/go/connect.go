package rmqtt

// #include "shim.h"
import "C"

import (
	"net"
	"os"
	"syscall"
	"time"
)

// Peer is what a program knows about a connection that it brings. No text is longer than 65535 bytes or contains a NUL.
type Peer struct {
	// Address is where it comes from, as hooks and the log show it. Empty: host and port of the other end for TCP, "unix"
	// for any other socket, "pair" for Broker.Pair.
	Address string

	// Listener is what hooks and the log show as the name of its listener. Empty: "attached".
	Listener string

	// Username is that of a client that is Authenticated, in place of the one in CONNECT. Empty: the one in CONNECT. Without
	// Authenticated it must be empty.
	Username string

	// ConnectTimeout is how long the client may take until its CONNECT is complete, rounded up to whole milliseconds, at
	// most an hour. 0 means 15 seconds.
	ConnectTimeout time.Duration

	// Authenticated: the program vouches for the client. Neither hooks nor the configuration are asked who it is, and the
	// password of CONNECT is not looked at. Otherwise Hooks.Authenticate decides, and without it auth.allow_anonymous.
	Authenticated bool
}

// Attach serves the client at the other end of a connection, from its first byte on, like one that a listener has
// accepted: Hooks.PreConnect is asked, limits.max_connections counts it, and the stop of the broker disconnects it. What
// becomes of the client is told by hooks. A nil peer is the defaults.
//
// The connection is one of the system: a [net.TCPConn] or a [net.UnixConn] of a stream; net.FileConn makes one of an
// os.File. It passes to the broker: conn is closed when this returns, whatever it returns.
//
// It fails with [ErrWouldBlock] if there are limits.max_connections already.
func (b *Broker) Attach(conn net.Conn, peer *Peer) error {
	defer conn.Close()
	c, err := b.enter()
	if err != nil {
		return err
	}
	defer b.leave()
	of, ok := conn.(syscall.Conn)
	if !ok {
		return &Error{Code: ErrInvalidArgument, Message: "the connection is not one of the system"}
	}
	raw, err := of.SyscallConn()
	if err != nil {
		return &Error{Code: ErrInvalidArgument, Message: err.Error()}
	}
	var memory copies
	defer memory.free()
	given := memory.peer(peer)
	var attached error
	if err := raw.Control(func(fd uintptr) { attached = callAttach(c, fd, given) }); err != nil {
		return &Error{Code: ErrInvalidArgument, Message: err.Error()}
	}
	return attached
}

// Pair makes a connection without a network, for any MQTT client that takes a [net.Conn]: a pair of Unix sockets, one of
// which the broker serves as Attach does. The other one is returned, and the caller's to close. A nil peer is the defaults.
func (b *Broker) Pair(peer *Peer) (net.Conn, error) {
	c, err := b.enter()
	if err != nil {
		return nil, err
	}
	defer b.leave()
	var memory copies
	defer memory.free()
	fd, err := callPair(c, memory.peer(peer))
	if err != nil {
		return nil, err
	}
	file := os.NewFile(fd, "rmqtt pair")
	defer file.Close()
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, &Error{Code: ErrIO, Message: err.Error()}
	}
	return conn, nil
}

// peer is nil for the defaults.
func (c *copies) peer(peer *Peer) C.rmqtt_peer_t {
	given := C.rmqtt_peer_t{struct_size: C.sizeof_rmqtt_peer_t}
	if peer != nil {
		given.address = c.text(peer.Address)
		given.listener = c.text(peer.Listener)
		given.username = c.text(peer.Username)
		given.connect_timeout_ms = milliseconds(peer.ConnectTimeout)
		given.authenticated = C.bool(peer.Authenticated)
	}
	return given
}
