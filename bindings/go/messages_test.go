package rmqtt

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"
)

// subscribe makes a subscription that the test closes.
func subscribe(t *testing.T, b *Broker, filter string, fn func(Message), options ...SubscribeOption) *Subscription {
	t.Helper()
	sub, err := b.Subscribe(filter, fn, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sub.Close)
	return sub
}

func subscriptionStats(t *testing.T, sub *Subscription) SubscriptionStats {
	t.Helper()
	s, err := sub.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func publishNumbers(t *testing.T, b *Broker, topic string, qos byte, from, to int) {
	t.Helper()
	for number := from; number <= to; number++ {
		if err := b.Publish(topic, []byte(fmt.Sprint(number)), &PublishOptions{QoS: qos}); err != nil {
			t.Fatal(err)
		}
	}
}

// expectPayloads takes as many messages as there are words.
func expectPayloads(t *testing.T, messages <-chan Message, words string) {
	t.Helper()
	for _, word := range strings.Fields(words) {
		if m := receive(t, messages); string(m.Payload) != word {
			t.Errorf("%q, not %q", m.Payload, word)
		}
	}
}

func nothingMore[T any](t *testing.T, from <-chan T) {
	t.Helper()
	select {
	case value := <-from:
		t.Errorf("%+v", value)
	default:
	}
}

// door holds up the first call.
type door struct {
	once            sync.Once
	standing, opens chan struct{}
}

func newDoor() *door { return &door{standing: make(chan struct{}), opens: make(chan struct{})} }

func (d *door) pass() {
	d.once.Do(func() {
		close(d.standing)
		<-d.opens
	})
}

var someProperties = Properties{
	ContentType:            "text/plain",
	ResponseTopic:          "answers",
	CorrelationData:        []byte("a\x00b"),
	UserProperties:         []UserProperty{{"k", "1"}, {"a", "b"}, {"k", ""}},
	MessageExpiry:          time.Minute,
	HasMessageExpiry:       true,
	PayloadFormatIndicator: 1,
}

func TestPublishProperties(t *testing.T) {
	b := started(t, config(anonymous), Hooks{})
	messages := make(chan Message, 4)
	subscribe(t, b, "#", into(messages), QoS(2))
	c := connected(t, b, "c")
	if code := c.trySubscribe("#", 1); code != 1 {
		t.Error(code)
	}
	if err := b.Publish("a", []byte("text"), &PublishOptions{QoS: 2, Properties: someProperties}); err != nil {
		t.Fatal(err)
	}
	m := receive(t, messages)
	if m.QoS != 2 || m.Origin != OriginAPI || !reflect.DeepEqual(m.Properties, someProperties) {
		t.Errorf("%+v", m)
	}
	c.expect("a", "text", 1)
	got := c.got.values
	if got[contentType] != "text/plain" || got[responseTopic] != "answers" || got[correlationData] != "a\x00b" ||
		got[messageExpiry] != "\x00\x00\x00\x3c" || got[payloadFormat] != "\x01" ||
		!reflect.DeepEqual(c.got.user, someProperties.UserProperties) {
		t.Errorf("%+v", c.got)
	}
	// None are none; empty correlation data is some.
	for _, properties := range []Properties{{}, {CorrelationData: []byte{}}} {
		if err := b.Publish("b", nil, &PublishOptions{Properties: properties}); err != nil {
			t.Fatal(err)
		}
		if m := receive(t, messages); !reflect.DeepEqual(m.Properties, properties) {
			t.Errorf("%+v", m)
		}
		c.expect("b", "", 0)
		if _, ok := c.got.values[correlationData]; ok != (properties.CorrelationData != nil) || len(c.got.values) > 1 {
			t.Errorf("%+v", c.got)
		}
	}
	for _, options := range []PublishOptions{
		{Properties: Properties{ResponseTopic: "a/#"}},
		{Properties: Properties{PayloadFormatIndicator: 2}},
		{Properties: Properties{UserProperties: []UserProperty{{"\xff", ""}}}},
	} {
		if err := b.Publish("a", nil, &options); !errors.Is(err, ErrInvalidArgument) {
			t.Error(options, err)
		}
	}
	// The memory around a payload is nobody's business.
	frame := &struct {
		octets [4]byte
		next   *int
	}{[4]byte{'o', 'n', 'l', 'y'}, new(int)}
	if err := b.Publish("frame", frame.octets[:], nil); err != nil {
		t.Fatal(err)
	}
	expectPayloads(t, messages, "only")
}

func TestPublishToOneClient(t *testing.T) {
	b := started(t, config(anonymous), Hooks{})
	messages := make(chan Message, 4)
	subscribe(t, b, "#", into(messages))
	one, other := connected(t, b, "one"), connected(t, b, "other")
	other.subscribe("#")
	if err := b.Publish("direct", []byte("1"), &PublishOptions{ClientID: "one"}); err != nil {
		t.Fatal(err)
	}
	if accepted, err := b.PublishBatch([]Publication{
		{"direct", []byte("2"), PublishOptions{ClientID: "one"}},
		{"all", []byte("3"), PublishOptions{}},
		{"direct", []byte("4"), PublishOptions{ClientID: "nobody"}},
	}); accepted != 2 || !errors.Is(err, ErrNotFound) {
		t.Error(accepted, err)
	}
	one.expect("direct", "1", 0)
	one.expect("direct", "2", 0)
	other.expect("all", "3", 0)
	expectPayloads(t, messages, "3")
	if err := b.Publish("direct", nil, &PublishOptions{ClientID: "nobody"}); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestPublishLater(t *testing.T) {
	b := started(t, config(), Hooks{})
	messages := make(chan Message, 4)
	subscribe(t, b, "d", into(messages))
	begin := time.Now()
	for payload, delay := range map[string]time.Duration{"second": 50 * time.Millisecond, "never": 100 * 365 * 24 * time.Hour} {
		if err := b.Publish("d", []byte(payload), &PublishOptions{Delay: delay}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Publish("d", []byte("first"), &PublishOptions{Delay: -1}); err != nil {
		t.Fatal(err)
	}
	expectPayloads(t, messages, "first")
	if m := receive(t, messages); string(m.Payload) != "second" || m.Origin != OriginDelayed || time.Since(begin) < 50*time.Millisecond {
		t.Errorf("%+v", m)
	}
	if err := b.Publish("d", nil, &PublishOptions{Delay: 1<<63 - 1}); !errors.Is(err, ErrInvalidArgument) {
		t.Error(err)
	}
}

func TestReports(t *testing.T) {
	panics := make(chan Panic, 1)
	OnPanic(func(p Panic) { panics <- p })
	defer OnPanic(nil)
	b := started(t, config(anonymous), Hooks{})
	c := connected(t, b, "c")
	if code := c.trySubscribe("r", 1); code != 1 {
		t.Error(code)
	}
	reports := make(chan PublishReport, 4)
	options := PublishOptions{QoS: 1, OnReport: into(reports)}
	publish := func(topic string) {
		t.Helper()
		if err := b.Publish(topic, []byte("x"), &options); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(want PublishReport) {
		t.Helper()
		if got := receive(t, reports); got != want {
			t.Errorf("%+v, not %+v", got, want)
		}
	}
	publish("r")
	expect(PublishReport{Receivers: 1, Stage: PublishQueued})
	c.expect("r", "x", 1)
	nothingMore(t, reports)
	c.ack()
	expect(PublishReport{Receivers: 1, Acknowledged: 1, Stage: PublishAcknowledged, Last: true})
	publish("nobody")
	expect(PublishReport{Stage: PublishQueued, Last: true})
	publish("r")
	expect(PublishReport{Receivers: 1, Stage: PublishQueued})
	c.conn.Close()
	expect(PublishReport{Receivers: 1, Lost: 1, Stage: PublishAcknowledged, Last: true})

	deny := func(context.Context, PublishEvent) Verdict { return Deny }
	if err := b.SetHooks(Hooks{AuthorizePublish: deny}); err != nil {
		t.Fatal(err)
	}
	publish("r")
	expect(PublishReport{Stage: PublishRefused, Last: true})
	if PublishRefused.String() != "refused" {
		t.Error(PublishRefused)
	}

	options.OnReport = func(PublishReport) { panic("in the report") }
	publish("r")
	if p := receive(t, panics); p.Callback != "OnReport" || p.Value != "in the report" {
		t.Errorf("%+v", p)
	}
	// A function that stops the broker would wait for itself.
	results := make(chan error, 1)
	options.OnReport = func(PublishReport) { results <- b.Stop(0) }
	publish("r")
	if err := receive(t, results); !errors.Is(err, ErrWouldDeadlock) {
		t.Error(err)
	}
}

func TestPublishBatch(t *testing.T) {
	b := started(t, config(), Hooks{})
	messages := make(chan Message, 8)
	subscribe(t, b, "b/#", into(messages), QoS(1))
	reports := make(chan int, 8)
	batch := func(third string) []Publication {
		var all []Publication
		for index, topic := range []string{"b/0", "b/1", third, "b/3"} {
			index := index
			all = append(all, Publication{topic, []byte(fmt.Sprint(index)), PublishOptions{
				OnReport: func(r PublishReport) {
					if r.Last {
						reports <- index
					}
				},
			}})
		}
		all[1].QoS, all[1].Properties = 1, someProperties
		all[3].Payload = nil
		return all
	}
	if accepted, err := b.PublishBatch(batch("b/2")); accepted != 4 || err != nil {
		t.Fatal(accepted, err)
	}
	for index, want := range []string{"0", "1", "2", ""} {
		m := receive(t, messages)
		if m.Topic != fmt.Sprint("b/", index) || string(m.Payload) != want || (index == 1) != (m.QoS == 1) ||
			(index == 1) != reflect.DeepEqual(m.Properties, someProperties) {
			t.Errorf("%+v", m)
		}
	}
	for range batch("") {
		receive(t, reports)
	}
	accepted, err := b.PublishBatch(batch("#"))
	if accepted != 2 || !errors.Is(err, ErrInvalidArgument) || !strings.Contains(err.Error(), "topic") {
		t.Error(accepted, err)
	}
	expectPayloads(t, messages, "0 1")
	if sum := receive(t, reports) + receive(t, reports); sum != 1 {
		t.Error(sum)
	}
	if accepted, err := b.PublishBatch(nil); accepted != 0 || err != nil {
		t.Error(accepted, err)
	}
	// Nothing but topics that are empty.
	if accepted, err := b.PublishBatch(make([]Publication, 1)); accepted != 0 || !errors.Is(err, ErrInvalidArgument) {
		t.Error(accepted, err)
	}
}

func TestSubscribeBatch(t *testing.T) {
	panics := make(chan Panic, 1)
	OnPanic(func(p Panic) { panics <- p })
	defer OnPanic(nil)
	b := started(t, config(), Hooks{})
	d := newDoor()
	calls := make(chan []Message, 8)
	sub, err := b.SubscribeBatch("b", func(messages []Message) {
		d.pass()
		calls <- messages
		if string(messages[0].Payload) == "7" {
			panic("seven")
		}
	}, MaxBatch(3), QoS(1))
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	publishNumbers(t, b, "b", 1, 0, 0)
	receive(t, d.standing)
	publishNumbers(t, b, "b", 1, 1, 7)
	close(d.opens)
	for _, want := range []string{"0", "123", "456", "7"} {
		got := ""
		for _, m := range receive(t, calls) {
			got += string(m.Payload)
		}
		if got != want {
			t.Errorf("%q, not %q", got, want)
		}
	}
	if p := receive(t, panics); p.Callback != "Subscribe" || p.Value != "seven" {
		t.Errorf("%+v", p)
	}
	eventually(t, "all delivered", func() bool { return subscriptionStats(t, sub).Delivered == 8 })
}

func TestManualAck(t *testing.T) {
	b := started(t, config(), Hooks{})
	messages := make(chan Message, 8)
	sub := subscribe(t, b, "m", into(messages), QoS(2), ManualAck(), ReceiveMaximum(2))
	publishNumbers(t, b, "m", 2, 1, 4)
	first, second := receive(t, messages), receive(t, messages)
	if first.Delivery == 0 || first.Delivery == second.Delivery || first.QoS != 2 {
		t.Errorf("%+v %+v", first, second)
	}
	eventually(t, "two wait", func() bool { return subscriptionStats(t, sub).QueuedMessages == 2 })
	if s := subscriptionStats(t, sub); s.Unacknowledged != 2 || s.QueuedBytes == 0 {
		t.Errorf("%+v", s)
	}
	nothingMore(t, messages)
	if err := second.Delivery.Ack(); err != nil {
		t.Error(err)
	}
	third := receive(t, messages)
	if err := second.Delivery.Ack(); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
	if err := first.Delivery.Ack(); err != nil {
		t.Error(err)
	}
	expectPayloads(t, messages, "4")
	// QoS 0 needs no acknowledgement, and waits for none.
	publishNumbers(t, b, "m", 0, 5, 5)
	last := receive(t, messages)
	if err := last.Delivery.Ack(); last.Delivery != 0 || !errors.Is(err, ErrInvalidArgument) {
		t.Error(last, err)
	}
	eventually(t, "five delivered", func() bool { return subscriptionStats(t, sub).Delivered == 5 })
	if s := subscriptionStats(t, sub); s.Acknowledged != 2 || s.Unacknowledged != 2 || s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
	sub.Close()
	if err := third.Delivery.Ack(); !errors.Is(err, ErrExpired) {
		t.Error(err)
	}
	// Without it, nothing has to be acknowledged.
	subscribe(t, b, "m", into(messages), QoS(1))
	publishNumbers(t, b, "m", 1, 6, 6)
	if m := receive(t, messages); m.Delivery != 0 || m.QoS != 1 {
		t.Errorf("%+v", m)
	}
}

func TestOverflow(t *testing.T) {
	b := started(t, config(), Hooks{})
	// held is a subscription whose function stands at a door.
	held := func(options ...SubscribeOption) (*Subscription, *door, <-chan Message) {
		t.Helper()
		d, messages := newDoor(), make(chan Message, 8)
		sub := subscribe(t, b, "o", func(m Message) {
			d.pass()
			messages <- m
		}, append(options, QoS(1))...)
		publishNumbers(t, b, "o", 1, 0, 0)
		receive(t, d.standing)
		return sub, d, messages
	}
	for _, test := range []struct {
		policy Overflow
		heard  string
	}{{OverflowDropNewest, "0 1 2"}, {OverflowDropOldest, "0 3 4"}} {
		sub, d, messages := held(MaxQueued(2), OnOverflow(test.policy))
		publishNumbers(t, b, "o", 1, 1, 4)
		if s := subscriptionStats(t, sub); s.Dropped != 2 || s.QueuedMessages != 2 {
			t.Errorf("%s: %+v", test.policy, s)
		}
		close(d.opens)
		expectPayloads(t, messages, test.heard)
		sub.Close()
	}

	sub, d, _ := held(MaxQueuedBytes(5000))
	for i := 0; i < 3; i++ {
		if err := b.Publish("o", make([]byte, 4096), nil); err != nil {
			t.Fatal(err)
		}
	}
	if s := subscriptionStats(t, sub); s.Dropped != 2 || s.QueuedBytes < 4096 {
		t.Errorf("%+v", s)
	}
	close(d.opens)
	sub.Close()

	sub, d, messages := held(MaxQueued(2), OnOverflow(OverflowBlock))
	publishNumbers(t, b, "o", 1, 1, 2)
	one := &PublishOptions{QoS: 1}
	if err := b.Publish("o", []byte("x"), one); !errors.Is(err, ErrWouldBlock) {
		t.Error(err)
	}
	begin := time.Now()
	one.Wait = 50 * time.Millisecond
	if err := b.Publish("o", []byte("x"), one); !errors.Is(err, ErrWouldBlock) || time.Since(begin) < one.Wait {
		t.Error(err, time.Since(begin))
	}
	one.Wait = patience
	published := make(chan error, 1)
	go func() { published <- b.Publish("o", []byte("3"), one) }()
	close(d.opens)
	if err := receive(t, published); err != nil {
		t.Error(err)
	}
	expectPayloads(t, messages, "0 1 2 3")
	if s := subscriptionStats(t, sub); s.Dropped != 0 {
		t.Errorf("%+v", s)
	}
	if OverflowBlock.String() != "block" || OverflowDropNewest.String() != "drop newest" {
		t.Error(OverflowBlock, OverflowDropNewest)
	}
}

func TestPause(t *testing.T) {
	b := started(t, config(), Hooks{})
	messages := make(chan Message, 8)
	subs := make(chan *Subscription, 1)
	sub := subscribe(t, b, "p", func(m Message) {
		if string(m.Payload) == "3" { // in its own function, too
			if err := (<-subs).Pause(); err != nil {
				t.Error(err)
			}
		}
		messages <- m
	})
	subs <- sub
	for i := 0; i < 2; i++ {
		if err := sub.Pause(); err != nil {
			t.Fatal(err)
		}
	}
	publishNumbers(t, b, "p", 0, 1, 4)
	eventually(t, "four wait", func() bool { return subscriptionStats(t, sub).QueuedMessages == 4 })
	if s := subscriptionStats(t, sub); !s.Paused || s.Delivered != 0 {
		t.Errorf("%+v", s)
	}
	nothingMore(t, messages)
	if err := sub.Resume(); err != nil {
		t.Fatal(err)
	}
	expectPayloads(t, messages, "1 2 3")
	eventually(t, "three delivered", func() bool { return subscriptionStats(t, sub).Delivered == 3 })
	if s := subscriptionStats(t, sub); !s.Paused || s.QueuedMessages != 1 {
		t.Errorf("%+v", s)
	}
	if err := sub.Resume(); err != nil {
		t.Fatal(err)
	}
	expectPayloads(t, messages, "4")
	if subscriptionStats(t, sub).Paused {
		t.Error("still paused")
	}
}

func TestSubscribeOptions(t *testing.T) {
	b := started(t, config(anonymous), Hooks{})
	remote, published, plain := make(chan Message, 4), make(chan Message, 4), make(chan Message, 4)
	subscribe(t, b, "l", into(remote), NoLocal())
	subscribe(t, b, "l", into(published), RetainAsPublished(), QoS(1))
	subscribe(t, b, "l", into(plain))
	if err := b.Publish("l", []byte("mine"), &PublishOptions{QoS: 2, Retain: true}); err != nil {
		t.Fatal(err)
	}
	if m := receive(t, published); !m.Retain || m.QoS != 1 {
		t.Errorf("%+v", m)
	}
	if m := receive(t, plain); m.Retain || m.QoS != 0 {
		t.Errorf("%+v", m)
	}
	connected(t, b, "c").publish("l", "theirs")
	expectPayloads(t, remote, "theirs")
}

func TestRetainedMessages(t *testing.T) {
	b := started(t, config(`"retain":{"max_messages":3}`), Hooks{})
	messages := make(chan Message, 4)
	subscribe(t, b, "#", into(messages))
	set := func(topic, payload string, options *PublishOptions) {
		t.Helper()
		if err := b.RetainedSet(topic, []byte(payload), options); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(filter, want string) {
		t.Helper()
		var got []string
		if err := b.Retained(filter, func(m Message) {
			if m.Origin != OriginRetained || !m.Retain {
				t.Errorf("%+v", m)
			}
			got = append(got, m.Topic+"="+string(m.Payload))
		}); err != nil || strings.Join(got, " ") != want {
			t.Errorf("%v, not %q: %v", got, want, err)
		}
	}
	expect("#", "")
	set("a/b", "2", &PublishOptions{QoS: 1, Properties: someProperties})
	set("a", "1", nil)
	if err := b.Publish("b", []byte("3"), &PublishOptions{Retain: true}); err != nil {
		t.Fatal(err)
	}
	// What is set is not sent.
	expectPayloads(t, messages, "3")
	nothingMore(t, messages)
	expect("#", "a=1 a/b=2 b=3")
	expect("a/#", "a=1 a/b=2")
	if err := b.RetainedSet("c", []byte("4"), nil); !errors.Is(err, ErrWouldBlock) {
		t.Error(err)
	}
	if m, err := b.RetainedGet("a/b"); err != nil || m.Topic != "a/b" || string(m.Payload) != "2" || m.QoS != 1 ||
		m.Origin != OriginRetained || !reflect.DeepEqual(m.Properties, someProperties) {
		t.Errorf("%+v %v", m, err)
	}
	for want := uint64(2); ; want = 0 {
		if deleted, err := b.RetainedDelete("a/#"); deleted != want || err != nil {
			t.Error(deleted, err)
		}
		if want == 0 {
			break
		}
	}
	if _, err := b.RetainedGet("a/b"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	expect("#", "b=3")

	// A panic is the caller's, and ends what is shown.
	set("a", "1", nil)
	calls := 0
	func() {
		defer func() {
			if value := recover(); value != "enough" {
				t.Error(value)
			}
		}()
		_ = b.Retained("#", func(Message) {
			calls++
			panic("enough")
		})
		t.Error("it went on")
	}()
	if calls != 1 {
		t.Error(calls)
	}
	if err := b.Retained("#", func(m Message) {
		if deleted, err := b.RetainedDelete(m.Topic); deleted != 1 || err != nil {
			t.Error(deleted, err)
		}
	}); err != nil {
		t.Error(err)
	}
	if s := stats(t, b); s.RetainedMessages != 0 {
		t.Errorf("%+v", s)
	}

	report := func(PublishReport) { t.Error("a report") }
	failures := map[string]error{
		"nothing":  b.RetainedSet("a", nil, nil),
		"delay":    b.RetainedSet("a", []byte("x"), &PublishOptions{Delay: 1}),
		"report":   b.RetainedSet("a", []byte("x"), &PublishOptions{OnReport: report}),
		"client":   b.RetainedSet("a", []byte("x"), &PublishOptions{ClientID: "c"}),
		"filter":   b.Retained("a#", func(Message) {}),
		"function": b.Retained("a", nil),
	}
	_, failures["topic"] = b.RetainedGet("+")
	_, failures["shared"] = b.RetainedDelete("$share/g/a")
	for what, err := range failures {
		if !errors.Is(err, ErrInvalidArgument) {
			t.Error(what, err)
		}
	}
}
