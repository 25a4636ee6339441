using System;

namespace Rmqtt
{
    /// <summary>The answer of a hook that decides. The default value denies.</summary>
    public readonly struct Verdict
    {
        private Verdict(bool allowed, byte reasonCode, string reason)
        {
            IsAllowed = allowed;
            ReasonCode = reasonCode;
            Reason = reason;
        }

        /// <summary>Yes.</summary>
        public static Verdict Allow
        {
            get { return new Verdict(true, 0, null); }
        }

        /// <summary>No: "not authorized".</summary>
        public static Verdict Deny
        {
            get { return default(Verdict); }
        }

        /// <summary>No, and why.</summary>
        /// <param name="reasonCode">An MQTT 5 reason code, 0x80 or above; 0 for "not authorized".</param>
        /// <param name="reason">Words for an MQTT 5 client, or null.</param>
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
            return new Verdict(false, reasonCode, reason);
        }

        /// <summary>Whether it is a yes.</summary>
        public bool IsAllowed { get; }

        /// <summary>The MQTT 5 reason code of a denial; 0 for "not authorized".</summary>
        public byte ReasonCode { get; }

        /// <summary>Words for an MQTT 5 client, or null.</summary>
        public string Reason { get; }
    }
}
