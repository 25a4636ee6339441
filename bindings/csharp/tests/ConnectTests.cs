using System;
using System.Collections.Concurrent;
using System.Text;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    /// <summary>What a client says and is told when it connects, round by round if it wants.</summary>
    internal static class ConnectTests
    {
        private const int NotAuthorized = 0x87;
        private const int BadMethod = 0x8c;
        private const int ContinueAuthentication = 0x18;
        private const int ReAuthenticate = 0x19;

        internal static void Register(Action<string, Action> test)
        {
            test("connect: all that CONNECT of MQTT 5 says", Details);
            test("connect: client id, superuser, session expiry, keep alive", Granted);
            test("connect: a superuser publishes to $SYS", Superuser);
            test("connect: another server", OtherServer);
            test("connect: the values themselves", Values);
            test("exchange: two rounds", TwoRounds);
            test("exchange: a task decides about each round", DeferredRounds);
            test("exchange: denied, continued elsewhere, without a hook", Denied);
            test("exchange: an exception denies", Exceptions);
            test("exchange: once more on a connection", Again);
        }

        private static void Details()
        {
            var seen = new TaskCompletionSource<AuthEvent>();
            var old = new TaskCompletionSource<AuthEvent>();
            var hooks = Setup.Answering(
                connect =>
                {
                    (connect.Client.Protocol == 5 ? seen : old).TrySetResult(connect);
                    return Verdict.Allow;
                });
            using (var broker = Setup.Started(hooks))
            {
                var properties = new MqttProperties()
                    .Add(MqttProperties.SessionExpiry, 77)
                    .Add(MqttProperties.ReceiveMaximum, 11)
                    .Add(MqttProperties.MaximumPacketSize, 4096)
                    .Add(MqttProperties.TopicAliasMaximum, 5)
                    .Add(MqttProperties.RequestResponse, 1)
                    .Add(MqttProperties.RequestProblem, 0)
                    .AddUser("a", "1")
                    .AddUser("a", "ü");
                broker.Connected("c", 5, properties: properties).Dispose();
                var connect = Check.Result(seen.Task, "the hook");
                Check.Equal(TimeSpan.FromSeconds(77), connect.SessionExpiry, "session expiry");
                Check.Equal((ushort)11, connect.ReceiveMaximum, "receive maximum");
                Check.Equal(4096U, connect.MaximumPacketSize, "maximum packet size");
                Check.Equal((ushort)5, connect.TopicAliasMaximum, "topic alias maximum");
                Check.True(connect.RequestResponseInformation, "response information");
                Check.True(!connect.RequestProblemInformation, "problem information");
                Check.Equal("a=1, a=ü", string.Join(", ", connect.UserProperties), "user properties");
                Check.True(!connect.Client.Superuser, "superuser");

                broker.Connected("d", clean: false).Dispose();
                connect = Check.Result(old.Task, "the hook");
                Check.Equal(System.Threading.Timeout.InfiniteTimeSpan, connect.SessionExpiry, "session expiry");
                Check.Equal((ushort)65535, connect.ReceiveMaximum, "receive maximum");
                Check.Equal(0U, connect.MaximumPacketSize, "maximum packet size");
                Check.Equal(0, connect.UserProperties.Count, "user properties");
                Check.True(!connect.CleanStart, "clean start");
            }
        }

        private static Verdict Grant(string clientId)
        {
            var changes = new Changes
            {
                ClientId = clientId,
                SessionExpiry = TimeSpan.FromSeconds(3600),
                KeepAlive = TimeSpan.FromSeconds(7.5),
                Superuser = true,
            };
            var answer = new Answer
            {
                Reason = "willkommen, Jürgen",
                ResponseInformation = "antwort/ß",
                UserProperties = { { "plan", "gold" } },
            };
            return Verdict.AllowWith(changes).With(answer);
        }

        private static void CheckGranted(MqttClient client)
        {
            Check.Equal("3600", client.Found[MqttProperties.SessionExpiry], "session expiry");
            Check.Equal("8", client.Found[MqttProperties.ServerKeepAlive], "keep alive");
            Check.Equal("antwort/ß", client.Found[MqttProperties.ResponseInformation], "response information");
            Check.Equal("willkommen, Jürgen", client.Reason, "reason string");
            Check.Equal("plan=gold", client.Found[MqttProperties.User], "user properties");
        }

        private static void Granted()
        {
            var told = new TaskCompletionSource<Client>();
            var hooks = Setup.Answering(connect => Grant("jürgen"));
            hooks.Connected = connected => told.TrySetResult(connected.Client);
            hooks.AuthorizeSubscribe = (subscribe, stopping) =>
                Task.FromResult(subscribe.Client.Superuser ? Verdict.Allow : Verdict.Deny);
            var properties = new MqttProperties().Add(MqttProperties.RequestResponse, 1);
            using (var broker = Setup.Started(hooks))
            using (var client = broker.Connected("", 5, properties: properties))
            {
                CheckGranted(client);
                Check.Equal("jürgen", client.Found[MqttProperties.AssignedClientId], "client id");
                var seen = Check.Result(told.Task, "the event");
                Check.Equal("jürgen", seen.ClientId, "client id for a hook");
                Check.True(seen.Superuser, "superuser for a hook that is told");
                Check.Equal(0, client.TrySubscribe("a", 0), "superuser for a hook that is asked");
            }
        }

        private static void Superuser()
        {
            var hooks = Setup.Answering(
                connect => Verdict.AllowWith(new Changes { Superuser = connect.ClientId == "root" }));
            using (var broker = Setup.Started(hooks))
            using (var root = broker.Connected("root", 5))
            using (var client = broker.Connected("c", 5))
            {
                Check.Equal(NotAuthorized, client.Publish1("$SYS/a", "x"), "PUBACK of a client");
                Check.True(root.Publish1("$SYS/a", "x") < 0x80, "PUBACK of a superuser");
            }
        }

        private static void OtherServer()
        {
            var hooks = Setup.Answering(
                connect => Verdict.DenyWith(0x9d, "moved").With(new Answer { ServerReference = "other:1883" }));
            using (var broker = Setup.Started(hooks))
            using (var client = new MqttClient(broker.Port()))
            {
                Check.Equal(0x9d, client.Connect("c", level: 5), "CONNACK");
                Check.Equal("other:1883", client.Found[MqttProperties.ServerReference], "server reference");
                Check.Equal("moved", client.Reason, "reason string");
            }
        }

        private static void Values()
        {
            Action<Changes> refused = changes =>
                Check.Throws<ArgumentException>(() => Verdict.AllowWith(changes), "changes that are none");
            refused(new Changes { ClientId = "\ud800" });
            refused(new Changes { KeepAlive = TimeSpan.FromSeconds(65536) });
            refused(new Changes { KeepAlive = System.Threading.Timeout.InfiniteTimeSpan });
            refused(new Changes { SessionExpiry = TimeSpan.FromSeconds(-2) });
            Verdict.AllowWith(new Changes { SessionExpiry = System.Threading.Timeout.InfiniteTimeSpan });
            Check.Throws<ArgumentNullException>(() => Verdict.Allow.With(null), "no answer");
            foreach (var answer in new[]
            {
                new Answer { Reason = "\ud800" },
                new Answer { ResponseInformation = "\ud800" },
                new Answer { ServerReference = "\ud800" },
            })
            {
                Check.Throws<ArgumentException>(() => Verdict.Allow.With(answer), "an answer that is no Unicode");
            }
            var words = Verdict.DenyWith(0x86, "a").With(new Answer());
            Check.Equal("a", words.Reason, "words stay");
            Check.Equal("b", words.With(new Answer { Reason = "b" }).Reason, "until there are others");
            Check.True(Verdict.Continue.IsContinued && !Verdict.Continue.IsAllowed, "continue");
        }

        private static MqttProperties Method(string method, string data)
        {
            var properties = new MqttProperties().Add(MqttProperties.AuthMethod, method);
            return data == null ? properties : properties.Add(MqttProperties.AuthData, data);
        }

        private static string Text(byte[] data)
        {
            return data == null ? null : Encoding.UTF8.GetString(data);
        }

        private static Answer Data(string data)
        {
            return new Answer { AuthData = Encoding.UTF8.GetBytes(data) };
        }

        /// <summary>Challenges a client once, and lets in who answers "ja".</summary>
        private static Verdict Exchange(AuthExchangeEvent exchange)
        {
            if (exchange.Round == 1) return Verdict.Continue.With(Data("wer? " + Text(exchange.Data)));
            if (Text(exchange.Data) != "ja") return Verdict.DenyWith(NotAuthorized, "falsch");
            return (exchange.Again ? Verdict.Allow : Grant("jürgen")).With(Data("gut"));
        }

        private static Hooks Exchanging(ConcurrentQueue<string> seen)
        {
            return new Hooks
            {
                AuthExchange = (exchange, stopping) =>
                {
                    seen.Enqueue(
                        exchange.Client.ClientId + " " + exchange.Method + " " + (Text(exchange.Data) ?? "-") + " "
                            + exchange.Round + " " + exchange.Again);
                    return Task.FromResult(Exchange(exchange));
                },
            };
        }

        private static void TwoRounds()
        {
            var seen = new ConcurrentQueue<string>();
            var told = new TaskCompletionSource<Client>();
            var hooks = Exchanging(seen);
            hooks.Connected = connected => told.TrySetResult(connected.Client);
            using (var broker = Setup.Started(hooks))
            using (var client = new MqttClient(broker.Port()))
            {
                var properties = Method("würfel", "a\0b").Add(MqttProperties.RequestResponse, 1);
                client.SendConnect("c", level: 5, properties: properties);
                Check.Equal(ContinueAuthentication, client.ReadAuth(), "AUTH");
                Check.Equal("würfel", client.Found[MqttProperties.AuthMethod], "method");
                Check.Equal("wer? a\0b", client.Found[MqttProperties.AuthData], "challenge");
                client.SendAuth(ContinueAuthentication, "würfel", "ja");
                Check.Equal(0, client.ReadConnack(), "CONNACK");
                Check.Equal("gut", client.Found[MqttProperties.AuthData], "last data");
                CheckGranted(client);
                Check.Equal("c würfel a\0b 1 False, c würfel ja 2 False", string.Join(", ", seen), "rounds");
                var connected = Check.Result(told.Task, "the event");
                Check.Equal("jürgen", connected.ClientId, "client id");
                Check.True(connected.Superuser, "superuser");
                Check.Equal(2L, broker.GetHookStats(Hook.AuthExchange).Allowed, "rounds counted");
                Check.Equal(0L, broker.GetStats().DecisionsPending, "pending");
            }
        }

        private static void DeferredRounds()
        {
            var hooks = new Hooks
            {
                AuthExchange = async (exchange, stopping) =>
                {
                    await Task.Yield();
                    return exchange.Round < 4 ? Verdict.Continue : Verdict.Allow;
                },
            };
            using (var broker = Setup.Started(hooks))
            using (var client = new MqttClient(broker.Port()))
            {
                client.SendConnect("c", level: 5, properties: Method("m", null));
                for (var round = 1; round < 4; round++)
                {
                    Check.Equal(ContinueAuthentication, client.ReadAuth(), "AUTH");
                    Check.True(client.Found[MqttProperties.AuthData] == null, "no data");
                    client.SendAuth(ContinueAuthentication, "m", "x");
                }
                Check.Equal(0, client.ReadConnack(), "CONNACK");
            }
        }

        private static void Denied()
        {
            var hooks = Exchanging(new ConcurrentQueue<string>());
            hooks.AuthorizePublish = (publish, stopping) => Task.FromResult(Verdict.Continue.With(Data("x")));
            using (var broker = Setup.Started(hooks))
            {
                using (var client = new MqttClient(broker.Port()))
                {
                    client.SendConnect("c", level: 5, properties: Method("m", null));
                    Check.Equal(ContinueAuthentication, client.ReadAuth(), "AUTH");
                    client.SendAuth(ContinueAuthentication, "m", "nein");
                    Check.Equal(NotAuthorized, client.ReadConnack(), "CONNACK");
                    Check.Equal("falsch", client.Reason, "reason string");
                    Check.True(client.IsClosedByPeer(), "closed");
                }
                using (var client = broker.Connected("c", 5))
                {
                    Check.Equal(NotAuthorized, client.Publish1("a", "x"), "PUBACK: this is no exchange");
                }
                broker.SetHooks(null);
                using (var client = new MqttClient(broker.Port()))
                {
                    Check.Equal(BadMethod, client.Connect("c", level: 5, properties: Method("m", null)), "CONNACK");
                }
            }
        }

        private static void Exceptions()
        {
            var hooks = new Hooks { AuthExchange = (exchange, stopping) => { throw new Exception("broken"); } };
            using (var broker = Setup.Started(hooks))
            using (var client = new MqttClient(broker.Port()))
            {
                var told = new ConcurrentQueue<string>();
                broker.CallbackFailed += (sender, failure) => told.Enqueue(failure.Callback);
                Check.Equal(NotAuthorized, client.Connect("c", level: 5, properties: Method("m", "x")), "CONNACK");
                Check.Equal("AuthExchange", string.Join(", ", told), "told");
                Check.Equal(1L, broker.GetHookStats(Hook.AuthExchange).Failed, "failed");
            }
        }

        private static void Again()
        {
            var seen = new ConcurrentQueue<string>();
            using (var broker = Setup.Started(Exchanging(seen)))
            using (var client = new MqttClient(broker.Port()))
            {
                client.SendConnect("c", level: 5, properties: Method("m", null));
                Check.Equal(ContinueAuthentication, client.ReadAuth(), "AUTH");
                client.SendAuth(ContinueAuthentication, "m", "ja");
                Check.Equal(0, client.ReadConnack(), "CONNACK");

                client.SendAuth(ReAuthenticate, "m", "nochmal");
                Check.Equal(ContinueAuthentication, client.ReadAuth(), "AUTH of the challenge");
                Check.Equal("wer? nochmal", client.Found[MqttProperties.AuthData], "challenge");
                client.SendAuth(ContinueAuthentication, "m", "ja");
                Check.Equal(0, client.ReadAuth(), "AUTH of success");
                Check.Equal("gut", client.Found[MqttProperties.AuthData], "last data");
                client.Subscribe("a");

                client.SendAuth(ReAuthenticate, "m", "nochmal");
                Check.Equal(ContinueAuthentication, client.ReadAuth(), "AUTH of the challenge");
                client.SendAuth(ContinueAuthentication, "m", "nein");
                Check.Equal(NotAuthorized, client.ReadDisconnect(), "DISCONNECT");
                Check.Equal("falsch", client.Reason, "reason string");
                Check.True(client.IsClosedByPeer(), "closed");
                Check.Equal(
                    "c m - 1 False, c m ja 2 False, jürgen m nochmal 1 True, jürgen m ja 2 True, "
                        + "jürgen m nochmal 1 True, jürgen m nein 2 True",
                    string.Join(", ", seen),
                    "rounds");
            }
        }
    }
}
