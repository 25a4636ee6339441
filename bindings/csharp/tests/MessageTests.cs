using System;
using System.Collections.Concurrent;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    internal static class MessageTests
    {
        internal static void Register(Action<string, Action> test)
        {
            test("messages: a tap with publisher and origin", Tap);
            test("messages: payloads of any octets and sizes", Payloads);
            test("messages: to clients, in order", ToClients);
            test("messages: a will", Will);
            test("messages: retained ones are replayed", Retained);
            test("messages: a slow function loses its own only", SlowFunction);
            test("messages: publish from a function", PublishFromFunction);
            test("messages: a function that throws is told, and goes on", ThrowingFunction);
            test("messages: a subscription disposed by its own function", DisposeInFunction);
            test("messages: a subscription disposed under load", DisposeUnderLoad);
            test("messages: a stop ends subscriptions", StopEnds);
            test("messages: subscriptions left over are freed", LeftOver);
        }

        private static Message Take(BlockingCollection<Message> queue)
        {
            Message message;
            Check.True(queue.TryTake(out message, Check.Patience), "a message in time");
            return message;
        }

        private static void Tap()
        {
            var queue = new BlockingCollection<Message>();
            using (var broker = Setup.Started())
            using (broker.Subscribe("plant/#", queue.Add))
            using (var client = broker.Connected("größe"))
            {
                client.Publish("plant/1/ä", "on");
                var message = Take(queue);
                Check.Equal("plant/1/ä", message.Topic, "topic");
                Check.Equal("on", message.Text, "payload");
                Check.Equal(Origin.Client, message.Origin, "origin");
                Check.Equal("größe", message.Publisher.ClientId, "publisher");
                Check.Equal("main", message.Publisher.Listener, "listener");
                Check.Equal((byte)4, message.Publisher.Protocol, "protocol");
                Check.Equal((byte)0, message.QoS, "QoS");
                Check.True(!message.Retain, "not retained");

                broker.Publish("plant/2", "off");
                message = Take(queue);
                Check.Equal(Origin.Api, message.Origin, "origin");
                Check.True(message.Publisher == null, "nobody published it");
            }
        }

        private static void Payloads()
        {
            var queue = new BlockingCollection<Message>();
            using (var broker = Setup.Started())
            using (broker.Subscribe("t", queue.Add))
            {
                foreach (var length in new[] { 0, 1, 256, 100000 })
                {
                    var payload = Enumerable.Range(0, length).Select(index => (byte)index).ToArray();
                    broker.Publish("t", payload);
                    Check.True(Take(queue).Payload.SequenceEqual(payload), length + " octets");
                }
                broker.Publish("t", "");
                Check.Equal("", Take(queue).Text, "empty text");
            }
        }

        private static void ToClients()
        {
            using (var broker = Setup.Started())
            using (var client = broker.Connected("c"))
            {
                client.Subscribe("a/+");
                for (var index = 0; index < 100; index++) broker.Publish("a/b", index.ToString());
                for (var index = 0; index < 100; index++) Check.Equal("a/b " + index, client.Receive(), "message");
            }
        }

        private static void Will()
        {
            var queue = new BlockingCollection<Message>();
            using (var broker = Setup.Started())
            using (broker.Subscribe("will/#", queue.Add))
            {
                using (var client = new MqttClient(broker.Port()))
                {
                    Check.Equal(0, client.Connect("c", willTopic: "will/c", will: new byte[] { 42 }), "CONNACK");
                }
                var message = Take(queue);
                Check.Equal(Origin.Will, message.Origin, "origin");
                Check.Equal((byte)42, message.Payload.Single(), "payload");
            }
        }

        private static void Retained()
        {
            var queue = new BlockingCollection<Message>();
            using (var broker = Setup.Started())
            {
                broker.Publish("state", "old", new PublishOptions { Retain = true });
                broker.Publish("state", "kept", new PublishOptions { Retain = true, QoS = 1 });
                Check.Until(() => broker.GetStats().RetainedMessages == 1, "one retained message");
                using (broker.Subscribe("state", queue.Add))
                {
                    var message = Take(queue);
                    Check.Equal("kept", message.Text, "payload");
                    Check.True(message.Retain, "retained");
                    Check.Equal(Origin.Retained, message.Origin, "origin");
                }
                using (broker.Subscribe("state", queue.Add, new SubscribeOptions { RetainHandling = 2 }))
                {
                    broker.Publish("state", "live");
                    Check.Equal("live", Take(queue).Text, "no replay where none is wanted");
                }
                broker.Publish("state", "", new PublishOptions { Retain = true });
                Check.Until(() => broker.GetStats().RetainedMessages == 0, "forgotten");
            }
        }

        private static void SlowFunction()
        {
            const int Count = 50;
            var gate = new ManualResetEvent(false);
            var entered = new ManualResetEvent(false);
            var slow = 0;
            var quick = 0;
            using (var broker = Setup.Started())
            using (broker.Subscribe(
                "t",
                message =>
                {
                    entered.Set();
                    gate.WaitOne();
                    Interlocked.Increment(ref slow);
                },
                new SubscribeOptions { MaxQueuedMessages = 4 }))
            using (broker.Subscribe("t", message => Interlocked.Increment(ref quick)))
            {
                try
                {
                    broker.Publish("t", "first");
                    Check.Signalled(entered, "the slow function");
                    for (var index = 1; index < Count; index++) broker.Publish("t", "more");
                    Check.Until(() => Volatile.Read(ref quick) == Count, "the quick function gets all");
                    Check.Until(() => broker.GetStats().MessagesDropped == Count - 5, "the rest is counted");
                }
                finally
                {
                    gate.Set();
                }
                Check.Until(() => Volatile.Read(ref slow) == 5, "one in hand, four in the queue");
            }
        }

        private static void PublishFromFunction()
        {
            using (var broker = Setup.Started())
            using (broker.Subscribe("ping", message => broker.Publish("pong", message.Text + "!")))
            using (var client = broker.Connected("c"))
            {
                client.Subscribe("pong");
                client.Publish("ping", "hey");
                Check.Equal("pong hey!", client.Receive(), "answer");
            }
        }

        private static void ThrowingFunction()
        {
            var told = new ConcurrentQueue<CallbackFailedEventArgs>();
            var good = new ManualResetEvent(false);
            using (var broker = Setup.Started())
            {
                broker.CallbackFailed += (sender, failure) => told.Enqueue(failure);
                using (broker.Subscribe(
                    "t",
                    message =>
                    {
                        if (message.Text == "bad") throw new Exception("broken");
                        good.Set();
                    }))
                {
                    broker.Publish("t", "bad");
                    broker.Publish("t", "good");
                    Check.Signalled(good, "the second message");
                    var failed = told.Single();
                    Check.Equal("Subscription broken", failed.Callback + " " + failed.Exception.Message, "told");
                    Check.Equal(0L, broker.GetStats().CallbackPanics, "the library saw nothing of it");
                }
            }
        }

        private static void DisposeInFunction()
        {
            var calls = 0;
            Subscription subscription = null;
            var known = new ManualResetEvent(false);
            using (var broker = Setup.Started())
            {
                subscription = broker.Subscribe(
                    "t",
                    message =>
                    {
                        known.WaitOne();
                        Interlocked.Increment(ref calls);
                        subscription.Dispose();
                    });
                known.Set();
                for (var index = 0; index < 10; index++) broker.Publish("t", "p");
                Check.Until(() => broker.GetStats().InProcessSubscriptions == 0, "gone");
                Check.Equal(1, Volatile.Read(ref calls), "calls");
            }
        }

        private static void DisposeUnderLoad()
        {
            using (var broker = Setup.Started())
            using (var end = new CancellationTokenSource())
            {
                var load = Task.Factory.StartNew(
                    () =>
                    {
                        while (!end.IsCancellationRequested) broker.Publish("t", "p");
                    },
                    TaskCreationOptions.LongRunning);
                for (var round = 0; round < 100; round++)
                {
                    var disposed = false;
                    var late = false;
                    var calls = 0;
                    var subscription = broker.Subscribe(
                        "t",
                        message =>
                        {
                            if (Volatile.Read(ref disposed)) late = true;
                            Interlocked.Increment(ref calls);
                        });
                    Check.Until(() => Volatile.Read(ref calls) > 0, "load");
                    subscription.Dispose();
                    Volatile.Write(ref disposed, true);
                    var after = Volatile.Read(ref calls);
                    broker.Publish("t", "p");
                    Check.True(!late && after == Volatile.Read(ref calls), "no call after Dispose");
                }
                end.Cancel();
                Check.True(load.Wait(Check.Patience), "load ends");
            }
        }

        private static void StopEnds()
        {
            var calls = 0;
            using (var broker = Setup.Started())
            using (var queue = new BlockingCollection<Message>())
            {
                var before = broker.Subscribe("t", message => Interlocked.Increment(ref calls));
                broker.Stop(TimeSpan.Zero);
                broker.Start();
                using (broker.Subscribe("t", queue.Add))
                {
                    broker.Publish("t", "p");
                    Take(queue);
                }
                before.Dispose();
                Check.Equal(0, calls, "calls");
            }
        }

        private static void LeftOver()
        {
            var forgotten = Forgotten();
            Check.Until(
                () =>
                {
                    GC.Collect();
                    GC.WaitForPendingFinalizers();
                    return forgotten.Count(reference => reference.IsAlive) < forgotten.Length / 2;
                },
                "functions are let go");
        }

        // Not every one: a conservative collector may see a stale reference on a stack. Hence many, and a majority.
        private static WeakReference[] Forgotten()
        {
            WeakReference[] forgotten = null;
            var thread = new Thread(
                () => forgotten = Enumerable.Range(0, 20).Select(
                    index =>
                    {
                        var queue = new BlockingCollection<Message>();
                        using (var broker = Setup.Started(new Hooks { Connected = connected => queue.Dispose() }, "{}"))
                        {
                            broker.Subscribe("t", queue.Add);
                            broker.Publish("t", "p");
                            Take(queue);
                        }
                        return new WeakReference(queue);
                    }).ToArray());
            thread.Start();
            thread.Join();
            return forgotten;
        }
    }
}
