using System;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    internal static class LifecycleTests
    {
        private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

        internal static void Register(Action<string, Action> test)
        {
            test("lifecycle: start, stop, start again", StartStop);
            test("lifecycle: wrong states are told", WrongStates);
            test("lifecycle: a taken port is told", TakenPort);
            test("lifecycle: StopAsync", StopAsync);
            test("lifecycle: a grace out of range is refused", GraceOutOfRange);
            test("lifecycle: two brokers beside each other", TwoBrokers);
            test("lifecycle: Dispose twice", DisposeTwice);
            test("lifecycle: use after Dispose", UseAfterDispose);
            test("lifecycle: Dispose on many threads amid calls", DisposeAmidCalls);
            test("lifecycle: a broker without references goes on", NoReference);
            test("config: every fault has its pointer", ConfigFaults);
            test("config: text that is no Unicode is refused", NoUnicode);
            test("library: version and features", VersionAndFeatures);
        }

        private static void StartStop()
        {
            using (var broker = new Broker(Setup.Open.Insert(1, "\"id\":\"gärtner\",")))
            {
                Check.Equal("gärtner", broker.Id, "id");
                Check.True(!broker.Running, "not running yet");
                Check.Equal("main", broker.Listeners.Single().Name, "listener");
                for (var round = 0; round < 3; round++)
                {
                    broker.Start();
                    Check.True(broker.Running, "running");
                    var listener = broker.Listeners[0];
                    Check.True(listener.Port != 0, "real port");
                    Check.Equal("127.0.0.1:" + listener.Port, listener.Address, "address");
                    Check.Equal("tcp", listener.Type, "type");
                    using (broker.Connected("c"))
                    {
                        Check.Until(() => broker.ConnectedClients == 1, "one client");
                    }
                    broker.Stop(TimeSpan.Zero);
                    Check.True(!broker.Running, "stopped");
                    Check.Equal(0L, broker.ConnectedClients, "clients");
                }
                broker.Stop(Grace);
            }
        }

        private static void WrongStates()
        {
            using (var broker = new Broker("{}"))
            {
                var early = Check.Throws<RmqttException>(() => broker.Publish("a", "b"), "publish before start");
                Check.Equal(Status.InvalidState, early.Status, "status");
                Check.True(early.Message.Length > 0, "a message");
                early = Check.Throws<RmqttException>(
                    () => broker.Subscribe("a", message => { }), "subscribe before start");
                Check.Equal(Status.InvalidState, early.Status, "status");
                broker.Start();
                var again = Check.Throws<RmqttException>(broker.Start, "start twice");
                Check.Equal(Status.InvalidState, again.Status, "status");
                Check.Equal(
                    Status.InvalidArgument,
                    Check.Throws<RmqttException>(() => broker.Publish("a/#", "b"), "wildcard").Status,
                    "status");
                Check.Equal(
                    Status.InvalidArgument,
                    Check.Throws<RmqttException>(() => broker.Publish("", "b"), "empty topic").Status,
                    "status");
                Check.Equal(
                    Status.InvalidArgument,
                    Check.Throws<RmqttException>(() => broker.Subscribe("a#", message => { }), "filter").Status,
                    "status");
                Check.Equal(
                    Status.InvalidArgument,
                    Check.Throws<RmqttException>(
                        () => broker.Subscribe("a", message => { }, new SubscribeOptions { QoS = 3 }), "QoS 3").Status,
                    "status");
                Check.Throws<ArgumentNullException>(() => broker.Publish(null, "b"), "null topic");
                Check.Throws<ArgumentNullException>(() => broker.Publish("a", (byte[])null), "null payload");
                Check.Throws<ArgumentNullException>(() => broker.Subscribe("a", null), "null function");
                Check.Throws<ArgumentNullException>(() => broker.SubscribeBatch("a", null), "null function");
                Check.Throws<ArgumentException>(() => broker.Publish("\ud800", "b"), "half a surrogate pair");
            }
        }

        private static void TakenPort()
        {
            var taken = new TcpListener(IPAddress.Loopback, 0);
            taken.Start();
            try
            {
                var address = taken.LocalEndpoint.ToString();
                using (var broker = new Broker("{\"listeners\":[{\"address\":\"" + address + "\"}]}"))
                {
                    var exception = Check.Throws<RmqttException>(broker.Start, "start");
                    Check.Equal(Status.Bind, exception.Status, "status");
                    Check.True(!broker.Running, "not running");
                }
            }
            finally
            {
                taken.Stop();
            }
        }

        private static void StopAsync()
        {
            using (var broker = Setup.Started())
            {
                using (var client = broker.Connected("c"))
                {
                    Check.True(broker.StopAsync(Grace).Wait(Check.Patience), "stopped in time");
                    Check.True(client.IsClosedByPeer(), "client is gone");
                }
                Check.True(!broker.Running, "stopped");
            }
        }

        private static void GraceOutOfRange()
        {
            using (var broker = Setup.Started())
            {
                Check.Throws<ArgumentOutOfRangeException>(() => broker.Stop(TimeSpan.FromMilliseconds(-1)), "below");
                Check.Throws<ArgumentOutOfRangeException>(() => broker.Stop(TimeSpan.FromDays(50)), "above");
                Check.Throws<ArgumentOutOfRangeException>(() => broker.StopAsync(TimeSpan.FromDays(50)), "async");
                Check.True(broker.Running, "still running");
            }
        }

        private static void TwoBrokers()
        {
            using (var first = Setup.Started())
            using (var second = Setup.Started())
            using (var client = second.Connected("c"))
            {
                client.Subscribe("#");
                first.Publish("t", "first");
                second.Publish("t", "second");
                Check.Equal("t second", client.Receive(), "message");
            }
        }

        private static void DisposeTwice()
        {
            var broker = Setup.Started();
            var port = broker.Port();
            var subscription = broker.Subscribe("#", message => { });
            broker.Dispose();
            broker.Dispose();
            subscription.Dispose();
            subscription.Dispose();
            Check.Throws<SocketException>(() => new MqttClient(port), "the port is closed");
        }

        private static void UseAfterDispose()
        {
            var broker = new Broker(Setup.Open);
            broker.Dispose();
            Action[] uses =
            {
                broker.Start,
                () => broker.Stop(TimeSpan.Zero),
                () => broker.StopAsync(TimeSpan.Zero),
                () => broker.SetHooks(null),
                () => broker.SetHooks(new Hooks()),
                () => broker.Publish("t", "p"),
                () => broker.Publish("t", "p", new PublishOptions { OnReport = report => { } }),
                () => broker.PublishAsync("t", "p"),
                () => broker.PublishBatch(new[] { new Publication("t", "p") }),
                () => broker.Subscribe("t", message => { }),
                () => broker.SubscribeBatch("t", messages => { }),
                () => broker.ListRetained("#"),
                () => broker.GetRetained("t"),
                () => broker.SetRetained("t", "p"),
                () => broker.DeleteRetained("#"),
                () => broker.ListClients(),
                () => broker.ListClients(new ClientQuery()),
                () => broker.GetClient("c"),
                () => broker.Disconnect("c", 0),
                () => broker.SubscribeClient("c", "t"),
                () => broker.UnsubscribeClient("c", "t"),
                () => broker.SubscriberCount("t"),
                () => broker.Explain("c", ClientAction.Publish, "t"),
                () => broker.Ban(BanKind.User, "u"),
                () => broker.Unban(BanKind.User, "u"),
                () => broker.ListBans(),
                () => broker.ConnectPair(),
                () => broker.GetStats(),
                () => broker.Listeners.ToString(),
                () => broker.Running.ToString(),
                () => broker.ConnectedClients.ToString(),
            };
            foreach (var use in uses) Check.Throws<ObjectDisposedException>(use, "use after Dispose");
        }

        private static void DisposeAmidCalls()
        {
            for (var round = 0; round < 20; round++)
            {
                var broker = Setup.Started();
                broker.Subscribe("#", message => { });
                var users = Enumerable.Range(0, 3).Select(
                    index => Task.Factory.StartNew(
                        () =>
                        {
                            try
                            {
                                while (true)
                                {
                                    broker.Publish("t", "p");
                                    broker.GetStats();
                                    broker.ListClients();
                                    Check.Equal(1, broker.Listeners.Count, "listeners");
                                    if (index == 0) broker.Subscribe("t", message => { }).Dispose();
                                }
                            }
                            catch (ObjectDisposedException)
                            {
                            }
                        },
                        TaskCreationOptions.LongRunning)).ToArray();
                Check.Until(() => broker.GetStats().MessagesPublished > 50, "calls under way");
                Parallel.Invoke(broker.Dispose, broker.Dispose);
                Check.True(Task.WaitAll(users, Check.Patience), "users end");
            }
        }

        private static void NoReference()
        {
            var port = StartedAndForgotten();
            for (var round = 0; round < 3; round++)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
            using (var client = new MqttClient(port))
            {
                Check.Equal(0, client.Connect("c"), "CONNACK");
                client.Publish("stop", "now");
                Check.True(client.IsClosedByPeer(), "disposed by its own callback");
            }
        }

        private static int StartedAndForgotten()
        {
            var broker = Setup.Started();
            broker.Subscribe("stop", message => broker.Dispose());
            return broker.Port();
        }

        private static void ConfigFaults()
        {
            const string Config =
                "{\"listeners\":[{\"address\":\"nowhere\"}],\"callbacks\":{\"threads\":0},\"colour\":\"red\"}";
            var exception = Check.Throws<RmqttException>(() => new Broker(Config), "constructor");
            Check.Equal(Status.InvalidConfig, exception.Status, "status");
            var pointers = exception.Faults
                .Select(fault => fault.Pointer)
                .OrderBy(pointer => pointer, StringComparer.Ordinal);
            Check.Equal("/callbacks/threads /colour /listeners/0/address", string.Join(" ", pointers), "pointers");
            foreach (var fault in exception.Faults)
            {
                Check.True(fault.Message.Length > 0, "words");
                Check.True(exception.Message.Contains(fault.Pointer), "the pointer in the message");
            }
            exception = Check.Throws<RmqttException>(() => Broker.ValidateConfig("{"), "ValidateConfig");
            Check.Equal(Status.InvalidConfig, exception.Status, "status");
            Check.Equal("", exception.Faults.Single().Pointer, "pointer");
            Check.Throws<RmqttException>(() => Broker.ValidateConfig(""), "empty text");
            Broker.ValidateConfig(Setup.Open);
            Check.Throws<ArgumentNullException>(() => new Broker(null), "null");
        }

        private static void NoUnicode()
        {
            Check.Throws<ArgumentException>(() => new Broker("{\"id\":\"\udc00\"}"), "half a surrogate pair");
        }

        private static void VersionAndFeatures()
        {
            Check.True(Library.Version.Split('.').Length == 3, "a version: " + Library.Version);
            Check.True(Library.HasFeature("tcp"), "tcp");
            Check.True(!Library.HasFeature("teleport"), "no teleport");
        }
    }
}
