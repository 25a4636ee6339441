using System;
using System.Linq;
using System.Net.Sockets;

namespace Rmqtt.Tests
{
    /// <summary>Another configuration for a broker that runs.</summary>
    internal static class ReloadTests
    {
        private const string More =
            "{\"listeners\":[{\"name\":\"main\",\"address\":\"127.0.0.1:0\"},"
            + "{\"name\":\"more\",\"address\":\"127.0.0.1:0\"}],\"auth\":{\"allow_anonymous\":true}}";

        internal static void Register(Action<string, Action> test)
        {
            test("reload: a limit holds at once", Limit);
            test("reload: listeners come and go", Listeners);
            test("reload: what waits for the next start", NextStart);
            test("reload: a configuration with faults changes nothing", Faults);
            test("reload: a listener that cannot be bound changes nothing", Bind);
        }

        private static string With(string more)
        {
            return Setup.Open.Insert(1, more + ",");
        }

        private static void Limit()
        {
            using (var broker = Setup.Started(config: With("\"limits\":{\"max_connections\":1}")))
            using (var first = broker.Connected("first"))
            {
                Check.Equal(3, broker.TryConnect("second"), "one too many");
                Check.Equal(
                    "{\"applied\":[\"/limits/max_connections\"],\"needs_restart\":[],\"rejected\":[],\"closed\":[]}",
                    broker.Reload(With("\"limits\":{\"max_connections\":2}")), "report");
                Check.Equal(0, broker.TryConnect("second"), "CONNACK");
                first.Subscribe("a");
            }
        }

        private static void Listeners()
        {
            using (var broker = Setup.Started())
            using (var client = broker.Connected("c"))
            {
                var port = broker.Port();
                Check.Equal(
                    "{\"applied\":[\"/listeners/1\"],\"needs_restart\":[],\"rejected\":[],\"closed\":[]}",
                    broker.Reload(More), "report");
                Check.Equal("main more", string.Join(" ", broker.Listeners.Select(one => one.Name)), "listeners");
                Check.Equal(port, broker.Port(), "port of the first one");
                var added = broker.Listeners[1].Port;
                using (var other = new MqttClient(added))
                {
                    Check.Equal(0, other.Connect("d"), "CONNACK");
                    Check.Equal(
                        "{\"applied\":[\"/listeners\"],\"needs_restart\":[],\"rejected\":[],\"closed\":[\"more\"]}",
                        broker.Reload(Setup.Open), "report");
                    Check.Throws<SocketException>(() => new MqttClient(added), "a listener that is closed");
                    other.Subscribe("a");
                }
                client.Subscribe("a");
            }
        }

        private static void NextStart()
        {
            using (var broker = Setup.Started())
            {
                Check.Equal(
                    "{\"applied\":[],\"needs_restart\":[\"/callbacks/threads\"],\"rejected\":[],\"closed\":[]}",
                    broker.Reload(Setup.WithCallbacks("\"threads\":3")), "report");
            }
        }

        private static void Faults()
        {
            using (var broker = Setup.Started())
            using (var client = broker.Connected("c"))
            {
                var thrown = Check.Throws<RmqttException>(
                    () => broker.Reload(With("\"colour\":1,\"limits\":{\"max_qos\":3}")), "reload");
                Check.Equal(Status.InvalidConfig, thrown.Status, "status");
                Check.Equal(
                    "/colour /limits/max_qos",
                    string.Join(" ", thrown.Faults.Select(fault => fault.Pointer).OrderBy(pointer => pointer)),
                    "faults");
                Check.Throws<ArgumentNullException>(() => broker.Reload(null), "no configuration");
                client.Subscribe("a");
            }
        }

        private static void Bind()
        {
            using (var broker = Setup.Started())
            using (var other = Setup.Started())
            {
                var taken = More.Replace("\"more\",\"address\":\"127.0.0.1:0\"", "\"more\",\"address\":\"127.0.0.1:"
                    + other.Port() + "\"");
                var thrown = Check.Throws<RmqttException>(() => broker.Reload(taken), "reload");
                Check.Equal(Status.Bind, thrown.Status, "status");
                Check.True(thrown.Message.Contains("more"), "the listener is named in: " + thrown.Message);
                Check.Equal(1, broker.Listeners.Count, "listeners");
                Check.Equal(0, broker.TryConnect("c"), "CONNACK");
            }
        }
    }
}
