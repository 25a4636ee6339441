package rmqtt

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"
)

func TestPreConnect(t *testing.T) {
	events := make(chan PreConnectEvent, 1)
	verdicts := make(chan Verdict, 1)
	b := started(t, config(anonymous), Hooks{
		PreConnect: func(ctx context.Context, ev PreConnectEvent) Verdict {
			events <- ev
			return <-verdicts
		},
	})
	verdicts <- Deny
	c := dial(t, b)
	if _, _, err := c.read(); err != io.EOF {
		t.Error(err)
	}
	if ev := receive(t, events); ev.Listener != "main" || ev.Address != c.conn.LocalAddr().String() {
		t.Errorf("%+v", ev)
	}
	verdicts <- Allow
	connected(t, b, "c")
}

func TestAuthorizePublish(t *testing.T) {
	events := make(chan PublishEvent, 1)
	b := started(t, config(anonymous), Hooks{
		AuthorizePublish: func(ctx context.Context, ev PublishEvent) Verdict {
			switch ev.Topic {
			case "refused":
				events <- ev
				return DenyWith(0x97, "no room is left for "+ev.Publisher.ClientID)
			case "secret":
				return Drop
			case "raw":
				return Allow.WithTopic("cooked").WithPayload(append([]byte("well done: "), ev.Payload...)).WithQoS(0).WithRetain(true)
			case "empty":
				return Allow.WithPayload(nil)
			case "nowhere":
				return Allow.WithTopic("a/#")
			case "nothing":
				return Allow.WithTopic("")
			case "odd":
				return Allow.WithQoS(3)
			}
			return Allow
		},
	})
	c := connected(t, b, "pump")
	listener := connected(t, b, "listener")
	if code := listener.trySubscribe("#", 1); code != 1 {
		t.Errorf("%#x", code)
	}
	if code := c.publish1("refused", "x"); code != 0x97 || c.reason != "no room is left for pump" {
		t.Errorf("%#x %q", code, c.reason)
	}
	ev := receive(t, events)
	if string(ev.Payload) != "x" || ev.QoS != 1 || ev.Retain || ev.Origin != OriginClient || ev.Publisher.Protocol != 5 {
		t.Errorf("%+v", ev)
	}
	for _, test := range []struct {
		topic string
		code  byte
	}{{"secret", 0}, {"nowhere", 0x83}, {"nothing", 0x83}, {"odd", 0x87}, {"raw", 0}, {"empty", 0}, {"plain", 0}} {
		if code := c.publish1(test.topic, "x"); code != test.code {
			t.Errorf("%s: %#x", test.topic, code)
		}
	}
	listener.expect("cooked", "well done: x", 0)
	listener.expect("empty", "", 1)
	listener.expect("plain", "x", 1)
	if s := stats(t, b); s.RetainedMessages != 1 {
		t.Errorf("%+v", s)
	}

	// What this program publishes is asked about as well.
	for _, topic := range []string{"secret", "raw"} {
		if err := b.Publish(topic, []byte("own"), nil); err != nil {
			t.Error(err)
		}
	}
	listener.expect("cooked", "well done: own", 0)
}

func TestAuthorizePublishMayBlock(t *testing.T) {
	asked, answers := make(chan string), make(chan Verdict)
	// One callback thread: a hook that kept it would block the second client.
	b := started(t, config(anonymous, `"callbacks":{"threads":1,"timeout_ms":60000}`), Hooks{
		AuthorizePublish: func(ctx context.Context, ev PublishEvent) Verdict {
			if ev.Topic == "fast" {
				return Allow
			}
			asked <- ev.Topic
			return <-answers
		},
	})
	listener := connected(t, b, "listener")
	listener.subscribe("#")
	slow := connected(t, b, "slow")
	slow.sendPublish1("slow/1", "x")
	if topic := receive(t, asked); topic != "slow/1" {
		t.Error(topic)
	}
	if code := connected(t, b, "other").publish1("fast", "x"); code != 0 {
		t.Errorf("%#x", code)
	}
	listener.expect("fast", "x", 0)
	answers <- DenyWith(0x99, "the payload is odd")
	if code := slow.puback(); code != 0x99 || slow.reason != "the payload is odd" {
		t.Errorf("%#x %q", code, slow.reason)
	}
	slow.sendPublish1("slow/2", "x")
	if topic := receive(t, asked); topic != "slow/2" {
		t.Error(topic)
	}
	answers <- Allow.WithTopic("elsewhere").WithPayload([]byte("a\x00b"))
	if code := slow.puback(); code != 0 {
		t.Errorf("%#x", code)
	}
	listener.expect("elsewhere", "a\x00b", 0)
}

func TestAuthorizePublishOfThisProgramBlocks(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	b := started(t, config(`"callbacks":{"timeout_ms":60000}`), Hooks{
		AuthorizePublish: func(ctx context.Context, ev PublishEvent) Verdict {
			<-release
			return Allow
		},
	})
	// More than may wait, whatever that number is.
	for i := 0; i < 10_000_000; i++ {
		if err := b.Publish("a", nil, nil); err != nil {
			if !errors.Is(err, ErrWouldBlock) {
				t.Error(err)
			}
			return
		}
	}
	t.Error("there is always room")
}

func TestAuthorizeSubscribe(t *testing.T) {
	events := make(chan SubscribeEvent, 1)
	b := started(t, config(anonymous), Hooks{
		AuthorizeSubscribe: func(ctx context.Context, ev SubscribeEvent) Verdict {
			switch ev.Filter {
			case "refused":
				events <- ev
				return DenyWith(0x97, "")
			case "dropped":
				return Drop
			case "slow":
				return Allow.WithQoS(0)
			case "mine":
				return Allow.WithTopic("clients/" + ev.ClientID)
			}
			return Allow
		},
	})
	c := connected(t, b, "pump")
	for _, test := range []struct {
		filter        string
		options, code byte
	}{
		// No local, the retain flag as published, no retained messages.
		{"refused", 0x2c | 1, 0x97}, {"dropped", 1, 0x87}, {"slow", 1, 0}, {"mine", 1, 1},
	} {
		if code := c.trySubscribe(test.filter, test.options); code != test.code {
			t.Errorf("%s: %#x", test.filter, code)
		}
	}
	ev := receive(t, events)
	if ev.ClientID != "pump" || ev.Identifier != 0 || ev.QoS != 1 || !ev.NoLocal || !ev.RetainAsPublished ||
		ev.RetainHandling != 2 {
		t.Errorf("%+v", ev)
	}
	for _, topic := range []string{"refused", "mine", "slow", "clients/pump"} {
		if err := b.Publish(topic, []byte("x"), &PublishOptions{QoS: 1}); err != nil {
			t.Error(err)
		}
	}
	c.expect("slow", "x", 0)
	c.expect("clients/pump", "x", 1)
}

func TestAuthorizeUnsubscribe(t *testing.T) {
	b := started(t, config(anonymous), Hooks{
		AuthorizeUnsubscribe: func(ctx context.Context, ev UnsubscribeEvent) Verdict {
			if ev.ClientID == "pump" && ev.Filter == "alarms" {
				return DenyWith(0x83, "")
			}
			return Allow
		},
	})
	c := connected(t, b, "pump")
	c.subscribe("alarms")
	c.subscribe("news")
	if code := c.unsubscribe("alarms"); code != 0x83 {
		t.Errorf("%#x", code)
	}
	if code := c.unsubscribe("news"); code != 0 {
		t.Errorf("%#x", code)
	}
	for _, topic := range []string{"news", "alarms"} {
		if err := b.Publish(topic, nil, nil); err != nil {
			t.Error(err)
		}
	}
	c.expect("alarms", "", 0)
}

func TestAuthorizeForward(t *testing.T) {
	events := make(chan ForwardEvent, 9)
	b := started(t, config(anonymous), Hooks{
		AuthorizeForward: func(ctx context.Context, ev ForwardEvent) Verdict {
			if ev.ClientID == "free" {
				return Allow
			}
			switch ev.Message.Topic {
			case "asked":
				events <- ev
			case "drop":
				return Drop
			case "deny":
				return Deny
			case "loud":
				return Allow.WithPayload(bytes.ToUpper(ev.Message.Payload))
			case "moved":
				return Allow.WithTopic("elsewhere")
			case "dressed":
				return Allow.WithProperties(Properties{ContentType: "suit", UserProperties: []UserProperty{{"tie", "red"}}})
			case "lower":
				return Allow.WithQoS(0)
			case "higher":
				return Allow.WithQoS(2)
			case "broken":
				panic("in the hook")
			}
			return Allow
		},
	})
	bound, free := connected(t, b, "bound"), connected(t, b, "free")
	for _, c := range []*client{bound, free} {
		if code := c.trySubscribe("#", 1); code != 1 {
			t.Errorf("%#x", code)
		}
	}
	p := connected(t, b, "p")
	topics := []string{"asked", "drop", "deny", "loud", "moved", "dressed", "lower", "higher", "broken", "last"}
	for _, topic := range topics {
		if code := p.publish1(topic, "x", withText(contentType, "plain")); code != 0 {
			t.Errorf("%s: %#x", topic, code)
		}
	}
	for _, topic := range topics {
		free.expect(topic, "x", 1)
		if free.got.values[contentType] != "plain" {
			t.Errorf("%s: %+v", topic, free.got)
		}
	}
	bound.expect("asked", "x", 1)
	ev := receive(t, events)
	if ev.ClientID != "bound" || ev.QoS != 1 || ev.Retain || ev.Message.QoS != 1 || string(ev.Message.Payload) != "x" ||
		ev.Message.Publisher == nil || ev.Message.Publisher.ClientID != "p" || ev.Message.Properties.ContentType != "plain" {
		t.Errorf("%+v", ev)
	}
	bound.expect("loud", "X", 1)
	bound.expect("elsewhere", "x", 1)
	bound.expect("dressed", "x", 1)
	if bound.got.values[contentType] != "suit" || len(bound.got.user) != 1 || bound.got.user[0] != (UserProperty{"tie", "red"}) {
		t.Errorf("%+v", bound.got)
	}
	bound.expect("lower", "x", 0)
	bound.expect("higher", "x", 1)
	bound.expect("last", "x", 1)
	if s := hookStats(t, b, HookAuthorizeForward); s.Denied != 2 || s.Failed != 1 {
		t.Errorf("%+v", s)
	}
}

func TestReasonsOfSubscribe(t *testing.T) {
	b := started(t, config(anonymous), Hooks{
		AuthorizeSubscribe: func(ctx context.Context, ev SubscribeEvent) Verdict {
			return Allow.WithReason("welcome").WithUserProperties(UserProperty{"a", "1"}, UserProperty{"", ""})
		},
		AuthorizeUnsubscribe: func(ctx context.Context, ev UnsubscribeEvent) Verdict {
			return Allow.WithReason("goodbye").WithUserProperties()
		},
	})
	c := connected(t, b, "c")
	c.subscribe("a")
	if c.reason != "welcome" || len(c.got.user) != 2 || c.got.user[0] != (UserProperty{"a", "1"}) || c.got.user[1] != (UserProperty{}) {
		t.Errorf("%+v", c.got)
	}
	c.unsubscribe("a")
	if c.reason != "goodbye" || c.got.user != nil {
		t.Errorf("%+v", c.got)
	}
}

func TestVerdictsAreValues(t *testing.T) {
	data := []byte("x")
	properties := []UserProperty{{"a", "1"}}
	v := Allow.WithTopic("a").WithUserProperties(properties...).
		WithProperties(Properties{CorrelationData: data, UserProperties: properties})
	data[0] = 'y'
	properties[0].Name = "b"
	if string(v.properties.CorrelationData) != "x" || v.properties.UserProperties[0].Name != "a" ||
		(*v.userProperties)[0].Name != "a" {
		t.Errorf("%+v", v)
	}
	if v == Allow || Allow != (Verdict{kind: Allow.kind}) || Deny != (Verdict{}) {
		t.Error("changed")
	}
	if Allow.WithSessionExpiry(1<<62) != Allow.WithSessionExpiry(Never) ||
		Allow.WithKeepAlive(time.Nanosecond).keepAlive != 1 || Allow.WithKeepAlive(Never).keepAlive != 65535 {
		t.Error("units")
	}
}

func TestPanicsInDecisionsDeny(t *testing.T) {
	panics := make(chan Panic, 1)
	OnPanic(func(p Panic) { panics <- p })
	defer OnPanic(nil)
	expect := func(callback string) {
		t.Helper()
		if p := receive(t, panics); p.Callback != callback || p.Value != callback {
			t.Errorf("%+v", p)
		}
	}
	b := started(t, config(anonymous), Hooks{
		AuthorizePublish: func(context.Context, PublishEvent) Verdict { panic("AuthorizePublish") },
		AuthorizeSubscribe: func(ctx context.Context, ev SubscribeEvent) Verdict {
			if ev.Filter == "good" {
				return Allow
			}
			panic("AuthorizeSubscribe")
		},
		AuthorizeUnsubscribe: func(context.Context, UnsubscribeEvent) Verdict { panic("AuthorizeUnsubscribe") },
	})
	c := connected(t, b, "c")
	if code := c.publish1("a", "x"); code != 0x87 {
		t.Errorf("%#x", code)
	}
	expect("AuthorizePublish")
	if code := c.trySubscribe("bad", 0); code != 0x87 {
		t.Errorf("%#x", code)
	}
	expect("AuthorizeSubscribe")
	c.subscribe("good")
	if code := c.unsubscribe("good"); code != 0x87 {
		t.Errorf("%#x", code)
	}
	expect("AuthorizeUnsubscribe")
	if err := b.SetHooks(Hooks{PreConnect: func(context.Context, PreConnectEvent) Verdict { panic("PreConnect") }}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := dial(t, b).read(); err != io.EOF {
		t.Error(err)
	}
	expect("PreConnect")
	if s := stats(t, b); s.CallbackPanics != 0 {
		t.Errorf("%+v", s)
	}
}
