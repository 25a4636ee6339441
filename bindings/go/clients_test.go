package rmqtt

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func clientInfo(t *testing.T, b *Broker, id string) ClientInfo {
	t.Helper()
	info, err := b.Client(id)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// keep is a session of MQTT 5 that outlives its connection by 100 seconds.
func keep(id string) connect {
	return connect{id: id, resume: true, properties: with(sessionExpiry, 0, 0, 0, 100)}
}

// awayClient has a session, but is not connected any more.
func awayClient(t *testing.T, b *Broker, how connect) {
	t.Helper()
	connectedWith(t, b, how).leave(0)
	eventually(t, "the end of "+how.id, func() bool { return !clientInfo(t, b, how.id).Connected })
}

func expectError(t *testing.T, err error, want Code) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%v, not %v", err, want)
	}
}

func TestClient(t *testing.T) {
	b := started(t, config(anonymous, `"node_id":7`), Hooks{})
	before := time.Now().Truncate(time.Millisecond)
	how := keep("five")
	how.username = "anna"
	c := connectedWith(t, b, how)
	after := time.Now()
	c.trySubscribe("z", 0)
	c.trySubscribe("a", 0x2d, with(subscriptionID, 9))

	info := clientInfo(t, b, "five")
	if info.ConnectedAt.Before(before) || info.ConnectedAt.After(after) {
		t.Error(info.ConnectedAt, before, after)
	}
	if info.BytesReceived == 0 || info.BytesSent == 0 {
		t.Errorf("%+v", info)
	}
	want := ClientInfo{
		Client: Client{ClientID: "five", Username: "anna", HasUsername: true, Address: c.conn.LocalAddr().String(),
			Listener: "main", NodeID: 7, Serial: 1, Protocol: 5},
		Connected:     true,
		KeepAlive:     time.Minute,
		SessionExpiry: 100 * time.Second,
		ConnectedAt:   info.ConnectedAt,
		Subscriptions: []SubscriptionInfo{
			{"a", "a", ClientSubscription{Identifier: 9, QoS: 1, NoLocal: true, RetainAsPublished: true, RetainHandling: 2}},
			{"z", "z", ClientSubscription{}},
		},
		BytesReceived: info.BytesReceived,
		BytesSent:     info.BytesSent,
	}
	if !reflect.DeepEqual(info, want) {
		t.Errorf("%+v", info)
	}

	// Away, for ever.
	c.leave(0, with(sessionExpiry, 0xff, 0xff, 0xff, 0xff))
	eventually(t, "the end", func() bool { return !clientInfo(t, b, "five").Connected })
	info = clientInfo(t, b, "five")
	if info.SessionExpiry != Never || info.DisconnectedAt == nil || info.DisconnectedAt.Before(info.ConnectedAt) ||
		info.DisconnectedAt.After(time.Now()) || len(info.Subscriptions) != 2 {
		t.Errorf("%+v", info)
	}

	if code := dial(t, b).connect(connect{id: "four"}); code != 0 {
		t.Fatal(code)
	}
	info = clientInfo(t, b, "four")
	if info.Protocol != 4 || info.HasUsername || info.SessionExpiry != 0 || !info.CleanStart || info.Subscriptions == nil ||
		len(info.Subscriptions) != 0 || info.DisconnectedAt != nil {
		t.Errorf("%+v", info)
	}
	if code := dial(t, b).connect(connect{id: "resuming", resume: true}); code != 0 {
		t.Fatal(code)
	}
	if info := clientInfo(t, b, "resuming"); info.SessionExpiry != Never || info.CleanStart {
		t.Errorf("%+v", info)
	}

	_, err := b.Client("nobody")
	expectError(t, err, ErrNotFound)
	_, err = b.Client("\xff")
	expectError(t, err, ErrInvalidArgument)
	if err := b.Stop(0); err != nil {
		t.Fatal(err)
	}
	_, err = b.Client("five")
	expectError(t, err, ErrInvalidState)
	b.Close()
	_, err = b.Client("five")
	expectError(t, err, ErrClosed)
	_, err = b.Clients(ClientQuery{})
	expectError(t, err, ErrClosed)
}

func TestClients(t *testing.T) {
	b := started(t, config(anonymous), Hooks{})
	list := func(query ClientQuery) string {
		t.Helper()
		page, err := b.Clients(query)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, info := range page.Clients {
			ids = append(ids, info.ClientID)
		}
		if page.Next != "" {
			ids = append(ids, ">"+page.Next)
		}
		return strings.Join(ids, " ")
	}
	if page, err := b.Clients(ClientQuery{}); err != nil || page.Clients == nil || len(page.Clients) != 0 || page.Next != "" {
		t.Error(page, err)
	}
	anna := keep("pump 2 \"\u2028\"")
	anna.username = "anna"
	c := connectedWith(t, b, anna)
	connected(t, b, "pump 1")
	awayClient(t, b, keep("valve"))

	all := "pump 1 " + anna.id + " valve"
	for want, queries := range map[string][]ClientQuery{
		all: {
			{}, {Listener: "main"}, {Address: "127.0.0.1"}, {Limit: 1000}, {Limit: 3},
		},
		"pump 1 " + anna.id: {
			{ClientIDPrefix: "pump"}, {Connected: PresenceConnected},
		},
		anna.id: {
			{Username: "anna"}, {Address: c.conn.LocalAddr().String()}, {After: "pump 1", Connected: PresenceConnected},
		},
		"valve": {{Connected: PresenceNotConnected}, {After: anna.id}},
		"": {
			{ClientIDPrefix: "a"}, {Username: "bob"}, {Listener: "other"}, {Address: "127.0.0.2"}, {After: "w"},
			{Username: "anna", Connected: PresenceNotConnected},
		},
		"pump 1 >pump 1": {{Limit: 1}},
	} {
		for _, query := range queries {
			if got := list(query); got != want {
				t.Errorf("%+v: %q, not %q", query, got, want)
			}
		}
	}
	// Page after page.
	var pages []string
	for query := (ClientQuery{Limit: 1}); ; {
		page, err := b.Clients(query)
		if err != nil || len(page.Clients) > 1 {
			t.Fatal(page, err)
		}
		for _, info := range page.Clients {
			pages = append(pages, info.ClientID)
		}
		if query.After = page.Next; page.Next == "" {
			break
		}
	}
	if got := strings.Join(pages, " "); got != all {
		t.Error(got)
	}
	page, err := b.Clients(ClientQuery{Username: "anna"})
	if err != nil || !reflect.DeepEqual(page.Clients, []ClientInfo{clientInfo(t, b, anna.id)}) {
		t.Errorf("%+v %v", page, err)
	}

	for _, query := range []ClientQuery{
		{Limit: 1001}, {Connected: -1}, {Connected: 3}, {ClientIDPrefix: "\xff"}, {Username: "\xff"}, {Address: "\xff"},
		{Listener: "\xff"}, {After: "\xff"},
	} {
		_, err := b.Clients(query)
		expectError(t, err, ErrInvalidArgument)
	}
	if got := fmt.Sprint(PresenceAny, PresenceConnected, PresenceNotConnected); got != "any connected not connected" {
		t.Error(got)
	}
}

func TestDisconnect(t *testing.T) {
	disconnected, terminated := make(chan DisconnectEvent, 9), make(chan SessionEvent, 9)
	var broker atomic.Pointer[Broker]
	b := started(t, config(anonymous), Hooks{
		Connected: func(ev ClientEvent) {
			if ev.Username == "mallory" {
				if err := broker.Load().Disconnect(ev.ClientID, 0x87, true); err != nil {
					t.Error(err)
				}
			}
		},
		Disconnected:      into(disconnected),
		SessionTerminated: into(terminated),
	})
	broker.Store(b)
	gone := func(code byte) {
		t.Helper()
		if ev := receive(t, disconnected); ev.By != DisconnectedByBroker || ev.ReasonCode != code {
			t.Errorf("%+v", ev)
		}
	}
	discarded := func() {
		t.Helper()
		if ev := receive(t, terminated); ev.End != SessionEndDiscarded || ev.End.String() != "discarded" {
			t.Errorf("%+v", ev)
		}
	}

	c := connectedWith(t, b, keep("c"))
	expectError(t, b.Disconnect("c", 0x04, false), ErrInvalidArgument)
	if err := b.Disconnect("c", 0x98, false); err != nil {
		t.Fatal(err)
	}
	c.expectCode(0xe0, 0x98)
	gone(0x98)
	eventually(t, "the end", func() bool { return !clientInfo(t, b, "c").Connected })
	expectError(t, b.Disconnect("c", 0x98, false), ErrNotFound)

	// The session of a client that is away.
	if err := b.Disconnect("c", 0x98, true); err != nil {
		t.Fatal(err)
	}
	_, err := b.Client("c")
	expectError(t, err, ErrNotFound)
	discarded()
	expectError(t, b.Disconnect("c", 0x98, true), ErrNotFound)

	// That of one that is not.
	c = connectedWith(t, b, keep("c"))
	if err := b.Disconnect("c", 0x8b, true); err != nil {
		t.Fatal(err)
	}
	c.expectCode(0xe0, 0x8b)
	gone(0x8b)
	discarded()

	// In the hook that tells of it.
	mallory := keep("m")
	mallory.username = "mallory"
	connectedWith(t, b, mallory).expectCode(0xe0, 0x87)
	gone(0x87)
	discarded()
	eventually(t, "the end", func() bool { return stats(t, b).Sessions == 0 })
	b.Close()
	expectError(t, b.Disconnect("c", 0x98, false), ErrClosed)
}

func TestSubscribeClient(t *testing.T) {
	subscribed, unsubscribed := make(chan SubscribedEvent, 9), make(chan UnsubscribedEvent, 9)
	b := started(t, config(anonymous), Hooks{
		AuthorizeSubscribe: func(context.Context, SubscribeEvent) Verdict {
			t.Error("asked")
			return Deny
		},
		Subscribed:   into(subscribed),
		Unsubscribed: into(unsubscribed),
	})
	if err := b.RetainedSet("a/r", []byte("retained"), nil); err != nil {
		t.Fatal(err)
	}
	count := func(want uint64) {
		t.Helper()
		if got, err := b.SubscriberCount("a/b"); got != want || err != nil {
			t.Error(got, err)
		}
	}
	c := connectedWith(t, b, keep("c"))
	count(0)
	if err := b.SubscribeClient("c", "a/#", nil); err != nil {
		t.Fatal(err)
	}
	if ev := receive(t, subscribed); ev.Filter != "a/#" || ev.ClientID != "c" || ev.QoS != 0 {
		t.Errorf("%+v", ev)
	}
	c.expect("a/r", "retained", 0)
	count(1)

	// All of the options; what the client publishes itself does not come.
	options := ClientSubscription{Identifier: 7, QoS: 1, NoLocal: true, RetainAsPublished: true, RetainHandling: 2}
	if err := b.SubscribeClient("c", "a/#", &options); err != nil {
		t.Fatal(err)
	}
	if ev := receive(t, subscribed); ev.Identifier != 7 || ev.QoS != 1 || !ev.NoLocal || !ev.RetainAsPublished ||
		ev.RetainHandling != 2 {
		t.Errorf("%+v", ev)
	}
	want := []SubscriptionInfo{{"a/#", "a/#", options}}
	if got := clientInfo(t, b, "c").Subscriptions; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
	c.publish("a/b", "its own")
	if err := b.Publish("a/b", []byte("x"), &PublishOptions{QoS: 1}); err != nil {
		t.Fatal(err)
	}
	c.expect("a/b", "x", 1)
	if c.got.values[subscriptionID] != "\x07" {
		t.Errorf("%+v", c.got)
	}
	c.ack()

	// Subscriptions of this program count as well, and a shared group is one.
	subscribe(t, b, "a/b", func(Message) {})
	subscribe(t, b, "$share/g/+/b", func(Message) {})
	if err := b.SubscribeClient("c", "$share/g/+/b", nil); err != nil {
		t.Fatal(err)
	}
	count(3)
	if err := b.UnsubscribeClient("c", "a/#"); err != nil {
		t.Fatal(err)
	}
	if ev := receive(t, unsubscribed); ev.Filter != "a/#" || ev.ClientID != "c" {
		t.Errorf("%+v", ev)
	}
	count(2)
	expectError(t, b.UnsubscribeClient("c", "a/#"), ErrNotFound)

	// A client that is away gets the retained messages when it comes back.
	c.leave(0)
	eventually(t, "the end", func() bool { return !clientInfo(t, b, "c").Connected })
	if err := b.SubscribeClient("c", "+/r", nil); err != nil {
		t.Fatal(err)
	}
	connectedWith(t, b, keep("c")).expect("a/r", "retained", 0)

	expectError(t, b.SubscribeClient("nobody", "a", nil), ErrNotFound)
	expectError(t, b.UnsubscribeClient("nobody", "a"), ErrNotFound)
	expectError(t, b.UnsubscribeClient("c", "a#"), ErrInvalidArgument)
	for filter, options := range map[string]ClientSubscription{
		"a#":         {},
		"":           {},
		"a":          {QoS: 3},
		"b":          {RetainHandling: 3},
		"c":          {Identifier: 268435456},
		"$share/g/a": {NoLocal: true},
	} {
		expectError(t, b.SubscribeClient("c", filter, &options), ErrInvalidArgument)
	}
	_, err := b.SubscriberCount("a/#")
	expectError(t, err, ErrInvalidArgument)
	b.Close()
	expectError(t, b.SubscribeClient("c", "a", nil), ErrClosed)
	expectError(t, b.UnsubscribeClient("c", "a"), ErrClosed)
	_, err = b.SubscriberCount("a")
	expectError(t, err, ErrClosed)
}

func TestExplain(t *testing.T) {
	yes, no := true, false
	const sys, levels = "acl.sys_topics", "limits.max_topic_levels"
	b := started(t, config(anonymous, `"limits":{"max_topic_levels":3}`), Hooks{})
	c := connected(t, b, "c")
	for _, want := range []Explanation{
		{Action: ActionPublish, Topic: "a/b", Allowed: &yes, DecidedBy: DecidedByDefault},
		{Action: ActionPublish, Topic: "$SYS/a", Allowed: &no, DecidedBy: DecidedByRule, Rule: sys, ReasonCode: 0x87},
		{Action: ActionSubscribe, Topic: "a/#", Allowed: &yes, DecidedBy: DecidedByDefault},
		{Action: ActionSubscribe, Topic: "$SYS/#", Allowed: &no, DecidedBy: DecidedByRule, Rule: sys, ReasonCode: 0x87},
		{Action: ActionSubscribe, Topic: "a/#/b", Allowed: &no, DecidedBy: DecidedByValidation, ReasonCode: 0x8f},
		{Action: ActionSubscribe, Topic: "a/b/c/d", Allowed: &no, DecidedBy: DecidedByLimit, Rule: levels, ReasonCode: 0x8f},
	} {
		got, err := b.Explain("c", want.Action, want.Topic)
		want.ClientID, want.Detail = "c", got.Detail
		if err != nil || got.Detail == "" || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v %v", got, err)
			continue
		}
		// That is what happens.
		happens := func() byte {
			if want.Action == ActionPublish {
				return c.publish1(want.Topic, "x")
			}
			return c.trySubscribe(want.Topic, 0)
		}
		if code := happens(); code != want.ReasonCode && code != 0x10 { // or nobody is subscribed
			t.Errorf("%+v: %#x", want, code)
		}
	}

	asked := make(chan PublishEvent, 9)
	if err := b.SetHooks(Hooks{
		AuthorizePublish: func(_ context.Context, ev PublishEvent) Verdict {
			asked <- ev
			return Deny
		},
	}); err != nil {
		t.Fatal(err)
	}
	got, err := b.Explain("c", ActionPublish, "a")
	if err != nil || got.Allowed != nil || got.DecidedBy != DecidedByHook || got.Hook != "authorize_publish" ||
		got.ReasonCode != 0 {
		t.Errorf("%+v %v", got, err)
	}
	nothingMore(t, asked)

	if err := b.SetHooks(Hooks{
		Authenticate: func(context.Context, AuthEvent) Verdict { return Allow.WithSuperuser() },
	}); err != nil {
		t.Fatal(err)
	}
	connected(t, b, "root")
	got, err = b.Explain("root", ActionPublish, "$SYS/a")
	if err != nil || got.Allowed == nil || !*got.Allowed || got.DecidedBy != DecidedBySuperuser || got.Rule != sys {
		t.Errorf("%+v %v", got, err)
	}

	_, err = b.Explain("nobody", ActionPublish, "a")
	expectError(t, err, ErrNotFound)
	for _, action := range []Action{-1, 0, 3} {
		_, err = b.Explain("c", action, "a")
		expectError(t, err, ErrInvalidArgument)
	}
	_, err = b.Explain("c", ActionPublish, "\xff")
	expectError(t, err, ErrInvalidArgument)
	if got := fmt.Sprint(ActionPublish, ActionSubscribe, Action(3)); got != "publish subscribe unknown 3" {
		t.Error(got)
	}
	b.Close()
	_, err = b.Explain("c", ActionPublish, "a")
	expectError(t, err, ErrClosed)
}

// counted counts the octets of a connection.
type counted struct {
	net.Conn
	read, written uint64
}

func (c *counted) Read(octets []byte) (int, error) {
	count, err := c.Conn.Read(octets)
	c.read += uint64(count)
	return count, err
}

func (c *counted) Write(octets []byte) (int, error) {
	count, err := c.Conn.Write(octets)
	c.written += uint64(count)
	return count, err
}

func TestStatsOfTheWire(t *testing.T) {
	b := started(t, config(anonymous), Hooks{})
	conn, err := net.DialTimeout("tcp", address(t, b), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	wire := &counted{Conn: conn}
	c, err := clientOn(t, wire)
	if err != nil {
		t.Fatal(err)
	}
	// One message at a time.
	if code := c.connect(connect{id: "c", version: 5, properties: with(receiveMaximum, 0, 1)}); code != 0 {
		t.Fatal(code)
	}
	if code := c.trySubscribe("q", 1); code != 1 {
		t.Fatal(code)
	}
	publishNumbers(t, b, "q", 1, 1, 3)
	if err := b.Publish("q", nil, &PublishOptions{Delay: time.Hour}); err != nil {
		t.Fatal(err)
	}
	c.expect("q", "1", 1)
	eventually(t, "what waits", func() bool {
		s := stats(t, b)
		return s.QueuedMessages == 2 && s.QueuedBytes > 0 && s.InFlight == 1 && s.DelayedMessages == 1
	})
	s, info := stats(t, b), clientInfo(t, b, "c")
	if info.QueuedMessages != 2 || info.QueuedBytes != s.QueuedBytes || info.InFlight != 1 || info.MessagesSent != 1 {
		t.Errorf("%+v", info)
	}
	c.ack()
	c.expect("q", "2", 1)
	c.ack()
	c.expect("q", "3", 1)
	c.ack()
	eventually(t, "what waited", func() bool {
		s := stats(t, b)
		return s.QueuedMessages == 0 && s.QueuedBytes == 0 && s.InFlight == 0
	})
	// To the octet.
	s, info = stats(t, b), clientInfo(t, b, "c")
	if s.BytesReceived != wire.written || s.BytesSent != wire.read || info.BytesReceived != wire.written ||
		info.BytesSent != wire.read || info.MessagesSent != 3 || info.MessagesDropped != 0 {
		t.Errorf("%+v %+v %d %d", s, info, wire.read, wire.written)
	}
	if code := c.publish1("elsewhere", "x"); code != 0x10 {
		t.Error(code)
	}
	if info := clientInfo(t, b, "c"); info.MessagesReceived != 1 {
		t.Errorf("%+v", info)
	}
}
