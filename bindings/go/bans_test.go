package rmqtt

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"
)

func bans(t *testing.T, b *Broker) []Ban {
	t.Helper()
	bans, err := b.Bans()
	if err != nil {
		t.Fatal(err)
	}
	return bans
}

func TestBan(t *testing.T) {
	told := make(chan BannedEvent, 9)
	b := started(t, config(anonymous), Hooks{ClientBanned: into(told)})
	ban := func(kind BanKind, value string, duration time.Duration, want BannedEvent) {
		t.Helper()
		if err := b.Ban(kind, value, duration); err != nil {
			t.Fatal(err)
		}
		if ev := receive(t, told); ev != want {
			t.Errorf("%+v", ev)
		}
	}
	unban := func(kind BanKind, value string) {
		t.Helper()
		if err := b.Unban(kind, value); err != nil {
			t.Fatal(err)
		}
	}
	tryConnect := func(id string, want byte) {
		t.Helper()
		if code := dial(t, b).connect(connect{id: id, version: 5}); code != want {
			t.Errorf("%s: %#x", id, code)
		}
	}
	if found := bans(t, b); len(found) != 0 {
		t.Errorf("%+v", found)
	}
	eve := connectedWith(t, b, connect{id: "eve", version: 5})
	ban(BanClientID, "eve", 0, BannedEvent{Kind: BanClientID, Value: "eve", Cause: BanCauseAPI})
	eve.expectCode(0xe0, 0x98)
	tryConnect("eve", 0x8a)
	tryConnect("bob", 0)
	if s := stats(t, b); s.ConnectionsRefusedBanned != 1 || s.ConnectionsRefused != 1 ||
		s.ConnectionsRefusedAuthentication != 0 {
		t.Errorf("%+v", s)
	}
	if found := bans(t, b); !reflect.DeepEqual(found, []Ban{{BanClientID, "eve", BanCauseAPI, nil}}) {
		t.Errorf("%+v", found)
	}
	unban(BanClientID, "eve")
	tryConnect("eve", 0)

	ban(BanIP, "2001:db8::1", time.Hour, BannedEvent{BanIP, "2001:db8::/64", BanCauseAPI, time.Hour})
	found := bans(t, b)
	if len(found) != 1 || found[0].Kind != BanIP || found[0].Value != "2001:db8::/64" || found[0].Left == nil ||
		*found[0].Left <= 0 || *found[0].Left > time.Hour {
		t.Errorf("%+v", found)
	}
	unban(BanIP, "2001:db8::2")
	ban(BanUser, "mallory", time.Nanosecond, BannedEvent{BanUser, "mallory", BanCauseAPI, time.Millisecond})

	expectError(t, b.Unban(BanClientID, "eve"), ErrNotFound)
	expectError(t, b.Ban(BanIP, "eve", 0), ErrInvalidArgument)
	for _, kind := range []BanKind{-1, 0, 4} {
		expectError(t, b.Ban(kind, "eve", 0), ErrInvalidArgument)
	}
	if got := fmt.Sprint(BanIP, BanClientID, BanUser, BanKind(4)); got != "ip client id user unknown 4" {
		t.Error(got)
	}
	if got := fmt.Sprint(BanCauseAuthentication, BanCauseFlapping, BanCauseAPI, BanCause(4)); got !=
		"authentication flapping api unknown 4" {
		t.Error(got)
	}
	b.Close()
	expectError(t, b.Ban(BanClientID, "eve", 0), ErrClosed)
	expectError(t, b.Unban(BanClientID, "eve"), ErrClosed)
	_, err := b.Bans()
	expectError(t, err, ErrClosed)
}

func TestBanForFailures(t *testing.T) {
	told := make(chan BannedEvent, 9)
	b := started(t, config(`"limits":{"ban":{"failures":2,"ban_ms":60000,"by":["client_id"]}}`),
		Hooks{ClientBanned: into(told)})
	for _, want := range []byte{0x87, 0x87, 0x8a} {
		if code := dial(t, b).connect(connect{id: "c", version: 5}); code != want {
			t.Errorf("%#x, not %#x", code, want)
		}
	}
	if ev := receive(t, told); ev != (BannedEvent{BanClientID, "c", BanCauseAuthentication, time.Minute}) {
		t.Errorf("%+v", ev)
	}
	if s := stats(t, b); s.ConnectionsRefusedAuthentication != 2 || s.ConnectionsRefusedBanned != 1 {
		t.Errorf("%+v", s)
	}
}

func TestAuthenticateLeavesItToTheConfiguration(t *testing.T) {
	hooks := Hooks{Authenticate: func(_ context.Context, ev AuthEvent) Verdict {
		if ev.ClientID == "eve" {
			return Deny
		}
		return Continue(nil)
	}}
	for _, open := range []bool{true, false} {
		b := started(t, config(fmt.Sprintf(`"auth":{"allow_anonymous":%v}`, open)), hooks)
		want := map[string]byte{"c": 0x87, "eve": 0x87}
		if open {
			want["c"] = 0
		}
		for id, want := range want {
			if code := dial(t, b).connect(connect{id: id, version: 5}); code != want {
				t.Errorf("%v %s: %#x", open, id, code)
			}
		}
	}
}
