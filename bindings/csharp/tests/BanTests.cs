using System;

namespace Rmqtt.Tests
{
    /// <summary>Who is kept out.</summary>
    internal static class BanTests
    {
        private const string Nobody = "{\"bans\":[]}";

        internal static void Register(Action<string, Action> test)
        {
            test("bans: by the program, until they are lifted", ByTheProgram);
            test("bans: for failures to authenticate", ForFailures);
            test("bans: mistakes are told", Mistakes);
        }

        private static Hooks Telling(Lines lines)
        {
            return new Hooks
            {
                ClientBanned = ban => lines.Add(ban.Kind, ban.Value, ban.Cause, ban.Duration),
            };
        }

        /// <summary>The code of CONNACK.</summary>
        private static int Connect(Broker broker, string clientId)
        {
            using (var client = new MqttClient(broker.Port())) return client.Connect(clientId, level: 5);
        }

        private static void ByTheProgram()
        {
            var lines = new Lines();
            using (var broker = Setup.Started(Telling(lines)))
            {
                Check.Equal(Nobody, broker.ListBans(), "nobody yet");
                using (var client = broker.Connected("würfel", 5))
                {
                    broker.Ban(BanKind.ClientId, "würfel");
                    Check.Equal(0x98, client.ReadDisconnect(), "DISCONNECT");
                    Check.True(client.IsClosedByPeer(), "closed");
                }
                lines.Expect("ClientId würfel Api 00:00:00");
                Check.Equal(0x8a, Connect(broker, "würfel"), "banned");
                Check.Equal(0, Connect(broker, "other"), "somebody else");
                Check.Equal(1L, broker.GetStats().ConnectionsRefusedBanned, "refused, banned");
                Check.Equal(1L, broker.GetStats().ConnectionsRefused, "refused");
                Check.Equal(
                    "{\"bans\":[{\"kind\":\"client_id\",\"value\":\"würfel\",\"cause\":\"api\",\"left_ms\":null}]}",
                    broker.ListBans(), "the ban");
                broker.Unban(BanKind.ClientId, "würfel");
                Check.Equal(Nobody, broker.ListBans(), "lifted");
                Check.Equal(0, Connect(broker, "würfel"), "let in again");

                broker.Ban(BanKind.Ip, "2001:db8::1", TimeSpan.FromHours(1));
                lines.Expect("Ip 2001:db8::/64 Api 01:00:00");
                broker.Ban(BanKind.User, "mallory", TimeSpan.FromTicks(1));
                lines.Expect("User mallory Api 00:00:00.0010000");
                broker.Ban(BanKind.User, "mallory", TimeSpan.MaxValue);
                lines.Expect("User mallory Api " + TimeSpan.MaxValue);
            }
        }

        private static void ForFailures()
        {
            const string Config =
                "{\"listeners\":[{\"name\":\"main\",\"address\":\"127.0.0.1:0\"}],"
                    + "\"limits\":{\"ban\":{\"failures\":2,\"ban_ms\":60000,\"by\":[\"client_id\"]}}}";
            var lines = new Lines();
            using (var broker = Setup.Started(Telling(lines), Config))
            {
                Check.Equal(0x87, Connect(broker, "c"), "the first failure");
                Check.Equal(0x87, Connect(broker, "c"), "the second failure");
                Check.Equal(0x8a, Connect(broker, "c"), "banned");
                lines.Expect("ClientId c Authentication 00:01:00");
                Check.Equal(2L, broker.GetStats().ConnectionsRefusedAuthentication, "refused, not authenticated");
                Check.Equal(1L, broker.GetStats().ConnectionsRefusedBanned, "refused, banned");
            }
        }

        private static void Mistakes()
        {
            using (var broker = new Broker(Setup.Open))
            {
                Action<Status, Action> expect =
                    (status, call) => Check.Equal(status, Setup.StatusOf(call, "mistake"), "status");
                expect(Status.InvalidState, () => broker.Ban(BanKind.User, "u"));
                expect(Status.InvalidState, () => broker.Unban(BanKind.User, "u"));
                expect(Status.InvalidState, () => broker.ListBans());
                broker.Start();
                expect(Status.InvalidArgument, () => broker.Ban(0, "u"));
                expect(Status.InvalidArgument, () => broker.Ban((BanKind)4, "u"));
                expect(Status.InvalidArgument, () => broker.Ban(BanKind.User, ""));
                expect(Status.InvalidArgument, () => broker.Ban(BanKind.Ip, "u"));
                expect(Status.NotFound, () => broker.Unban(BanKind.User, "u"));
                Check.Throws<ArgumentNullException>(() => broker.Ban(BanKind.User, null), "null");
                Check.Throws<ArgumentNullException>(() => broker.Unban(BanKind.User, null), "null");
                Check.Throws<ArgumentOutOfRangeException>(
                    () => broker.Ban(BanKind.User, "u", TimeSpan.FromSeconds(-1)), "negative");
                Check.Equal(Nobody, broker.ListBans(), "nothing is done");
            }
        }
    }
}
