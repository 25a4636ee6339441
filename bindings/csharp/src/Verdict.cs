using System;

namespace Rmqtt
{
    /// <summary>The answer of a hook that decides. The default value denies.</summary>
    public readonly struct Verdict
    {
        private Verdict(Native.VerdictKind kind, byte reasonCode = 0, Changes changes = null, Answer answer = null)
        {
            Kind = kind;
            ReasonCode = reasonCode;
            Changes = changes;
            Answer = answer;
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

        /// <summary>Not yet: an enhanced authentication goes on, with the authentication data of <see cref="With" /> as
        /// the challenge. From <see cref="Hooks.Authenticate" />: the configuration decides, as without the hook. Denies
        /// everything else.</summary>
        public static Verdict Continue
        {
            get { return new Verdict(Native.VerdictKind.Continue); }
        }

        /// <summary>Yes, but with these changes, which are copied.</summary>
        /// <exception cref="ArgumentException">Something is out of range, or not Unicode.</exception>
        public static Verdict AllowWith(Changes changes)
        {
            if (changes == null) throw new ArgumentNullException(nameof(changes));
            return new Verdict(Native.VerdictKind.Allow, changes: changes.Copy(nameof(changes)));
        }

        /// <summary>No, and why.</summary>
        /// <param name="reasonCode">An MQTT 5 reason code, 0x80 or above; 0 for "not authorized".</param>
        /// <param name="reason">Words for an MQTT 5 client; or null.</param>
        /// <exception cref="ArgumentException">The code is not one of a denial, or the reason is not
        /// Unicode.</exception>
        public static Verdict DenyWith(byte reasonCode, string reason = null)
        {
            if (reasonCode != 0 && reasonCode < 0x80)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(reasonCode), reasonCode, "a denial has 0 or a reason code of 0x80 or above");
            }
            var answer = reason == null ? null : new Answer { Reason = Utf8.Checked(reason, nameof(reason)) };
            return new Verdict(Native.VerdictKind.Deny, reasonCode, answer: answer);
        }

        /// <summary>The same, and what an MQTT 5 client gets with it, which is copied. What is null there stays as it
        /// is; user properties are added.</summary>
        /// <exception cref="ArgumentException">Something is not Unicode.</exception>
        public Verdict With(Answer answer)
        {
            if (answer == null) throw new ArgumentNullException(nameof(answer));
            var both = (Answer ?? new Answer()).With(answer, nameof(answer));
            return new Verdict(Kind, ReasonCode, Changes, both);
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

        /// <summary>Whether it is no decision yet.</summary>
        public bool IsContinued
        {
            get { return Kind == Native.VerdictKind.Continue; }
        }

        /// <summary>The MQTT 5 reason code of a denial; 0 for "not authorized".</summary>
        public byte ReasonCode { get; }

        /// <summary>Words for an MQTT 5 client, or null.</summary>
        public string Reason
        {
            get { return Answer?.Reason; }
        }

        /// <summary>No, because the code that was to decide has failed.</summary>
        internal static Verdict Failed
        {
            get { return new Verdict(Native.VerdictKind.Failed); }
        }

        internal Native.VerdictKind Kind { get; }

        /// <summary>Whether there is text or octets in it, which have to be kept until the library has read
        /// them.</summary>
        internal bool HasViews
        {
            get { return Answer != null || (Changes != null && Changes.HasViews); }
        }

        /// <summary>Null for none.</summary>
        private Changes Changes { get; }

        /// <summary>Null for none.</summary>
        private Answer Answer { get; }

        /// <summary>Fills in all but the views.</summary>
        internal unsafe void Fill(Native.Verdict* native)
        {
            native->Kind = (int)Kind;
            native->ReasonCode = ReasonCode;
            // A library from before there were changes, or so many of them, has no fields for them.
            if ((ulong)native->StructSize >= (ulong)sizeof(Native.Verdict)) Changes?.Fill(native);
        }

        /// <summary>Fills in all of it.</summary>
        internal unsafe void Fill(Native.Verdict* native, Views views)
        {
            Fill(native);
            Changes?.Fill(native, views);
            if (Answer == null) return;
            native->ReasonString = views.Of(Answer.Reason);
            native->UserProperties = views.Of(Answer.UserProperties);
            native->UserPropertyCount = (UIntPtr)Answer.UserProperties.Count;
            native->AuthData = views.Of(Answer.AuthData);
            native->ResponseInformation = views.Of(Answer.ResponseInformation);
            native->ServerReference = views.Of(Answer.ServerReference);
        }
    }
}
