using System;
using System.Collections.Concurrent;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    internal static class CallbackTests
    {
        internal static void Register(Action<string, Action> test)
        {
            test("callbacks: connected and disconnected, in order", Events);
            test("callbacks: an event hook that throws is told", ThrowingEvent);
            test("callbacks: Stop refuses, and the token stays", StopRefuses);
            test("callbacks: Dispose from a message function", DisposeFromFunction);
            test("callbacks: Dispose from the hook that decides", DisposeFromHook);
            test("callbacks: Dispose runs no code of the program on the callback thread", DisposeRunsNothing);
            test("callbacks: the collector at work on all sides", Collector);
        }

        private static void Events()
        {
            var told = new BlockingCollection<string>();
            DisconnectedEvent last = null;
            var hooks = new Hooks
            {
                Connected = connected => told.Add("+" + connected.Client.ClientId + connected.Client.Serial),
                Disconnected = disconnected =>
                {
                    last = disconnected;
                    told.Add("-" + disconnected.Client.ClientId + disconnected.Client.Serial + disconnected.By);
                },
            };
            using (var broker = Setup.Started(hooks))
            {
                using (var client = broker.Connected("a"))
                {
                    client.Disconnect();
                    Check.Equal("+a1", Take(told), "connected");
                }
                Check.Equal("-a1Client", Take(told), "disconnected");
                Check.Equal((byte)0, last.ReasonCode, "reason code");
                Check.True(last.Reason.Length > 0, "reason");
                using (broker.Connected("b"))
                {
                    Check.Equal("+b2", Take(told), "connected");
                }
                Check.Equal("-b2Network", Take(told), "disconnected");
                using (broker.Connected("c"))
                {
                    Check.Equal("+c3", Take(told), "connected");
                    broker.Stop(TimeSpan.FromSeconds(5));
                    Check.Equal("-c3Broker", Take(told), "disconnected");
                }
            }
        }

        private static string Take(BlockingCollection<string> queue)
        {
            string line;
            Check.True(queue.TryTake(out line, Check.Patience), "an event in time");
            return line;
        }

        private static void ThrowingEvent()
        {
            var told = new ConcurrentQueue<string>();
            var hooks = new Hooks
            {
                Connected = connected => { throw new Exception("one"); },
                Disconnected = disconnected => { throw new Exception("two"); },
            };
            using (var broker = Setup.Started(hooks))
            {
                broker.CallbackFailed += (sender, failure) =>
                    told.Enqueue(failure.Callback + " " + failure.Exception.Message);
                broker.Connected("c").Dispose();
                Check.Until(() => told.Count == 2, "both are told");
                Check.Equal("Connected one, Disconnected two", string.Join(", ", told), "told");
                Check.Equal(0, broker.TryConnect("d"), "the broker goes on");
            }
        }

        private static void StopRefuses()
        {
            var refused = new TaskCompletionSource<Status>();
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
            using (broker.Subscribe(
                "t",
                message =>
                {
                    try
                    {
                        broker.Stop(TimeSpan.Zero);
                        refused.SetResult(Status.Ok);
                    }
                    catch (RmqttException exception)
                    {
                        refused.SetResult(exception.Status);
                    }
                }))
            {
                Check.Equal(0, broker.TryConnect("c"), "CONNACK");
                broker.Publish("t", "p");
                Check.Equal(Status.WouldDeadlock, Check.Result(refused.Task, "the function"), "status");
                Check.True(broker.Running, "running");
                Check.True(token.CanBeCanceled && !token.IsCancellationRequested, "not cancelled");
            }
        }

        private static void DisposeFromFunction()
        {
            for (var round = 0; round < 10; round++)
            {
                var done = new ManualResetEvent(false);
                var broker = Setup.Started();
                using (var client = broker.Connected("c"))
                {
                    var subscription = broker.Subscribe(
                        "t",
                        message =>
                        {
                            broker.Dispose();
                            Check.Throws<ObjectDisposedException>(() => broker.Publish("t", "p"), "after Dispose");
                            done.Set();
                        });
                    broker.Publish("t", "p");
                    Check.Signalled(done, "Dispose returns");
                    Check.True(client.IsClosedByPeer(), "the client is gone");
                    subscription.Dispose();
                }
            }
        }

        private static void DisposeFromHook()
        {
            for (var round = 0; round < 10; round++)
            {
                Broker broker = null;
                var hooks = Setup.Answering(
                    connect =>
                    {
                        broker.Dispose();
                        return Verdict.Allow;
                    });
                broker = Setup.Started(hooks);
                using (var client = new MqttClient(broker.Port()))
                {
                    client.SendConnect("c");
                    // Whether the answer or the end is first is open; that the end comes is not.
                    if (client.ReadConnack() >= 0) Check.True(client.IsClosedByPeer(), "the client is gone");
                }
                Check.Throws<ObjectDisposedException>(() => broker.Running.ToString(), "after Dispose");
            }
        }

        private static void DisposeRunsNothing()
        {
            var began = new ManualResetEvent(false);
            var ended = new TaskCompletionSource<bool>();
            var disposer = -1;
            var hooks = new Hooks
            {
                Authenticate = (connect, stopping) =>
                {
                    stopping.Register(
                        () => ended.TrySetResult(Thread.CurrentThread.ManagedThreadId != Volatile.Read(ref disposer)));
                    began.Set();
                    return new TaskCompletionSource<Verdict>().Task;
                },
            };
            var broker = Setup.Started(hooks);
            using (var client = new MqttClient(broker.Port()))
            {
                client.SendConnect("c");
                Check.Signalled(began, "hook");
                broker.Subscribe(
                    "t",
                    message =>
                    {
                        Volatile.Write(ref disposer, Thread.CurrentThread.ManagedThreadId);
                        broker.Dispose();
                    });
                broker.Publish("t", "p");
                Check.True(Check.Result(ended.Task, "token"), "on another thread");
            }
        }

        private static void Collector()
        {
            const int Clients = 4;
            const int Rounds = 25;
            var messages = 0;
            var several = 0;
            var reports = 0;
            var hooks = new Hooks
            {
                Authenticate = async (connect, stopping) =>
                {
                    GC.Collect(0);
                    if (connect.ClientId.EndsWith("1")) await Task.Yield();
                    return connect.Username == "guest"
                        ? Verdict.DenyWith(0x86, "no " + connect.Username)
                        : Verdict.Allow;
                },
                Connected = connected => GC.Collect(0),
                Disconnected = disconnected => GC.KeepAlive(new byte[50000]),
            };
            using (var broker = Setup.Started(hooks))
            using (var end = new CancellationTokenSource())
            using (broker.Subscribe(
                "t/#",
                message =>
                {
                    GC.KeepAlive(new byte[10000]);
                    Interlocked.Increment(ref messages);
                },
                new SubscribeOptions { MaxQueuedMessages = 100000 }))
            using (broker.SubscribeBatch(
                "t/#",
                batch =>
                {
                    GC.KeepAlive(new byte[10000]);
                    Interlocked.Add(ref several, batch.Count);
                },
                new SubscribeOptions { MaxQueuedMessages = 100000 }))
            {
                var collector = Task.Factory.StartNew(
                    () =>
                    {
                        while (!end.IsCancellationRequested)
                        {
                            GC.Collect();
                            GC.WaitForPendingFinalizers();
                        }
                    },
                    TaskCreationOptions.LongRunning);
                var clients = Enumerable.Range(0, Clients).Select(
                    number => Task.Factory.StartNew(
                        () =>
                        {
                            for (var round = 0; round < Rounds; round++)
                            {
                                Check.Equal(4, broker.TryConnect("g" + number, "guest"), "CONNACK");
                                using (var client = broker.Connected("c" + number))
                                {
                                    for (var index = 0; index < 4; index++) client.Publish("t/" + number, "p");
                                    client.Disconnect();
                                }
                                broker.SetHooks(hooks);
                                var reported = new PublishOptions
                                {
                                    OnReport = report => Interlocked.Increment(ref reports),
                                    Properties = new Properties { ContentType = "text" },
                                };
                                broker.PublishBatch(
                                    new[] { new Publication("t", "p", reported), new Publication("t", "q", reported) });
                            }
                        },
                        TaskCreationOptions.LongRunning)).ToArray();
                try
                {
                    Check.True(Task.WaitAll(clients, TimeSpan.FromSeconds(50)), "clients are done");
                    Check.Until(() => Volatile.Read(ref messages) == Clients * Rounds * 6, "every message");
                    Check.Until(() => Volatile.Read(ref several) == Clients * Rounds * 6, "every message");
                    Check.Until(() => Volatile.Read(ref reports) == Clients * Rounds * 2, "every report");
                }
                finally
                {
                    end.Cancel();
                }
                Check.True(collector.Wait(Check.Patience), "collector ends");
                Check.Equal(0L, broker.GetStats().DecisionsPending, "pending");
            }
        }
    }
}
