using System;
using System.Collections.Concurrent;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    internal static class DecisionTests
    {
        // MQTT 3.1.1: bad user name or password, not authorized.
        private const int BadCredentials = 4;
        private const int NotAuthorized = 5;

        internal static void Register(Action<string, Action> test)
        {
            test("decision: without a hook, the configuration decides", NoHook);
            test("decision: allow, with all that CONNECT says", Allow);
            test("decision: left to the configuration", Undecided);
            test("decision: deny", Deny);
            test("decision: deny with a reason code", DenyWithCode);
            test("decision: deny with words", DenyWithWords);
            test("decision: a task answers later", Deferred);
            test("decision: a task denies later, with words", DeferredDenial);
            test("decision: continuations stay off the callback threads", Continuations);
            test("decision: no answer in time denies", Timeout);
            test("decision: beyond max_pending denies", TooManyPending);
            test("decision: an exception denies and is told", Exception);
            test("decision: a faulted task denies and is told", FaultedTask);
            test("decision: a cancelled task denies and is told", CancelledTask);
            test("decision: no task denies and is told", NoTask);
            test("decision: a handler of CallbackFailed that throws harms nobody", ThrowingHandler);
            test("decision: hooks are exchanged while running", ExchangedHooks);
            test("decision: a stop cancels the token and denies", StopCancels);
            test("decision: Dispose with a pending decision", DisposePending);
            test("decision: the verdict itself", VerdictValues);
        }

        private static void NoHook()
        {
            using (var broker = Setup.Started(null, Setup.Open.Replace("true", "false")))
            {
                Check.Equal(NotAuthorized, broker.TryConnect("c"), "CONNACK");
            }
        }

        private static void Undecided()
        {
            var hooks = Setup.Answering(connect => connect.Client.ClientId == "eve" ? Verdict.Deny : Verdict.Continue);
            using (var broker = Setup.Started(hooks))
            {
                Check.Equal(0, broker.TryConnect("c"), "CONNACK");
                Check.Equal(NotAuthorized, broker.TryConnect("eve"), "CONNACK");
            }
            using (var broker = Setup.Started(hooks, Setup.Open.Replace("true", "false")))
            {
                Check.Equal(NotAuthorized, broker.TryConnect("c"), "CONNACK");
            }
        }

        private static void Allow()
        {
            var seen = new TaskCompletionSource<AuthEvent>();
            var hooks = Setup.Answering(
                connect =>
                {
                    seen.TrySetResult(connect);
                    return Verdict.Allow;
                });
            using (var broker = Setup.Started(hooks, Setup.Open.Replace("true", "false")))
            using (var client = new MqttClient(broker.Port()))
            {
                var password = new byte[] { 0, 255, 7 };
                var code = client.Connect("c-ü", "jürgen", password, "last/ß", new byte[] { 1, 0, 2 });
                Check.Equal(0, code, "CONNACK");
                var connect = Check.Result(seen.Task, "the hook");
                Check.Equal("c-ü", connect.ClientId, "client id");
                Check.Equal("jürgen", connect.Username, "user name");
                Check.Equal("00-FF-07", BitConverter.ToString(connect.Password), "password");
                Check.Equal("last/ß", connect.Will.Topic, "will topic");
                Check.Equal("01-00-02", BitConverter.ToString(connect.Will.Payload), "will");
                Check.Equal(TimeSpan.FromSeconds(30), connect.KeepAlive, "keep alive");
                Check.True(connect.CleanStart, "clean start");
                Check.Equal((byte)4, connect.Client.Protocol, "protocol");
                Check.Equal("main", connect.Client.Listener, "listener");
                Check.Equal(1UL, connect.Client.Serial, "serial");
                Check.True(connect.Client.Address.StartsWith("127.0.0.1:"), "address");
            }
        }

        private static void Deny()
        {
            var seen = new TaskCompletionSource<AuthEvent>();
            var hooks = Setup.Answering(
                connect =>
                {
                    seen.TrySetResult(connect);
                    return Verdict.Deny;
                });
            using (var broker = Setup.Started(hooks))
            {
                Check.Equal(NotAuthorized, broker.TryConnect("c"), "CONNACK");
                var connect = Check.Result(seen.Task, "the hook");
                Check.True(connect.Username == null && connect.Password == null, "absent is null");
                Check.True(connect.Will == null, "no will is null");
                Check.Equal(1L, broker.GetStats().DecisionsDenied, "denied");
            }
        }

        private static void DenyWithCode()
        {
            using (var broker = Setup.Started(Setup.Answering(connect => Verdict.DenyWith(0x86))))
            {
                Check.Equal(BadCredentials, broker.TryConnect("c"), "CONNACK");
                using (var client = new MqttClient(broker.Port()))
                {
                    Check.Equal(0x86, client.Connect("c", level: 5), "CONNACK of MQTT 5");
                    Check.True(client.Reason == null, "no reason string");
                }
            }
        }

        private static void DenyWithWords()
        {
            var hooks = Setup.Answering(connect => Verdict.DenyWith(0x86, "unknown: " + connect.ClientId + " – ß"));
            using (var broker = Setup.Started(hooks))
            {
                Check.Equal(BadCredentials, broker.TryConnect("c"), "CONNACK");
                using (var client = new MqttClient(broker.Port()))
                {
                    Check.Equal(0x86, client.Connect("c", level: 5), "CONNACK of MQTT 5");
                    Check.Equal("unknown: c – ß", client.Reason, "reason string");
                }
                Check.Equal(2L, broker.GetStats().DecisionsDenied, "denied");
                Check.Equal(0L, broker.GetStats().DecisionsPending, "pending");
            }
        }

        private static void Deferred()
        {
            var gate = new TaskCompletionSource<Verdict>();
            var hooks = new Hooks { Authenticate = (connect, stopping) => gate.Task };
            using (var broker = Setup.Started(hooks))
            using (var first = new MqttClient(broker.Port()))
            using (var second = new MqttClient(broker.Port()))
            {
                first.SendConnect("first");
                second.SendConnect("second");
                Check.Until(() => broker.GetStats().DecisionsPending == 2, "two pending decisions");
                gate.SetResult(Verdict.Allow);
                Check.Equal(0, first.ReadConnack(), "CONNACK");
                Check.Equal(0, second.ReadConnack(), "CONNACK");
                Check.Equal(2L, broker.GetStats().DecisionsAllowed, "allowed");
                Check.Equal(0L, broker.GetStats().DecisionsPending, "pending");
            }
        }

        private static void DeferredDenial()
        {
            var hooks = new Hooks
            {
                Authenticate = async (connect, stopping) =>
                {
                    await Task.Yield();
                    return Verdict.DenyWith(0x86, "später nein");
                },
            };
            using (var broker = Setup.Started(hooks))
            {
                using (var client = new MqttClient(broker.Port()))
                {
                    Check.Equal(0x86, client.Connect("c", level: 5), "CONNACK");
                    Check.Equal("später nein", client.Reason, "reason string");
                }
                Check.Equal(0L, broker.GetStats().DecisionsPending, "pending");
            }
        }

        private static void Continuations()
        {
            var threads = new TaskCompletionSource<bool>();
            var hooks = new Hooks
            {
                Authenticate = async (connect, stopping) =>
                {
                    Check.True(!Thread.CurrentThread.IsThreadPoolThread, "the hook begins on a callback thread");
                    Check.True(SynchronizationContext.Current == null, "no context to come back to");
                    await Task.Yield();
                    threads.TrySetResult(Thread.CurrentThread.IsThreadPoolThread);
                    return Verdict.Allow;
                },
            };
            using (var broker = Setup.Started(hooks))
            {
                Check.Equal(0, broker.TryConnect("c"), "CONNACK");
                Check.True(Check.Result(threads.Task, "continuation"), "the continuation runs on the pool");
            }
        }

        private static void Timeout()
        {
            var never = new TaskCompletionSource<Verdict>();
            var hooks = new Hooks { Authenticate = (connect, stopping) => never.Task };
            using (var broker = Setup.Started(hooks, Setup.WithCallbacks("\"timeout_ms\":50")))
            {
                Check.Equal(NotAuthorized, broker.TryConnect("c"), "CONNACK");
                Check.Equal(1L, broker.GetStats().DecisionsExpired, "expired");
                never.SetResult(Verdict.Allow);
                broker.SetHooks(null);
                Check.Equal(0, broker.TryConnect("d"), "the broker goes on");
                Check.Equal(0L, broker.GetStats().DecisionsAllowed, "the late answer does not count");
            }
        }

        private static void TooManyPending()
        {
            // One listener lets no more clients wait for an answer than that: a second one does.
            const string Config =
                "{\"listeners\":[{\"address\":\"127.0.0.1:0\"},{\"address\":\"127.0.0.1:0\"}],"
                    + "\"callbacks\":{\"max_pending\":1}}";
            var gate = new TaskCompletionSource<Verdict>();
            var hooks = new Hooks { Authenticate = (connect, stopping) => gate.Task };
            using (var broker = Setup.Started(hooks, Config))
            using (var first = new MqttClient(broker.Listeners[0].Port))
            using (var second = new MqttClient(broker.Listeners[1].Port))
            {
                first.SendConnect("first");
                Check.Until(() => broker.GetStats().DecisionsPending == 1, "a pending decision");
                Check.Equal(NotAuthorized, second.Connect("second"), "CONNACK of the second");
                Check.Equal(1L, broker.GetHookStats(Hook.Authenticate).WithoutTicket, "without a ticket");
                gate.SetResult(Verdict.Allow);
                Check.Equal(0, first.ReadConnack(), "CONNACK of the first");
            }
        }

        private static void Exception()
        {
            Fails(connect => { throw new InvalidOperationException("broken"); }, "broken");
        }

        private static void FaultedTask()
        {
            Fails(
                async connect =>
                {
                    await Task.Yield();
                    throw new InvalidOperationException("broken later");
                },
                "broken later");
        }

        private static void CancelledTask()
        {
            var cancelled = new TaskCompletionSource<Verdict>();
            cancelled.SetCanceled();
            Fails(connect => cancelled.Task, null);
        }

        private static void NoTask()
        {
            Fails(connect => null, "the hook returned no task");
        }

        private static void Fails(Func<AuthEvent, Task<Verdict>> hook, string words)
        {
            var told = new ConcurrentQueue<CallbackFailedEventArgs>();
            var hooks = new Hooks
            {
                Authenticate = (connect, stopping) =>
                    connect.ClientId == "bad" ? hook(connect) : Task.FromResult(Verdict.Allow),
            };
            using (var broker = new Broker(Setup.Open, hooks))
            {
                broker.CallbackFailed += (sender, failure) =>
                {
                    Check.True(sender == broker, "sender");
                    told.Enqueue(failure);
                };
                broker.Start();
                Check.Equal(NotAuthorized, broker.TryConnect("bad"), "CONNACK");
                Check.Until(() => told.Count == 1, "CallbackFailed");
                CallbackFailedEventArgs found;
                told.TryDequeue(out found);
                Check.Equal("Authenticate", found.Callback, "callback");
                if (words == null) Check.True(found.Exception is OperationCanceledException, "cancelled");
                else Check.Equal(words, found.Exception.Message, "exception");
                Check.Equal(0, broker.TryConnect("good"), "the broker goes on");
            }
        }

        private static void ThrowingHandler()
        {
            var hooks = Setup.Answering(
                connect =>
                {
                    if (connect.ClientId == "bad") throw new Exception("broken");
                    return Verdict.Allow;
                });
            using (var broker = Setup.Started(hooks))
            {
                broker.CallbackFailed += (sender, failure) => { throw new Exception("broken as well"); };
                Check.Equal(NotAuthorized, broker.TryConnect("bad"), "CONNACK");
                Check.Equal(0, broker.TryConnect("good"), "the broker goes on");
            }
        }

        private static void ExchangedHooks()
        {
            var hooks = Setup.Answering(connect => Verdict.Deny);
            using (var broker = Setup.Started(hooks))
            {
                Check.Equal(NotAuthorized, broker.TryConnect("c"), "CONNACK");
                hooks.Authenticate = null;
                Check.Equal(NotAuthorized, broker.TryConnect("c"), "hooks are as they were when they were set");
                broker.SetHooks(Setup.Answering(connect => Verdict.Allow));
                Check.Equal(0, broker.TryConnect("c"), "CONNACK");
                broker.SetHooks(Setup.Answering(connect => Verdict.DenyWith(0x86)));
                Check.Equal(BadCredentials, broker.TryConnect("c"), "CONNACK");
                broker.SetHooks(null);
                Check.Equal(0, broker.TryConnect("c"), "CONNACK");
            }
        }

        private static void StopCancels()
        {
            var cancelled = new CountdownEvent(1);
            var began = new ManualResetEvent(false);
            var hooks = new Hooks
            {
                Authenticate = async (connect, stopping) =>
                {
                    if (connect.ClientId == "quick")
                    {
                        return stopping.IsCancellationRequested ? Verdict.Deny : Verdict.Allow;
                    }
                    began.Set();
                    try
                    {
                        await Task.Delay(-1, stopping);
                    }
                    finally
                    {
                        cancelled.Signal();
                    }
                    return Verdict.Allow;
                },
            };
            using (var broker = Setup.Started(hooks))
            {
                for (var round = 0; round < 5; round++)
                {
                    began.Reset();
                    cancelled.Reset();
                    using (var client = new MqttClient(broker.Port()))
                    {
                        client.SendConnect("slow");
                        Check.Signalled(began, "hook");
                        broker.Stop(TimeSpan.Zero);
                        Check.True(client.ReadConnack() != 0, "denied");
                    }
                    broker.Start();
                    Check.Equal(0, broker.TryConnect("quick"), "a new run has a fresh token");
                    Check.Signalled(cancelled.WaitHandle, "cancelled");
                }
            }
        }

        private static void DisposePending()
        {
            var gate = new TaskCompletionSource<Verdict>();
            var cancelled = new ManualResetEvent(false);
            var hooks = new Hooks
            {
                Authenticate = (connect, stopping) =>
                {
                    stopping.Register(() => cancelled.Set());
                    return gate.Task;
                },
            };
            var broker = Setup.Started(hooks);
            using (var client = new MqttClient(broker.Port()))
            {
                client.SendConnect("c");
                Check.Until(() => broker.GetStats().DecisionsPending == 1, "a pending decision");
                broker.Dispose();
                Check.True(client.ReadConnack() != 0, "denied");
                Check.Signalled(cancelled, "token");
                gate.SetResult(Verdict.Allow);
            }
        }

        private static void VerdictValues()
        {
            Check.True(!default(Verdict).IsAllowed, "the default denies");
            Check.True(Verdict.Allow.IsAllowed && !Verdict.Deny.IsAllowed, "allow and deny");
            Check.Throws<ArgumentOutOfRangeException>(() => Verdict.DenyWith(0x10), "a code of success");
            Check.Throws<ArgumentException>(() => Verdict.DenyWith(0x87, "\ud800"), "words that are no Unicode");
        }
    }
}
