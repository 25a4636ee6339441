using System;

namespace Rmqtt
{
    /// <summary>Tells whether this thread is inside of a callback.</summary>
    internal static class CallbackThread
    {
        [ThreadStatic]
        private static int s_depth;

        internal static bool IsCurrent
        {
            get { return s_depth > 0; }
        }

        internal static void Enter()
        {
            s_depth++;
        }

        internal static void Leave()
        {
            s_depth--;
        }
    }
}
