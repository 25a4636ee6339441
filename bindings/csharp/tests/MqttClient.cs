using System;
using System.Collections.Generic;
using System.IO;
using System.Net.Sockets;
using System.Text;

namespace Rmqtt.Tests
{
    /// <summary>As much of an MQTT 3.1.1 client as the tests need, and CONNECT of 5.0.</summary>
    internal sealed class MqttClient : IDisposable
    {
        private readonly TcpClient _socket;
        private readonly Stream _stream;

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
            // A refusal has no other property: their length, the identifier, the length of the text, the text.
            if (body[1] >= 0x80 && body.Length > 3)
            {
                Check.True(body.Length >= 6 && body[3] == 0x1f, "a reason string");
                Check.Equal(body.Length - 6, body[4] * 256 + body[5], "its length");
                Reason = Encoding.UTF8.GetString(body, 6, body.Length - 6);
            }
            return body[1];
        }

        /// <summary>The reason string of CONNACK; null if there was none.</summary>
        internal string Reason { get; private set; }

        internal void Subscribe(string filter)
        {
            var body = new List<byte> { 0, 1 };
            AddText(body, filter);
            body.Add(0);
            Send(0x82, body);
            int type;
            var answer = Read(out type);
            Check.Equal(0x90, type, "packet type of SUBACK");
            Check.Equal(0, (int)answer[2], "granted QoS");
        }

        internal void Publish(string topic, string payload, bool retain = false)
        {
            var body = new List<byte>();
            AddText(body, topic);
            body.AddRange(Encoding.UTF8.GetBytes(payload));
            Send((byte)(retain ? 0x31 : 0x30), body);
        }

        /// <summary>Reads a PUBLISH of QoS 0 as "topic payload".</summary>
        internal string Receive()
        {
            int type;
            var body = Read(out type);
            Check.True(body != null && (type & 0xf6) == 0x30, "a PUBLISH of QoS 0, not " + type);
            var length = body[0] * 256 + body[1];
            return Encoding.UTF8.GetString(body, 2, length) + " "
                + Encoding.UTF8.GetString(body, 2 + length, body.Length - 2 - length);
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
