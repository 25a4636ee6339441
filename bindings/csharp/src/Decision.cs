using System;

namespace Rmqtt
{
    /// <summary>The ticket of a decision that is made later, or with more than the hook can return.</summary>
    internal readonly struct Decision
    {
        private readonly ulong _ticket;

        private Decision(ulong ticket)
        {
            _ticket = ticket;
        }

        /// <summary>False where the library grants none: outside of a hook, too late, or too many are open.</summary>
        internal bool IsGranted
        {
            get { return _ticket != 0; }
        }

        /// <summary>Takes a ticket. Only on the thread that runs the hook.</summary>
        internal static Decision Defer()
        {
            return new Decision(Native.DecisionDefer());
        }

        /// <summary>Completes the decision. It may have been made long since, by its deadline or a stop; then this
        /// changes nothing, and there is nobody to tell.</summary>
        internal unsafe void Complete(Verdict verdict)
        {
            var native = new Native.Verdict { StructSize = (UIntPtr)sizeof(Native.Verdict) };
            verdict.Fill(&native);
            var topic = verdict.Changes?.Topic;
            var payload = verdict.Changes?.Payload;
            var encodedReason = Utf8.Encode(verdict.Reason ?? "", nameof(verdict));
            var encodedTopic = Utf8.Encode(topic ?? "", nameof(verdict));
            fixed (byte* pinnedReason = encodedReason, pinnedTopic = encodedTopic, pinnedPayload = payload)
            {
                if (verdict.Reason != null) native.ReasonString = Utf8.View(pinnedReason, encodedReason);
                if (topic != null)
                {
                    native.Replace |= (uint)Native.Replace.Topic;
                    native.Topic = Utf8.View(pinnedTopic, encodedTopic);
                }
                if (payload != null)
                {
                    native.Replace |= (uint)Native.Replace.Payload;
                    native.Payload = new Native.Bytes { Ptr = (IntPtr)pinnedPayload, Len = (UIntPtr)payload.Length };
                }
                Native.DecisionComplete(_ticket, &native);
            }
        }
    }
}
