using System;

namespace Rmqtt.Tests
{
    /// <summary>What the statistics tell of clients and connections that want too much.</summary>
    internal static class LimitTests
    {
        internal static void Register(Action<string, Action> test)
        {
            test("limits: who publishes too fast is counted", Rates);
            test("limits: memory is counted by kind", Memory);
            test("limits: refused connections are counted by cause", Refusals);
        }

        private static Broker Limited(string limits)
        {
            return Setup.Started(null, Setup.WithLimits(limits));
        }

        private static void Rates()
        {
            // Two messages of 90 bytes are more than may come, however slow the machine is.
            const string TwoAreTooMuch =
                "\"publish_bytes_per_sec\":1,\"publish_burst_bytes\":100,\"on_rate_exceeded\":";
            Action<string, string> expect = (policy, expected) =>
            {
                using (var broker = Limited(TwoAreTooMuch + "\"" + policy + "\""))
                using (var client = broker.Connected("fast", 5))
                {
                    for (var number = 0; number < 2; number++) client.Publish("t", new string('x', 90));
                    if (policy == "disconnect") Check.Equal(0x96, client.ReadDisconnect(), "DISCONNECT");
                    Func<string> counted = () =>
                    {
                        var stats = broker.GetStats();
                        return "throttled " + stats.PublishesThrottled + ", dropped " + stats.MessagesDroppedRate
                            + ", closed " + stats.ConnectionsClosedRate;
                    };
                    Check.Until(() => counted() == expected, expected);
                }
            };
            expect("throttle", "throttled 1, dropped 0, closed 0");
            expect("drop", "throttled 0, dropped 1, closed 0");
            expect("disconnect", "throttled 0, dropped 1, closed 1");
        }

        private static void Memory()
        {
            using (var broker = Limited("\"memory_budget_bytes\":8388608,\"max_queued_bytes\":0"))
            {
                Check.Equal(0L, broker.GetStats().MemoryUsed, "nothing yet");
                var payload = new string('x', 6000);
                broker.Publish("kept", payload, new PublishOptions { Retain = true });
                using (var slow = broker.Connected("slow"))
                {
                    Check.Equal(1, slow.TrySubscribe("t", 1), "granted QoS");
                    for (var number = 0; number < 100; number++)
                    {
                        broker.Publish("t", payload, new PublishOptions { QoS = 1 });
                    }
                    var stats = broker.GetStats();
                    Check.Until(
                        () =>
                        {
                            stats = broker.GetStats();
                            return stats.MemoryUsed == stats.MemoryQueues + stats.MemoryRetained + stats.MemorySessions
                                + stats.MemoryBuffers;
                        },
                        "the use is that of its kinds");
                    Check.True(stats.MemoryQueues > 600000 && stats.MemoryQueues < 1200000, "queues");
                    Check.True(stats.MemoryRetained > 6000 && stats.MemoryRetained < 12000, "retained");
                    Check.True(stats.MemorySessions > 500 && stats.MemorySessions < 50000, "sessions");
                    Check.True(stats.MemoryBuffers >= 0 && stats.MemoryBuffers < 1000000, "buffers");
                    Check.Equal(0L, stats.MessagesDroppedMemory, "dropped");
                }
                Check.Until(() => broker.GetStats().MemoryQueues == 0, "what has waited is gone");
            }
        }

        private static void Refusals()
        {
            using (var broker = Limited("\"max_connections\":1"))
            using (broker.Connected("one"))
            {
                Check.Equal(3, broker.TryConnect("two"), "CONNACK");
                Check.Until(() => broker.GetStats().ConnectionsRefusedFull == 1, "no place");
                Check.Equal(1L, broker.GetStats().ConnectionsRefused, "refused");
            }
            using (var broker = Limited("\"ip_deny\":[\"127.0.0.0/8\"]"))
            {
                using (var client = new MqttClient(broker.Port())) Check.True(client.IsClosedByPeer(), "closed");
                Check.Equal(1L, broker.GetStats().ConnectionsRefusedNetwork, "network");
                Check.Equal(1L, broker.GetStats().ConnectionsRefused, "refused");
            }
            using (var broker = Limited("\"conn_rate_per_ip_per_sec\":1"))
            {
                Check.Until(
                    () =>
                    {
                        new MqttClient(broker.Port()).Dispose();
                        return broker.GetStats().ConnectionsRefusedRate > 0;
                    },
                    "rate");
            }
        }
    }
}
