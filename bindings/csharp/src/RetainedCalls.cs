using System;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Rmqtt
{
    /// <summary>Where the library shows retained messages, on the thread that has asked for them.</summary>
    internal sealed unsafe class RetainedCalls : IDisposable
    {
        // The delegate has to outlive every pointer to it.
        private static readonly Native.MessageFn MessageDelegate = OnMessage;

        internal static readonly IntPtr MessagePointer = Marshal.GetFunctionPointerForDelegate(MessageDelegate);

        private readonly Action<Message> _onMessage;
        private ExceptionDispatchInfo _thrown;

        internal RetainedCalls(Action<Message> onMessage)
        {
            _onMessage = onMessage;
            Pointer = UserData.Of(this);
        }

        /// <summary>The user_data, which stays with this.</summary>
        internal IntPtr Pointer { get; }

        /// <summary>Throws what the function has thrown; else, if the call has failed. Frees the error in any
        /// case.</summary>
        internal void ThrowIfFailed(int status, IntPtr error)
        {
            try
            {
                RmqttException.ThrowIfFailed(status, error);
            }
            finally
            {
                _thrown?.Throw();
            }
        }

        public void Dispose()
        {
            UserData.Free(Pointer);
        }

        private static void OnMessage(Native.Message* native, IntPtr userData)
        {
            // No CallbackThread: whoever is called here may do what the caller may.
            RetainedCalls calls = null;
            try
            {
                calls = UserData.Target<RetainedCalls>(userData);
                if (calls._thrown == null) calls._onMessage(Message.Copy((IntPtr)native));
            }
            catch (Exception exception)
            {
                // The way back to the caller leads through the library, which no exception may cross.
                if (calls != null) calls._thrown = ExceptionDispatchInfo.Capture(exception);
            }
        }
    }
}
