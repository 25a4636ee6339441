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
        private readonly TcpClient _socket;
        private readonly Stream _stream;
        private byte _level;

        internal MqttClient(int port)
        {
            _socket = new TcpClient("127.0.0.1", port);
            _socket.NoDelay = true;
            _stream = _socket.GetStream();
            _stream.ReadTimeout = (int)Check.Patience.TotalMilliseconds;
            _stream.WriteTimeout = (int)Check.Patience.TotalMilliseconds;
        }

        internal int Connect(
            string clientId, string username = null, byte[] password = null, string willTopic = null,
            byte[] will = null, byte level = 4)
        {
            SendConnect(clientId, username, password, willTopic, will, level);
            return ReadConnack();
        }

        internal void SendConnect(
            string clientId, string username = null, byte[] password = null, string willTopic = null,
            byte[] will = null, byte level = 4)
        {
            _level = level;
            var flags = 2;
            if (willTopic != null) flags |= 4;
            if (password != null) flags |= 0x40;
            if (username != null) flags |= 0x80;
            var body = new List<byte>();
            AddText(body, "MQTT");
            body.Add(level);
            body.Add((byte)flags);
            body.AddRange(new byte[] { 0, 30 });
            if (level == 5) body.Add(0);
            AddText(body, clientId);
            if (willTopic != null)
            {
                if (level == 5) body.Add(0);
                AddText(body, willTopic);
                AddBytes(body, will);
            }
            if (username != null) AddText(body, username);
            if (password != null) AddBytes(body, password);
            Send(0x10, body);
        }

        /// <summary>The code of CONNACK; -1 if the connection ends without.</summary>
        internal int ReadConnack()
        {
            int type;
            var body = Read(out type);
            Reason = null;
            if (body == null) return -1;
            Check.Equal(0x20, type, "packet type of CONNACK");
            if (body[1] >= 0x80) KeepReason(body, 2);
            return body[1];
        }

        /// <summary>The reason string of the last CONNACK or PUBACK; null if there was none.</summary>
        internal string Reason { get; private set; }

        internal void Subscribe(string filter)
        {
            Check.Equal(0, TrySubscribe(filter, 0), "granted QoS");
        }

        /// <summary>The code of SUBACK.</summary>
        internal int TrySubscribe(string filter, byte options)
        {
            var body = new List<byte> { 0, 1 };
            AddNoProperties(body);
            AddText(body, filter);
            body.Add(options);
            Send(0x82, body);
            return LastOf(0x90);
        }

        /// <summary>The code of UNSUBACK, which only MQTT 5 has.</summary>
        internal int Unsubscribe(string filter)
        {
            var body = new List<byte> { 0, 1 };
            AddNoProperties(body);
            AddText(body, filter);
            Send(0xa2, body);
            return LastOf(0xb0);
        }

        internal void SendPublish1(string topic, string payload)
        {
            var body = new List<byte>();
            AddText(body, topic);
            body.AddRange(new byte[] { 0, 1 });
            AddNoProperties(body);
            body.AddRange(Encoding.UTF8.GetBytes(payload));
            Send(0x32, body);
        }

        /// <summary>The code of PUBACK.</summary>
        internal int ReadPuback()
        {
            int type;
            var body = Read(out type);
            Reason = null;
            Check.Equal(0x40, type, "packet type of PUBACK");
            if (body.Length < 3) return 0;
            KeepReason(body, 3);
            return body[2];
        }

        internal int Publish1(string topic, string payload)
        {
            SendPublish1(topic, payload);
            return ReadPuback();
        }

        internal void Publish(string topic, string payload, bool retain = false)
        {
            var body = new List<byte>();
            AddText(body, topic);
            AddNoProperties(body);
            body.AddRange(Encoding.UTF8.GetBytes(payload));
            Send((byte)(retain ? 0x31 : 0x30), body);
        }

        /// <summary>Reads a PUBLISH of a QoS as "topic payload", and does not acknowledge it.</summary>
        internal string Receive(int qos = 0)
        {
            int type;
            var body = Read(out type);
            Check.True(body != null && (type & 0xf6) == (0x30 | qos << 1), "a PUBLISH of QoS " + qos + ", not " + type);
            var length = body[0] * 256 + body[1];
            var rest = 2 + length + (qos > 0 ? 2 : 0) + (_level == 5 ? 1 : 0);
            return Encoding.UTF8.GetString(body, 2, length) + " "
                + Encoding.UTF8.GetString(body, rest, body.Length - rest);
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
            _socket.Close();
        }

        private static void AddText(List<byte> body, string text)
        {
            AddBytes(body, Encoding.UTF8.GetBytes(text));
        }

        private static void AddBytes(List<byte> body, byte[] bytes)
        {
            body.Add((byte)(bytes.Length >> 8));
            body.Add((byte)bytes.Length);
            body.AddRange(bytes);
        }

        /// <summary>What MQTT 5 needs to say that there are none.</summary>
        private void AddNoProperties(List<byte> body)
        {
            if (_level == 5) body.Add(0);
        }

        /// <summary>Reads the properties of a refusal. There is none but the reason string: their length, the
        /// identifier, the length of the text, the text.</summary>
        private void KeepReason(byte[] body, int at)
        {
            if (body.Length < at + 2) return;
            Check.True(body.Length >= at + 4 && body[at + 1] == 0x1f, "a reason string");
            Check.Equal(body.Length - at - 4, body[at + 2] * 256 + body[at + 3], "its length");
            Reason = Encoding.UTF8.GetString(body, at + 4, body.Length - at - 4);
        }

        private int LastOf(int expected)
        {
            int type;
            var body = Read(out type);
            Check.Equal(expected, type, "packet type");
            return body[body.Length - 1];
        }

        private void Send(byte type, List<byte> body)
        {
            var packet = new List<byte> { type };
            var length = body.Count;
            do
            {
                packet.Add((byte)(length % 128 + (length >= 128 ? 128 : 0)));
                length /= 128;
            }
            while (length > 0);
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
