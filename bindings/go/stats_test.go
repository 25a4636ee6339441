package rmqtt

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

func hookStats(t *testing.T, b *Broker, hook Hook) HookStats {
	t.Helper()
	s, err := b.HookStats(hook)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHookStats(t *testing.T) {
	b := started(t, config(), Hooks{
		Authenticate: func(ctx context.Context, ev AuthEvent) Verdict {
			switch ev.ClientID {
			case "good":
				return Allow
			case "broken":
				panic("in authenticate")
			}
			return Deny
		},
		Connected: func(ClientEvent) {},
	})
	for id, want := range map[string]byte{"good": 0, "bad": 0x87, "broken": 0x87} {
		if code := dial(t, b).connect(connect{id: id, version: 5}); code != want {
			t.Errorf("%s: %#x", id, code)
		}
	}
	eventually(t, "the event", func() bool { return hookStats(t, b, HookConnected).Told == 1 })
	s := hookStats(t, b, HookAuthenticate)
	var times uint64
	for _, count := range s.Times {
		times += count
	}
	if s.Allowed != 1 || s.Denied != 1 || s.Failed != 1 || s.Told != 0 || s.InFlight != 0 || times != 3 || s.TimeSum <= 0 {
		t.Errorf("%+v", s)
	}
	if s := hookStats(t, b, HookClientBanned); s != (HookStats{}) {
		t.Errorf("%+v", s)
	}
	if s := stats(t, b); s.DecisionsAllowed != 1 || s.DecisionsDenied != 2 || s.DecisionsFailed != 1 || s.EventsTold != 1 {
		t.Errorf("%+v", s)
	}
	for _, hook := range []Hook{-1, HookClientBanned + 1} {
		if _, err := b.HookStats(hook); !errors.Is(err, ErrInvalidArgument) {
			t.Error(hook, err)
		}
	}

	var metrics struct {
		DecisionsFailed uint64 `json:"decisions_failed"`
		Hooks           map[string]struct{ Allowed, Told uint64 }
	}
	text, err := b.MetricsJSON()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &metrics); err != nil {
		t.Fatal(err)
	}
	if metrics.DecisionsFailed != 1 || len(metrics.Hooks) != 2 || metrics.Hooks["authenticate"].Allowed != 1 ||
		metrics.Hooks["connected"].Told != 1 {
		t.Error(text)
	}
}

// Each field of Hooks sets the hook of its name, and no other.
func TestEachHookIsSet(t *testing.T) {
	b, err := New("{}", Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	set := func() (names []string) {
		t.Helper()
		text, err := b.MetricsJSON()
		if err != nil {
			t.Fatal(err)
		}
		var metrics struct{ Hooks map[string]any }
		if err := json.Unmarshal([]byte(text), &metrics); err != nil {
			t.Fatal(err)
		}
		for name := range metrics.Hooks {
			names = append(names, name)
		}
		return names
	}
	if names := set(); names != nil {
		t.Error(names)
	}
	fields := reflect.TypeOf(Hooks{})
	if fields.NumField() != int(HookClientBanned)+1 {
		t.Error(fields.NumField())
	}
	for hook := HookAuthenticate; hook <= HookClientBanned; hook++ {
		field, found := fields.FieldByName(hook.String())
		if !found {
			t.Error("no field", hook)
			continue
		}
		var hooks Hooks
		reflect.ValueOf(&hooks).Elem().FieldByIndex(field.Index).Set(reflect.MakeFunc(field.Type, nil))
		if err := b.SetHooks(hooks); err != nil {
			t.Fatal(err)
		}
		want := strings.ToLower(regexp.MustCompile("(.)([A-Z])").ReplaceAllString(field.Name, "${1}_$2"))
		if names := set(); len(names) != 1 || names[0] != want {
			t.Error(names, want)
		}
	}
	if name := (HookClientBanned + 1).String(); name != "unknown 28" {
		t.Error(name)
	}
}
