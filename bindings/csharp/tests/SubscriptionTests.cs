using System;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    internal static class SubscriptionTests
    {
        internal static void Register(Action<string, Action> test)
        {
            test("subscription: the lower QoS counts", LowerQoS);
            test("subscription: options out of range are refused", OutOfRange);
            test("subscription: retain as published, no local", RetainAndLocal);
            test("subscription: manual acknowledgement with a window", ManualAck);
            test("subscription: the oldest or the newest are dropped", Overflows);
            test("subscription: bytes are bounded, too", Bytes);
            test("subscription: a full queue blocks publishers", Blocks);
            test("subscription: pause and resume", PauseAndResume);
            test("subscription: members in its own function", OwnFunction);
            test("subscription: members after Dispose", AfterDispose);
            test("subscription: Dispose waits, whoever looks at it meanwhile", DisposeAmidStats);
            test("subscription: several messages in one call", Batch);
            test("subscription: a batch function that throws is told, and goes on", ThrowingBatch);
        }

        private static void LowerQoS()
        {
            using (var broker = Setup.Started())
            {
                for (byte mine = 0; mine <= 2; mine++)
                {
                    var heard = new Heard();
                    using (broker.Subscribe("q", heard.One, new SubscribeOptions { QoS = mine }))
                    {
                        for (byte theirs = 0; theirs <= 2; theirs++)
                        {
                            broker.Publish("q", "x", new PublishOptions { QoS = theirs });
                            Check.Until(() => heard.Count == theirs + 1, "message");
                            Check.Equal(Math.Min(mine, theirs), heard[theirs].QoS, "QoS");
                            Check.Equal(0UL, heard[theirs].Delivery, "nothing to acknowledge");
                        }
                    }
                }
            }
        }

        private static void OutOfRange()
        {
            using (var broker = Setup.Started())
            {
                foreach (var options in new[]
                {
                    new SubscribeOptions { QoS = 3 },
                    new SubscribeOptions { RetainHandling = 3 },
                    new SubscribeOptions { Overflow = (Overflow)3 },
                    new SubscribeOptions { ManualAck = true, ReceiveMaximum = 65536 },
                    new SubscribeOptions { MaxBatch = 65537 },
                })
                {
                    var status = Setup.StatusOf(() => broker.SubscribeBatch("t", messages => { }, options), "options");
                    Check.Equal(Status.InvalidArgument, status, "status");
                }
                var remote = new SubscribeOptions { NoLocal = true };
                Check.Equal(
                    Status.InvalidArgument,
                    Setup.StatusOf(() => broker.Subscribe("$share/g/t", message => { }, remote), "shared"),
                    "status");
            }
        }

        private static void RetainAndLocal()
        {
            var plain = new Heard();
            var published = new Heard();
            var remote = new Heard();
            using (var broker = Setup.Started())
            using (broker.Subscribe("t", plain.One))
            using (broker.Subscribe("t", published.One, new SubscribeOptions { RetainAsPublished = true }))
            using (broker.Subscribe("t", remote.One, new SubscribeOptions { NoLocal = true }))
            using (var client = broker.Connected("c"))
            {
                broker.Publish("t", "mine", new PublishOptions { Retain = true });
                plain.Expect("mine,");
                published.Expect("mine,");
                client.Publish("t", "theirs", retain: true);
                remote.Expect("theirs,");
                plain.Expect("mine,theirs,");
                Check.True(!plain[0].Retain && !plain[1].Retain, "not retained");
                Check.True(published[0].Retain, "retained as published");
            }
        }

        private static void ManualAck()
        {
            var heard = new Heard();
            using (var broker = Setup.Started())
            {
                var options = new SubscribeOptions { QoS = 2, ManualAck = true, ReceiveMaximum = 2 };
                var subscription = broker.Subscribe("m", heard.One, options);
                broker.PublishNumbers("m", 2, 1, 4);
                heard.Expect("1,2,");
                Check.Until(() => subscription.GetStats().QueuedMessages == 2, "the rest waits");
                Check.Equal(2L, subscription.GetStats().Unacknowledged, "unacknowledged");
                Check.True(subscription.GetStats().QueuedBytes > 0, "queued bytes");
                Check.True(heard[0].Delivery != 0 && heard[0].Delivery != heard[1].Delivery, "numbers of their own");
                heard[1].Acknowledge();
                heard.Expect("1,2,3,");
                Check.Equal(Status.Expired, Setup.StatusOf(heard[1].Acknowledge, "twice"), "status");
                Message.Acknowledge(heard[0].Delivery);
                heard.Expect("1,2,3,4,");

                broker.PublishNumbers("m", 0, 5, 5);
                heard.Expect("1,2,3,4,5,");
                Check.Equal(0UL, heard[4].Delivery, "QoS 0 needs no acknowledgement");
                heard[4].Acknowledge();
                Check.Until(() => subscription.GetStats().Delivered == 5, "delivered");
                var stats = subscription.GetStats();
                Check.Equal(2L, stats.Acknowledged, "acknowledged");
                Check.Equal(2L, stats.Unacknowledged, "unacknowledged");
                Check.Equal(0L, stats.QueuedMessages, "queued");
                Check.Equal(0L, stats.Dropped, "dropped");
                subscription.Dispose();
                Check.Equal(Status.Expired, Setup.StatusOf(heard[2].Acknowledge, "too late"), "status");
                Check.Equal(
                    Status.InvalidArgument, Setup.StatusOf(() => Message.Acknowledge(0), "no number"), "status");
            }
        }

        private static void Overflows()
        {
            Drops(Overflow.DropNewest, "0,1,2,");
            Drops(Overflow.DropOldest, "0,3,4,");
        }

        private static void Drops(Overflow overflow, string left)
        {
            var heard = new Heard();
            var options = new SubscribeOptions { QoS = 1, MaxQueuedMessages = 2, Overflow = overflow };
            using (var broker = Setup.Started())
            using (var subscription = broker.Subscribe("o", heard.One, options))
            {
                heard.Door.Reset();
                try
                {
                    broker.PublishNumbers("o", 1, 0, 0);
                    heard.Expect("0,");
                    broker.PublishNumbers("o", 1, 1, 4);
                    Check.Equal(2L, subscription.GetStats().Dropped, "dropped");
                    Check.Equal(2L, subscription.GetStats().QueuedMessages, "queued");
                    Check.Equal(2L, broker.GetStats().MessagesDroppedQueueFull, "dropped");
                }
                finally
                {
                    heard.Door.Set();
                }
                heard.Expect(left);
            }
        }

        private static void Bytes()
        {
            var heard = new Heard();
            using (var broker = Setup.Started())
            using (var subscription = broker.Subscribe("o", heard.One, new SubscribeOptions { MaxQueuedBytes = 5000 }))
            {
                heard.Door.Reset();
                try
                {
                    broker.Publish("o", "");
                    Check.Until(() => heard.Count == 1, "the first one");
                    for (var index = 0; index < 3; index++) broker.Publish("o", new byte[4096]);
                    Check.Equal(1L, subscription.GetStats().QueuedMessages, "queued");
                    Check.Equal(2L, subscription.GetStats().Dropped, "dropped");
                }
                finally
                {
                    heard.Door.Set();
                }
                Check.Until(() => heard.Count == 2, "the one that had room");
            }
        }

        private static void Blocks()
        {
            var heard = new Heard();
            var options = new SubscribeOptions { QoS = 1, MaxQueuedMessages = 2, Overflow = Overflow.Block };
            using (var broker = Setup.Started())
            using (var subscription = broker.Subscribe("f", heard.One, options))
            {
                heard.Door.Reset();
                try
                {
                    broker.PublishNumbers("f", 1, 0, 0);
                    heard.Expect("0,");
                    broker.PublishNumbers("f", 1, 1, 2);
                    var more = new PublishOptions { QoS = 1 };
                    Check.Equal(
                        Status.WouldBlock, Setup.StatusOf(() => broker.Publish("f", "3", more), "no room"), "status");
                    more.Wait = TimeSpan.FromMilliseconds(100);
                    var clock = Stopwatch.StartNew();
                    Check.Equal(
                        Status.WouldBlock, Setup.StatusOf(() => broker.Publish("f", "3", more), "no room"), "status");
                    Check.True(clock.ElapsedMilliseconds >= 100, "it has waited");
                    more.Wait = Check.Patience;
                    var published = Task.Run(() => broker.Publish("f", "3", more));
                    Check.True(!published.Wait(50), "it waits");
                    heard.Door.Set();
                    Check.True(published.Wait(Check.Patience), "there is room");
                }
                finally
                {
                    heard.Door.Set();
                }
                heard.Expect("0,1,2,3,");
                Check.Equal(0L, subscription.GetStats().Dropped, "dropped");
            }
        }

        private static void PauseAndResume()
        {
            var heard = new Heard();
            using (var broker = Setup.Started())
            using (var subscription = broker.Subscribe("p", heard.One))
            {
                Check.True(!subscription.GetStats().Paused, "not paused yet");
                subscription.Pause();
                subscription.Pause();
                broker.PublishNumbers("p", 0, 1, 2);
                Check.Until(() => subscription.GetStats().QueuedMessages == 2, "they wait");
                Check.True(subscription.GetStats().Paused, "paused");
                Check.Equal("", heard.Text, "heard");
                subscription.Resume();
                heard.Expect("1,2,");
                Check.True(!subscription.GetStats().Paused, "not paused any more");
            }
        }

        private static void OwnFunction()
        {
            Subscription subscription = null;
            var told = new BlockingCollection<string>();
            var known = new ManualResetEvent(false);
            using (var broker = Setup.Started())
            {
                broker.CallbackFailed += (sender, failure) => told.Add(failure.Exception.ToString());
                subscription = broker.Subscribe(
                    "own",
                    message =>
                    {
                        known.WaitOne();
                        message.Acknowledge();
                        subscription.Pause();
                        told.Add(message.Text + " " + subscription.GetStats().Paused);
                    },
                    new SubscribeOptions { QoS = 1, ManualAck = true });
                known.Set();
                broker.PublishNumbers("own", 1, 1, 2);
                string line;
                Check.True(told.TryTake(out line, Check.Patience), "the first one");
                Check.Equal("1 True", line, "told");
                Check.Until(() => subscription.GetStats().QueuedMessages == 1, "the other one waits");
                subscription.Resume();
                Check.True(told.TryTake(out line, Check.Patience), "the second one");
                Check.Equal("2 True", line, "told");
                Check.Equal(2L, subscription.GetStats().Acknowledged, "acknowledged");
            }
        }

        private static void AfterDispose()
        {
            using (var broker = Setup.Started())
            {
                var subscription = broker.Subscribe("t", message => { });
                subscription.Dispose();
                Check.Throws<ObjectDisposedException>(subscription.Pause, "Pause");
                Check.Throws<ObjectDisposedException>(subscription.Resume, "Resume");
                Check.Throws<ObjectDisposedException>(() => subscription.GetStats(), "GetStats");

                // One that a stop has ended is still there.
                var ended = broker.Subscribe("t", message => { });
                broker.Stop(TimeSpan.Zero);
                ended.Pause();
                Check.Equal(0L, ended.GetStats().QueuedMessages, "queued");
                ended.Dispose();
            }
        }

        private static void DisposeAmidStats()
        {
            using (var broker = Setup.Started())
            {
                for (var round = 0; round < 50; round++)
                {
                    var running = 0;
                    var begun = new ManualResetEvent(false);
                    var subscription = broker.Subscribe(
                        "t",
                        message =>
                        {
                            Volatile.Write(ref running, 1);
                            begun.Set();
                            Thread.Sleep(10);
                            Volatile.Write(ref running, 0);
                        });
                    var looking = Task.Factory.StartNew(
                        () =>
                        {
                            try
                            {
                                while (true) subscription.GetStats();
                            }
                            catch (ObjectDisposedException)
                            {
                            }
                        },
                        TaskCreationOptions.LongRunning);
                    broker.Publish("t", "p");
                    Check.Signalled(begun, "the function");
                    subscription.Dispose();
                    Check.Equal(0, Volatile.Read(ref running), "calls after Dispose");
                    Check.True(looking.Wait(Check.Patience), "the other one ends");
                }
            }
        }

        private static void Batch()
        {
            var heard = new Heard();
            var options = new SubscribeOptions { QoS = 1, MaxBatch = 3, ManualAck = true };
            using (var broker = Setup.Started())
            using (var subscription = broker.SubscribeBatch("b", heard.Several, options))
            {
                heard.Door.Reset();
                try
                {
                    broker.PublishNumbers("b", 1, 0, 0);
                    heard.Expect("0;");
                    broker.PublishNumbers("b", 1, 1, 7);
                }
                finally
                {
                    heard.Door.Set();
                }
                heard.Expect("0;1,2,3;4,5,6;7;");
                for (var index = 0; index < 8; index++) heard[index].Acknowledge();
                Check.Equal(8L, subscription.GetStats().Acknowledged, "acknowledged");
                Check.Equal(0L, subscription.GetStats().Unacknowledged, "unacknowledged");
            }
        }

        private static void ThrowingBatch()
        {
            var heard = new Heard();
            var told = new ConcurrentQueue<string>();
            using (var broker = Setup.Started())
            {
                broker.CallbackFailed += (sender, failure) =>
                    told.Enqueue(failure.Callback + " " + failure.Exception.Message);
                using (broker.SubscribeBatch(
                    "b",
                    messages =>
                    {
                        heard.Several(messages);
                        if (messages.Single().Text == "bad") throw new Exception("broken");
                    },
                    new SubscribeOptions { MaxBatch = 1 }))
                {
                    broker.Publish("b", "bad");
                    broker.Publish("b", "good");
                    heard.Expect("bad;good;");
                    Check.Equal("Subscription broken", told.Single(), "told");
                    Check.Equal(0L, broker.GetStats().CallbackPanics, "the library saw nothing of it");
                }
            }
        }
    }
}
