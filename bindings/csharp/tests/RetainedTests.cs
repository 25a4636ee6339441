using System;
using System.Collections.Concurrent;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    internal static class RetainedTests
    {
        internal static void Register(Action<string, Action> test)
        {
            test("retained: listed in order, by filter", Listed);
            test("retained: got and set by name", GotAndSet);
            test("retained: what is set is for later subscriptions", ForLater);
            test("retained: the function may do what the caller may", FunctionMay);
            test("retained: what the function throws gets to the caller", FunctionThrows);
            test("retained: changes are told", ChangesTold);
            test("retained: mistakes are told", Mistakes);
        }

        private static string Listing(Broker broker, string filter)
        {
            return string.Join(" ", broker.ListRetained(filter).Select(message => message.Topic + "=" + message.Text));
        }

        private static void Listed()
        {
            using (var broker = Setup.Started())
            using (var client = broker.Connected("c"))
            {
                Check.Equal("", Listing(broker, "#"), "nothing yet");
                broker.SetRetained("a-b", "3");
                broker.SetRetained("a/ä", "2");
                broker.Publish("a", "1", new PublishOptions { Retain = true });
                client.Publish("$own/x", "4", retain: true);
                Check.Until(() => broker.GetStats().RetainedMessages == 4, "retained");
                Check.Equal("a=1 a/ä=2 a-b=3", Listing(broker, "#"), "all");
                Check.Equal("a=1 a-b=3", Listing(broker, "+"), "one level");
                Check.Equal("a=1 a/ä=2", Listing(broker, "a/#"), "a branch");
                Check.Equal("$own/x=4", Listing(broker, "$own/#"), "with a $");
                Check.Equal("", Listing(broker, "b"), "none");
                Check.Equal(2L, broker.DeleteRetained("a/#"), "deleted");
                Check.Equal("a-b=3", Listing(broker, "#"), "left");
                Check.Equal(0L, broker.DeleteRetained("a/#"), "deleted");
            }
        }

        private static void GotAndSet()
        {
            using (var broker = Setup.Started())
            {
                Check.True(broker.GetRetained("one") == null, "nothing yet");
                broker.SetRetained("one/below", "x");
                Check.True(broker.GetRetained("one") == null, "nothing there");
                broker.SetRetained("one", "first");
                var properties = new Properties { ContentType = "text" };
                var options = new PublishOptions { QoS = 1, Properties = properties };
                broker.SetRetained("one", new byte[] { 0, 255 }, options);
                var message = broker.GetRetained("one");
                Check.Equal("one", message.Topic, "topic");
                Check.Equal("0 255", string.Join(" ", message.Payload), "payload");
                Check.Equal((byte)1, message.QoS, "QoS");
                Check.True(message.Retain, "retained");
                Check.Equal(Origin.Retained, message.Origin, "origin");
                Check.Equal("text", message.Properties.ContentType, "content type");
                Check.Equal(0UL, message.Delivery, "nothing to acknowledge");
                message.Acknowledge();
                broker.Publish("one", "", new PublishOptions { Retain = true });
                Check.True(broker.GetRetained("one") == null, "forgotten");
            }
        }

        private static void ForLater()
        {
            var heard = new Heard();
            using (var broker = Setup.Started())
            using (var early = broker.Connected("early"))
            using (broker.Subscribe("state", heard.One))
            {
                early.Subscribe("state");
                broker.SetRetained("state", "set");
                broker.Publish("state", "live");
                Check.Equal("state live", early.Receive(), "the first that it gets");
                heard.Expect("live,");
                using (var late = broker.Connected("late"))
                {
                    late.Subscribe("state");
                    Check.Equal("state set", late.Receive(), "message");
                    Check.True(late.Retained, "retained");
                }
            }
        }

        private static void FunctionMay()
        {
            var token = CancellationToken.None;
            var hooks = new Hooks
            {
                Authenticate = (connect, stopping) =>
                {
                    token = stopping;
                    return Task.FromResult(Verdict.Allow);
                },
            };
            using (var broker = Setup.Started(hooks))
            {
                Check.Equal(0, broker.TryConnect("c"), "CONNACK");
                for (var number = 0; number < 200; number++) broker.SetRetained("many/" + number, "x");
                var calls = 0;
                broker.ForEachRetained(
                    "many/+",
                    message =>
                    {
                        calls++;
                        Check.Equal(1L, broker.DeleteRetained(message.Topic), "deleted");
                    });
                Check.Equal(200, calls, "calls");
                Check.Equal(0L, broker.GetStats().RetainedMessages, "retained");

                // It is no callback: a stop does not wait for it, and cancels what does.
                for (var number = 0; number < 200; number++) broker.SetRetained("many/" + number, "x");
                Check.Equal(
                    Status.InvalidState,
                    Setup.StatusOf(
                        () => broker.ForEachRetained("#", message => broker.Stop(TimeSpan.Zero)), "stopped meanwhile"),
                    "status");
                Check.True(!broker.Running, "stopped");
                Check.Until(() => token.IsCancellationRequested, "cancelled");
            }
        }

        private static void FunctionThrows()
        {
            using (var broker = Setup.Started())
            {
                for (var number = 0; number < 3; number++) broker.SetRetained("t/" + number, "x");
                var told = 0;
                var calls = 0;
                broker.CallbackFailed += (sender, failure) => told++;
                var thrown = Check.Throws<InvalidOperationException>(
                    () => broker.ForEachRetained(
                        "#",
                        message =>
                        {
                            calls++;
                            throw new InvalidOperationException("broken");
                        }),
                    "thrown");
                Check.Equal("broken", thrown.Message, "message");
                Check.Equal(1, calls, "calls");
                Check.Equal(0, told, "told");
                Check.Equal(0L, broker.GetStats().CallbackPanics, "the library saw nothing of it");
            }
        }

        private static void ChangesTold()
        {
            var told = new BlockingCollection<string>();
            var hooks = new Hooks
            {
                RetainedChanged = changed => told.Add(changed.Change + " " + changed.Message.Topic),
            };
            using (var broker = Setup.Started(hooks))
            {
                broker.SetRetained("t", "x");
                broker.DeleteRetained("#");
                foreach (var line in new[] { "Set t", "Removed t" })
                {
                    string found;
                    Check.True(told.TryTake(out found, Check.Patience), "told");
                    Check.Equal(line, found, "told");
                }
            }
        }

        private static void Mistakes()
        {
            using (var broker = new Broker(Setup.Open.Insert(1, "\"retain\":{\"max_messages\":1},")))
            {
                Check.Equal(Status.InvalidState, Setup.StatusOf(() => broker.ListRetained("#"), "list"), "status");
                Check.Equal(Status.InvalidState, Setup.StatusOf(() => broker.GetRetained("t"), "get"), "status");
                Check.Equal(Status.InvalidState, Setup.StatusOf(() => broker.SetRetained("t", "x"), "set"), "status");
                Check.Equal(Status.InvalidState, Setup.StatusOf(() => broker.DeleteRetained("#"), "delete"), "status");
                broker.Start();
                Action[] mistakes =
                {
                    () => broker.ListRetained("a#"),
                    () => broker.ListRetained("$share/g/a"),
                    () => broker.GetRetained("a/+"),
                    () => broker.SetRetained("a/+", "x"),
                    () => broker.SetRetained("a", ""),
                    () => broker.SetRetained("a", "x", new PublishOptions { QoS = 3 }),
                    () => broker.SetRetained("a", "x", new PublishOptions { Delay = TimeSpan.FromSeconds(1) }),
                    () => broker.SetRetained("a", "x", new PublishOptions { OnReport = report => { } }),
                    () => broker.DeleteRetained(""),
                };
                foreach (var mistake in mistakes)
                {
                    Check.Equal(Status.InvalidArgument, Setup.StatusOf(mistake, "mistake"), "status");
                }
                Check.Throws<ArgumentNullException>(() => broker.ForEachRetained("#", null), "null function");
                Check.Throws<ArgumentNullException>(() => broker.ListRetained(null), "null filter");
                Check.Throws<ArgumentNullException>(() => broker.SetRetained("t", (string)null), "null payload");
                broker.SetRetained("a", "x");
                Check.Equal(Status.WouldBlock, Setup.StatusOf(() => broker.SetRetained("b", "x"), "full"), "status");
                broker.SetRetained("a", "y");
                Check.Equal("a=y", Listing(broker, "#"), "retained");
            }
        }
    }
}
