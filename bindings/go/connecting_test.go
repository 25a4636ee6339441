package rmqtt

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"
)

func TestAuthenticateSeesAllOfConnect(t *testing.T) {
	events := make(chan AuthEvent, 1)
	b := started(t, config(), Hooks{
		Authenticate: func(ctx context.Context, ev AuthEvent) Verdict {
			events <- ev
			return Allow
		},
	})
	connectedWith(t, b, connect{
		id: "c",
		properties: join(with(sessionExpiry, 0, 0, 2, 0), with(requestResponse, 1), with(requestProblem, 0),
			with(maximumPacketSize, 0, 1, 0, 0), with(receiveMaximum, 0, 7), with(topicAliasMaximum, 0, 9),
			withUser("a", "1"), withUser("a", "")),
		willTopic: "w",
		will:      "gone",
		willProps: join(withText(contentType, "text/plain"), with(messageExpiry, 0, 0, 0, 60)),
	})
	ev := receive(t, events)
	if ev.SessionExpiry != 512*time.Second || !ev.RequestResponseInformation || ev.RequestProblemInformation ||
		ev.MaximumPacketSize != 65536 || ev.ReceiveMaximum != 7 || ev.TopicAliasMaximum != 9 ||
		!reflect.DeepEqual(ev.UserProperties, []UserProperty{{"a", "1"}, {"a", ""}}) {
		t.Errorf("%+v", ev)
	}
	want := Properties{ContentType: "text/plain", MessageExpiry: time.Minute, HasMessageExpiry: true}
	if ev.Will == nil || !reflect.DeepEqual(ev.Will.Properties, want) {
		t.Errorf("%+v", ev.Will)
	}

	// What MQTT 5 takes for granted, and what there was before it.
	connectedWith(t, b, connect{id: "c"})
	ev = receive(t, events)
	if ev.SessionExpiry != 0 || ev.RequestResponseInformation || !ev.RequestProblemInformation ||
		ev.MaximumPacketSize != 0 || ev.ReceiveMaximum != 65535 || ev.UserProperties != nil {
		t.Errorf("%+v", ev)
	}
	if code := dial(t, b).connect(connect{id: "c", resume: true}); code != 0 {
		t.Error(code)
	}
	if ev := receive(t, events); ev.SessionExpiry != Never || ev.CleanStart {
		t.Errorf("%+v", ev)
	}
}

func TestAuthenticateDetails(t *testing.T) {
	events := make(chan ClientEvent, 1)
	publishers := make(chan *Client, 1)
	b := started(t, config(), Hooks{
		Authenticate: func(ctx context.Context, ev AuthEvent) Verdict {
			switch ev.Username {
			case "moved":
				return DenyWith(0x9c, "full").WithServerReference("elsewhere").WithUserProperties(UserProperty{"load", "9"})
			case "nameless":
				return Allow.WithClientID("")
			}
			return Allow.WithClientID("device-7").WithSuperuser().WithSessionExpiry(90*time.Second).
				WithKeepAlive(1500*time.Millisecond).WithResponseInformation("answers/7").WithReason("hello").
				WithUserProperties(UserProperty{"a", "1"}, UserProperty{"a", "2"})
		},
		Connected: func(ev ClientEvent) { events <- ev },
		AuthorizePublish: func(ctx context.Context, ev PublishEvent) Verdict {
			publishers <- ev.Publisher
			return Allow
		},
	})
	c := connectedWith(t, b, connect{properties: with(requestResponse, 1)})
	for id, want := range map[byte]string{
		assignedClientID: "device-7",
		sessionExpiry:    "\x00\x00\x00\x5a",
		serverKeepAlive:  "\x00\x02",
		responseInfo:     "answers/7",
		reasonString:     "hello",
	} {
		if got := c.got.values[id]; got != want {
			t.Errorf("%#x: %q", id, got)
		}
	}
	if want := []UserProperty{{"a", "1"}, {"a", "2"}}; !reflect.DeepEqual(c.got.user, want) {
		t.Error(c.got.user)
	}
	if ev := receive(t, events); ev.ClientID != "device-7" || !ev.Superuser {
		t.Errorf("%+v", ev)
	}
	c.publish("a", "x")
	if publisher := receive(t, publishers); publisher.ClientID != "device-7" || !publisher.Superuser {
		t.Errorf("%+v", publisher)
	}

	c = dial(t, b)
	code := c.connect(connect{id: "c", username: "moved", version: 5})
	if code != 0x9c || c.reason != "full" || c.got.values[serverReference] != "elsewhere" ||
		!reflect.DeepEqual(c.got.user, []UserProperty{{"load", "9"}}) {
		t.Errorf("%#x %+v", code, c.got)
	}
	if code := dial(t, b).connect(connect{id: "c", username: "nameless", version: 5}); code != 0x85 {
		t.Errorf("%#x", code)
	}
}

func TestAuthExchange(t *testing.T) {
	events := make(chan AuthExchangeEvent, 1)
	b := started(t, config(), Hooks{
		AuthExchange: func(ctx context.Context, ev AuthExchangeEvent) Verdict {
			events <- ev
			switch string(ev.Data) {
			case "begin":
				return Continue([]byte("challenge")).WithReason("go on").WithUserProperties(UserProperty{"left", "1"})
			case "bare":
				return Continue(nil)
			case "empty":
				return Continue([]byte{})
			case "answer":
				return Allow.WithAuthData([]byte(fmt.Sprintf("welcome in round %d", ev.Round))).WithSuperuser()
			case "broken":
				panic("in the exchange")
			}
			return DenyWith(0x86, "wrong answer").WithUserProperties(UserProperty{"left", "0"})
		},
	})
	expect := func(data string, round uint32, again bool) {
		t.Helper()
		ev := receive(t, events)
		if ev.Method != "riddle" || string(ev.Data) != data || ev.Round != round || ev.Again != again || ev.ClientID != "c" {
			t.Errorf("%+v", ev)
		}
	}
	method := withText(authMethod, "riddle")
	send := func(data string) *client {
		t.Helper()
		c := dial(t, b)
		how := connect{id: "c", version: 5, properties: join(method, withText(authData, data))}
		if err := c.sendConnect(how); err != nil {
			t.Fatal(err)
		}
		expect(data, 1, false)
		return c
	}
	refused := func(c *client, want byte) {
		t.Helper()
		if code, err := c.connack(); code != want || err != nil {
			t.Errorf("%#x %v", code, err)
		}
	}
	challenged := func(c *client) {
		t.Helper()
		c.expectCode(0xf0, 0x18)
		if c.got.values[authMethod] != "riddle" || c.got.values[authData] != "challenge" || c.reason != "go on" ||
			!reflect.DeepEqual(c.got.user, []UserProperty{{"left", "1"}}) {
			t.Errorf("%+v", c.got)
		}
	}

	// Two rounds, and no.
	c := send("begin")
	challenged(c)
	c.auth(0x18, method, withText(authData, "guess"))
	expect("guess", 2, false)
	refused(c, 0x86)
	if c.reason != "wrong answer" || !reflect.DeepEqual(c.got.user, []UserProperty{{"left", "0"}}) {
		t.Errorf("%+v", c.got)
	}

	// A challenge without data, and with empty data.
	for data, want := range map[string]bool{"bare": false, "empty": true} {
		c := send(data)
		c.expectCode(0xf0, 0x18)
		if got, there := c.got.values[authData]; got != "" || there != want {
			t.Errorf("%s: %q %v", data, got, there)
		}
	}

	refused(send("broken"), 0x87)

	// Two rounds, and yes.
	c = send("begin")
	challenged(c)
	c.auth(0x18, method, withText(authData, "answer"))
	expect("answer", 2, false)
	refused(c, 0)
	if c.got.values[authMethod] != "riddle" || c.got.values[authData] != "welcome in round 2" {
		t.Errorf("%+v", c.got)
	}

	// Once more, while it is connected; then in vain.
	c.auth(0x19, method, withText(authData, "begin"))
	expect("begin", 1, true)
	challenged(c)
	c.auth(0x18, method, withText(authData, "answer"))
	expect("answer", 2, true)
	c.expectCode(0xf0, 0)
	if c.got.values[authData] != "welcome in round 2" {
		t.Errorf("%+v", c.got)
	}
	c.auth(0x19, method, withText(authData, "guess"))
	expect("guess", 1, true)
	c.expectCode(0xe0, 0x80) // a DISCONNECT does not have 0x86
	if c.reason != "wrong answer" {
		t.Errorf("%+v", c.got)
	}

	// Without the hook.
	if err := b.SetHooks(Hooks{}); err != nil {
		t.Fatal(err)
	}
	if code := dial(t, b).connect(connect{id: "c", version: 5, properties: method}); code != 0x8c {
		t.Errorf("%#x", code)
	}
}
