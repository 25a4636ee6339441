using System;
using System.Collections.Concurrent;
using System.IO;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    /// <summary>What hooks see of a connection besides its address.</summary>
    internal static class ConnectionTests
    {
        /// <param name="test">Takes each test.</param>
        /// <param name="certificates">The directory that <c>tests/certificates.sh</c> has filled.</param>
        internal static void Register(Action<string, Action> test, string certificates)
        {
            test("connection: TCP", Tcp);
            test("connection: one that the program has brought", Attached);
            test("connection: an exchange, and none when it is made again", Exchange);
            test("connection: a Unix socket tells who is there", Unix);
            test("connection: TLS with a certificate", () => Tls(certificates));
            test("connection: TLS without a certificate is counted", () => Refused(certificates));
        }

        /// <summary>What hooks have been told, in order.</summary>
        private sealed class Told
        {
            private readonly BlockingCollection<object> _events = new BlockingCollection<object>();

            /// <summary>Hooks that let everybody in.</summary>
            internal Hooks Hooks
            {
                get
                {
                    return new Hooks
                    {
                        PreConnect = (connection, stopping) => Note(connection),
                        Authenticate = (connect, stopping) => Note(connect),
                        AuthExchange = (exchange, stopping) => Note(exchange),
                    };
                }
            }

            internal T Next<T>()
            {
                object next;
                if (!_events.TryTake(out next, Check.Patience)) throw new Exception("no hook is called");
                return (T)next;
            }

            private Task<Verdict> Note(object what)
            {
                _events.Add(what);
                return Task.FromResult(Verdict.Allow);
            }
        }

        private static void Nothing(Connection connection, string transport)
        {
            Check.Equal(transport, connection.Transport, "transport");
            var told = new object[]
            {
                connection.ProxyAddress, connection.ProxyAuthority, connection.ProxyAlpn, connection.ProxyTlsVersion,
                connection.ProxyCommonName, connection.ProxyUniqueId, connection.TlsVersion, connection.CipherSuite,
                connection.ServerName, connection.Alpn, connection.Certificate, connection.Pid, connection.Uid,
                connection.Gid,
            };
            Check.True(told.All(one => one == null), "nothing more is told");
        }

        private static void Tcp()
        {
            var told = new Told();
            using (var broker = Setup.Started(told.Hooks))
            using (broker.Connected("c"))
            {
                var before = told.Next<PreConnectEvent>();
                Check.Equal(Stage.Accepted, before.Stage, "stage");
                Nothing(before.Connection, "tcp");
                Nothing(told.Next<AuthEvent>().Connection, "tcp");
                Check.Equal(0L, broker.GetStats().HandshakesFailed, "failed handshakes");
            }
        }

        private static void Attached()
        {
            var told = new Told();
            using (var broker = Setup.Started(told.Hooks))
            using (var client = new MqttClient(broker.ConnectPair()))
            {
                Check.Equal(0, client.Connect("c"), "CONNACK");
                Check.Equal("attached", told.Next<PreConnectEvent>().Connection.Transport, "transport");
            }
        }

        private static void Exchange()
        {
            var told = new Told();
            var properties = new MqttProperties().Add(MqttProperties.AuthMethod, "riddle");
            using (var broker = Setup.Started(told.Hooks))
            using (var client = broker.Connected("c", 5, properties: properties))
            {
                told.Next<PreConnectEvent>();
                Nothing(told.Next<AuthExchangeEvent>().Connection, "tcp");
                client.SendAuth(0x19, "riddle", "x");
                Check.Equal(0, client.ReadAuth(), "AUTH");
                var again = told.Next<AuthExchangeEvent>();
                Check.True(again.Again && again.Connection == null, "nothing is told again");
            }
        }

        private static void Unix()
        {
            var path = Path.GetTempFileName();
            File.Delete(path);
            var told = new Told();
            try
            {
                var config = "{\"listeners\":[{\"type\":\"unix\",\"path\":\"" + path + "\"}]}";
                using (var broker = Setup.Started(told.Hooks, config))
                using (var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
                {
                    socket.Connect(new UnixPath(path));
                    using (var client = new MqttClient(new NetworkStream(socket)))
                    {
                        Check.Equal(0, client.Connect("c"), "CONNACK");
                        var before = told.Next<PreConnectEvent>();
                        Check.Equal("unix", before.Connection.Transport, "transport");
                        var connection = told.Next<AuthEvent>().Connection;
                        Check.Equal(
                            System.Diagnostics.Process.GetCurrentProcess().Id, connection.Pid.Value, "process");
                        Check.Equal(before.Connection.Uid, connection.Uid, "user");
                        Check.True(connection.Uid.HasValue && connection.Gid.HasValue, "user and group are known");
                        Check.Equal(path, broker.Listeners[0].Address, "address of the listener");
                    }
                }
            }
            finally
            {
                File.Delete(path);
            }
        }

        private static string Config(string certificates)
        {
            return "{\"listeners\":[{\"type\":\"tls\",\"address\":\"127.0.0.1:0\",\"tls\":{"
                + "\"cert_file\":\"" + certificates + "/server.pem\",\"key_file\":\"" + certificates + "/server.key\","
                + "\"client_ca_file\":\"" + certificates + "/authority.pem\",\"client_auth\":\"required\","
                + "\"username_from\":\"cn\"}}]}";
        }

        private static void Tls(string certificates)
        {
            var told = new Told();
            var facts = File.ReadAllLines(certificates + "/pump.facts");
            var options = "-servername localhost -alpn mqtt -verify_return_error -CAfile " + certificates
                + "/authority.pem -cert " + certificates + "/pump.pem -key " + certificates + "/pump.key";
            using (var broker = Setup.Started(told.Hooks, Config(certificates)))
            using (var stream = new TlsClient(broker.Port(), options))
            {
                var client = new MqttClient(stream);
                Check.Equal(0, client.Connect("c", level: 5), "CONNACK");
                var accepted = told.Next<PreConnectEvent>();
                Check.Equal(Stage.Accepted, accepted.Stage, "stage");
                Nothing(accepted.Connection, "tls");
                var established = told.Next<PreConnectEvent>();
                Check.Equal(Stage.Established, established.Stage, "stage");
                var connect = told.Next<AuthEvent>();
                Check.Equal("pump-7", connect.Username, "user name");
                foreach (var connection in new[] { established.Connection, connect.Connection })
                {
                    Check.Equal("tls", connection.Transport, "transport");
                    Check.Equal("1.3", connection.TlsVersion, "version");
                    Check.Equal("TLS_", connection.CipherSuite.Substring(0, 4), "cipher suite");
                    Check.Equal("localhost", connection.ServerName, "server name");
                    Check.Equal("mqtt", connection.Alpn, "ALPN");
                    var shown = connection.Certificate;
                    Check.Equal(facts[0], shown.Subject, "subject");
                    Check.Equal("pump-7", shown.CommonName, "common name");
                    Check.Equal(facts[1], shown.Issuer, "issuer");
                    Check.Equal(facts[2], shown.Serial, "serial number");
                    Check.Equal(facts[3], shown.Sha256, "fingerprint");
                    Check.Equal(facts[4], shown.NotBefore.ToUnixTimeSeconds().ToString(), "beginning");
                    Check.Equal(facts[5], shown.NotAfter.ToUnixTimeSeconds().ToString(), "end");
                    Check.Equal(
                        "DNS:pump-7.example IP:192.0.2.1 URI:urn:pump:7 email:pump@example.com",
                        string.Join(" ", shown.AlternativeNames), "alternative names");
                    Check.True(shown.Der.SequenceEqual(File.ReadAllBytes(certificates + "/pump.der")), "DER");
                    Check.True(new X509Certificate2(shown.Der).Subject.Contains("pump-7"), "DER is a certificate");
                }
                Check.Equal(0L, broker.GetStats().HandshakesFailed, "failed handshakes");
            }
        }

        private static void Refused(string certificates)
        {
            var told = new Told();
            using (var broker = Setup.Started(told.Hooks, Config(certificates)))
            using (var stream = new TlsClient(broker.Port(), "-CAfile " + certificates + "/authority.pem"))
            {
                Check.Equal(0, stream.Read(new byte[1], 0, 1), "octets before the end");
                Check.Equal(Stage.Accepted, told.Next<PreConnectEvent>().Stage, "stage");
                Check.Until(() => broker.GetStats().HandshakesFailed == 1, "one failed handshake");
            }
        }

        /// <summary>Where a Unix socket is: that of .NET is not in netstandard2.0.</summary>
        private sealed class UnixPath : EndPoint
        {
            private readonly byte[] _path;

            internal UnixPath(string path)
            {
                _path = Encoding.UTF8.GetBytes(path);
            }

            public override AddressFamily AddressFamily
            {
                get { return AddressFamily.Unix; }
            }

            public override SocketAddress Serialize()
            {
                // The family comes first, a NUL last.
                var address = new SocketAddress(AddressFamily.Unix, 2 + _path.Length + 1);
                for (var index = 0; index < _path.Length; index++) address[2 + index] = _path[index];
                return address;
            }
        }
    }
}
