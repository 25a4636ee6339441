using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using System.Text;

namespace Rmqtt.Tests
{
    /// <summary>As much of an MQTT 3.1.1 and 5.0 client as the tests need.</summary>
    internal sealed class MqttClient : IDisposable
    {
        private readonly Stream _stream;
        private byte _level;

        internal MqttClient(int port) : this(new TcpClient("127.0.0.1", port) { NoDelay = true }.GetStream())
        {
        }

        internal MqttClient(Stream stream)
        {
            _stream = stream;
            _stream.ReadTimeout = (int)Check.Patience.TotalMilliseconds;
            _stream.WriteTimeout = (int)Check.Patience.TotalMilliseconds;
        }

        /// <summary>The properties of the last packet read.</summary>
        internal MqttProperties Found { get; private set; } = new MqttProperties();

        /// <summary>The reason string of the last packet read; null if there was none.</summary>
        internal string Reason
        {
            get { return Found[MqttProperties.Reason]; }
        }

        /// <summary>Whether the last CONNACK told of a session.</summary>
        internal bool SessionPresent { get; private set; }

        /// <summary>The retain flag of the last PUBLISH.</summary>
        internal bool Retained { get; private set; }

        /// <summary>The packet identifier of the last PUBLISH of QoS 1 or 2.</summary>
        internal int PacketId { get; private set; }

        internal int Connect(
            string clientId, string username = null, byte[] password = null, string willTopic = null,
            byte[] will = null, byte level = 4, bool clean = true, MqttProperties properties = null)
        {
            SendConnect(clientId, username, password, willTopic, will, level, clean, properties);
            return ReadConnack();
        }

        internal void SendConnect(
            string clientId, string username = null, byte[] password = null, string willTopic = null,
            byte[] will = null, byte level = 4, bool clean = true, MqttProperties properties = null)
        {
            _level = level;
            var flags = clean ? 2 : 0;
            if (willTopic != null) flags |= 4;
            if (password != null) flags |= 0x40;
            if (username != null) flags |= 0x80;
            var body = new List<byte>();
            MqttProperties.AddText(body, "MQTT");
            body.Add(level);
            body.Add((byte)flags);
            body.AddRange(new byte[] { 0, 30 });
            AddProperties(body, properties);
            MqttProperties.AddText(body, clientId);
            if (willTopic != null)
            {
                AddProperties(body, null);
                MqttProperties.AddText(body, willTopic);
                AddBytes(body, will);
            }
            if (username != null) MqttProperties.AddText(body, username);
            if (password != null) AddBytes(body, password);
            Send(0x10, body);
        }

        /// <summary>The code of CONNACK; -1 if the connection ends without.</summary>
        internal int ReadConnack()
        {
            int type;
            var body = Read(out type);
            Found = new MqttProperties();
            if (body == null) return -1;
            Check.Equal(0x20, type, "packet type of CONNACK");
            SessionPresent = (body[0] & 1) != 0;
            KeepProperties(body, 2);
            return body[1];
        }

        internal void SendAuth(byte code, string method, string data)
        {
            var body = new List<byte> { code };
            var properties = new MqttProperties().Add(MqttProperties.AuthMethod, method);
            properties.Add(MqttProperties.AuthData, data).WriteTo(body);
            Send(0xf0, body);
        }

        /// <summary>The code of AUTH.</summary>
        internal int ReadAuth()
        {
            return ReadCode(0xf0, 0);
        }

        /// <summary>The code of DISCONNECT.</summary>
        internal int ReadDisconnect()
        {
            return ReadCode(0xe0, 0);
        }

        internal void Subscribe(string filter)
        {
            Check.Equal(0, TrySubscribe(filter, 0), "granted QoS");
        }

        /// <summary>The code of SUBACK.</summary>
        internal int TrySubscribe(string filter, byte options, MqttProperties properties = null)
        {
            var body = new List<byte> { 0, 1 };
            AddProperties(body, properties);
            MqttProperties.AddText(body, filter);
            body.Add(options);
            Send(0x82, body);
            return LastOf(0x90);
        }

        /// <summary>The code of UNSUBACK; before MQTT 5, 0.</summary>
        internal int Unsubscribe(string filter)
        {
            var body = new List<byte> { 0, 1 };
            AddProperties(body, null);
            MqttProperties.AddText(body, filter);
            Send(0xa2, body);
            return LastOf(0xb0);
        }

        internal void SendPublish1(string topic, string payload, MqttProperties properties = null)
        {
            var body = new List<byte>();
            MqttProperties.AddText(body, topic);
            body.AddRange(new byte[] { 0, 1 });
            AddProperties(body, properties);
            body.AddRange(Encoding.UTF8.GetBytes(payload));
            Send(0x32, body);
        }

        /// <summary>The code of PUBACK.</summary>
        internal int ReadPuback()
        {
            return ReadCode(0x40, 2);
        }

        internal int Publish1(string topic, string payload, MqttProperties properties = null)
        {
            SendPublish1(topic, payload, properties);
            return ReadPuback();
        }

        internal void Publish(string topic, string payload, bool retain = false, MqttProperties properties = null)
        {
            var body = new List<byte>();
            MqttProperties.AddText(body, topic);
            AddProperties(body, properties);
            body.AddRange(Encoding.UTF8.GetBytes(payload));
            Send((byte)(retain ? 0x31 : 0x30), body);
        }

        /// <summary>Reads a PUBLISH of a QoS as "topic payload", and does not acknowledge it.</summary>
        internal string Receive(int qos = 0)
        {
            int type;
            var body = Read(out type);
            Check.True(body != null && (type & 0xf6) == (0x30 | qos << 1), "a PUBLISH of QoS " + qos + ", not " + type);
            Retained = (type & 1) != 0;
            var length = body[0] * 256 + body[1];
            var rest = 2 + length;
            if (qos > 0)
            {
                PacketId = body[rest] * 256 + body[rest + 1];
                rest += 2;
            }
            if (_level == 5) rest = KeepProperties(body, rest);
            return Encoding.UTF8.GetString(body, 2, length) + " "
                + Encoding.UTF8.GetString(body, rest, body.Length - rest);
        }

        /// <summary>Acknowledges the last PUBLISH of QoS 1.</summary>
        internal void SendPuback(byte code = 0)
        {
            var body = new List<byte> { (byte)(PacketId >> 8), (byte)PacketId };
            if (code != 0) body.Add(code);
            Send(0x40, body);
        }

        /// <summary>Leaves the connection open: the broker is the one to close it.</summary>
        internal void Disconnect()
        {
            Send(0xe0, new List<byte>());
            Check.True(IsClosedByPeer(), "closed after DISCONNECT");
        }

        internal bool IsClosedByPeer()
        {
            int type;
            return Read(out type) == null;
        }

        public void Dispose()
        {
            _stream.Dispose();
        }

        private static void AddBytes(List<byte> body, byte[] bytes)
        {
            body.Add((byte)(bytes.Length >> 8));
            body.Add((byte)bytes.Length);
            body.AddRange(bytes);
        }

        /// <summary>Null for none. Only MQTT 5 has them.</summary>
        private void AddProperties(List<byte> body, MqttProperties properties)
        {
            if (_level == 5) (properties ?? new MqttProperties()).WriteTo(body);
        }

        /// <summary>Where they end.</summary>
        private int KeepProperties(byte[] body, int at)
        {
            Found = MqttProperties.Read(body, ref at);
            return at;
        }

        /// <summary>The reason code of a packet, 0 where it is left out.</summary>
        private int ReadCode(int expected, int at)
        {
            int type;
            var body = Read(out type);
            Check.Equal(expected, type, "packet type");
            KeepProperties(body, at + 1);
            return body.Length > at ? body[at] : 0;
        }

        private int LastOf(int expected)
        {
            int type;
            var body = Read(out type);
            Check.Equal(expected, type, "packet type");
            if (_level == 5) KeepProperties(body, 2);
            return body.Length > 2 ? body[body.Length - 1] : 0;
        }

        private void Send(byte type, List<byte> body)
        {
            var packet = new List<byte> { type };
            MqttProperties.AddLength(packet, body.Count);
            packet.AddRange(body);
            _stream.Write(packet.ToArray(), 0, packet.Count);
        }

        /// <summary>The body of the next packet; null at the end of the connection.</summary>
        private byte[] Read(out int type)
        {
            type = ReadByte();
            if (type < 0) return null;
            var length = 0;
            for (var shift = 0; ; shift += 7)
            {
                var digit = ReadByte();
                if (digit < 0) return null;
                length |= (digit & 127) << shift;
                if (digit < 128) break;
            }
            var body = new byte[length];
            for (var read = 0; read < length;)
            {
                var more = _stream.Read(body, read, length - read);
                if (more == 0) return null;
                read += more;
            }
            return body;
        }

        private int ReadByte()
        {
            try
            {
                return _stream.ReadByte();
            }
            catch (IOException exception)
            {
                var socket = exception.InnerException as SocketException;
                if (socket != null && socket.SocketErrorCode == SocketError.ConnectionReset) return -1;
                throw;
            }
        }
    }
}
