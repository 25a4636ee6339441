using System;
using System.Collections.Concurrent;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    internal static class AuthorizationTests
    {
        private const int ImplementationSpecific = 0x83;
        private const int NotAuthorized = 0x87;
        private const int QuotaExceeded = 0x97;

        internal static void Register(Action<string, Action> test)
        {
            test("authorization: a connection is refused before its first byte", PreConnect);
            test("authorization: publish is refused, dropped, changed", Publish);
            test("authorization: what the program publishes is asked about", OwnPublish);
            test("authorization: publish that finds no room", NoRoom);
            test("authorization: a task decides about publish later", DeferredPublish);
            test("authorization: subscribe is refused, lowered, changed", Subscribe);
            test("authorization: unsubscribe is refused", Unsubscribe);
            test("authorization: exceptions deny and are told", Exceptions);
            test("authorization: the changes themselves", ChangeValues);
        }

        private static void PreConnect()
        {
            var seen = new ConcurrentQueue<PreConnectEvent>();
            var verdict = Verdict.Deny;
            var hooks = new Hooks
            {
                PreConnect = (connection, stopping) =>
                {
                    seen.Enqueue(connection);
                    return Task.FromResult(verdict);
                },
            };
            using (var broker = Setup.Started(hooks))
            {
                using (var client = new MqttClient(broker.Port()))
                {
                    Check.True(client.IsClosedByPeer(), "closed without a word");
                }
                PreConnectEvent connection;
                Check.True(seen.TryDequeue(out connection), "the hook");
                Check.Equal("main", connection.Listener, "listener");
                Check.True(connection.Address.StartsWith("127.0.0.1:"), "address");
                verdict = Verdict.Allow;
                Check.Equal(0, broker.TryConnect("c"), "CONNACK");
            }
        }

        private static Verdict Decide(Message message)
        {
            switch (message.Topic)
            {
                case "refused":
                    return Verdict.DenyWith(QuotaExceeded, "kein Platz für " + message.Publisher.ClientId);
                case "full":
                    return Verdict.DenyWith(QuotaExceeded);
                case "secret":
                    return Verdict.Drop;
                case "raw":
                    return Verdict.AllowWith(
                        new Changes
                        {
                            Topic = "gar/ß",
                            Payload = System.Text.Encoding.UTF8.GetBytes("well done: " + message.Text),
                            QoS = 0,
                            Retain = true,
                        });
                case "lower":
                    return Verdict.AllowWith(new Changes { QoS = 0 });
                case "kept":
                    return Verdict.AllowWith(new Changes { Retain = true });
                case "empty":
                    return Verdict.AllowWith(new Changes { Payload = new byte[0] });
                case "nowhere":
                    return Verdict.AllowWith(new Changes { Topic = "a/#" });
                case "nothing":
                    return Verdict.AllowWith(new Changes { Topic = "" });
                default:
                    return Verdict.Allow;
            }
        }

        private static Hooks Deciding(ConcurrentQueue<Message> seen = null)
        {
            return new Hooks
            {
                AuthorizePublish = (publish, stopping) =>
                {
                    if (seen != null) seen.Enqueue(publish.Message);
                    return Task.FromResult(Decide(publish.Message));
                },
            };
        }

        private static void Publish()
        {
            var seen = new ConcurrentQueue<Message>();
            using (var broker = Setup.Started(Deciding(seen)))
            using (var client = broker.Connected("pump", 5))
            using (var listener = broker.Connected("listener", 5))
            {
                Check.Equal(1, listener.TrySubscribe("#", 1), "granted QoS");
                Check.Equal(QuotaExceeded, client.Publish1("refused", "x"), "PUBACK of refused");
                Check.Equal("kein Platz für pump", client.Reason, "reason string");
                Message message;
                Check.True(seen.TryDequeue(out message), "the hook");
                Check.Equal("x", message.Text, "payload");
                Check.Equal((byte)1, message.QoS, "QoS");
                Check.Equal(Origin.Client, message.Origin, "origin");
                Check.True(!message.Retain, "retain");
                Check.Equal(QuotaExceeded, client.Publish1("full", "x"), "PUBACK of full");
                Check.True(client.Reason == null, "no reason string");
                Check.Equal(0, client.Publish1("secret", "x"), "PUBACK of secret");
                Check.Equal(ImplementationSpecific, client.Publish1("nowhere", "x"), "PUBACK of nowhere");
                Check.Equal(ImplementationSpecific, client.Publish1("nothing", "x"), "PUBACK of nothing");
                foreach (var topic in new[] { "raw", "lower", "kept", "empty", "plain" })
                {
                    Check.Equal(0, client.Publish1(topic, "x"), "PUBACK of " + topic);
                }
                Check.Equal("gar/ß well done: x", listener.Receive(), "topic and payload changed");
                Check.Equal("lower x", listener.Receive(), "QoS changed");
                Check.Equal("kept x", listener.Receive(1), "retain changed");
                Check.Equal("empty ", listener.Receive(1), "payload emptied");
                Check.Equal("plain x", listener.Receive(1), "nothing changed");
                Check.Equal(2L, broker.GetStats().RetainedMessages, "retained");
                Check.Equal(0L, broker.GetStats().DecisionsPending, "pending");
            }
        }

        private static void OwnPublish()
        {
            using (var broker = Setup.Started(Deciding()))
            using (var listener = broker.Connected("listener", 5))
            {
                listener.Subscribe("#");
                broker.Publish("secret", "x");
                broker.Publish("raw", "own");
                Check.Equal("gar/ß well done: own", listener.Receive(), "the message");
            }
        }

        private static void NoRoom()
        {
            var gate = new TaskCompletionSource<Verdict>();
            var hooks = new Hooks { AuthorizePublish = (publish, stopping) => gate.Task };
            using (var broker = Setup.Started(hooks, Setup.WithCallbacks("\"timeout_ms\":60000")))
            {
                // More than may wait, whatever that number is.
                var refused = Check.Throws<RmqttException>(
                    () =>
                    {
                        for (var index = 0; index < 10000000; index++) broker.Publish("a", "");
                    },
                    "no room");
                Check.Equal(Status.WouldBlock, refused.Status, "status");
                gate.SetResult(Verdict.Allow);
            }
        }

        private static void DeferredPublish()
        {
            var refusal = new TaskCompletionSource<Verdict>();
            var change = new TaskCompletionSource<Verdict>();
            var hooks = new Hooks
            {
                AuthorizePublish = (publish, stopping) =>
                    publish.Message.Topic == "refused" ? refusal.Task : change.Task,
            };
            using (var broker = Setup.Started(hooks))
            using (var client = broker.Connected("pump", 5))
            using (var listener = broker.Connected("listener", 5))
            {
                listener.Subscribe("#");
                client.SendPublish1("refused", "x");
                Check.Until(() => broker.GetStats().DecisionsPending == 1, "a pending decision");
                refusal.SetResult(Verdict.DenyWith(0x99, "später nein"));
                Check.Equal(0x99, client.ReadPuback(), "PUBACK of refused");
                Check.Equal("später nein", client.Reason, "reason string");
                client.SendPublish1("changed", "x");
                Check.Until(() => broker.GetStats().DecisionsPending == 1, "a pending decision");
                var payload = new byte[] { 97, 0, 98 };
                change.SetResult(Verdict.AllowWith(new Changes { Topic = "elsewhere", Payload = payload }));
                Check.Equal(0, client.ReadPuback(), "PUBACK of changed");
                Check.Equal("elsewhere a\0b", listener.Receive(), "the message");
                Check.Equal(0L, broker.GetStats().DecisionsPending, "pending");
            }
        }

        private static void Subscribe()
        {
            var refused = new TaskCompletionSource<SubscribeEvent>();
            var hooks = new Hooks
            {
                AuthorizeSubscribe = (subscribe, stopping) =>
                {
                    switch (subscribe.Filter)
                    {
                        case "refused":
                            refused.TrySetResult(subscribe);
                            return Task.FromResult(Verdict.DenyWith(QuotaExceeded));
                        case "dropped":
                            return Task.FromResult(Verdict.Drop);
                        case "slow":
                            return Task.FromResult(Verdict.AllowWith(new Changes { QoS = 0 }));
                        case "mine":
                            var mine = new Changes { Topic = "clients/" + subscribe.Client.ClientId };
                            return Task.FromResult(Verdict.AllowWith(mine));
                        default:
                            return Task.FromResult(Verdict.Allow);
                    }
                },
            };
            using (var broker = Setup.Started(hooks))
            using (var client = broker.Connected("pump", 5))
            {
                // No local, the retain flag as published, no retained messages.
                Check.Equal(QuotaExceeded, client.TrySubscribe("refused", 0x2c | 1), "SUBACK of refused");
                var seen = Check.Result(refused.Task, "the hook");
                Check.Equal("pump", seen.Client.ClientId, "client id");
                Check.Equal(0U, seen.Identifier, "identifier");
                Check.Equal((byte)1, seen.QoS, "QoS");
                Check.True(seen.NoLocal && seen.RetainAsPublished, "options");
                Check.Equal((byte)2, seen.RetainHandling, "retain handling");
                Check.Equal(NotAuthorized, client.TrySubscribe("dropped", 1), "SUBACK of dropped");
                Check.Equal(0, client.TrySubscribe("slow", 1), "SUBACK of slow");
                Check.Equal(1, client.TrySubscribe("mine", 1), "SUBACK of mine");
                foreach (var topic in new[] { "refused", "mine", "slow", "clients/pump" })
                {
                    broker.Publish(topic, "x", new PublishOptions { QoS = 1 });
                }
                Check.Equal("slow x", client.Receive(), "of a lower QoS");
                Check.Equal("clients/pump x", client.Receive(1), "of another filter");
            }
        }

        private static void Unsubscribe()
        {
            var hooks = new Hooks
            {
                AuthorizeUnsubscribe = (unsubscribe, stopping) =>
                {
                    var refuses = unsubscribe.Client.ClientId == "pump" && unsubscribe.Filter == "alarms";
                    return Task.FromResult(refuses ? Verdict.DenyWith(ImplementationSpecific) : Verdict.Allow);
                },
            };
            using (var broker = Setup.Started(hooks))
            using (var client = broker.Connected("pump", 5))
            {
                client.Subscribe("alarms");
                client.Subscribe("news");
                Check.Equal(ImplementationSpecific, client.Unsubscribe("alarms"), "UNSUBACK of alarms");
                Check.Equal(0, client.Unsubscribe("news"), "UNSUBACK of news");
                broker.Publish("news", "x");
                broker.Publish("alarms", "x");
                Check.Equal("alarms x", client.Receive(), "the message");
            }
        }

        private static void Exceptions()
        {
            var told = new ConcurrentQueue<string>();
            var hooks = new Hooks
            {
                AuthorizePublish = (publish, stopping) => { throw new Exception("one"); },
                AuthorizeSubscribe = (subscribe, stopping) =>
                    subscribe.Filter == "good" ? Task.FromResult(Verdict.Allow) : null,
                AuthorizeUnsubscribe = async (unsubscribe, stopping) =>
                {
                    await Task.Yield();
                    throw new Exception("three");
                },
            };
            using (var broker = Setup.Started(hooks))
            {
                broker.CallbackFailed += (sender, failure) =>
                    told.Enqueue(failure.Callback + ": " + failure.Exception.Message);
                using (var client = broker.Connected("c", 5))
                {
                    Check.Equal(NotAuthorized, client.Publish1("a", "x"), "PUBACK");
                    Check.Equal(NotAuthorized, client.TrySubscribe("bad", 0), "SUBACK");
                    client.Subscribe("good");
                    Check.Equal(NotAuthorized, client.Unsubscribe("good"), "UNSUBACK");
                }
                broker.SetHooks(new Hooks { PreConnect = (connection, stopping) => { throw new Exception("four"); } });
                using (var client = new MqttClient(broker.Port()))
                {
                    Check.True(client.IsClosedByPeer(), "closed");
                }
                Check.Equal(
                    "AuthorizePublish: one, AuthorizeSubscribe: the hook returned no task, "
                        + "AuthorizeUnsubscribe: three, PreConnect: four",
                    string.Join(", ", told),
                    "told");
            }
        }

        private static void ChangeValues()
        {
            var changes = new Changes { Payload = new byte[] { 1 } };
            var verdict = Verdict.AllowWith(changes);
            changes.Payload[0] = 2;
            Check.True(verdict.IsAllowed && !verdict.IsDropped, "allows");
            Check.True(Verdict.Drop.IsDropped && !Verdict.Drop.IsAllowed, "drops");
            Check.Throws<ArgumentNullException>(() => Verdict.AllowWith(null), "no changes");
            Check.Throws<ArgumentOutOfRangeException>(() => Verdict.AllowWith(new Changes { QoS = 3 }), "no QoS");
            Check.Throws<ArgumentException>(
                () => Verdict.AllowWith(new Changes { Topic = "\ud800" }), "a topic that is no Unicode");
        }
    }
}
