using System.Collections.Generic;
using System.Text;

namespace Rmqtt.Tests
{
    /// <summary>MQTT 5 properties, written and read. Binary data is text here.</summary>
    internal sealed class MqttProperties
    {
        internal const byte PayloadFormat = 0x01;
        internal const byte MessageExpiry = 0x02;
        internal const byte ContentType = 0x03;
        internal const byte ResponseTopic = 0x08;
        internal const byte CorrelationData = 0x09;
        internal const byte SubscriptionId = 0x0b;
        internal const byte SessionExpiry = 0x11;
        internal const byte AssignedClientId = 0x12;
        internal const byte ServerKeepAlive = 0x13;
        internal const byte AuthMethod = 0x15;
        internal const byte AuthData = 0x16;
        internal const byte RequestProblem = 0x17;
        internal const byte RequestResponse = 0x19;
        internal const byte ResponseInformation = 0x1a;
        internal const byte ServerReference = 0x1c;
        internal const byte Reason = 0x1f;
        internal const byte ReceiveMaximum = 0x21;
        internal const byte TopicAliasMaximum = 0x22;
        internal const byte TopicAlias = 0x23;
        internal const byte User = 0x26;
        internal const byte MaximumPacketSize = 0x27;

        private readonly List<byte> _written = new List<byte>();
        private readonly Dictionary<byte, string> _read = new Dictionary<byte, string>();

        /// <summary>What has been read; null if there is none. Of several, all: <c>a=1, a=2</c>.</summary>
        internal string this[byte id]
        {
            get
            {
                string found;
                return _read.TryGetValue(id, out found) ? found : null;
            }
        }

        /// <summary>How many there are, of whatever kind.</summary>
        internal int Count
        {
            get { return _read.Count; }
        }

        internal MqttProperties Add(byte id, string text)
        {
            _written.Add(id);
            AddText(_written, text);
            return this;
        }

        internal MqttProperties Add(byte id, uint number)
        {
            _written.Add(id);
            if (id == SubscriptionId)
            {
                AddLength(_written, (int)number);
                return this;
            }
            for (var shift = 8 * (Width(id) - 1); shift >= 0; shift -= 8) _written.Add((byte)(number >> shift));
            return this;
        }

        internal MqttProperties AddUser(string name, string value)
        {
            Add(User, name);
            AddText(_written, value);
            return this;
        }

        internal void WriteTo(List<byte> body)
        {
            AddLength(body, _written.Count);
            body.AddRange(_written);
        }

        /// <summary>Reads them, and goes on behind them; none at the end of a packet.</summary>
        internal static MqttProperties Read(byte[] body, ref int at)
        {
            var properties = new MqttProperties();
            if (at >= body.Length) return properties;
            var end = ReadLength(body, ref at);
            end += at;
            while (at < end)
            {
                var id = body[at++];
                var value = properties.ReadValue(id, body, ref at);
                if (properties._read.ContainsKey(id)) value = properties._read[id] + ", " + value;
                properties._read[id] = value;
            }
            Check.Equal(end, at, "end of the properties");
            return properties;
        }

        internal static void AddText(List<byte> body, string text)
        {
            var bytes = Encoding.UTF8.GetBytes(text);
            body.Add((byte)(bytes.Length >> 8));
            body.Add((byte)bytes.Length);
            body.AddRange(bytes);
        }

        internal static void AddLength(List<byte> body, int length)
        {
            do
            {
                body.Add((byte)(length % 128 + (length >= 128 ? 128 : 0)));
                length /= 128;
            }
            while (length > 0);
        }

        private static int ReadLength(byte[] body, ref int at)
        {
            var length = 0;
            for (var shift = 0; ; shift += 7)
            {
                var digit = body[at++];
                length |= (digit & 127) << shift;
                if (digit < 128) return length;
            }
        }

        private static string ReadText(byte[] body, ref int at)
        {
            var length = body[at] * 256 + body[at + 1];
            at += 2 + length;
            return Encoding.UTF8.GetString(body, at - length, length);
        }

        private string ReadValue(byte id, byte[] body, ref int at)
        {
            if (id == SubscriptionId) return ReadLength(body, ref at).ToString();
            if (id == User)
            {
                var name = ReadText(body, ref at);
                return name + "=" + ReadText(body, ref at);
            }
            var width = Width(id);
            if (width == 0) return ReadText(body, ref at);
            uint number = 0;
            for (; width > 0; width--) number = number << 8 | body[at++];
            return number.ToString();
        }

        /// <summary>The bytes of a number; 0 for text.</summary>
        private static int Width(byte id)
        {
            switch (id)
            {
                case ContentType:
                case ResponseTopic:
                case CorrelationData:
                case AssignedClientId:
                case AuthMethod:
                case AuthData:
                case ResponseInformation:
                case ServerReference:
                case Reason:
                    return 0;
                case MessageExpiry:
                case SessionExpiry:
                case MaximumPacketSize:
                    return 4;
                case ServerKeepAlive:
                case ReceiveMaximum:
                case TopicAliasMaximum:
                case TopicAlias:
                    return 2;
                default:
                    return 1;
            }
        }
    }
}
