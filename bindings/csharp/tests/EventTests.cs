using System;
using System.Linq;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    /// <summary>What hooks are told: every event with its fields.</summary>
    internal static class EventTests
    {
        internal static void Register(Action<string, Action> test)
        {
            test("event: CONNACK", Connack);
            test("event: sessions begin, go on, change hands, end", Sessions);
            test("event: sessions end", SessionEnds);
            test("event: subscribed and unsubscribed", Subscribed);
            test("event: a message on its way", Messages);
            test("event: a message is dropped", Dropped);
            test("event: a will", Will);
            test("event: retained messages", Retained);
            test("event: first and last subscriber", Subscribers);
            test("event: listeners", Listeners);
            test("event: overload", Overload);
            test("event: exceptions are told and harm nobody", Exceptions);
            test("event: a hook that is not set is not called", NotSet);
        }

        private static string Text(Message message)
        {
            var text = message.Topic + "=" + message.Text + " " + message.Origin + " " + message.QoS;
            if (message.Retain) text += " retained";
            if (message.Publisher != null) text += " by " + message.Publisher.ClientId;
            if (message.Properties != null) text += " with " + string.Join(", ", message.Properties.UserProperties);
            return text;
        }

        private static void Connack()
        {
            var lines = new Lines();
            var hooks = Setup.Answering(
                connect => connect.ClientId == "bad" ? Verdict.DenyWith(0x8a, "böse") : Verdict.Allow);
            hooks.Connack = connack => lines.Add(
                connack.Client.ClientId, connack.ReasonCode, connack.Reason ?? "-", connack.SessionPresent);
            hooks.Connected = connected => lines.Add("connected", connected.Client.ClientId);
            using (var broker = Setup.Started(hooks))
            {
                Check.True(broker.TryConnect("bad") != 0, "CONNACK");
                lines.Expect("bad 138 böse False");
                broker.Connected("c", clean: false).Dispose();
                lines.Expect("c 0 - False", "connected c");
                using (var client = broker.Connected("c", clean: false))
                {
                    Check.True(client.SessionPresent, "session present");
                    lines.Expect("c 0 - True", "connected c");
                }
            }
        }

        private static Hooks AllOfSessions(Lines lines)
        {
            return new Hooks
            {
                Connected = connected => lines.Add("connected", connected.Client.ClientId),
                Disconnected = gone => lines.Add("gone", gone.Client.Serial, gone.By),
                SessionCreated = session => lines.Add("created", session.Client.ClientId, session.Client.Serial),
                SessionResumed = session => lines.Add("resumed", session.Client.ClientId, session.Client.Serial),
                SessionTakenOver = session => lines.Add("taken over", session.Client.ClientId, session.Client.Serial),
                SessionTerminated = session => lines.Add(
                    "terminated", session.Client.ClientId, session.Client.Serial, session.End),
            };
        }

        private static void Sessions()
        {
            var lines = new Lines();
            using (var broker = Setup.Started(AllOfSessions(lines)))
            using (var first = broker.Connected("c", clean: false))
            {
                lines.Expect("created c 1", "connected c");
                using (var second = broker.Connected("c", clean: false))
                {
                    Check.True(first.IsClosedByPeer(), "the first connection");
                    lines.Expect("taken over c 1", "gone 1 Broker", "resumed c 2", "connected c");
                    second.Disconnect();
                    lines.Expect("gone 2 Client");
                }
                using (var third = broker.Connected("c"))
                {
                    lines.Expect("terminated c 2 CleanStart", "created c 3", "connected c");
                    third.Disconnect();
                    lines.Expect("gone 3 Client", "terminated c 3 Disconnected");
                }
            }
        }

        private static void SessionEnds()
        {
            var lines = new Lines();
            using (var broker = Setup.Started(AllOfSessions(lines)))
            {
                var properties = new MqttProperties().Add(MqttProperties.SessionExpiry, 1);
                broker.Connected("short", 5, properties: properties).Disconnect();
                lines.Expect("created short 1", "connected short", "gone 1 Client", "terminated short 1 Expired");
                broker.Connected("long", clean: false).Disconnect();
                lines.Expect("created long 2", "connected long", "gone 2 Client");
                broker.Stop(TimeSpan.FromSeconds(5));
                lines.Expect("terminated long 2 Stopped");
            }
        }

        private static void Subscribed()
        {
            var lines = new Lines();
            var hooks = new Hooks
            {
                AuthorizeSubscribe = (subscribe, stopping) =>
                    Task.FromResult(
                        subscribe.Filter == "mine"
                            ? Verdict.AllowWith(new Changes { Topic = "clients/c", QoS = 0 })
                            : subscribe.Filter == "refused" ? Verdict.Deny : Verdict.Allow),
                Subscribed = subscribed => lines.Add(
                    "+", subscribed.Client.ClientId, subscribed.Filter, subscribed.Granted, subscribed.Identifier,
                    subscribed.QoS, subscribed.NoLocal, subscribed.RetainAsPublished, subscribed.RetainHandling),
                Unsubscribed = unsubscribed => lines.Add("-", unsubscribed.Client.ClientId, unsubscribed.Filter),
            };
            using (var broker = Setup.Started(hooks))
            using (var client = broker.Connected("c", 5))
            {
                var identifier = new MqttProperties().Add(MqttProperties.SubscriptionId, 4711);
                // No local, the retain flag as published, no retained messages.
                Check.Equal(1, client.TrySubscribe("a/ß", 0x2c | 1, identifier), "SUBACK");
                Check.Equal(0, client.TrySubscribe("mine", 1), "SUBACK");
                Check.Equal(0x87, client.TrySubscribe("refused", 1), "SUBACK");
                Check.Equal(0, client.Unsubscribe("a/ß"), "UNSUBACK");
                Check.Equal(0x11, client.Unsubscribe("unknown"), "UNSUBACK");
                Check.Equal(0, client.Unsubscribe("mine"), "UNSUBACK");
                lines.Expect(
                    "+ c a/ß a/ß 4711 1 True True 2", "+ c mine clients/c 0 0 False False 0", "- c a/ß", "- c mine");
            }
        }

        private static void Messages()
        {
            var published = new Lines();
            var delivered = new Lines();
            var hooks = new Hooks
            {
                MessagePublished = message => published.Add(Text(message.Message), message.Receivers),
                MessageDelivered = message => delivered.Add(
                    "delivered", message.Client.ClientId, Text(message.Message), message.QoS, message.Retain),
                MessageAcked = message => delivered.Add(
                    "acked", message.Client.ClientId, Text(message.Message), message.QoS, message.ReasonCode),
            };
            using (var broker = Setup.Started(hooks))
            using (var pump = broker.Connected("pump", 5))
            using (var client = broker.Connected("c", 5))
            using (broker.Subscribe("a", message => { }))
            {
                Check.Equal(1, client.TrySubscribe("#", 1), "SUBACK");
                Check.Equal(0, pump.Publish1("a", "x", new MqttProperties().AddUser("n", "ü")), "PUBACK");
                Check.Equal("a x", client.Receive(1), "the message");
                client.SendPuback();
                published.Expect("a=x Client 1 by pump with n=ü 2");
                delivered.Expect(
                    "delivered c a=x Client 1 by pump with n=ü 1 False", "acked c a=x Client 1 by pump with n=ü 1 0");

                broker.Publish("b", "y", new PublishOptions { QoS = 1 });
                Check.Equal("b y", client.Receive(1), "the message");
                client.SendPuback(0x97);
                published.Expect("b=y Api 1 1");
                delivered.Expect("delivered c b=y Api 1 1 False", "acked c b=y Api 1 1 151");

                pump.Publish("c", "z");
                Check.Equal("c z", client.Receive(), "the message");
                published.Expect("c=z Client 0 by pump 1");
                delivered.Expect("delivered c c=z Client 0 by pump 0 False");
            }
        }

        private static void Dropped()
        {
            var lines = new Lines();
            var hooks = new Hooks
            {
                AuthorizePublish = (publish, stopping) =>
                    Task.FromResult(publish.Message.Topic == "refused" ? Verdict.Deny : Verdict.Allow),
                AuthorizeForward = (forward, stopping) =>
                    Task.FromResult(forward.Message.Topic == "secret" ? Verdict.Deny : Verdict.Allow),
                MessageDropped = dropped => lines.Add(
                    dropped.Client?.ClientId ?? "nobody", Text(dropped.Message), dropped.Cause),
            };
            var small = new MqttProperties().Add(MqttProperties.MaximumPacketSize, 100);
            using (var broker = Setup.Started(hooks))
            using (var pump = broker.Connected("pump", 5))
            using (var client = broker.Connected("c", 5, properties: small))
            {
                client.Subscribe("#");
                pump.Publish1("refused", "x");
                lines.Expect("nobody refused=x Client 1 by pump Refused");
                pump.Publish("secret", "x");
                lines.Expect("c secret=x Client 0 by pump Refused");
                var large = new string('x', 200);
                pump.Publish("a", large);
                lines.Expect("c a=" + large + " Client 0 by pump TooLarge");
                pump.Publish("a", "x");
                Check.Equal("a x", client.Receive(), "the message");
            }
        }

        private static void Will()
        {
            var lines = new Lines();
            var hooks = new Hooks
            {
                WillPublished = will => lines.Add("will", Text(will.Message), will.Receivers),
                MessagePublished = message => lines.Add("message", Text(message.Message), message.Receivers),
            };
            using (var broker = Setup.Started(hooks))
            using (broker.Subscribe("last", message => { }))
            {
                using (var client = new MqttClient(broker.Port()))
                {
                    Check.Equal(0, client.Connect("c", null, null, "last", new byte[] { 120 }), "CONNACK");
                }
                Check.Until(() => lines.ToString().Split('\n').Length == 2, "two events, not " + lines);
                Check.Equal(
                    "message last=x Will 0 by c 1\nwill last=x Will 0 by c 1",
                    string.Join("\n", lines.ToString().Split('\n').OrderBy(line => line)),
                    "events");
            }
        }

        private static void Retained()
        {
            var lines = new Lines();
            var hooks = new Hooks
            {
                RetainedChanged = retained => lines.Add(retained.Change, retained.Message.Topic, retained.Message.Text),
            };
            using (var broker = Setup.Started(hooks))
            using (var client = broker.Connected("c", 5))
            {
                client.Publish("a", "x", true);
                client.Publish("a", "y", true);
                client.Publish("a", "", true);
                lines.Expect("Set a x", "Set a y", "Removed a ");
                client.Publish("b", "z", true, new MqttProperties().Add(MqttProperties.MessageExpiry, 1));
                lines.Expect("Set b z");
                lines.Expect("Expired b z");
            }
        }

        private static void Subscribers()
        {
            var lines = new Lines();
            var hooks = new Hooks
            {
                FirstSubscriber = first => lines.Add("first", first.Filter, first.Client?.ClientId ?? "program"),
                LastSubscriber = last => lines.Add("last", last.Filter, last.Client?.ClientId ?? "program"),
            };
            using (var broker = Setup.Started(hooks))
            using (var client = broker.Connected("c", 5))
            using (var other = broker.Connected("d", 5))
            {
                client.Subscribe("a/+");
                other.Subscribe("$share/g/a/+");
                lines.Expect("first a/+ c");
                client.Unsubscribe("a/+");
                other.Disconnect();
                lines.Expect("last a/+ d");
                broker.Subscribe("own", message => { }).Dispose();
                lines.Expect("first own program", "last own program");
            }
        }

        private static void Listeners()
        {
            var lines = new Lines();
            var hooks = new Hooks
            {
                ListenerUp = up => lines.Add("up", up.Name, up.Type, up.Address, up.Port),
                ListenerDown = down => lines.Add("down", down.Name, down.Type, down.Address, down.Port),
            };
            using (var broker = Setup.Started(hooks))
            {
                var port = broker.Port();
                lines.Expect("up main tcp 127.0.0.1:" + port + " " + port);
                broker.Stop(TimeSpan.FromSeconds(5));
                lines.Expect("down main tcp 127.0.0.1:" + port + " " + port);
            }
        }

        private static void Overload()
        {
            var lines = new Lines();
            var hooks = new Hooks
            {
                Overload = overload => lines.Add(overload.Resource, overload.Limit, overload.Begun),
            };
            using (var broker = Setup.Started(hooks, Setup.Open.Insert(1, "\"retain\":{\"max_messages\":10},")))
            {
                var retained = new PublishOptions { Retain = true };
                for (var index = 0; index < 12; index++) broker.Publish("a/" + index, "x", retained);
                lines.Expect("RetainedMessages 10 True");
                broker.Publish("a/1", "", retained);
                lines.Expect("RetainedMessages 10 False");
            }
            using (var broker = Setup.Started(hooks, Setup.Open.Insert(1, "\"limits\":{\"max_connections\":1},")))
            {
                using (broker.Connected("c"))
                using (var refused = new MqttClient(broker.Port()))
                {
                    Check.True(refused.IsClosedByPeer(), "one too many");
                    lines.Expect("Connections 1 True");
                }
                lines.Expect("Connections 1 False");
            }
        }

        private static void Exceptions()
        {
            var told = new Lines();
            var hooks = new Hooks
            {
                Connack = connack => { throw new Exception("one"); },
                MessagePublished = message => { throw new Exception("two"); },
            };
            using (var broker = Setup.Started(hooks))
            {
                broker.CallbackFailed += (sender, failure) => told.Add(failure.Callback, failure.Exception.Message);
                using (var client = broker.Connected("c"))
                {
                    told.Expect("Connack one");
                    client.Publish("a", "x");
                    told.Expect("MessagePublished two");
                    Check.Equal(0, client.Publish1("a", "x"), "PUBACK");
                    told.Expect("MessagePublished two");
                }
                Check.Equal(0L, broker.GetStats().CallbackPanics, "the library notices nothing");
            }
        }

        private static void NotSet()
        {
            using (var broker = Setup.Started())
            {
                Check.True(broker.MetricsJson().Contains("\"hooks\":{}"), "no hook in " + broker.MetricsJson());
                var lines = new Lines();
                broker.SetHooks(new Hooks { Subscribed = subscribed => lines.Add(subscribed.Filter) });
                using (var client = broker.Connected("c"))
                {
                    client.Subscribe("a");
                    lines.Expect("a");
                    client.Publish("a", "x");
                    Check.Equal("a x", client.Receive(), "the message");
                }
                var told = Enum.GetValues(typeof(Hook)).Cast<Hook>()
                    .Where(hook => broker.GetHookStats(hook).Told > 0)
                    .Select(hook => hook.ToString());
                Check.Equal("Subscribed", string.Join(" ", told), "hooks told");
            }
        }
    }
}
