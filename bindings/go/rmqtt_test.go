package rmqtt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const anonymous = `"auth":{"allow_anonymous":true}`

func TestLifecycle(t *testing.T) {
	b, err := New(config(`"id":"gateway"`, anonymous), Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if b.ID() != "gateway" || b.Running() {
		t.Error(b.ID(), b.Running())
	}
	if err := b.Publish("a", nil, nil); !errors.Is(err, ErrInvalidState) {
		t.Error(err)
	}
	for run := 0; run < 3; run++ {
		if err := b.Start(); err != nil {
			t.Fatal(err)
		}
		if err := b.Start(); !errors.Is(err, ErrInvalidState) {
			t.Error(err)
		}
		listeners, err := b.Listeners()
		if err != nil || len(listeners) != 1 || listeners[0].Name != "main" || listeners[0].Type != "tcp" ||
			listeners[0].Port == 0 || !strings.HasSuffix(listeners[0].Address, fmt.Sprint(":", listeners[0].Port)) {
			t.Error(listeners, err)
		}
		c := dial(t, b)
		if code := c.connect(connect{id: "c"}); code != 0 {
			t.Error(code)
		}
		if !b.Running() {
			t.Error("started, but not running")
		}
		// The gauge follows CONNACK.
		eventually(t, "one client", func() bool { return b.ConnectedClients() == 1 })
		if err := b.Stop(time.Second); err != nil {
			t.Error(err)
		}
		if b.Running() || b.ConnectedClients() != 0 {
			t.Error(b.Running(), b.ConnectedClients())
		}
		if err := b.Stop(0); err != nil {
			t.Error("a second stop:", err)
		}
	}
}

func TestConfigFaults(t *testing.T) {
	const bad = `{"listeners":[{"address":"nowhere"}],"colour":"red"}`
	_, err := New(bad, Hooks{})
	for _, err := range []error{err, ValidateConfig(bad)} {
		var e *Error
		if !errors.As(err, &e) || e.Code != ErrInvalidConfig || !errors.Is(err, ErrInvalidConfig) || errors.Is(err, ErrBind) {
			t.Fatalf("%#v", err)
		}
		pointers := map[string]bool{}
		for _, fault := range e.Faults {
			pointers[fault.Pointer] = fault.Message != ""
		}
		if len(e.Faults) != 2 || !pointers["/colour"] || !pointers["/listeners/0/address"] {
			t.Error(e.Faults)
		}
		if !strings.Contains(e.Error(), "/listeners/0/address") {
			t.Error(e)
		}
	}
	if err := ValidateConfig("{}"); err != nil {
		t.Error(err)
	}
	if err := ValidateConfig("\xff"); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
}

func TestBindFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	b, err := New(fmt.Sprintf(`{"listeners":[{"address":%q}]}`, taken.Addr()), Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Start(); !errors.Is(err, ErrBind) || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Error(err)
	}
}

func TestAuthenticate(t *testing.T) {
	events := make(chan AuthEvent, 1)
	connected := make(chan ClientEvent, 1)
	disconnected := make(chan DisconnectEvent, 1)
	b := started(t, config(), Hooks{
		Authenticate: func(ctx context.Context, ev AuthEvent) Verdict {
			events <- ev
			switch ev.Username {
			case "alice":
				return Allow
			case "mallory":
				return DenyWith(0x86, "wrong password")
			}
			return Deny
		},
		Connected:    func(ev ClientEvent) { connected <- ev },
		Disconnected: func(ev DisconnectEvent) { disconnected <- ev },
	})

	c := dial(t, b)
	if code := c.connect(connect{id: "c1", username: "alice", password: "secret", willTopic: "w", will: "gone"}); code != 0 {
		t.Error(code)
	}
	ev := receive(t, events)
	if ev.ClientID != "c1" || ev.Username != "alice" || !ev.HasUsername || string(ev.Password) != "secret" ||
		ev.KeepAlive != time.Minute || !ev.CleanStart || ev.Protocol != 4 || ev.Listener != "main" || ev.NodeID != 1 ||
		ev.Serial == 0 || ev.Address != c.conn.LocalAddr().String() {
		t.Errorf("%+v", ev)
	}
	if ev.Will == nil || ev.Will.Topic != "w" || string(ev.Will.Payload) != "gone" || ev.Will.Origin != OriginWill {
		t.Errorf("%+v", ev.Will)
	}
	if on := receive(t, connected); on.Client != ev.Client {
		t.Errorf("%+v", on)
	}
	// The connection stays open on this side: the broker is the one to close it.
	if err := c.write(0xe0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.read(); err != io.EOF {
		t.Error(err)
	}
	off := receive(t, disconnected)
	if off.Client != ev.Client || off.By != DisconnectedByClient || off.ReasonCode != 0 || off.Reason == "" {
		t.Errorf("%+v", off)
	}

	for _, test := range []struct {
		how    connect
		code   byte
		reason string
	}{
		{connect{id: "c2"}, 5, ""},
		{connect{id: "c2", version: 5}, 0x87, ""},
		{connect{id: "c3", username: "mallory"}, 4, ""},
		{connect{id: "c3", username: "mallory", version: 5}, 0x86, "wrong password"},
	} {
		c := dial(t, b)
		if code := c.connect(test.how); code != test.code || c.reason != test.reason {
			t.Errorf("%+v: %#x %q", test, code, c.reason)
		}
		ev := receive(t, events)
		if ev.Password != nil || ev.Will != nil || ev.HasUsername != (test.how.username != "") {
			t.Errorf("%+v", ev)
		}
	}
	if s := stats(t, b); s.DecisionsAllowed != 1 || s.DecisionsDenied != 4 || s.Connections != 1 {
		t.Errorf("%+v", s)
	}
	select {
	case on := <-connected:
		t.Error("denied, yet connected:", on)
	default:
	}
}

func TestAuthenticateMayBlock(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	// One callback thread: a hook that kept it would block the second client.
	b := started(t, config(`"callbacks":{"threads":1}`), Hooks{
		Authenticate: func(ctx context.Context, ev AuthEvent) Verdict {
			if ev.ClientID == "slow" {
				asked <- struct{}{}
				<-answer
			}
			return Allow
		},
	})
	slow := dial(t, b)
	if err := slow.sendConnect(connect{id: "slow"}); err != nil {
		t.Fatal(err)
	}
	receive(t, asked)
	if s := stats(t, b); s.DecisionsPending != 1 {
		t.Errorf("%+v", s)
	}
	if code := dial(t, b).connect(connect{id: "fast"}); code != 0 {
		t.Error(code)
	}
	close(answer)
	if code, err := slow.connack(); code != 0 || err != nil {
		t.Error(code, err)
	}
}

func TestAuthenticateTimesOut(t *testing.T) {
	done := make(chan error, 1)
	late := make(chan struct{})
	b := started(t, config(`"callbacks":{"timeout_ms":50}`), Hooks{
		Authenticate: func(ctx context.Context, ev AuthEvent) Verdict {
			if _, ok := ctx.Deadline(); !ok {
				t.Error("no deadline")
			}
			<-ctx.Done()
			done <- ctx.Err()
			<-late
			return Allow
		},
	})
	if code := dial(t, b).connect(connect{id: "c"}); code != 5 {
		t.Error(code)
	}
	if err := receive(t, done); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	close(late)
	if s := stats(t, b); s.DecisionsExpired != 1 || s.DecisionsPending != 0 || b.ConnectedClients() != 0 {
		t.Errorf("%+v", s)
	}
}

func TestPanics(t *testing.T) {
	panics := make(chan Panic, 8)
	OnPanic(func(p Panic) { panics <- p; panic("in the handler too") })
	defer OnPanic(nil)
	b := started(t, config(), Hooks{
		Authenticate: func(ctx context.Context, ev AuthEvent) Verdict {
			if ev.ClientID == "bad" {
				panic("in authenticate")
			}
			return Allow
		},
		Connected:    func(ClientEvent) { panic(errors.New("in connected")) },
		Disconnected: func(DisconnectEvent) { var none map[string]int; none["x"] = 1 },
	})
	expect := func(callback, value string) {
		t.Helper()
		p := receive(t, panics)
		if p.Callback != callback || !strings.Contains(fmt.Sprint(p.Value), value) || !strings.Contains(string(p.Stack), "TestPanics") {
			t.Errorf("%s %v %s", p.Callback, p.Value, p.Stack)
		}
	}
	if code := dial(t, b).connect(connect{id: "bad"}); code != 5 {
		t.Error(code)
	}
	expect("Authenticate", "in authenticate")
	c := dial(t, b)
	if code := c.connect(connect{id: "good"}); code != 0 {
		t.Error(code)
	}
	expect("Connected", "in connected")
	c.conn.Close()
	expect("Disconnected", "nil map")
	sub, err := b.Subscribe("#", func(Message) { panic("in subscribe") })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	for i := 0; i < 2; i++ {
		if err := b.Publish("a", nil, nil); err != nil {
			t.Error(err)
		}
		expect("Subscribe", "in subscribe")
	}
	OnPanic(nil)
	if code := dial(t, b).connect(connect{id: "bad"}); code != 5 {
		t.Error(code)
	}
}

func TestMessages(t *testing.T) {
	b := started(t, config(anonymous), Hooks{})
	messages := make(chan Message, 8)
	sub, err := b.Subscribe("plant/#", func(m Message) { messages <- m })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()

	c := dial(t, b)
	c.connect(connect{id: "c", username: "u"})
	c.publish("plant/1", "on")
	m := receive(t, messages)
	if m.Topic != "plant/1" || string(m.Payload) != "on" || m.Origin != OriginClient || m.QoS != 0 || m.Retain ||
		m.Publisher == nil || m.Publisher.ClientID != "c" || m.Publisher.Username != "u" {
		t.Errorf("%+v %+v", m, m.Publisher)
	}

	c.subscribe("to/c")
	payload := []byte("hello\x00world")
	if err := b.Publish("to/c", payload, nil); err != nil {
		t.Fatal(err)
	}
	if topic, got := c.next(); topic != "to/c" || got != string(payload) {
		t.Error(topic, got)
	}
	if err := b.Publish("plant/2", nil, &PublishOptions{QoS: 1}); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, messages); m.Topic != "plant/2" || len(m.Payload) != 0 || m.Origin != OriginAPI || m.Publisher != nil {
		t.Errorf("%+v", m)
	}
	for topic, options := range map[string]*PublishOptions{"plant/+": nil, "": nil, "a": {QoS: 3}, "\xff": nil} {
		if err := b.Publish(topic, nil, options); !errors.Is(err, ErrInvalidArgument) {
			t.Errorf("%q: %v", topic, err)
		}
	}
}

func TestSubscribeFails(t *testing.T) {
	b := started(t, config(), Hooks{})
	none := func(Message) {}
	if _, err := b.Subscribe("a/#/b", none); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
	if _, err := b.Subscribe("a", nil); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
	if _, err := b.SubscribeBatch("a", nil); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
	for name, option := range map[string]SubscribeOption{
		"QoS":            QoS(3),
		"OnOverflow":     OnOverflow(3),
		"OnOverflow256":  OnOverflow(256),
		"OnOverflow-256": OnOverflow(-256),
		"ReceiveMaximum": ReceiveMaximum(65536),
		"MaxBatch":       MaxBatch(65537),
	} {
		if _, err := b.Subscribe("a", none, option); !errors.Is(err, ErrInvalidArgument) {
			t.Error(name, err)
		}
	}
	if _, err := b.Subscribe("$share/g/a", none, NoLocal()); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
}

func TestRetained(t *testing.T) {
	b := started(t, config(), Hooks{})
	if err := b.Publish("state", []byte("on"), &PublishOptions{Retain: true}); err != nil {
		t.Fatal(err)
	}
	messages, others := make(chan Message, 2), make(chan Message, 2)
	sub, err := b.Subscribe("#", func(m Message) { messages <- m })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	if m := receive(t, messages); m.Topic != "state" || string(m.Payload) != "on" || !m.Retain || m.Origin != OriginRetained {
		t.Errorf("%+v", m)
	}
	without, err := b.Subscribe("#", func(m Message) { others <- m }, NoRetained())
	if err != nil {
		t.Fatal(err)
	}
	defer without.Close()
	if err := b.Publish("live", nil, nil); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, others); m.Topic != "live" || m.Retain {
		t.Errorf("%+v", m)
	}
}

func TestSlowSubscriberDrops(t *testing.T) {
	b := started(t, config(), Hooks{})
	entered, proceed := make(chan struct{}, 100), make(chan struct{})
	var calls atomic.Int32
	sub, err := b.Subscribe("#", func(Message) {
		calls.Add(1)
		entered <- struct{}{}
		<-proceed
	}, MaxQueued(3))
	if err != nil {
		t.Fatal(err)
	}
	publish := func() {
		if err := b.Publish("a", nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	publish()
	receive(t, entered)
	for i := 0; i < 10; i++ {
		publish()
	}
	eventually(t, "seven dropped", func() bool { return stats(t, b).MessagesDropped == 7 })
	close(proceed)
	for i := 0; i < 3; i++ {
		receive(t, entered)
	}
	sub.Close()
	if calls.Load() != 4 {
		t.Error(calls.Load())
	}
}

func TestCallbacksMayCall(t *testing.T) {
	results := make(chan error, 2)
	echoed := make(chan Message, 1)
	var b *Broker
	b = started(t, config(anonymous), Hooks{
		Connected: func(ev ClientEvent) {
			results <- b.Publish("hello/"+ev.ClientID, nil, nil)
			results <- b.Stop(time.Second)
		},
	})
	first, err := b.Subscribe("hello/#", func(m Message) {
		if err := b.Publish("echo/"+m.Topic, nil, nil); err != nil {
			t.Error(err)
		}
		if err := b.Stop(0); !errors.Is(err, ErrWouldDeadlock) {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := b.Subscribe("echo/#", func(m Message) { echoed <- m })
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	dial(t, b).connect(connect{id: "c"})
	if err := receive(t, results); err != nil {
		t.Error(err)
	}
	if err := receive(t, results); !errors.Is(err, ErrWouldDeadlock) {
		t.Error(err)
	}
	if m := receive(t, echoed); m.Topic != "echo/hello/c" {
		t.Error(m)
	}
	if !b.Running() {
		t.Error("stopped all the same")
	}
}

func TestClose(t *testing.T) {
	b := started(t, config(), Hooks{})
	sub, err := b.Subscribe("#", func(Message) {})
	if err != nil {
		t.Fatal(err)
	}
	where := address(t, b)
	b.Close()
	b.Close()
	if c, err := dialAddress(t, where); err == nil {
		c.conn.Close()
		t.Error("closed, yet listening")
	}
	calls := map[string]error{
		"Start":    b.Start(),
		"Stop":     b.Stop(0),
		"SetHooks": b.SetHooks(Hooks{}),
		"Publish":  b.Publish("a", nil, nil),
	}
	_, calls["Subscribe"] = b.Subscribe("#", func(Message) {})
	_, calls["SubscribeBatch"] = b.SubscribeBatch("#", func([]Message) {})
	_, calls["PublishBatch"] = b.PublishBatch([]Publication{{Topic: "a"}})
	calls["Retained"] = b.Retained("#", func(Message) {})
	_, calls["RetainedGet"] = b.RetainedGet("a")
	calls["RetainedSet"] = b.RetainedSet("a", []byte("x"), nil)
	_, calls["RetainedDelete"] = b.RetainedDelete("#")
	mine, theirs := net.Pipe()
	calls["Attach"] = b.Attach(theirs, nil)
	if _, err := mine.Write([]byte("x")); err == nil {
		t.Error("attached to nothing, yet open")
	}
	_, calls["Pair"] = b.Pair(nil)
	_, calls["Listeners"] = b.Listeners()
	_, calls["Stats"] = b.Stats()
	_, calls["HookStats"] = b.HookStats(HookAuthenticate)
	_, calls["MetricsJSON"] = b.MetricsJSON()
	for name, err := range calls {
		if !errors.Is(err, ErrClosed) {
			t.Error(name, err)
		}
	}
	if b.Running() || b.ConnectedClients() != 0 || b.ID() == "" {
		t.Error("a closed broker is not idle")
	}
	if _, err := sub.Stats(); err != nil {
		t.Error("a subscription outlives its broker:", err)
	}
	sub.Close()
	sub.Close()
	_, err = sub.Stats()
	for _, err := range []error{err, sub.Pause(), sub.Resume(), new(Subscription).Pause()} {
		if !errors.Is(err, ErrClosed) || !strings.Contains(err.Error(), "subscription") {
			t.Error(err)
		}
	}

	var none Broker
	none.Close()
	if err := none.Start(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestEndWithPendingDecision(t *testing.T) {
	for name, end := range map[string]func(*Broker){
		"Close": (*Broker).Close,
		"Stop": func(b *Broker) {
			if err := b.Stop(time.Second); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			asked, done := make(chan struct{}), make(chan error)
			b := started(t, config(`"callbacks":{"timeout_ms":3600000}`), Hooks{
				Authenticate: func(ctx context.Context, ev AuthEvent) Verdict {
					asked <- struct{}{}
					<-ctx.Done()
					done <- ctx.Err()
					return Allow
				},
			})
			c := dial(t, b)
			if err := c.sendConnect(connect{id: "c"}); err != nil {
				t.Fatal(err)
			}
			receive(t, asked)
			end(b)
			if err := receive(t, done); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if code, err := c.connack(); err == nil && code == 0 {
				t.Error("let in")
			}
		})
	}
}

// A close from everywhere the program is called, while another goroutine stops.
func TestCloseInCallback(t *testing.T) {
	for _, where := range []string{"Authenticate", "Connected", "Subscribe"} {
		t.Run(where, func(t *testing.T) {
			var b *Broker
			closed, stopping := make(chan struct{}), make(chan error, 1)
			end := func(callback string) {
				if callback != where {
					return
				}
				go func() { stopping <- b.Stop(0) }()
				b.Close()
				close(closed)
			}
			b = started(t, config(), Hooks{
				Authenticate: func(ctx context.Context, ev AuthEvent) Verdict {
					end("Authenticate")
					return Allow
				},
				Connected: func(ClientEvent) { end("Connected") },
			})
			sub, err := b.Subscribe("#", func(Message) { end("Subscribe") })
			if err != nil {
				t.Fatal(err)
			}
			defer sub.Close()
			if where == "Subscribe" {
				if err := b.Publish("a", nil, nil); err != nil {
					t.Fatal(err)
				}
			} else if err := dial(t, b).sendConnect(connect{id: "c"}); err != nil {
				t.Fatal(err)
			}
			receive(t, closed)
			if err := receive(t, stopping); err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			receive(t, b.freed)
		})
	}
}

func TestCloseBesideCalls(t *testing.T) {
	for round := 0; round < 5; round++ {
		b := started(t, config(), Hooks{})
		var workers sync.WaitGroup
		var published atomic.Int32
		for i := 0; i < 4; i++ {
			workers.Add(1)
			go func() {
				defer workers.Done()
				for {
					err := b.Publish("a", []byte("x"), nil)
					published.Add(1)
					sub, err2 := b.Subscribe("#", func(Message) {})
					if err2 == nil {
						sub.Close()
					}
					b.Running()
					_, err3 := b.Clients(ClientQuery{})
					_ = b.SetHooks(Hooks{Connected: func(ClientEvent) {}})
					if _, err := b.Stats(); errors.Is(err, ErrClosed) {
						return
					}
					for _, err := range []error{err, err2, err3} {
						if err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrInvalidState) {
							t.Error(err)
						}
					}
				}
			}()
		}
		eventually(t, "some calls", func() bool { return published.Load() > 20 })
		b.Close()
		workers.Wait()
	}
}

func TestSubscriptionCloseUnderLoad(t *testing.T) {
	b := started(t, config(), Hooks{})
	stop := make(chan struct{})
	var publisher sync.WaitGroup
	publisher.Add(1)
	go func() {
		defer publisher.Done()
		for {
			select {
			case <-stop:
				return
			default:
				if err := b.Publish("a", []byte("x"), nil); err != nil {
					t.Error(err)
					return
				}
			}
		}
	}()
	for i := 0; i < 50; i++ {
		first := make(chan struct{})
		var once sync.Once
		var closed atomic.Bool
		sub, err := b.Subscribe("#", func(Message) {
			if closed.Load() {
				t.Error("called after Close")
			}
			once.Do(func() { close(first) })
		})
		if err != nil {
			t.Fatal(err)
		}
		receive(t, first)
		sub.Close()
		closed.Store(true)
	}
	// In its own function, as the last thing it does.
	subs, done := make(chan *Subscription, 1), make(chan struct{})
	var once sync.Once
	sub, err := b.Subscribe("#", func(Message) {
		once.Do(func() {
			(<-subs).Close()
			close(done)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	subs <- sub
	receive(t, done)
	close(stop)
	publisher.Wait()
	eventually(t, "no subscriptions", func() bool { return stats(t, b).InProcessSubscriptions == 0 })
}

func TestSetHooks(t *testing.T) {
	b := started(t, config(), Hooks{})
	try := func() byte { return dial(t, b).connect(connect{id: "c"}) }
	if code := try(); code != 5 {
		t.Error(code)
	}
	allow := func(context.Context, AuthEvent) Verdict { return Allow }
	if err := b.SetHooks(Hooks{Authenticate: allow}); err != nil {
		t.Fatal(err)
	}
	if code := try(); code != 0 {
		t.Error(code)
	}
	if err := b.SetHooks(Hooks{}); err != nil {
		t.Fatal(err)
	}
	if code := try(); code != 5 {
		t.Error(code)
	}
}

func TestStats(t *testing.T) {
	before := time.Now().Add(-time.Second)
	b := started(t, config(anonymous), Hooks{})
	messages := make(chan Message, 1)
	sub, err := b.Subscribe("up", func(m Message) { messages <- m })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	c := dial(t, b)
	c.connect(connect{id: "c"})
	c.subscribe("down")
	c.publish("up", "1")
	receive(t, messages)
	if err := b.Publish("down", []byte("2"), &PublishOptions{Retain: true}); err != nil {
		t.Fatal(err)
	}
	c.next()
	eventually(t, "the counters", func() bool {
		s := stats(t, b)
		return s.ConnectedClients == 1 && s.Sessions == 1 && s.Subscriptions == 1 && s.InProcessSubscriptions == 1 &&
			s.RetainedMessages == 1 && s.Connections == 1 && s.MessagesReceived == 1 && s.MessagesSent == 1 &&
			s.MessagesPublished == 1 && s.MessagesDelivered == 1 && s.MessagesDropped == 0
	})
	if s := stats(t, b); s.StartedAt.Before(before) || s.StartedAt.After(time.Now().Add(time.Second)) {
		t.Error(s.StartedAt)
	}
	if err := b.Stop(0); err != nil {
		t.Fatal(err)
	}
	if s := stats(t, b); !s.StartedAt.IsZero() || s.Uptime != 0 || s.ConnectedClients != 0 || s.Connections != 1 {
		t.Errorf("%+v", s)
	}
}

func TestLog(t *testing.T) {
	lines := make(chan LogLine, 1000)
	if err := SetLog(LevelInfo, func(line LogLine) { lines <- line }); err != nil {
		t.Fatal(err)
	}
	b := started(t, config(), Hooks{})
	b.Close()
	if err := SetLog(LevelInfo, nil); err != nil {
		t.Fatal(err)
	}
	close(lines)
	found := false
	for line := range lines {
		if line.Level < LevelError || line.Level > LevelInfo || line.Target == "" {
			t.Errorf("%+v", line)
		}
		found = found || strings.Contains(line.Message, "listening")
	}
	if !found {
		t.Error("nothing about the listener")
	}
	if err := SetLog(9, func(LogLine) {}); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
}

func TestManyClients(t *testing.T) {
	const clients, each = 50, 20
	var seen, connected, disconnected atomic.Int32
	b := started(t, config(), Hooks{
		Authenticate: func(ctx context.Context, ev AuthEvent) Verdict {
			if ev.Username != "user-"+ev.ClientID {
				return Deny
			}
			return Allow
		},
		Connected:    func(ClientEvent) { connected.Add(1) },
		Disconnected: func(DisconnectEvent) { disconnected.Add(1) },
	})
	sub, err := b.Subscribe("load/#", func(m Message) {
		if m.Publisher == nil || m.Topic != "load/"+m.Publisher.ClientID {
			t.Errorf("%+v", m)
		}
		seen.Add(1)
	}, MaxQueued(clients*each))
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	where := address(t, b)
	var all sync.WaitGroup
	release := make(chan struct{})
	for i := 0; i < clients; i++ {
		all.Add(1)
		go func(id string) {
			defer all.Done()
			c, err := dialAddress(t, where)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.conn.Close()
			if code, err := c.tryConnect(connect{id: id, username: "user-" + id}); code != 0 || err != nil {
				t.Error(code, err)
				return
			}
			for n := 0; n < each; n++ {
				if err := c.write(0x30, text("load/"+id), []byte("x")); err != nil {
					t.Error(err)
				}
			}
			// A publisher that is gone is not named any more.
			<-release
		}(fmt.Sprint("c", i))
	}
	defer func() {
		all.Wait()
		eventually(t, "all clients gone", func() bool { return disconnected.Load() == clients })
		if connected.Load() != clients {
			t.Error(connected.Load())
		}
	}()
	defer close(release)
	eventually(t, "all messages", func() bool { return seen.Load() == clients*each })
}

// What a callback holds on to is let go of once the library has dropped the callback.
func TestCallbacksAreReleased(t *testing.T) {
	const callbacks = 11
	var released atomic.Int32
	weight := func() *[64]byte {
		w := new([64]byte)
		runtime.SetFinalizer(w, func(*[64]byte) { released.Add(1) })
		return w
	}
	func() {
		hooks := func() Hooks {
			w := weight()
			return Hooks{Connected: func(ClientEvent) { w[0]++ }}
		}
		function := func() func(Message) {
			w := weight()
			return func(Message) { w[0]++ }
		}
		line := func() func(LogLine) {
			w := weight()
			return func(LogLine) { w[0]++ }
		}
		b := started(t, config(), hooks())
		if err := b.SetHooks(hooks()); err != nil {
			t.Error(err)
		}
		sub, err := b.Subscribe("#", function())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Subscribe("#/#", function()); err == nil {
			t.Error("subscribed to nonsense")
		}
		batch := func() func([]Message) {
			w := weight()
			return func([]Message) { w[0]++ }
		}
		subs, err := b.SubscribeBatch("#", batch())
		if err != nil {
			t.Fatal(err)
		}
		defer subs.Close()
		report := func(delay time.Duration) PublishOptions {
			w := weight()
			return PublishOptions{Delay: delay, OnReport: func(PublishReport) { w[0]++ }}
		}
		reported, open, nonsense := report(0), report(time.Hour), report(0)
		if err := b.Publish("a", nil, &reported); err != nil {
			t.Error(err)
		}
		if accepted, err := b.PublishBatch([]Publication{
			{Topic: "a", PublishOptions: open},
			{Topic: "#", PublishOptions: nonsense},
			{Topic: "a", PublishOptions: report(0)},
		}); accepted != 1 || !errors.Is(err, ErrInvalidArgument) {
			t.Error(accepted, err)
		}
		if err := SetLog(LevelError, line()); err != nil {
			t.Error(err)
		}
		if err := SetLog(0, line()); err == nil {
			t.Error("a level that is none")
		}
		if err := SetLog(LevelError, nil); err != nil {
			t.Error(err)
		}
		b.Close()
		sub.Close()
	}()
	eventually(t, "all released", func() bool {
		runtime.GC()
		return released.Load() == callbacks
	})
}

func TestLibrary(t *testing.T) {
	if !strings.Contains(Version(), ".") || HasFeature("teapot") {
		t.Error(Version(), HasFeature("teapot"))
	}
	for _, feature := range []string{"tcp", "tls", "websocket", "unix"} {
		if !HasFeature(feature) {
			t.Error(feature)
		}
	}
	if err := checkABI(1, 0); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "ABI 1") {
		t.Error(err)
	}
	if err := checkABI(ABIVersion(), ABIVersion()); err != nil {
		t.Error(err)
	}
	if ErrBind.String() != "RMQTT_ERR_BIND" || !strings.Contains(ErrClosed.Error(), "closed") {
		t.Error(ErrBind, ErrClosed)
	}
	if milliseconds(-1) != 0 || milliseconds(1) != 1 || milliseconds(time.Second) != 1000 || milliseconds(1<<62) != 1<<32-1 {
		t.Error("milliseconds")
	}
}
