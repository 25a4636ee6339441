using System;
using System.Collections.Concurrent;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    internal static class AttachTests
    {
        private const string Open = "{\"auth\":{\"allow_anonymous\":true}}";
        private const string Closed = "{}";

        private static readonly byte[] Connect =
        {
            0x10, 13, 0, 4, (byte)'M', (byte)'Q', (byte)'T', (byte)'T', 4, 2, 0, 30, 0, 1, (byte)'c',
        };

        internal static void Register(Action<string, Action> test)
        {
            test("pair: CONNECT and CONNACK, byte by byte", PairBytes);
            test("pair: MQTT 3.1.1 and 5.0", PairTalks);
            test("pair: much at once, both ways", PairMuch);
            test("pair: peers are what is said of them", Peers);
            test("pair: whoever the program vouches for is not asked", Authenticated);
            test("pair: mistakes are told", PairMistakes);
            test("pair: Dispose ends a read, and the connection", PairDispose);
            test("pair: a stop ends it", PairStop);
            test("pair: timeouts", PairTimeouts);
            test("pair: asynchronous calls", PairAsync);
            test("pair: nothing stays open", PairDescriptors);
            test("attach: a socket with what it has said before", AttachSocket);
            test("attach: a handle", AttachHandle);
            test("attach: mistakes are told, and the socket is closed", AttachMistakes);
            test("attach: nothing stays open", AttachDescriptors);
        }

        private static byte[] Read(Stream stream, int count)
        {
            var data = new byte[count];
            for (var read = 0; read < count;)
            {
                var more = stream.Read(data, read, count - read);
                Check.True(more > 0, "more to read");
                read += more;
            }
            return data;
        }

        private static void Greet(Stream stream)
        {
            stream.ReadTimeout = (int)Check.Patience.TotalMilliseconds;
            stream.Write(Connect, 0, Connect.Length);
            Check.Equal("20-02-00-00", BitConverter.ToString(Read(stream, 4)), "CONNACK");
        }

        private static void Talk(MqttClient client)
        {
            client.Subscribe("loop");
            client.Publish("loop", "there and back");
            Check.Equal("loop there and back", client.Receive(), "message");
        }

        private static Hooks Seeing(BlockingCollection<string> seen)
        {
            return new Hooks
            {
                PreConnect = (before, stopping) =>
                {
                    seen.Add("? " + before.Address + " " + before.Listener);
                    return Task.FromResult(Verdict.Allow);
                },
                Connected = connected =>
                {
                    var client = connected.Client;
                    seen.Add(
                        "+ " + client.ClientId + " " + (client.Username ?? "-") + " " + client.Address + " "
                            + client.Listener);
                },
                Disconnected = disconnected => seen.Add("- " + disconnected.Client.ClientId + " " + disconnected.By),
            };
        }

        private static void Saw(BlockingCollection<string> seen, string wanted)
        {
            string found;
            Check.True(seen.TryTake(out found, Check.Patience), "in time: " + wanted);
            Check.Equal(wanted, found, "seen");
        }

        private static void PairBytes()
        {
            var heard = new Heard();
            using (var broker = Setup.Started(config: Open))
            using (var stream = broker.ConnectPair())
            using (broker.Subscribe("t", heard.One))
            {
                foreach (var octet in Connect) stream.Write(new[] { octet }, 0, 1);
                Check.Equal("20-02-00-00", BitConverter.ToString(Read(stream, 4)), "CONNACK");
                Check.Equal(1L, broker.ConnectedClients, "clients");
                var publish = new byte[] { 9, 0x30, 4, 0, 1, (byte)'t', (byte)'x', 9 };
                stream.Write(publish, 1, publish.Length - 2);
                heard.Expect("x,");
                Check.Equal("c", heard[0].Publisher.ClientId, "publisher");
                stream.Write(new byte[] { 0xc0, 0 }, 0, 2);
                var answer = new byte[4];
                var read = stream.Read(answer, 1, 2);
                if (read == 1) read += stream.Read(answer, 2, 1);
                Check.Equal("00-D0-00-00", BitConverter.ToString(answer), "PINGRESP");
                stream.Write(new byte[] { 0xe0, 0 }, 0, 2);
                Check.Equal(0, stream.Read(answer, 0, 1), "the end after DISCONNECT");
            }
        }

        private static void PairTalks()
        {
            var seen = new BlockingCollection<string>();
            using (var broker = Setup.Started(Seeing(seen), Open))
            {
                foreach (byte level in new byte[] { 4, 5 })
                {
                    using (var client = new MqttClient(broker.ConnectPair()))
                    {
                        Check.Equal(0, client.Connect("c", level: level), "CONNACK");
                        Talk(client);
                        Saw(seen, "? pair attached");
                        Saw(seen, "+ c - pair attached");
                    }
                    Saw(seen, "- c Network");
                }
            }
        }

        private static void PairMuch()
        {
            var text = new string('x', 700000);
            var heard = new Heard();
            using (var broker = Setup.Started(config: Open))
            using (broker.Subscribe("up", heard.One))
            using (var client = new MqttClient(broker.ConnectPair()))
            {
                Check.Equal(0, client.Connect("c"), "CONNACK");
                client.Subscribe("down");
                for (var round = 0; round < 3; round++)
                {
                    client.Publish("up", text);
                    Check.Until(() => heard.Count == round + 1, "up");
                    Check.True(heard[round].Text == text, "the same");
                    broker.Publish("down", text);
                    Check.True(client.Receive() == "down " + text, "down");
                }
            }
        }

        private static void Peers()
        {
            var seen = new BlockingCollection<string>();
            var peer = new Peer
            {
                Address = "serial:/dev/ttyS0",
                Listener = "fäld bus",
                ConnectTimeout = TimeSpan.FromHours(1),
            };
            using (var broker = Setup.Started(Seeing(seen), Open))
            using (var client = new MqttClient(broker.ConnectPair(peer)))
            {
                Check.Equal(0, client.Connect("c"), "CONNACK");
                Saw(seen, "? serial:/dev/ttyS0 fäld bus");
                Saw(seen, "+ c - serial:/dev/ttyS0 fäld bus");
                using (var slow = broker.ConnectPair(new Peer { ConnectTimeout = TimeSpan.FromMilliseconds(50) }))
                {
                    Check.Equal(0, slow.Read(new byte[1], 0, 1), "closed for its silence");
                    Check.Equal(1L, broker.GetStats().ConnectionsTimedOut, "timed out");
                }
            }
        }

        private static void Authenticated()
        {
            var seen = new BlockingCollection<string>();
            var hooks = Seeing(seen);
            hooks.Authenticate = (connect, stopping) =>
            {
                seen.Add("! " + connect.ClientId);
                return Task.FromResult(Verdict.Deny);
            };
            using (var broker = Setup.Started(hooks, Closed))
            {
                using (var client = new MqttClient(broker.ConnectPair()))
                {
                    Check.Equal(5, client.Connect("a", "says so"), "CONNACK");
                    Saw(seen, "? pair attached");
                    Saw(seen, "! a");
                }
                using (var client = new MqttClient(broker.ConnectPair(new Peer { Authenticated = true })))
                {
                    Check.Equal(0, client.Connect("b", "says so"), "CONNACK");
                    Saw(seen, "? pair attached");
                    Saw(seen, "+ b says so pair attached");
                }
                Saw(seen, "- b Network");
                var meter = new Peer { Authenticated = true, Username = "meter" };
                using (var client = new MqttClient(broker.ConnectPair(meter)))
                {
                    Check.Equal(0, client.Connect("c", "says so"), "CONNACK");
                    Saw(seen, "? pair attached");
                    Saw(seen, "+ c meter pair attached");
                }
            }
        }

        private static void PairMistakes()
        {
            using (var broker = new Broker(Open.Insert(1, "\"limits\":{\"max_connections\":1},")))
            {
                Check.Equal(
                    Status.InvalidState, Setup.StatusOf(() => broker.ConnectPair(), "not running"), "status");
                broker.Start();
                foreach (var peer in new[]
                {
                    new Peer { Username = "someone" },
                    new Peer { Address = "a\0b" },
                    new Peer { ConnectTimeout = TimeSpan.FromHours(1) + TimeSpan.FromTicks(1) },
                })
                {
                    Check.Equal(
                        Status.InvalidArgument, Setup.StatusOf(() => broker.ConnectPair(peer), "peer"), "status");
                }
                Check.Throws<ArgumentOutOfRangeException>(
                    () => broker.ConnectPair(new Peer { ConnectTimeout = TimeSpan.FromTicks(-1) }), "timeout");
                Check.Throws<ArgumentException>(() => broker.ConnectPair(new Peer { Listener = "\ud800" }), "listener");
                using (var first = broker.ConnectPair())
                {
                    Greet(first);
                    Check.Equal(
                        Status.WouldBlock, Setup.StatusOf(() => broker.ConnectPair(), "one too many"), "status");
                }
            }
        }

        private static void PairDispose()
        {
            var seen = new BlockingCollection<string>();
            using (var broker = Setup.Started(Seeing(seen), Open))
            {
                var stream = broker.ConnectPair();
                Greet(stream);
                Saw(seen, "? pair attached");
                Saw(seen, "+ c - pair attached");
                stream.ReadTimeout = Timeout.Infinite;
                var reading = Task.Run(() => stream.Read(new byte[1], 0, 1));
                Check.True(!reading.Wait(50), "it waits");
                stream.Dispose();
                stream.Dispose();
                Check.Equal(0, Check.Result(reading, "the read ends"), "read");
                Saw(seen, "- c Network");
                Check.True(!stream.CanRead && !stream.CanWrite, "closed");
                Check.Throws<ObjectDisposedException>(() => stream.Read(new byte[1], 0, 1), "Read");
                Check.Throws<ObjectDisposedException>(() => stream.Write(new byte[1], 0, 1), "Write");
            }
        }

        private static void PairStop()
        {
            using (var broker = Setup.Started(config: Open))
            using (var stream = broker.ConnectPair())
            {
                Greet(stream);
                broker.Stop(TimeSpan.FromSeconds(5));
                Check.Equal(0, stream.Read(new byte[1], 0, 1), "the end");
                Check.Throws<IOException>(() => stream.Write(new byte[1], 0, 1), "the other end is closed");
            }
        }

        private static void PairTimeouts()
        {
            using (var broker = Setup.Started(config: Open))
            using (var stream = broker.ConnectPair())
            {
                Check.Equal(Timeout.Infinite, stream.ReadTimeout, "default");
                Greet(stream);
                stream.ReadTimeout = 50;
                Check.Throws<IOException>(() => stream.Read(new byte[1], 0, 1), "a read in vain");
                Check.Throws<ArgumentOutOfRangeException>(() => stream.ReadTimeout = 0, "timeout");
                stream.ReadTimeout = (int)Check.Patience.TotalMilliseconds;
                stream.Write(new byte[] { 0xc0, 0 }, 0, 2);
                Check.Equal("D0-00", BitConverter.ToString(Read(stream, 2)), "PINGRESP");
                Check.Throws<ArgumentOutOfRangeException>(() => stream.Read(new byte[1], 1, 1), "range");
                Check.Throws<ArgumentNullException>(() => stream.Write(null, 0, 0), "null");
            }
            // Nobody reads what the broker does not: it waits for its hook.
            var go = new ManualResetEvent(false);
            var hooks = Setup.Answering(
                connect =>
                {
                    go.WaitOne();
                    return Verdict.Allow;
                });
            using (var broker = Setup.Started(hooks, Open))
            using (var stream = broker.ConnectPair())
            {
                try
                {
                    stream.Write(Connect, 0, Connect.Length);
                    stream.WriteTimeout = 50;
                    var much = new byte[4000000];
                    Check.Throws<IOException>(() => stream.Write(much, 0, much.Length), "a write in vain");
                }
                finally
                {
                    go.Set();
                }
            }
        }

        private static void PairAsync()
        {
            using (var broker = Setup.Started(config: Open))
            using (var stream = broker.ConnectPair())
            using (var cancel = new CancellationTokenSource())
            {
                var answer = new byte[4];
                // A client that reads can write.
                var reading = stream.ReadAsync(answer, 0, 4);
                Check.True(!reading.Wait(50), "it waits");
                Check.True(stream.WriteAsync(Connect, 0, Connect.Length).Wait(Check.Patience), "written");
                Check.Equal(4, Check.Result(reading, "CONNACK"), "read");
                Check.Equal("20-02-00-00", BitConverter.ToString(answer), "CONNACK");

                reading = stream.ReadAsync(answer, 0, 4, cancel.Token);
                Check.True(!reading.Wait(50), "it waits");
                cancel.Cancel();
                Check.Until(() => reading.IsCompleted, "cancelled");
                Check.True(reading.IsCanceled, "cancelled");
                stream.Write(new byte[] { 0xc0, 0 }, 0, 2);
                Check.Equal("D0-00", BitConverter.ToString(Read(stream, 2)), "PINGRESP");
            }
        }

        private static int Descriptors()
        {
            return Directory.Exists("/proc/self/fd") ? Directory.GetFileSystemEntries("/proc/self/fd").Length : 0;
        }

        private static void PairDescriptors()
        {
            using (var broker = Setup.Started(config: Open))
            {
                broker.ConnectPair().Dispose();
                Check.Until(() => broker.GetStats().ConnectedClients == 0, "gone");
                var before = Descriptors();
                for (var round = 0; round < 50; round++)
                {
                    using (var stream = broker.ConnectPair()) Greet(stream);
                    Check.Throws<RmqttException>(() => broker.ConnectPair(new Peer { Username = "u" }), "peer");
                }
                Check.Until(() => Descriptors() <= before + 2, "closed");
            }
        }

        /// <summary>The two ends of a TCP connection.</summary>
        private static void Dial(out Socket accepted, out TcpClient client)
        {
            var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            try
            {
                client = new TcpClient("127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port) { NoDelay = true };
                accepted = listener.AcceptSocket();
            }
            finally
            {
                listener.Stop();
            }
        }

        private static void AttachSocket()
        {
            var seen = new BlockingCollection<string>();
            using (var broker = Setup.Started(Seeing(seen), Open))
            {
                Socket accepted;
                TcpClient client;
                Dial(out accepted, out client);
                using (client)
                {
                    var stream = client.GetStream();
                    stream.ReadTimeout = (int)Check.Patience.TotalMilliseconds;
                    stream.Write(Connect, 0, Connect.Length);
                    broker.Attach(accepted, new Peer { Listener = "back" });
                    Check.Throws<ObjectDisposedException>(() => accepted.Receive(new byte[1]), "disposed");
                    accepted = null;
                    GC.Collect();
                    GC.WaitForPendingFinalizers();
                    Check.Equal("20-02-00-00", BitConverter.ToString(Read(stream, 4)), "CONNACK");
                    var address = "127.0.0.1:" + ((IPEndPoint)client.Client.LocalEndPoint).Port;
                    Saw(seen, "? " + address + " back");
                    Saw(seen, "+ c - " + address + " back");
                    stream.Write(new byte[] { 0xc0, 0 }, 0, 2);
                    Check.Equal("D0-00", BitConverter.ToString(Read(stream, 2)), "PINGRESP");
                    stream.Write(new byte[] { 0xe0, 0 }, 0, 2);
                    Check.Equal(0, stream.Read(new byte[1], 0, 1), "no descriptor of it is left open");
                    Saw(seen, "- c Client");
                }
            }
        }

        private static void AttachHandle()
        {
            using (var broker = Setup.Started(config: Open))
            {
                Socket accepted;
                TcpClient client;
                Dial(out accepted, out client);
                using (client)
                using (accepted)
                {
                    var handle = new Duplicate((int)accepted.Handle);
                    broker.Attach(handle);
                    Check.True(handle.IsClosed, "disposed");
                    Check.Equal(1, Duplicate.Released, "released");
                    var mqtt = new MqttClient(client.GetStream());
                    Check.Equal(0, mqtt.Connect("c", level: 5), "CONNACK");
                    Talk(mqtt);
                }
            }
        }

        private static void AttachMistakes()
        {
            using (var broker = new Broker(Open))
            {
                Socket accepted;
                TcpClient client;
                Dial(out accepted, out client);
                using (client)
                {
                    Check.Equal(
                        Status.InvalidState, Setup.StatusOf(() => broker.Attach(accepted), "not running"), "status");
                    Check.Equal(0, client.GetStream().Read(new byte[1], 0, 1), "closed");
                }
                broker.Start();
                Dial(out accepted, out client);
                using (client)
                {
                    var peer = new Peer { Username = "not authenticated" };
                    Check.Equal(
                        Status.InvalidArgument, Setup.StatusOf(() => broker.Attach(accepted, peer), "peer"), "status");
                    Check.Equal(0, client.GetStream().Read(new byte[1], 0, 1), "closed");
                    Check.Throws<ObjectDisposedException>(() => broker.Attach(accepted), "disposed");
                }
                var datagrams = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
                Check.Equal(
                    Status.InvalidArgument, Setup.StatusOf(() => broker.Attach(datagrams), "no stream"), "status");
                Check.Throws<ObjectDisposedException>(() => datagrams.Receive(new byte[1]), "disposed");
                Check.Throws<ArgumentNullException>(() => broker.Attach((Socket)null), "null");
                Check.Throws<ArgumentNullException>(() => broker.Attach((SafeHandle)null), "null");
            }
        }

        private static void AttachDescriptors()
        {
            using (var broker = Setup.Started(config: Open))
            {
                var before = 0;
                for (var round = 0; round < 50; round++)
                {
                    if (round == 2) before = Descriptors();
                    Socket accepted;
                    TcpClient client;
                    Dial(out accepted, out client);
                    using (client)
                    {
                        if (round % 2 == 0)
                        {
                            broker.Attach(accepted);
                            Greet(client.GetStream());
                        }
                        else
                        {
                            Check.Throws<RmqttException>(
                                () => broker.Attach(accepted, new Peer { Username = "u" }), "peer");
                        }
                    }
                }
                Check.Until(() => Descriptors() <= before + 2, "closed");
            }
        }

        /// <summary>Owns a duplicate of a descriptor.</summary>
        private sealed class Duplicate : SafeHandle
        {
            internal Duplicate(int descriptor) : base((IntPtr)(-1), true)
            {
                SetHandle((IntPtr)Dup(descriptor));
            }

            internal static int Released { get; private set; }

            public override bool IsInvalid
            {
                get { return handle == (IntPtr)(-1); }
            }

            protected override bool ReleaseHandle()
            {
                Released++;
                return Close((int)handle) == 0;
            }

            [DllImport("libc", EntryPoint = "dup", CallingConvention = CallingConvention.Cdecl)]
            private static extern int Dup(int descriptor);

            [DllImport("libc", EntryPoint = "close", CallingConvention = CallingConvention.Cdecl)]
            private static extern int Close(int descriptor);
        }
    }
}
