using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;

namespace Rmqtt
{
    /// <summary>Where the library calls the function of a subscription.</summary>
    internal sealed unsafe class SubscriptionCalls
    {
        // The delegates have to outlive every pointer to them.
        private static readonly Native.MessageFn MessageDelegate = OnMessage;
        private static readonly Native.MessagesFn MessagesDelegate = OnMessages;

        internal static readonly IntPtr MessagePointer = Marshal.GetFunctionPointerForDelegate(MessageDelegate);
        internal static readonly IntPtr MessagesPointer = Marshal.GetFunctionPointerForDelegate(MessagesDelegate);

        private readonly Broker _broker;
        private readonly Action<Message> _onMessage;
        private readonly Action<IReadOnlyList<Message>> _onMessages;

        internal SubscriptionCalls(Broker broker, Action<Message> onMessage)
        {
            _broker = broker;
            _onMessage = onMessage ?? throw new ArgumentNullException(nameof(onMessage));
        }

        internal SubscriptionCalls(Broker broker, Action<IReadOnlyList<Message>> onMessages)
        {
            _broker = broker;
            _onMessages = onMessages ?? throw new ArgumentNullException(nameof(onMessages));
        }

        /// <summary>Whether its function takes several messages at once.</summary>
        internal bool TakesBatches
        {
            get { return _onMessages != null; }
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

        private static void OnMessages(IntPtr* natives, UIntPtr count, IntPtr userData)
        {
            CallbackThread.Enter();
            try
            {
                var calls = UserData.Target<SubscriptionCalls>(userData);
                var messages = new Message[(int)count];
                for (var index = 0; index < messages.Length; index++) messages[index] = Message.Copy(natives[index]);
                calls._broker.Guard(nameof(Subscription), calls._onMessages, Array.AsReadOnly(messages));
            }
            catch (Exception)
            {
                // As above.
            }
            finally
            {
                CallbackThread.Leave();
            }
        }
    }
}
