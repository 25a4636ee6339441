using System;

namespace Rmqtt
{
    /// <summary>The answer of a hook that decides. The default value denies.</summary>
    public readonly struct Verdict
    {
        private Verdict(Native.VerdictKind kind, byte reasonCode = 0, string reason = null, Changes changes = null)
        {
            Kind = kind;
            ReasonCode = reasonCode;
            Reason = reason;
            Changes = changes;
        }

        /// <summary>Yes.</summary>
        public static Verdict Allow
        {
            get { return new Verdict(Native.VerdictKind.Allow); }
        }

        /// <summary>No: "not authorized".</summary>
        public static Verdict Deny
        {
            get { return default(Verdict); }
        }

        /// <summary>No, but the client is not told: its message goes nowhere and is acknowledged as if it had. Denies
        /// what is not a message.</summary>
        public static Verdict Drop
        {
            get { return new Verdict(Native.VerdictKind.Drop); }
        }

        /// <summary>Yes, but with these changes, which are copied.</summary>
        /// <exception cref="ArgumentException">The QoS is none, or the topic is not Unicode.</exception>
        public static Verdict AllowWith(Changes changes)
        {
            if (changes == null) throw new ArgumentNullException(nameof(changes));
            var copy = changes.Copy();
            if (copy.QoS > 2) throw new ArgumentOutOfRangeException(nameof(changes), copy.QoS, "a QoS is 0, 1 or 2");
            // As in DenyWith.
            if (copy.Topic != null) Utf8.Encode(copy.Topic, nameof(changes));
            return new Verdict(Native.VerdictKind.Allow, changes: copy);
        }

        /// <summary>No, and why.</summary>
        /// <param name="reasonCode">An MQTT 5 reason code, 0x80 or above; 0 for "not authorized".</param>
        /// <param name="reason">Words for an MQTT 5 client that connects, or that publishes with QoS 1 or 2; or
        /// null.</param>
        /// <exception cref="ArgumentException">The code is not one of a denial, or the reason is not
        /// Unicode.</exception>
        public static Verdict DenyWith(byte reasonCode, string reason = null)
        {
            if (reasonCode != 0 && reasonCode < 0x80)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(reasonCode), reasonCode, "a denial has 0 or a reason code of 0x80 or above");
            }
            // Here the program hears of it; once the client waits for its answer, nobody does.
            if (reason != null) Utf8.Encode(reason, nameof(reason));
            return new Verdict(Native.VerdictKind.Deny, reasonCode, reason);
        }

        /// <summary>Whether it is a yes.</summary>
        public bool IsAllowed
        {
            get { return Kind == Native.VerdictKind.Allow; }
        }

        /// <summary>Whether it is a no that the client is not told.</summary>
        public bool IsDropped
        {
            get { return Kind == Native.VerdictKind.Drop; }
        }

        /// <summary>The MQTT 5 reason code of a denial; 0 for "not authorized".</summary>
        public byte ReasonCode { get; }

        /// <summary>Words for an MQTT 5 client, or null.</summary>
        public string Reason { get; }

        internal Native.VerdictKind Kind { get; }

        /// <summary>Null for none.</summary>
        internal Changes Changes { get; }

        /// <summary>Whether there is text or payload in it, which has to be kept until the library has read
        /// it.</summary>
        internal bool HasViews
        {
            get { return Reason != null || Changes?.Topic != null || Changes?.Payload != null; }
        }

        /// <summary>Fills in all but the views.</summary>
        internal unsafe void Fill(Native.Verdict* native)
        {
            native->Kind = (int)Kind;
            native->ReasonCode = ReasonCode;
            // A library from before there were changes has no fields for them.
            if ((ulong)native->StructSize < (ulong)sizeof(Native.Verdict)) return;
            if (Changes?.QoS != null)
            {
                native->Replace |= (uint)Native.Replace.Qos;
                native->Qos = Changes.QoS.Value;
            }
            if (Changes?.Retain != null)
            {
                native->Replace |= (uint)Native.Replace.Retain;
                native->Retain = Changes.Retain.Value ? (byte)1 : (byte)0;
            }
        }
    }
}
