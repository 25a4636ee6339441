package rmqtt

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"
)

// into is a hook that hears of events and hands them to the test.
func into[T any](events chan T) func(T) {
	return func(ev T) { events <- ev }
}

func TestSessionEvents(t *testing.T) {
	connacks := make(chan ConnackEvent, 9)
	disconnected := make(chan DisconnectEvent, 9)
	created, resumed := make(chan SessionEvent, 9), make(chan SessionEvent, 9)
	takenOver, terminated := make(chan SessionEvent, 9), make(chan SessionEvent, 9)
	b := started(t, config(), Hooks{
		Authenticate: func(ctx context.Context, ev AuthEvent) Verdict {
			if ev.Username == "mallory" {
				return DenyWith(0x86, "wrong password")
			}
			return Allow
		},
		Connack:           into(connacks),
		Disconnected:      into(disconnected),
		SessionCreated:    into(created),
		SessionResumed:    into(resumed),
		SessionTakenOver:  into(takenOver),
		SessionTerminated: into(terminated),
	})
	serial := func(ev SessionEvent) uint64 {
		t.Helper()
		if ev.ClientID != "c" || ev.End != 0 {
			t.Errorf("%+v", ev)
		}
		return ev.Serial
	}
	ended := func(end SessionEnd) {
		t.Helper()
		if ev := receive(t, terminated); ev.End != end || ev.ClientID != "c" {
			t.Errorf("%+v instead of %v", ev, end)
		}
	}

	if code := dial(t, b).connect(connect{id: "m", username: "mallory"}); code != 4 {
		t.Error(code)
	}
	if ev := receive(t, connacks); ev.ClientID != "m" || ev.ReasonCode != 0x86 || ev.Reason != "wrong password" ||
		ev.SessionPresent {
		t.Errorf("%+v", ev)
	}

	kept := connect{id: "c", resume: true, properties: with(sessionExpiry, 0, 0, 1, 0)}
	connectedWith(t, b, kept)
	first := serial(receive(t, created))
	if ev := receive(t, connacks); ev.Serial != first || ev.ReasonCode != 0 || ev.Reason != "" || ev.SessionPresent {
		t.Errorf("%+v", ev)
	}
	connectedWith(t, b, kept)
	if lost := serial(receive(t, takenOver)); lost != first {
		t.Error(lost, first)
	}
	if ev := receive(t, disconnected); ev.Serial != first || ev.ReasonCode != 0x8e || ev.By != DisconnectedByBroker {
		t.Errorf("%+v", ev)
	}
	second := serial(receive(t, resumed))
	if ev := receive(t, connacks); ev.Serial != second || second == first || !ev.SessionPresent {
		t.Errorf("%+v", ev)
	}

	connectedWith(t, b, connect{id: "c"})
	ended(SessionEndCleanStart)
	connectedWith(t, b, connect{id: "c"}).leave(0)
	ended(SessionEndDisconnected) // the one that was taken over
	ended(SessionEndDisconnected)
	connectedWith(t, b, connect{id: "c", properties: with(sessionExpiry, 0, 0, 0, 1)}).leave(0)
	ended(SessionEndExpired)
	connectedWith(t, b, kept)
	if err := b.Stop(time.Second); err != nil {
		t.Fatal(err)
	}
	ended(SessionEndStopped)
}

func TestSubscriptionEvents(t *testing.T) {
	subscribed, unsubscribed := make(chan SubscribedEvent, 9), make(chan UnsubscribedEvent, 9)
	first, last := make(chan SubscriberEvent, 9), make(chan SubscriberEvent, 9)
	b := started(t, config(anonymous), Hooks{
		AuthorizeSubscribe: func(ctx context.Context, ev SubscribeEvent) Verdict {
			if ev.Filter == "mine" {
				return Allow.WithTopic("clients/" + ev.ClientID).WithQoS(0)
			}
			return Allow
		},
		Subscribed:      into(subscribed),
		Unsubscribed:    into(unsubscribed),
		FirstSubscriber: into(first),
		LastSubscriber:  into(last),
	})
	expect := func(events chan SubscriberEvent, filter string, client bool) {
		t.Helper()
		if ev := receive(t, events); ev.Filter != filter || (ev.Client != nil) != client || client && ev.Client.ClientID != "c" {
			t.Errorf("%+v", ev)
		}
	}
	c := connected(t, b, "c")
	// No local, the retain flag as published, no retained messages.
	if code := c.trySubscribe("mine", 0x2c|1, with(subscriptionID, 7)); code != 0 {
		t.Errorf("%#x", code)
	}
	ev := receive(t, subscribed)
	want := SubscribedEvent{Client: ev.Client, Filter: "mine", Granted: "clients/c", Identifier: 7, NoLocal: true,
		RetainAsPublished: true, RetainHandling: 2}
	if ev != want || ev.ClientID != "c" {
		t.Errorf("%+v", ev)
	}
	expect(first, "clients/c", true)
	if code := c.unsubscribe("mine"); code != 0 {
		t.Errorf("%#x", code)
	}
	if ev := receive(t, unsubscribed); ev.Filter != "mine" || ev.ClientID != "c" {
		t.Errorf("%+v", ev)
	}
	expect(last, "clients/c", true)

	if code := c.trySubscribe("$share/group/a", 1); code != 1 {
		t.Errorf("%#x", code)
	}
	if ev := receive(t, subscribed); ev.Filter != "$share/group/a" || ev.Granted != ev.Filter || ev.QoS != 1 || ev.Identifier != 0 {
		t.Errorf("%+v", ev)
	}
	expect(first, "a", true)
	c.leave(0)
	expect(last, "a", true)

	sub, err := b.Subscribe("own/#", func(Message) {})
	if err != nil {
		t.Fatal(err)
	}
	expect(first, "own/#", false)
	sub.Close()
	expect(last, "own/#", false)
}

func TestMessageEvents(t *testing.T) {
	published, wills := make(chan PublishedEvent, 9), make(chan PublishedEvent, 9)
	delivered, acked := make(chan DeliveredEvent, 9), make(chan AckedEvent, 9)
	dropped, retained := make(chan DroppedEvent, 9), make(chan RetainedEvent, 9)
	b := started(t, config(anonymous), Hooks{
		AuthorizePublish: func(ctx context.Context, ev PublishEvent) Verdict {
			if ev.Topic == "refused" {
				return Deny
			}
			return Allow
		},
		AuthorizeForward: func(ctx context.Context, ev ForwardEvent) Verdict {
			if ev.Message.Topic == "held" {
				return Deny
			}
			return Allow
		},
		MessagePublished: into(published),
		MessageDelivered: into(delivered),
		MessageAcked:     into(acked),
		MessageDropped:   into(dropped),
		WillPublished:    into(wills),
		RetainedChanged:  into(retained),
	})
	c := connected(t, b, "c")
	if code := c.trySubscribe("#", 1); code != 1 {
		t.Errorf("%#x", code)
	}
	p := connectedWith(t, b, connect{id: "p", willTopic: "will", will: "gone", willProps: withText(contentType, "text")})

	is := func(m Message, topic, payload string, origin Origin) bool {
		return m.Topic == topic && string(m.Payload) == payload && m.Origin == origin &&
			(origin == OriginAPI) == (m.Publisher == nil) && (m.Publisher == nil || m.Publisher.ClientID == "p")
	}
	if code := p.publish1("a", "x", withText(contentType, "text")); code != 0 {
		t.Errorf("%#x", code)
	}
	c.expect("a", "x", 1)
	if err := c.write(0x40, []byte{0, 1, 0x97, 0}); err != nil {
		t.Fatal(err)
	}
	if ev := receive(t, published); !is(ev.Message, "a", "x", OriginClient) || ev.Receivers != 1 || ev.QoS != 1 ||
		ev.Properties.ContentType != "text" {
		t.Errorf("%+v", ev)
	}
	if ev := receive(t, delivered); !is(ev.Message, "a", "x", OriginClient) || ev.ClientID != "c" || ev.QoS != 1 || ev.Retain ||
		ev.Message.Properties.ContentType != "text" {
		t.Errorf("%+v", ev)
	}
	if ev := receive(t, acked); !is(ev.Message, "a", "x", OriginClient) || ev.ClientID != "c" || ev.QoS != 1 || ev.ReasonCode != 0x97 {
		t.Errorf("%+v", ev)
	}

	p.publish("refused", "x")
	if ev := receive(t, dropped); !is(ev.Message, "refused", "x", OriginClient) || ev.Client != nil || ev.Cause != DropRefused {
		t.Errorf("%+v", ev)
	}
	p.publish("held", "x")
	if ev := receive(t, dropped); !is(ev.Message, "held", "x", OriginClient) || ev.Cause != DropRefused || ev.Client == nil ||
		ev.Client.ClientID != "c" {
		t.Errorf("%+v", ev)
	}
	if ev := receive(t, published); ev.Topic != "held" {
		t.Errorf("%+v", ev)
	}

	if err := b.Publish("kept", []byte("y"), &PublishOptions{Retain: true}); err != nil {
		t.Fatal(err)
	}
	if ev := receive(t, retained); !is(ev.Message, "kept", "y", OriginAPI) || ev.Change != RetainedSet || !ev.Retain {
		t.Errorf("%+v", ev)
	}
	p.retain("kept", "")
	if ev := receive(t, retained); ev.Topic != "kept" || ev.Change != RetainedRemoved {
		t.Errorf("%+v", ev)
	}
	p.retain("brief", "z", with(messageExpiry, 0, 0, 0, 1))
	if ev := receive(t, retained); ev.Topic != "brief" || ev.Change != RetainedSet || !ev.Properties.HasMessageExpiry {
		t.Errorf("%+v", ev)
	}
	if ev := receive(t, retained); !is(ev.Message, "brief", "z", ev.Origin) || ev.Change != RetainedExpired {
		t.Errorf("%+v", ev)
	}

	p.conn.Close()
	if ev := receive(t, wills); !is(ev.Message, "will", "gone", OriginWill) || ev.Receivers != 1 || ev.Properties.ContentType != "text" {
		t.Errorf("%+v", ev)
	}
	for _, topic := range []string{"kept", "kept", "brief", "will"} {
		if ev := receive(t, published); ev.Topic != topic {
			t.Errorf("%+v", ev)
		}
	}
}

func TestListenerEvents(t *testing.T) {
	up, down := make(chan ListenerEvent, 1), make(chan ListenerEvent, 1)
	b := started(t, config(), Hooks{ListenerUp: into(up), ListenerDown: into(down)})
	where := address(t, b)
	ev := receive(t, up)
	if ev.Name != "main" || ev.Type != "tcp" || ev.Address != where || ev.Address != fmt.Sprint("127.0.0.1:", ev.Port) {
		t.Errorf("%+v", ev)
	}
	if err := b.Stop(0); err != nil {
		t.Fatal(err)
	}
	if off := receive(t, down); off != ev {
		t.Errorf("%+v", off)
	}
}

func TestOverload(t *testing.T) {
	events := make(chan OverloadEvent, 9)
	b := started(t, config(anonymous, `"retain":{"max_messages":1}`), Hooks{Overload: into(events)})
	keep := func(topic, payload string) {
		t.Helper()
		if err := b.Publish(topic, []byte(payload), &PublishOptions{Retain: true}); err != nil {
			t.Error(err)
		}
	}
	keep("a", "x")
	keep("b", "x")
	if ev := receive(t, events); ev != (OverloadEvent{ResourceRetainedMessages, 1, true}) {
		t.Errorf("%+v", ev)
	}
	keep("a", "")
	if ev := receive(t, events); ev != (OverloadEvent{ResourceRetainedMessages, 1, false}) {
		t.Errorf("%+v", ev)
	}
}

func TestProperties(t *testing.T) {
	events := make(chan PublishEvent, 1)
	other := Properties{
		ContentType:            "application/json",
		ResponseTopic:          "answers",
		CorrelationData:        []byte{},
		UserProperties:         []UserProperty{{"b", "2"}, {"b", ""}},
		MessageExpiry:          time.Hour,
		HasMessageExpiry:       true,
		PayloadFormatIndicator: 1,
	}
	b := started(t, config(anonymous), Hooks{
		AuthorizePublish: func(ctx context.Context, ev PublishEvent) Verdict {
			events <- ev
			switch ev.Topic {
			case "other":
				return Allow.WithProperties(other).WithReason("changed").WithUserProperties(UserProperty{"by", "hook"})
			case "bare":
				return Allow.WithProperties(Properties{})
			}
			return Allow
		},
	})
	messages := make(chan Message, 1)
	sub, err := b.Subscribe("#", func(m Message) { messages <- m })
	if err != nil {
		t.Fatal(err)
	}
	defer sub.Close()
	c := connected(t, b, "c")
	c.subscribe("#")
	p := connected(t, b, "p")
	given := Properties{
		ContentType:            "text/plain",
		ResponseTopic:          "r",
		CorrelationData:        []byte("a\x00b"),
		UserProperties:         []UserProperty{{"a", "1"}, {"a", "2"}},
		MessageExpiry:          time.Minute,
		HasMessageExpiry:       true,
		PayloadFormatIndicator: 1,
	}
	for _, test := range []struct {
		topic string
		want  Properties
	}{{"plain", given}, {"other", other}, {"bare", Properties{}}} {
		code := p.publish1(test.topic, "x", with(payloadFormat, 1), with(messageExpiry, 0, 0, 0, 60),
			withText(contentType, "text/plain"), withText(responseTopic, "r"), withText(correlationData, "a\x00b"),
			withUser("a", "1"), withUser("a", "2"))
		if code != 0 {
			t.Errorf("%s: %#x", test.topic, code)
		}
		if test.topic == "other" && (p.reason != "changed" || !reflect.DeepEqual(p.got.user, []UserProperty{{"by", "hook"}})) {
			t.Errorf("%+v", p.got)
		}
		if ev := receive(t, events); !reflect.DeepEqual(ev.Properties, given) {
			t.Errorf("%s: %+v", test.topic, ev)
		}
		m := receive(t, messages)
		// A second may have passed.
		if left := m.Properties.MessageExpiry; left < test.want.MessageExpiry && left > test.want.MessageExpiry-time.Minute/2 {
			m.Properties.MessageExpiry = test.want.MessageExpiry
		}
		if !reflect.DeepEqual(m.Properties, test.want) {
			t.Errorf("%s: %+v", test.topic, m)
		}
		c.expect(test.topic, "x", 0)
		got := c.got.values
		_, expires := got[messageExpiry]
		correlation, correlated := got[correlationData]
		if got[contentType] != test.want.ContentType || got[responseTopic] != test.want.ResponseTopic ||
			correlation != string(test.want.CorrelationData) || correlated != (test.want.CorrelationData != nil) ||
			expires != test.want.HasMessageExpiry || !reflect.DeepEqual(c.got.user, test.want.UserProperties) ||
			(got[payloadFormat] == "\x01") != (test.want.PayloadFormatIndicator == 1) {
			t.Errorf("%s: %+v", test.topic, c.got)
		}
	}
	if code := connected(t, b, "p2").publish1("nothing", "x"); code != 0 {
		t.Errorf("%#x", code)
	}
	if ev := receive(t, events); !reflect.DeepEqual(ev.Properties, Properties{}) {
		t.Errorf("%+v", ev)
	}
	if m := receive(t, messages); !reflect.DeepEqual(m.Properties, Properties{}) {
		t.Errorf("%+v", m)
	}
}
