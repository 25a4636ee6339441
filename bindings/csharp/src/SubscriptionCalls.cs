using System;
using System.Runtime.InteropServices;

namespace Rmqtt
{
    /// <summary>Where the library calls the function of a subscription.</summary>
    internal sealed unsafe class SubscriptionCalls
    {
        // The delegate has to outlive every pointer to it.
        private static readonly Native.MessageFn MessageDelegate = OnMessage;

        internal static readonly IntPtr MessagePointer = Marshal.GetFunctionPointerForDelegate(MessageDelegate);

        private readonly Broker _broker;
        private readonly Action<Message> _onMessage;

        internal SubscriptionCalls(Broker broker, Action<Message> onMessage)
        {
            _broker = broker;
            _onMessage = onMessage;
        }

        private static void OnMessage(Native.Message* native, IntPtr userData)
        {
            CallbackThread.Enter();
            try
            {
                var calls = UserData.Target<SubscriptionCalls>(userData);
                calls._broker.Guard(nameof(Subscription), calls._onMessage, Message.Copy((IntPtr)native));
            }
            catch (Exception)
            {
                // There is no answer to give, and no exception may cross into the library.
            }
            finally
            {
                CallbackThread.Leave();
            }
        }
    }
}
