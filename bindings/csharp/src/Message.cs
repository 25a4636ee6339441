using System;
using System.Text;

namespace Rmqtt
{
    /// <summary>A message that the broker hands to the program.</summary>
    public sealed class Message
    {
        private static readonly byte[] Nothing = new byte[0];

        private unsafe Message(Native.Message* native)
        {
            Topic = Utf8.Copy(native->Topic);
            Payload = Utf8.Copy(native->Payload) ?? Nothing;
            Publisher = Client.Copy(native->Publisher);
            Origin = (Origin)native->Origin;
            QoS = native->Qos;
            Retain = native->Retain != 0;
            // A library of an earlier version does not tell the rest.
            var told = (byte*)native + (ulong)native->StructSize;
            if ((byte*)(&native->Properties + 1) <= told) Properties = Properties.Copy(native->Properties);
            if ((byte*)(&native->Delivery + 1) <= told) Delivery = native->Delivery;
        }

        /// <summary>The topic name.</summary>
        public string Topic { get; }

        /// <summary>The payload; never null.</summary>
        public byte[] Payload { get; }

        /// <summary>The payload read as UTF-8, with U+FFFD for what is not.</summary>
        public string Text
        {
            get { return Encoding.UTF8.GetString(Payload); }
        }

        /// <summary>The connection that published it, or whose will it is; null if there is none, or if it is long
        /// gone.</summary>
        public Client Publisher { get; }

        /// <summary>What made it enter the broker.</summary>
        public Origin Origin { get; }

        /// <summary>The QoS, 0 to 2.</summary>
        public byte QoS { get; }

        /// <summary>Whether it is a retained message.</summary>
        public bool Retain { get; }

        /// <summary>The MQTT 5 properties; null if it has none. Whoever gets the message may change them and put them
        /// into a verdict; nothing else comes of it.</summary>
        public Properties Properties { get; }

        /// <summary>Names the delivery, in whatever broker of the process; 0 if nothing has to be
        /// acknowledged.</summary>
        public ulong Delivery { get; }

        /// <summary>
        /// Acknowledges a message of a subscription with <see cref="SubscribeOptions.ManualAck" />, on any thread and
        /// in whatever order. Until then it counts against <see cref="SubscribeOptions.ReceiveMaximum" />. Does nothing
        /// where nothing has to be acknowledged.
        /// </summary>
        /// <exception cref="RmqttException">With <see cref="Status.Expired" />, it has been acknowledged already, or
        /// its subscription is over, or the broker has been stopped.</exception>
        public void Acknowledge()
        {
            if (Delivery != 0) Acknowledge(Delivery);
        }

        /// <summary>As <see cref="Acknowledge()" />, for a program that keeps no more than
        /// <see cref="Delivery" />.</summary>
        public static void Acknowledge(ulong delivery)
        {
            Library.Check();
            RmqttException.ThrowIfFailed(Native.DeliveryAck(delivery));
        }

        /// <summary>Copies; null for NULL.</summary>
        internal static unsafe Message Copy(IntPtr native)
        {
            return native == IntPtr.Zero ? null : new Message((Native.Message*)native);
        }
    }
}
