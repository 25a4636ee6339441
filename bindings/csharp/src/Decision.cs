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
            using (var views = new Views())
            {
                verdict.Fill(&native, views);
                Native.DecisionComplete(_ticket, &native);
            }
        }
    }
}
