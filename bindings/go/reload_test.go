package rmqtt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"sort"
	"testing"
	"time"
)

const moreListeners = `{"listeners":[{"name":"main","address":"127.0.0.1:0"},{"name":"more","address":"127.0.0.1:0"}],` +
	anonymous + `}`

func reload(t *testing.T, b *Broker, config string, want ReloadReport) {
	t.Helper()
	report, err := b.Reload(config)
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []*[]string{&want.Applied, &want.NeedsRestart, &want.Closed} {
		if *list == nil {
			*list = []string{}
		}
	}
	if !reflect.DeepEqual(report, want) {
		t.Errorf("%+v, not %+v", report, want)
	}
}

func TestReloadOfALimit(t *testing.T) {
	b := started(t, config(anonymous, `"limits":{"max_connections":1}`), Hooks{})
	c := connected(t, b, "first")
	if _, _, err := dial(t, b).read(); err != io.EOF {
		t.Error(err)
	}
	reload(t, b, config(anonymous, `"limits":{"max_connections":2}`),
		ReloadReport{Applied: []string{"/limits/max_connections"}})
	connected(t, b, "second")
	c.subscribe("a")
}

func TestReloadOfListeners(t *testing.T) {
	b := started(t, config(anonymous), Hooks{})
	c := connected(t, b, "c")
	first := address(t, b)
	reload(t, b, moreListeners, ReloadReport{Applied: []string{"/listeners/1"}})
	listeners, err := b.Listeners()
	if err != nil || len(listeners) != 2 || listeners[0].Address != first || listeners[1].Name != "more" {
		t.Fatal(listeners, err)
	}
	other, err := dialAddress(t, listeners[1].Address)
	if err != nil {
		t.Fatal(err)
	}
	defer other.conn.Close()
	if code := other.connect(connect{id: "d"}); code != 0 {
		t.Error(code)
	}
	reload(t, b, config(anonymous), ReloadReport{Applied: []string{"/listeners"}, Closed: []string{"more"}})
	if late, err := dialAddress(t, listeners[1].Address); err == nil {
		late.conn.Close()
		t.Error("a listener that is closed")
	}
	other.subscribe("a")
	c.subscribe("a")
}

func TestReloadThatWaits(t *testing.T) {
	b := started(t, config(anonymous), Hooks{})
	reload(t, b, config(anonymous, `"callbacks":{"threads":3}`), ReloadReport{NeedsRestart: []string{"/callbacks/threads"}})
}

// The context of a hook knows the time that there is now.
func TestReloadOfTheTimeOfHooks(t *testing.T) {
	times := make(chan time.Duration, 1)
	b := started(t, config(`"callbacks":{"timeout_ms":10000}`), Hooks{
		Authenticate: func(ctx context.Context, ev AuthEvent) Verdict {
			deadline, _ := ctx.Deadline()
			times <- time.Until(deadline)
			return Allow
		},
	})
	connected(t, b, "c")
	if left := receive(t, times); left > 10*time.Second {
		t.Error(left)
	}
	reload(t, b, config(`"callbacks":{"timeout_ms":14000}`), ReloadReport{Applied: []string{"/callbacks/timeout_ms"}})
	connected(t, b, "c")
	if left := receive(t, times); left <= 10*time.Second || left > 14*time.Second {
		t.Error(left)
	}
}

func TestReloadThatIsRefused(t *testing.T) {
	b := started(t, config(anonymous), Hooks{})
	c := connected(t, b, "c")
	_, err := b.Reload(config(anonymous, `"colour":1`, `"limits":{"max_qos":3}`))
	var e *Error
	if !errors.As(err, &e) || !errors.Is(err, ErrInvalidConfig) {
		t.Fatal(err)
	}
	var pointers []string
	for _, fault := range e.Faults {
		pointers = append(pointers, fault.Pointer)
	}
	sort.Strings(pointers)
	if want := []string{"/colour", "/limits/max_qos"}; !reflect.DeepEqual(pointers, want) {
		t.Error(e.Faults)
	}

	other := started(t, config(anonymous), Hooks{})
	_, err = b.Reload(fmt.Sprintf(`{"listeners":[{"address":"127.0.0.1:0"},{"address":%q}]}`, address(t, other)))
	if !errors.Is(err, ErrBind) {
		t.Error(err)
	}
	if listeners, err := b.Listeners(); err != nil || len(listeners) != 1 || listeners[0].Name != "main" {
		t.Error(listeners, err)
	}
	c.subscribe("a")

	b.Close()
	if _, err := b.Reload("{}"); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}
