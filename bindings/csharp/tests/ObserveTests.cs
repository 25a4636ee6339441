using System;
using System.Collections.Concurrent;
using System.Linq;

namespace Rmqtt.Tests
{
    internal static class ObserveTests
    {
        internal static void Register(Action<string, Action> test)
        {
            test("stats: gauges and counters", Counted);
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
