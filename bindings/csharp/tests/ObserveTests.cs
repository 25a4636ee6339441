using System;
using System.Collections.Concurrent;
using System.Linq;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    internal static class ObserveTests
    {
        internal static void Register(Action<string, Action> test)
        {
            test("stats: gauges and counters", Counted);
            test("stats: of each hook", OfHooks);
            test("stats: as JSON", Json);
            test("log: lines by level", Lines);
            test("log: a function that throws harms nobody", ThrowingFunction);
            test("log: a level that is none is refused", NoLevel);
        }

        private static void Counted()
        {
            using (var broker = new Broker(Setup.Open))
            {
                var stats = broker.GetStats();
                Check.True(stats.StartedAt == null && stats.Connections == 0, "nothing yet");
                var before = DateTimeOffset.UtcNow.AddSeconds(-1);
                broker.Start();
                using (broker.Subscribe("t", message => { }))
                using (var client = broker.Connected("c"))
                {
                    client.Subscribe("t");
                    broker.Publish("t", "api");
                    broker.Publish("kept", "api", new PublishOptions { Retain = true });
                    client.Publish("t", "client");
                    Check.Equal("t api", client.Receive(), "message");
                    Check.Equal("t client", client.Receive(), "message");
                    Check.Until(() => broker.GetStats().MessagesDelivered == 2, "both are delivered");
                    Check.Until(() => broker.GetStats().MessagesSent == 2, "both are sent");
                    stats = broker.GetStats();
                    Check.True(stats.StartedAt > before, "start");
                    Check.True(stats.StartedAt < DateTimeOffset.UtcNow.AddSeconds(1), "start");
                    Check.True(stats.Uptime >= TimeSpan.Zero && stats.Uptime < TimeSpan.FromMinutes(1), "uptime");
                    Check.Equal(1L, stats.ConnectedClients, "clients");
                    Check.Equal(1L, stats.Sessions, "sessions");
                    Check.Equal(1L, stats.Subscriptions, "subscriptions");
                    Check.Equal(1L, stats.InProcessSubscriptions, "subscriptions of the program");
                    Check.Equal(1L, stats.RetainedMessages, "retained");
                    Check.Equal(1L, stats.Connections, "connections");
                    Check.Equal(1L, stats.MessagesReceived, "received");
                    Check.Equal(2L, stats.MessagesPublished, "published");
                    Check.Equal(0L, stats.MessagesDropped, "dropped");
                }
            }
        }

        private static void OfHooks()
        {
            var never = new TaskCompletionSource<Verdict>();
            var hooks = new Hooks
            {
                Authenticate = async (connect, stopping) =>
                {
                    switch (connect.ClientId)
                    {
                        case "never":
                            return await never.Task;
                        case "now":
                            throw new Exception("broken");
                        case "later":
                            await Task.Yield();
                            throw new Exception("broken later");
                        case "no":
                            return Verdict.DenyWith(0x86, "no");
                        default:
                            return Verdict.AllowWith(new Changes { ClientId = "x" });
                    }
                },
                Connected = connected => { },
            };
            using (var broker = Setup.Started(hooks, Setup.WithCallbacks("\"timeout_ms\":200")))
            {
                foreach (var client in new[] { "never", "now", "later", "no", "no", "yes", "yes", "yes" })
                {
                    Check.Equal(client == "yes", broker.TryConnect(client) == 0, "CONNACK of " + client);
                }
                Check.Until(() => broker.GetHookStats(Hook.Connected).Told == 3, "all are told");
                var stats = broker.GetHookStats(Hook.Authenticate);
                Check.Equal(3L, stats.Allowed, "allowed");
                Check.Equal(2L, stats.Denied, "denied");
                Check.Equal(1L, stats.Expired, "expired");
                Check.Equal(2L, stats.Failed, "failed");
                var others = stats.Overflowed + stats.WithoutTicket + stats.Stopped + stats.Departed + stats.Told
                    + stats.Dropped + stats.InFlight + stats.Slow;
                Check.Equal(0L, others, "all others");
                Check.Equal(23, stats.Times.Count, "ranges");
                Check.Equal(TimeSpan.FromTicks(10), stats.Times[0].End, "the first range");
                Check.Equal(TimeSpan.FromTicks(50), stats.Times[2].End, "the third range");
                Check.Equal(TimeSpan.FromMilliseconds(1), stats.Times[9].End, "the tenth range");
                Check.Equal(TimeSpan.FromSeconds(10), stats.Times[21].End, "the last but one");
                Check.True(stats.Times[22].End == null, "the last range");
                Check.True(stats.Times.Sum(time => time.Count) >= 7, "all are measured that have been answered");
                Check.True(stats.TimeSum > TimeSpan.Zero, "their sum");
                var sums = broker.GetStats();
                Check.Equal(5L, sums.DecisionsDenied, "denied by all hooks");
                Check.Equal(2L, sums.DecisionsFailed, "failed of all hooks");
                Check.Equal(3L, sums.EventsTold, "events of all hooks");
                Check.Equal(0L, broker.GetHookStats(Hook.Overload).Told, "a hook that is not set");
                var refused = Check.Throws<RmqttException>(() => broker.GetHookStats((Hook)99), "no hook");
                Check.Equal(Status.InvalidArgument, refused.Status, "status");
                never.SetResult(Verdict.Deny);
            }
        }

        private static void Json()
        {
            using (var broker = Setup.Started(Setup.Answering(connect => Verdict.Allow)))
            {
                Check.Equal(0, broker.TryConnect("c"), "CONNACK");
                var json = broker.MetricsJson();
                Check.True(json.StartsWith("{") && json.EndsWith("}"), "an object: " + json);
                Check.True(json.Contains("\"decisions_allowed\":1"), "statistics: " + json);
                Check.True(json.Contains("\"authenticate\":{"), "of the hook: " + json);
            }
        }

        private static void Lines()
        {
            var lines = new ConcurrentQueue<Tuple<LogLevel, string, string>>();
            Log.Set(LogLevel.Info, (level, target, message) => lines.Enqueue(Tuple.Create(level, target, message)));
            try
            {
                using (Setup.Started())
                {
                    Check.Until(() => lines.Any(line => line.Item3.Contains("127.0.0.1:")), "the listener is told");
                }
                Check.True(lines.All(line => line.Item1 <= LogLevel.Info), "no more than was asked for");
                Check.True(lines.All(line => line.Item2.Length > 0 && line.Item3.Length > 0), "target and message");
            }
            finally
            {
                Log.Set(LogLevel.Info, null);
            }
            var count = lines.Count;
            Setup.Started().Dispose();
            Check.Equal(count, lines.Count, "no line after it was turned off");
        }

        private static void ThrowingFunction()
        {
            var good = 0;
            Log.Set(
                LogLevel.Trace,
                (level, target, message) =>
                {
                    good++;
                    throw new Exception("broken");
                });
            try
            {
                using (var broker = Setup.Started())
                {
                    Check.Until(() => good > 0, "it is called");
                    Check.Equal(0, broker.TryConnect("c"), "CONNACK");
                }
                Check.Until(() => good > 1, "it is called again");
            }
            finally
            {
                Log.Set(LogLevel.Error, null);
            }
        }

        private static void NoLevel()
        {
            var exception = Check.Throws<RmqttException>(
                () => Log.Set((LogLevel)9, (level, target, message) => { }), "set");
            Check.Equal(Status.InvalidArgument, exception.Status, "status");
            Check.Equal("RMQTT_ERR_INVALID_ARGUMENT", exception.Message, "message");
        }
    }
}
