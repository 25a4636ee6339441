using System;
using System.Collections.Concurrent;
using System.Linq;
using System.Text;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    /// <summary>Who gets a message, as what, and the MQTT 5 properties of messages and answers.</summary>
    internal static class ForwardTests
    {
        private const int NotAuthorized = 0x87;

        internal static void Register(Action<string, Action> test)
        {
            test("forward: a message is dropped, changed, lowered for one client", Forward);
            test("forward: a task decides later", DeferredForward);
            test("forward: an exception drops the message", Exceptions);
            test("properties: from a client to the program, and on", Through);
            test("properties: replaced, and taken away", Replaced);
            test("properties: reason strings and user properties in answers", Answers);
            test("properties: the values themselves", Values);
        }

        private static void Forward()
        {
            var seen = new ConcurrentQueue<ForwardEvent>();
            var hooks = new Hooks
            {
                AuthorizeForward = (forward, stopping) =>
                {
                    if (forward.Client.ClientId != "picky") return Task.FromResult(Verdict.Allow);
                    seen.Enqueue(forward);
                    return Task.FromResult(Decide(forward.Message.Topic));
                },
            };
            using (var broker = Setup.Started(hooks))
            using (var pump = broker.Connected("pump", 5))
            using (var picky = broker.Connected("picky", 5))
            using (var other = broker.Connected("other", 5))
            {
                Check.Equal(1, picky.TrySubscribe("#", 1), "granted QoS");
                Check.Equal(1, other.TrySubscribe("#", 1), "granted QoS");
                foreach (var topic in new[] { "secret", "denied", "payload", "properties", "lower", "plain" })
                {
                    Check.Equal(0, pump.Publish1(topic, "x"), "PUBACK of " + topic);
                    Check.Equal(topic + " x", other.Receive(1), "for the other client");
                    Check.Equal(0, other.Found.Count, "properties for the other client");
                }
                Check.Equal("gar/ß y\0z", picky.Receive(1), "topic and payload changed");
                Check.Equal("properties x", picky.Receive(1), "properties changed");
                Check.Equal("text/plain", picky.Found[MqttProperties.ContentType], "content type");
                Check.Equal("a=1, a=ü", picky.Found[MqttProperties.User], "user properties");
                Check.Equal("lower x", picky.Receive(), "QoS changed");
                Check.Equal("plain x", picky.Receive(1), "nothing changed");
                Check.Equal(6, seen.Count, "asked once for each message");
                ForwardEvent forward;
                seen.TryDequeue(out forward);
                Check.Equal("secret", forward.Message.Topic, "topic");
                Check.Equal("pump", forward.Message.Publisher.ClientId, "publisher");
                Check.Equal((byte)1, forward.QoS, "QoS");
                Check.True(!forward.Retain, "retain");
                Check.Equal(2L, broker.GetHookStats(Hook.AuthorizeForward).Denied, "denied");
                Check.Equal(0L, broker.GetStats().DecisionsPending, "pending");
            }
        }

        private static Verdict Decide(string topic)
        {
            switch (topic)
            {
                case "secret":
                    return Verdict.Drop;
                case "denied":
                    return Verdict.DenyWith(0x99);
                case "payload":
                    return Verdict.AllowWith(
                        new Changes { Topic = "gar/ß", Payload = new byte[] { 121, 0, 122 } });
                case "properties":
                    var properties = new Properties
                    {
                        ContentType = "text/plain",
                        UserProperties = { { "a", "1" }, { "a", "ü" } },
                    };
                    return Verdict.AllowWith(new Changes { Properties = properties });
                case "lower":
                    return Verdict.AllowWith(new Changes { QoS = 0 });
                default:
                    return Verdict.Allow;
            }
        }

        private static void DeferredForward()
        {
            var gate = new TaskCompletionSource<Verdict>();
            var hooks = new Hooks { AuthorizeForward = (forward, stopping) => gate.Task };
            using (var broker = Setup.Started(hooks))
            using (var client = broker.Connected("c", 5))
            {
                client.Subscribe("#");
                broker.Publish("a", "x");
                broker.Publish("b", "x");
                Check.Until(() => broker.GetStats().DecisionsPending > 0, "a pending decision");
                gate.SetResult(Verdict.AllowWith(new Changes { Payload = Encoding.UTF8.GetBytes("später") }));
                Check.Equal("a später", client.Receive(), "the first");
                Check.Equal("b später", client.Receive(), "the second");
            }
        }

        private static void Exceptions()
        {
            var hooks = new Hooks
            {
                AuthorizeForward = async (forward, stopping) =>
                {
                    if (forward.Message.Topic == "now") throw new Exception("one");
                    await Task.Yield();
                    if (forward.Message.Topic == "later") throw new Exception("two");
                    return Verdict.Allow;
                },
            };
            using (var broker = Setup.Started(hooks))
            using (var client = broker.Connected("c"))
            {
                var told = new ConcurrentQueue<string>();
                broker.CallbackFailed += (sender, failure) =>
                    told.Enqueue(failure.Callback + ": " + failure.Exception.Message);
                client.Subscribe("#");
                broker.Publish("now", "x");
                broker.Publish("later", "x");
                broker.Publish("good", "x");
                Check.Equal("good x", client.Receive(), "the message");
                Check.Equal(
                    "AuthorizeForward: one, AuthorizeForward: two", string.Join(", ", told), "told");
                var stats = broker.GetHookStats(Hook.AuthorizeForward);
                Check.Equal(2L, stats.Failed, "failed");
                Check.Equal(0L, stats.Denied, "denied");
                Check.Equal(1L, stats.Allowed, "allowed");
            }
        }

        private static MqttProperties All()
        {
            return new MqttProperties()
                .Add(MqttProperties.PayloadFormat, 1)
                .Add(MqttProperties.MessageExpiry, 100)
                .Add(MqttProperties.ContentType, "text/plain")
                .Add(MqttProperties.ResponseTopic, "antwort/ß")
                .Add(MqttProperties.CorrelationData, "a\0b")
                .AddUser("a", "1")
                .AddUser("ü", "")
                .AddUser("a", "2");
        }

        private static void CheckAll(Properties properties)
        {
            Check.Equal((byte)1, properties.PayloadFormatIndicator, "payload format");
            var expiry = properties.MessageExpiry.Value;
            Check.True(expiry > TimeSpan.FromSeconds(70) && expiry <= TimeSpan.FromSeconds(100), "message expiry");
            Check.Equal("text/plain", properties.ContentType, "content type");
            Check.Equal("antwort/ß", properties.ResponseTopic, "response topic");
            Check.Equal("a\0b", Encoding.UTF8.GetString(properties.CorrelationData), "correlation data");
            Check.Equal("a=1, ü=, a=2", string.Join(", ", properties.UserProperties), "user properties");
        }

        private static void Through()
        {
            var asked = new TaskCompletionSource<Message>();
            var subscribed = new TaskCompletionSource<Message>();
            var bare = new TaskCompletionSource<Message>();
            var hooks = new Hooks
            {
                AuthorizePublish = (publish, stopping) =>
                {
                    asked.TrySetResult(publish.Message);
                    // What has come may go on, changed or not.
                    var properties = publish.Message.Properties;
                    if (properties == null) return Task.FromResult(Verdict.Allow);
                    properties.UserProperties.Add("seen", "yes");
                    return Task.FromResult(Verdict.AllowWith(new Changes { Properties = properties }));
                },
            };
            using (var broker = Setup.Started(hooks))
            using (var pump = broker.Connected("pump", 5))
            using (var client = broker.Connected("c", 5))
            using (broker.Subscribe("a", message => subscribed.TrySetResult(message)))
            using (broker.Subscribe("bare", message => bare.TrySetResult(message)))
            {
                client.Subscribe("a");
                Check.Equal(0, pump.Publish1("a", "x", All()), "PUBACK");
                var question = Check.Result(asked.Task, "the hook").Properties;
                Check.Equal("seen=yes", question.UserProperties.Last().ToString(), "what the hook has added");
                question.UserProperties.RemoveAt(3);
                CheckAll(question);
                var message = Check.Result(subscribed.Task, "the subscription").Properties;
                Check.Equal("seen=yes", message.UserProperties[3].ToString(), "what the hook has added");
                message.UserProperties.RemoveAt(3);
                CheckAll(message);
                Check.Equal("a x", client.Receive(), "the message");
                Check.Equal("1", client.Found[MqttProperties.PayloadFormat], "payload format");
                Check.True(int.Parse(client.Found[MqttProperties.MessageExpiry]) > 70, "message expiry");
                Check.Equal("text/plain", client.Found[MqttProperties.ContentType], "content type");
                Check.Equal("antwort/ß", client.Found[MqttProperties.ResponseTopic], "response topic");
                Check.Equal("a\0b", client.Found[MqttProperties.CorrelationData], "correlation data");
                Check.Equal("a=1, ü=, a=2, seen=yes", client.Found[MqttProperties.User], "user properties");
                broker.Publish("bare", "x");
                Check.True(Check.Result(bare.Task, "the subscription").Properties == null, "none is null");
            }
        }

        private static void Replaced()
        {
            var hooks = new Hooks
            {
                AuthorizePublish = (publish, stopping) =>
                {
                    var properties = new Properties();
                    if (publish.Message.Topic == "new")
                    {
                        properties.CorrelationData = new byte[0];
                        properties.MessageExpiry = TimeSpan.FromSeconds(50);
                        properties.ResponseTopic = "r";
                    }
                    return Task.FromResult(Verdict.AllowWith(new Changes { Properties = properties }));
                },
            };
            using (var broker = Setup.Started(hooks))
            using (var pump = broker.Connected("pump", 5))
            using (var client = broker.Connected("c", 5))
            {
                client.Subscribe("#");
                pump.Publish("none", "x", properties: All());
                pump.Publish("new", "x", properties: All());
                Check.Equal("none x", client.Receive(), "the first");
                Check.Equal(0, client.Found.Count, "properties taken away");
                Check.Equal("new x", client.Receive(), "the second");
                Check.Equal(3, client.Found.Count, "properties replaced");
                Check.Equal("", client.Found[MqttProperties.CorrelationData], "correlation data");
                Check.Equal("r", client.Found[MqttProperties.ResponseTopic], "response topic");
                Check.True(int.Parse(client.Found[MqttProperties.MessageExpiry]) <= 50, "message expiry");
            }
        }

        private static void Answers()
        {
            Func<string, Answer> answer = topic => new Answer
            {
                Reason = "über " + topic,
                UserProperties = { { "topic", topic }, { "who", "hook" } },
            };
            var hooks = new Hooks
            {
                AuthorizePublish = async (publish, stopping) =>
                {
                    var topic = publish.Message.Topic;
                    if (topic == "later") await Task.Yield();
                    return (topic == "no" ? Verdict.Deny : Verdict.Allow).With(answer(topic));
                },
                AuthorizeSubscribe = (subscribe, stopping) =>
                    Task.FromResult(
                        Verdict.AllowWith(new Changes { QoS = 0 }).With(answer(subscribe.Filter))),
                AuthorizeUnsubscribe = (unsubscribe, stopping) =>
                    Task.FromResult(Verdict.DenyWith(0x83, "lost").With(answer(unsubscribe.Filter))),
            };
            using (var broker = Setup.Started(hooks))
            using (var client = broker.Connected("c", 5))
            {
                Action<string> check = topic =>
                {
                    Check.Equal("über " + topic, client.Reason, "reason string of " + topic);
                    Check.Equal(
                        "topic=" + topic + ", who=hook", client.Found[MqttProperties.User],
                        "user properties of " + topic);
                };
                Check.Equal(NotAuthorized, client.Publish1("no", "x"), "PUBACK of no");
                check("no");
                Check.True((client.Publish1("yes", "x") & 0x80) == 0, "PUBACK of yes");
                check("yes");
                Check.True((client.Publish1("later", "x") & 0x80) == 0, "PUBACK of later");
                check("later");
                Check.Equal(0, client.TrySubscribe("filter", 1), "SUBACK");
                check("filter");
                Check.Equal(0x83, client.Unsubscribe("filter"), "UNSUBACK");
                check("filter");
                Check.Equal(0L, broker.GetStats().DecisionsPending, "pending");
            }
        }

        private static void Values()
        {
            Check.Throws<ArgumentException>(() => new UserProperty("a", null), "a user property without a value");
            Check.Throws<ArgumentException>(() => new UserProperty("\ud800", ""), "a name that is no Unicode");
            Check.Throws<ArgumentNullException>(() => new UserProperties().Add(null), "no user property");
            var properties = new Properties { PayloadFormatIndicator = 2 };
            var changes = new Changes { Properties = properties };
            Check.Throws<ArgumentOutOfRangeException>(() => Verdict.AllowWith(changes), "a payload format");
            properties.PayloadFormatIndicator = 0;
            properties.MessageExpiry = TimeSpan.FromSeconds(-1);
            Check.Throws<ArgumentOutOfRangeException>(() => Verdict.AllowWith(changes), "a message expiry");
            properties.MessageExpiry = null;
            properties.ContentType = "\ud800";
            Check.Throws<ArgumentException>(() => Verdict.AllowWith(changes), "a content type that is no Unicode");
        }
    }
}
