using System;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    /// <summary>Clients and their sessions, seen and handled by the program.</summary>
    internal static class ClientTests
    {
        private const string TwoListeners =
            "{\"listeners\":[{\"name\":\"one\",\"address\":\"127.0.0.1:0\"},"
                + "{\"name\":\"two\",\"address\":\"127.0.0.1:0\"}],\"auth\":{\"allow_anonymous\":true}}";

        internal static void Register(Action<string, Action> test)
        {
            test("clients: one is shown, connected and away", Shown);
            test("clients: pages follow each other", Pages);
            test("clients: queries choose", Queries);
            test("clients: disconnected with a code", Disconnected);
            test("clients: sessions are discarded", Discarded);
            test("clients: subscribed by the program", Subscribed);
            test("clients: subscribed with options", SubscribedWithOptions);
            test("clients: subscribers are counted", Counted);
            test("clients: it is explained what decides", Explained);
            test("clients: hooks and functions may call", FromCallbacks);
            test("clients: what waits, what is in flight, what is delayed", Load);
            test("clients: bytes are counted", BytesCounted);
            test("clients: many threads call", ManyThreads);
            test("clients: mistakes are told", Mistakes);
        }

        private static void Says(string part, string json)
        {
            Check.True(json != null && json.Contains(part), part + " in " + json);
        }

        private static long NumberOf(string json, string key)
        {
            var match = Regex.Match(json, "\"" + key + "\":(\\d+)");
            Check.True(match.Success, "a number " + key + " in " + json);
            return long.Parse(match.Groups[1].Value);
        }

        /// <summary>The client identifiers of a page, and "> next" if there may be more.</summary>
        private static string Listing(Broker broker, ClientQuery query = null)
        {
            var json = broker.ListClients(query);
            Check.True(json.StartsWith("{\"clients\":[", StringComparison.Ordinal), "a page: " + json);
            var listed = Regex.Matches(json, "\"client_id\":\"([^\"]*)\"").Cast<Match>()
                .Select(match => match.Groups[1].Value)
                .ToList();
            var next = Regex.Match(json, "\\],\"next\":\"([^\"]*)\"\\}$");
            if (next.Success) listed.Add("> " + next.Groups[1].Value);
            return string.Join(" ", listed);
        }

        private static bool IsAway(Broker broker, string clientId)
        {
            return broker.GetClient(clientId).Contains("\"connected\":false");
        }

        private static MqttProperties Lasting(uint seconds)
        {
            return new MqttProperties().Add(MqttProperties.SessionExpiry, seconds);
        }

        /// <summary>Connects with a session that stays.</summary>
        private static MqttClient Kept(Broker broker, string clientId, byte level = 4)
        {
            return broker.Connected(clientId, level, false, level == 5 ? Lasting(100) : null);
        }

        /// <summary>Leaves a session behind.</summary>
        private static void Leave(Broker broker, string clientId)
        {
            using (var client = Kept(broker, clientId)) client.Disconnect();
            Check.Until(() => IsAway(broker, clientId), clientId + " is away");
        }

        /// <summary>What a client sees that the broker disconnects.</summary>
        private static void ExpectEnd(MqttClient client, byte level, int code)
        {
            if (level == 5) Check.Equal(code, client.ReadDisconnect(), "DISCONNECT");
            Check.True(client.IsClosedByPeer(), "closed");
        }

        private static void Shown()
        {
            using (var broker = Setup.Started())
            {
                Check.True(broker.GetClient("gerät") == null, "nobody yet");
                Check.Equal("", Listing(broker), "nobody yet");
                using (var client = new MqttClient(broker.Port()))
                {
                    var code = client.Connect("gerät", "anna", level: 5, clean: false, properties: Lasting(100));
                    Check.Equal(0, code, "CONNACK");
                    Check.Equal(1, client.TrySubscribe("a/ß", 0x2c | 1), "SUBACK");
                    var json = broker.GetClient("gerät");
                    Says("{\"client_id\":\"gerät\",\"connected\":true,\"protocol\":\"5\",\"username\":\"anna\",", json);
                    Says("\"address\":\"127.0.0.1:", json);
                    Says("\"listener\":\"main\",", json);
                    Says("\"serial\":1,\"superuser\":false,\"keep_alive_s\":30,\"clean_start\":false,", json);
                    Says("\"session_expiry_s\":100,", json);
                    Says("\"disconnected_at_ms\":null,", json);
                    Says(
                        "\"subscriptions\":[{\"filter\":\"a/ß\",\"granted\":\"a/ß\",\"qos\":1,\"no_local\":true,"
                            + "\"retain_as_published\":true,\"retain_handling\":2,\"identifier\":null}]",
                        json);
                    Check.Equal("{\"clients\":[" + json + "]}", broker.ListClients(), "the same in a page");
                    client.Disconnect();
                }
                Check.Until(() => IsAway(broker, "gerät"), "away");
                Check.True(NumberOf(broker.GetClient("gerät"), "disconnected_at_ms") > 0, "when it went");
                using (broker.Connected("other")) Says("\"username\":null,", broker.GetClient("other"));
                Check.Until(() => broker.GetClient("other") == null, "gone with its connection");
                broker.Stop(TimeSpan.FromSeconds(5));
                broker.Start();
                Check.True(broker.GetClient("gerät") == null, "gone with the run");
            }
        }

        private static void Pages()
        {
            const int Count = 120;
            using (var broker = Setup.Started())
            {
                // Not in their order.
                for (var number = 0; number < Count; number++)
                {
                    using (var client = Kept(broker, (number * 7 % Count).ToString("'c'000"))) client.Disconnect();
                }
                foreach (var limit in new uint[] { 0, 50, 60, 1000 })
                {
                    var seen = 0;
                    var pages = 0;
                    var query = new ClientQuery { Limit = limit };
                    do
                    {
                        var page = Listing(broker, query).Split(new[] { " > " }, StringSplitOptions.None);
                        foreach (var listed in page[0].Split(' '))
                        {
                            Check.Equal(seen++.ToString("'c'000"), listed, "next");
                        }
                        query.After = page.Length > 1 ? page[1] : null;
                        pages++;
                    }
                    while (query.After != null);
                    Check.Equal(Count, seen, "seen");
                    var room = limit == 0 ? 100 : (int)limit;
                    Check.Equal((Count + room - 1) / room, pages, "pages");
                }
                var some = new ClientQuery { ClientIdPrefix = "c00", Limit = 2 };
                Check.Equal("c000 c001 > c001", Listing(broker, some), "the first ones");
                some.After = "c007";
                Check.Equal("c008 c009", Listing(broker, some), "the last ones");
            }
        }

        private static void Queries()
        {
            var users = new[] { "anna", "bert", null };
            using (var broker = Setup.Started(config: TwoListeners))
            {
                var clients = Enumerable.Range(0, 6).Select(
                    index =>
                    {
                        var client = new MqttClient(broker.Listeners[index / 3].Port);
                        var name = (index % 2 == 0 ? "a" : "b") + index;
                        Check.Equal(0, client.Connect(name, users[index % 3], clean: false), "CONNACK");
                        return client;
                    }).ToArray();
                clients[0].Disconnect();
                Check.Until(() => IsAway(broker, "a0"), "away");

                Action<string, ClientQuery> expect =
                    (expected, query) => Check.Equal(expected, Listing(broker, query), "listed");
                const string Everyone = "a0 a2 a4 b1 b3 b5";
                expect(Everyone, null);
                expect(Everyone, new ClientQuery());
                expect(Everyone, new ClientQuery { Username = "", Listener = "", Address = "", After = "" });
                expect("b1 b3 b5", new ClientQuery { ClientIdPrefix = "b" });
                expect("a0 b3", new ClientQuery { Username = "anna" });
                expect("b3", new ClientQuery { Username = "anna", Connected = Presence.Connected });
                expect("a0", new ClientQuery { Connected = Presence.NotConnected });
                expect("", new ClientQuery { Username = "ann" });
                expect("a4 b3 b5", new ClientQuery { Listener = "two" });
                expect("b3 > b3", new ClientQuery { Listener = "two", ClientIdPrefix = "b", Limit = 1 });
                expect("b3 b5", new ClientQuery { After = "b2" });
                expect(Everyone, new ClientQuery { Address = "127.0.0.1" });
                expect("", new ClientQuery { Address = "127.0.0" });
                var address = Regex.Match(broker.GetClient("a4"), "\"address\":\"([^\"]*)\"").Groups[1].Value;
                expect("a4", new ClientQuery { Address = address });
                foreach (var client in clients) client.Dispose();
            }
        }

        private static Hooks AllOfEnds(Lines lines)
        {
            return new Hooks
            {
                Disconnected = gone => lines.Add("gone", gone.Client.Serial, gone.By, gone.ReasonCode),
                SessionTerminated = session => lines.Add("terminated", session.Client.Serial, session.End),
                WillPublished = will => lines.Add("will", will.Message.Topic, will.Message.Text),
            };
        }

        private static void Disconnected()
        {
            foreach (byte level in new[] { 4, 5 })
            {
                var lines = new Lines();
                using (var broker = Setup.Started(AllOfEnds(lines)))
                {
                    using (var client = new MqttClient(broker.Port()))
                    {
                        var will = Encoding.UTF8.GetBytes("gone");
                        Check.Equal(0, client.Connect("c", willTopic: "will", will: will, level: level), "CONNACK");
                        broker.Disconnect("c", 0x98);
                        ExpectEnd(client, level, 0x98);
                        lines.Expect("gone 1 Broker 152", "will will gone", "terminated 1 Disconnected");
                    }
                    using (var client = Kept(broker, "c", level))
                    {
                        broker.Disconnect("c", 0x00);
                        ExpectEnd(client, level, 0x00);
                        lines.Expect("gone 2 Broker 0");
                    }
                    Check.True(IsAway(broker, "c"), "the session is still there");
                    Check.Equal(
                        Status.NotFound, Setup.StatusOf(() => broker.Disconnect("c", 0x98), "away"), "status");
                }
            }
        }

        private static void Discarded()
        {
            foreach (byte level in new[] { 4, 5 })
            {
                var lines = new Lines();
                using (var broker = Setup.Started(AllOfEnds(lines)))
                {
                    using (var client = Kept(broker, "c", level))
                    {
                        broker.SubscribeClient("c", "t");
                        broker.Disconnect("c", 0x8e, discardSession: true);
                        ExpectEnd(client, level, 0x8e);
                        lines.Expect("gone 1 Broker 142", "terminated 1 Discarded");
                        Check.True(broker.GetClient("c") == null, "there is none");
                    }
                    Leave(broker, "c");
                    broker.SubscribeClient("c", "t");
                    broker.Disconnect("c", 0x98, true);
                    Check.True(broker.GetClient("c") == null, "not found any more");
                    Check.Equal("", Listing(broker), "nor listed");
                    lines.Expect("gone 2 Client 0", "terminated 2 Discarded");
                    Check.Equal(
                        Status.NotFound, Setup.StatusOf(() => broker.Disconnect("c", 0x98, true), "gone"), "status");
                    Check.Equal(0L, broker.SubscriberCount("t"), "subscribers");
                    using (var client = Kept(broker, "c", level)) Check.True(!client.SessionPresent, "a new session");
                }
            }
        }

        private static void Subscribed()
        {
            var lines = new Lines();
            var hooks = new Hooks
            {
                AuthorizeSubscribe = (subscribe, stopping) =>
                {
                    lines.Add("asked", subscribe.Filter);
                    return Task.FromResult(Verdict.Deny);
                },
                AuthorizeUnsubscribe = (unsubscribe, stopping) =>
                {
                    lines.Add("asked", unsubscribe.Filter);
                    return Task.FromResult(Verdict.Deny);
                },
                Subscribed = subscribed => lines.Add(
                    "+", subscribed.Client.ClientId, subscribed.Filter, subscribed.Granted, subscribed.QoS),
                Unsubscribed = unsubscribed => lines.Add("-", unsubscribed.Client.ClientId, unsubscribed.Filter),
            };
            using (var broker = Setup.Started(hooks))
            {
                broker.SetRetained("r/1", "kept");
                using (var client = Kept(broker, "ä"))
                {
                    broker.SubscribeClient("ä", "r/#");
                    Check.Equal("r/1 kept", client.Receive(), "retained");
                    Check.True(client.Retained, "retained");
                    broker.SubscribeClient("ä", "$SYS/#");
                    broker.SubscribeClient("ä", "a/ß", new ClientSubscription { QoS = 1 });
                    broker.SubscribeClient("ä", "$share/g/s");
                    broker.Publish("s", "shared");
                    Check.Equal("s shared", client.Receive(), "shared");
                    broker.UnsubscribeClient("ä", "$share/g/s");
                    broker.Publish("a/ß", "live", new PublishOptions { QoS = 1 });
                    Check.Equal("a/ß live", client.Receive(1), "message");
                    client.SendPuback();
                    client.Disconnect();
                }
                lines.Expect(
                    "+ ä r/# r/# 0", "+ ä $SYS/# $SYS/# 0", "+ ä a/ß a/ß 1", "+ ä $share/g/s $share/g/s 0",
                    "- ä $share/g/s");

                // While it is away, too: what it misses waits for it.
                Check.Until(() => IsAway(broker, "ä"), "away");
                broker.UnsubscribeClient("ä", "r/#");
                broker.SubscribeClient("ä", "r/1", new ClientSubscription { RetainHandling = 2 });
                broker.SubscribeClient("ä", "b", new ClientSubscription { QoS = 1 });
                broker.Publish("b", "missed", new PublishOptions { QoS = 1 });
                lines.Expect("- ä r/#", "+ ä r/1 r/1 0", "+ ä b b 1");
                using (var client = Kept(broker, "ä")) Check.Equal("b missed", client.Receive(1), "message");
            }
        }

        private static void SubscribedWithOptions()
        {
            using (var broker = Setup.Started())
            using (var client = broker.Connected("c", 5))
            {
                broker.SetRetained("t", "kept");
                var options = new ClientSubscription
                {
                    Identifier = 268435455,
                    NoLocal = true,
                    RetainAsPublished = true,
                    RetainHandling = 1,
                };
                broker.SubscribeClient("c", "t", options);
                Check.Equal("t kept", client.Receive(), "retained, for a new subscription");
                broker.SubscribeClient("c", "t", options);
                Check.Equal(0x10, client.Publish1("t", "own"), "PUBACK: nobody gets it");
                broker.Publish("t", "next", new PublishOptions { QoS = 1, Retain = true });
                Check.Equal("t next", client.Receive(), "neither once more, nor its own");
                Check.True(client.Retained, "retain flag as published");
                Check.Equal("268435455", client.Found[MqttProperties.SubscriptionId], "identifier");
                Says(
                    "\"subscriptions\":[{\"filter\":\"t\",\"granted\":\"t\",\"qos\":0,\"no_local\":true,"
                        + "\"retain_as_published\":true,\"retain_handling\":1,\"identifier\":268435455}]",
                    broker.GetClient("c"));

                // In place of these: the defaults.
                broker.SubscribeClient("c", "t");
                Check.Equal("t next", client.Receive(), "retained");
                Check.True(client.Found[MqttProperties.SubscriptionId] == null, "no identifier");
                client.Publish("t", "own");
                Check.Equal("t own", client.Receive(), "its own");
                Check.Equal(1L, broker.GetStats().Subscriptions, "subscriptions");
            }
        }

        private static void Counted()
        {
            using (var broker = Setup.Started())
            using (broker.Connected("here"))
            {
                Leave(broker, "away");
                Check.Equal(0L, broker.SubscriberCount("ä/b"), "nobody");
                broker.SubscribeClient("here", "ä/+");
                broker.SubscribeClient("here", "#");
                broker.SubscribeClient("away", "ä/b");
                Check.Equal(2L, broker.SubscriberCount("ä/b"), "sessions");
                broker.SubscribeClient("here", "$share/g/ä/b");
                broker.SubscribeClient("away", "$share/g/ä/b");
                Check.Equal(3L, broker.SubscriberCount("ä/b"), "with a shared group");
                using (broker.Subscribe("ä/#", message => { }))
                {
                    Check.Equal(4L, broker.SubscriberCount("ä/b"), "with the program");
                    Check.Equal(1L, broker.SubscriberCount("c"), "of another topic");
                    Check.Equal(0L, broker.SubscriberCount("$c"), "of a topic with $");
                }
                Check.Equal(3L, broker.SubscriberCount("ä/b"), "without the program");
            }
        }

        private static void Explained()
        {
            var asked = 0;
            using (var broker = Setup.Started())
            using (var client = broker.Connected("ä", 5))
            {
                Action<ClientAction, string, string> expect = (action, topic, part) =>
                {
                    var name = action == ClientAction.Publish ? "publish" : "subscribe";
                    var json = broker.Explain("ä", action, topic);
                    var head = "{\"client_id\":\"ä\",\"action\":\"" + name + "\",\"topic\":\"" + topic + "\",";
                    Says(head + part, json);
                    Says("\"detail\":\"", json);
                };
                expect(ClientAction.Publish, "a/ß", "\"allowed\":true,\"decided_by\":\"default\",");
                expect(ClientAction.Publish, "a/#", "\"allowed\":false,\"decided_by\":\"validation\",");
                expect(ClientAction.Subscribe, "a/#", "\"allowed\":true,\"decided_by\":\"default\",");
                const string Rule =
                    "\"allowed\":false,\"decided_by\":\"rule\",\"rule\":\"acl.sys_topics\",\"reason_code\":135,";
                expect(ClientAction.Subscribe, "$SYS/#", Rule);
                expect(ClientAction.Publish, "$SYS/x", Rule);
                Check.Equal(0L, broker.GetStats().Subscriptions, "nothing is done");
                Check.Equal(0x87, client.TrySubscribe("$SYS/#", 0), "it is what happens");
                Check.Equal(0x87, client.Publish1("$SYS/x", "x"), "it is what happens");

                broker.SetHooks(
                    new Hooks
                    {
                        AuthorizePublish = (publish, stopping) =>
                        {
                            Interlocked.Increment(ref asked);
                            return Task.FromResult(Verdict.Deny);
                        },
                    });
                expect(
                    ClientAction.Publish, "a",
                    "\"allowed\":null,\"decided_by\":\"hook\",\"hook\":\"authorize_publish\",");
                Check.Equal(0, asked, "asked");
                Check.Equal(0x87, client.Publish1("a", "x"), "the hook says");
            }
        }

        /// <summary>About the very client that the callback is called for.</summary>
        private static void FromCallbacks()
        {
            Broker broker = null;
            var lines = new Lines();
            var hooks = new Hooks
            {
                Connected = connected =>
                {
                    var name = connected.Client.ClientId;
                    Says("\"connected\":true", broker.GetClient(name));
                    if (name == "unwanted") broker.Disconnect(name, 0x98, true);
                },
                Subscribed = subscribed =>
                {
                    var name = subscribed.Client.ClientId;
                    if (subscribed.Filter != "a") return;
                    Says("\"filter\":\"a\"", broker.GetClient(name));
                    Says("\"allowed\":true", broker.Explain(name, ClientAction.Subscribe, "a"));
                    Check.Equal(1L, broker.SubscriberCount("a"), "subscribers");
                    broker.SubscribeClient(name, "b");
                    broker.UnsubscribeClient(name, "a");
                    lines.Add(Listing(broker));
                },
                SessionTerminated = session => lines.Add(session.Client.ClientId, session.End),
            };
            using (broker = new Broker(Setup.Open, hooks))
            {
                broker.CallbackFailed += (sender, failure) => lines.Add(failure.Exception);
                broker.Start();
                using (var unwanted = Kept(broker, "unwanted", 5)) ExpectEnd(unwanted, 5, 0x98);
                lines.Expect("unwanted Discarded");
                using (var client = broker.Connected("c"))
                {
                    client.Subscribe("a");
                    lines.Expect("c");
                    broker.Publish("a", "not any more");
                    broker.Publish("b", "b");
                    Check.Equal("b b", client.Receive(), "message");
                    Action<Message> end = message => broker.Disconnect(message.Text, 0x98);
                    using (broker.Subscribe("end", end))
                    {
                        broker.Publish("end", "c");
                        ExpectEnd(client, 4, 0x98);
                    }
                }
                lines.Expect("c Disconnected");
            }
        }

        private static void Load()
        {
            using (var broker = Setup.Started(config: Setup.Open.Insert(1, "\"limits\":{\"max_inflight\":2},")))
            {
                var stats = broker.GetStats();
                var all = stats.QueuedMessages + stats.QueuedBytes + stats.InFlight + stats.DelayedMessages;
                Check.Equal(0L, all, "nothing yet");
                Leave(broker, "c");
                broker.SubscribeClient("c", "t", new ClientSubscription { QoS = 1 });
                broker.PublishNumbers("t", 1, 1, 4);
                broker.Publish("t", "later", new PublishOptions { Delay = TimeSpan.FromHours(1) });
                stats = broker.GetStats();
                Check.Equal(4L, stats.QueuedMessages, "queued");
                Check.Equal(0L, stats.InFlight, "in flight");
                Check.Equal(1L, stats.DelayedMessages, "delayed");
                Check.Equal(stats.QueuedBytes, NumberOf(broker.GetClient("c"), "queued_bytes"), "bytes");
                Check.True(stats.QueuedBytes > 4, "bytes");

                using (var client = Kept(broker, "c"))
                {
                    Check.Equal("t 1", client.Receive(1), "message");
                    Check.Equal("t 2", client.Receive(1), "message");
                    Check.Until(() => broker.GetStats().InFlight == 2, "in flight");
                    Check.Equal(2L, broker.GetStats().QueuedMessages, "queued");
                    Check.Equal(stats.QueuedBytes / 2, broker.GetStats().QueuedBytes, "bytes");
                    client.SendPuback();
                    Check.Equal("t 3", client.Receive(1), "message");
                    Check.Until(() => broker.GetStats().QueuedMessages == 1, "queued");
                    Check.Equal(2L, NumberOf(broker.GetClient("c"), "in_flight"), "in flight");
                    broker.Disconnect("c", 0x98, true);
                    ExpectEnd(client, 4, 0x98);
                }
                Check.Until(() => broker.GetStats().Sessions == 0, "discarded");
                stats = broker.GetStats();
                Check.Equal(0L, stats.QueuedMessages + stats.QueuedBytes + stats.InFlight, "nothing is left");
            }
        }

        private static void BytesCounted()
        {
            using (var broker = Setup.Started())
            {
                Check.Equal(0L, broker.GetStats().BytesReceived + broker.GetStats().BytesSent, "nothing yet");
                using (var client = broker.Connected("b"))
                {
                    client.Subscribe("t");
                    client.Publish("t", "x");
                    Check.Equal("t x", client.Receive(), "message");
                    // CONNECT, SUBSCRIBE, PUBLISH; CONNACK, SUBACK, PUBLISH.
                    const long Said = 15 + 8 + 6;
                    const long Heard = 4 + 5 + 6;
                    Check.Until(() => broker.GetStats().BytesSent == Heard, "sent");
                    Check.Equal(Said, broker.GetStats().BytesReceived, "received");
                    var json = broker.GetClient("b");
                    Check.Equal(Said, NumberOf(json, "bytes_received"), "received");
                    Check.Equal(Heard, NumberOf(json, "bytes_sent"), "sent");
                    client.Disconnect();
                    Check.Until(() => broker.GetStats().BytesReceived == Said + 2, "with DISCONNECT");
                }
            }
        }

        private static void ManyThreads()
        {
            using (var broker = Setup.Started())
            {
                var over = false;
                Action<string> meddle = name =>
                {
                    broker.ListClients();
                    broker.GetClient(name);
                    broker.SubscriberCount("a");
                    broker.SubscribeClient(name, "a", new ClientSubscription { QoS = 1 });
                    broker.Publish("a", "x");
                    broker.Explain(name, ClientAction.Publish, "a");
                    broker.UnsubscribeClient(name, "a");
                    broker.Disconnect(name, 0x98, true);
                };
                var meddlers = Enumerable.Range(0, 3).Select(
                    index => Task.Factory.StartNew(
                        () =>
                        {
                            for (var round = index; !Volatile.Read(ref over); round++)
                            {
                                // Until a connection has closed, its queue may fill up.
                                try
                                {
                                    meddle("c" + round % 3);
                                }
                                catch (RmqttException exception) when (
                                    exception.Status == Status.NotFound || exception.Status == Status.WouldBlock)
                                {
                                }
                            }
                        },
                        TaskCreationOptions.LongRunning)).ToArray();
                for (var round = 0; round < 200; round++)
                {
                    using (var client = new MqttClient(broker.Port()))
                    {
                        // It may be disconnected at any time.
                        client.SendConnect("c" + round % 3, clean: round % 2 == 0);
                        client.ReadConnack();
                    }
                }
                Volatile.Write(ref over, true);
                Check.True(Task.WaitAll(meddlers, Check.Patience), "the others end");
                for (var index = 0; index < 3; index++)
                {
                    try
                    {
                        broker.Disconnect("c" + index, 0x98, true);
                    }
                    catch (RmqttException exception) when (exception.Status == Status.NotFound)
                    {
                        // It has gone already.
                    }
                }
                Check.Until(() => broker.GetStats().Sessions == 0, "all are gone");
                Check.Equal(0L, broker.GetStats().Subscriptions, "subscriptions");
                Check.Equal(0L, broker.GetStats().ConnectionPanics, "panics");
            }
        }

        private static void Mistakes()
        {
            using (var broker = new Broker(Setup.Open.Insert(1, "\"limits\":{\"max_qos\":1,\"max_topic_levels\":3},")))
            {
                Action<Status, Action> expect =
                    (status, call) => Check.Equal(status, Setup.StatusOf(call, "mistake"), "status");
                Action[] all =
                {
                    () => broker.ListClients(),
                    () => broker.GetClient("c"),
                    () => broker.Disconnect("c", 0),
                    () => broker.SubscribeClient("c", "t"),
                    () => broker.UnsubscribeClient("c", "t"),
                    () => broker.SubscriberCount("t"),
                    () => broker.Explain("c", ClientAction.Publish, "t"),
                };
                foreach (var call in all) expect(Status.InvalidState, call);
                broker.Start();
                using (broker.Connected("c"))
                {
                    Action<ClientSubscription> subscribe = options => broker.SubscribeClient("c", "t", options);
                    Action[] invalid =
                    {
                        () => broker.ListClients(new ClientQuery { Limit = 1001 }),
                        () => broker.ListClients(new ClientQuery { Connected = (Presence)3 }),
                        () => broker.Disconnect("c", 0x04),
                        () => broker.Disconnect("c", 0x84, true),
                        () => subscribe(new ClientSubscription { QoS = 2 }),
                        () => subscribe(new ClientSubscription { RetainHandling = 3 }),
                        () => subscribe(new ClientSubscription { Identifier = 268435456 }),
                        () => broker.SubscribeClient("c", "$share/g/t", new ClientSubscription { NoLocal = true }),
                        () => broker.SubscribeClient("c", "a/#/b"),
                        () => broker.SubscribeClient("c", ""),
                        () => broker.SubscribeClient("c", "a/b/c/d"),
                        () => broker.UnsubscribeClient("c", "a/#/b"),
                        () => broker.SubscriberCount("a/+"),
                        () => broker.Explain("c", 0, "t"),
                        () => broker.Explain("c", (ClientAction)3, "t"),
                    };
                    foreach (var call in invalid) expect(Status.InvalidArgument, call);
                    Action[] unknown =
                    {
                        () => broker.Disconnect("x", 0),
                        () => broker.Disconnect("x", 0, true),
                        () => broker.SubscribeClient("x", "t"),
                        () => broker.UnsubscribeClient("x", "t"),
                        () => broker.UnsubscribeClient("c", "t"),
                        () => broker.Explain("x", ClientAction.Publish, "t"),
                    };
                    foreach (var call in unknown) expect(Status.NotFound, call);
                    Action[] nulls =
                    {
                        () => broker.GetClient(null),
                        () => broker.Disconnect(null, 0),
                        () => broker.SubscribeClient(null, "t"),
                        () => broker.SubscribeClient("c", null),
                        () => broker.UnsubscribeClient(null, "t"),
                        () => broker.UnsubscribeClient("c", null),
                        () => broker.SubscriberCount(null),
                        () => broker.Explain(null, ClientAction.Publish, "t"),
                        () => broker.Explain("c", ClientAction.Publish, null),
                    };
                    foreach (var call in nulls) Check.Throws<ArgumentNullException>(call, "null");
                    const string Half = "c\ud800";
                    Check.Throws<EncoderFallbackException>(() => broker.GetClient(Half), "half a character");
                    Check.Throws<EncoderFallbackException>(
                        () => broker.ListClients(new ClientQuery { ClientIdPrefix = Half }), "half a character");
                    Check.Equal(0L, broker.GetStats().Subscriptions, "nothing is done");
                    Check.Equal(1L, broker.ConnectedClients, "nothing is done");

                    // Not a mistake: it is explained.
                    Says("\"topic\":\"a\\u0000b\"", broker.Explain("c", ClientAction.Publish, "a\0b"));
                }
                broker.Stop(TimeSpan.FromSeconds(5));
                foreach (var call in all) expect(Status.InvalidState, call);
            }
        }
    }
}
