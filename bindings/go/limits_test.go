package rmqtt

import (
	"strings"
	"testing"
)

// limited makes a broker that runs with such limits.
func limited(t *testing.T, limits string, more ...string) *Broker {
	t.Helper()
	return started(t, config(append(more, anonymous, `"limits":{`+limits+`}`)...), Hooks{})
}

// Two messages of 90 bytes are more than may come, however slow the machine is.
const twoAreTooMuch = `"publish_bytes_per_sec":1,"publish_burst_bytes":100,"on_rate_exceeded":`

func TestStatsOfRates(t *testing.T) {
	payload := strings.Repeat("x", 90)
	for policy, want := range map[string][3]uint64{
		"throttle":   {1, 0, 0},
		"drop":       {0, 1, 0},
		"disconnect": {0, 1, 1},
	} {
		b := limited(t, twoAreTooMuch+`"`+policy+`"`)
		c := connected(t, b, "fast")
		c.publish("t", payload)
		c.publish("t", payload)
		if policy == "disconnect" {
			c.expectCode(0xe0, 0x96)
		}
		// Throttled, dropped, closed.
		eventually(t, policy, func() bool {
			s := stats(t, b)
			return want == [3]uint64{s.PublishesThrottled, s.MessagesDroppedRate, s.ConnectionsClosedRate}
		})
	}
}

func TestStatsOfMemory(t *testing.T) {
	b := limited(t, `"memory_budget_bytes":8388608,"max_queued_messages":0,"max_queued_bytes":0`)
	if s := stats(t, b); s.MemoryUsed != 0 {
		t.Errorf("%+v", s)
	}
	payload := make([]byte, 6000)
	slow := connected(t, b, "slow")
	if code := slow.trySubscribe("t", 1); code != 1 {
		t.Fatalf("%#x", code)
	}
	if err := b.Publish("kept", payload, &PublishOptions{Retain: true}); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < 100; i++ {
		if err := b.Publish("t", payload, &PublishOptions{QoS: 1}); err != nil {
			t.Fatal(err)
		}
	}
	var s Stats
	eventually(t, "the use is that of its kinds", func() bool {
		s = stats(t, b)
		return s.MemoryUsed == s.MemoryQueues+s.MemoryRetained+s.MemorySessions+s.MemoryBuffers
	})
	if s.MemoryQueues < 600_000 || s.MemoryQueues > 1_200_000 || s.MemoryRetained < 6000 || s.MemoryRetained > 12_000 ||
		s.MemorySessions < 500 || s.MemoryUsed > 1<<21 {
		t.Errorf("%+v", s)
	}

	// Until nothing more may wait.
	for full := false; !full; {
		err := b.Publish("t", payload, &PublishOptions{QoS: 1})
		if full = err != nil; full {
			expectError(t, err, ErrWouldBlock)
		}
	}
	sender := connected(t, b, "sender")
	// It is held back for some seconds first.
	for sender.publish1("t", strings.Repeat("x", 6000)) != 0x97 {
	}
	if s := stats(t, b); s.MessagesDroppedMemory == 0 || s.MemoryUsed < 6<<20 || s.MemoryUsed > 9<<20 {
		t.Errorf("%+v", s)
	}
	slow.conn.Close()
	sender.conn.Close()
	eventually(t, "what has waited is gone", func() bool { return stats(t, b).MemoryQueues == 0 })
}

func TestStatsOfRefusals(t *testing.T) {
	full := limited(t, `"max_connections":1`)
	connected(t, full, "one")
	if code := dial(t, full).connect(connect{id: "two", version: 5}); code != 0x97 {
		t.Errorf("%#x", code)
	}
	networks := limited(t, `"ip_deny":["127.0.0.0/8"]`)
	dial(t, networks)
	rate := limited(t, `"conn_rate_per_ip_per_sec":1`)
	strangers := started(t, config(), Hooks{})
	if code := dial(t, strangers).connect(connect{id: "stranger", version: 5}); code != 0x87 {
		t.Errorf("%#x", code)
	}
	for cause, refused := range map[string]struct {
		broker *Broker
		count  func(Stats) uint64
	}{
		"full":           {full, func(s Stats) uint64 { return s.ConnectionsRefusedFull }},
		"network":        {networks, func(s Stats) uint64 { return s.ConnectionsRefusedNetwork }},
		"authentication": {strangers, func(s Stats) uint64 { return s.ConnectionsRefusedAuthentication }},
		"rate": {rate, func(s Stats) uint64 {
			if s.ConnectionsRefusedRate == 0 {
				dial(t, rate).conn.Close()
			}
			return s.ConnectionsRefusedRate
		}},
	} {
		eventually(t, cause, func() bool { return refused.count(stats(t, refused.broker)) > 0 })
		s := stats(t, refused.broker)
		all := s.ConnectionsRefusedFull + s.ConnectionsRefusedNetwork + s.ConnectionsRefusedAuthentication +
			s.ConnectionsRefusedRate + s.ConnectionsRefusedBanned
		if refused.count(s) != all || all != s.ConnectionsRefused {
			t.Errorf("%s: %+v", cause, s)
		}
	}
}
