using System;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt
{
    /// <summary>
    /// Where the library calls the hooks. Holds the delegates as they were when the hooks were set, so that changing
    /// the <see cref="Hooks" /> afterwards changes nothing behind the back of the library.
    /// </summary>
    internal sealed unsafe class HookCalls
    {
        // The delegates have to outlive every pointer to them.
        private static readonly Native.AuthenticateFn AuthenticateDelegate = OnAuthenticate;
        private static readonly Native.ConnectedFn ConnectedDelegate = OnConnected;
        private static readonly Native.DisconnectedFn DisconnectedDelegate = OnDisconnected;

        private static readonly IntPtr AuthenticatePointer =
            Marshal.GetFunctionPointerForDelegate(AuthenticateDelegate);

        private static readonly IntPtr ConnectedPointer = Marshal.GetFunctionPointerForDelegate(ConnectedDelegate);

        private static readonly IntPtr DisconnectedPointer =
            Marshal.GetFunctionPointerForDelegate(DisconnectedDelegate);

        private readonly Broker _broker;
        private readonly Func<AuthEvent, CancellationToken, Task<Verdict>> _authenticate;
        private readonly Action<ConnectedEvent> _connected;
        private readonly Action<DisconnectedEvent> _disconnected;

        internal HookCalls(Broker broker, Hooks hooks)
        {
            _broker = broker;
            _authenticate = hooks.Authenticate;
            _connected = hooks.Connected;
            _disconnected = hooks.Disconnected;
        }

        /// <summary>The native hooks. The library must get them, or their user_data is never freed.</summary>
        internal Native.Hooks ToNative()
        {
            return new Native.Hooks
            {
                StructSize = (UIntPtr)sizeof(Native.Hooks),
                UserData = UserData.Of(this),
                Drop = UserData.Drop,
                Authenticate = _authenticate == null ? IntPtr.Zero : AuthenticatePointer,
                Connected = _connected == null ? IntPtr.Zero : ConnectedPointer,
                Disconnected = _disconnected == null ? IntPtr.Zero : DisconnectedPointer,
            };
        }

        private static int OnAuthenticate(Native.Authenticate* native, Native.Verdict* verdict, IntPtr userData)
        {
            CallbackThread.Enter();
            try
            {
                return (int)UserData.Target<HookCalls>(userData).Decide(new AuthEvent(native), verdict);
            }
            catch (Exception)
            {
                return (int)Native.VerdictKind.Deny;
            }
            finally
            {
                CallbackThread.Leave();
            }
        }

        private static void OnConnected(Native.Connected* native, IntPtr userData)
        {
            CallbackThread.Enter();
            try
            {
                var calls = UserData.Target<HookCalls>(userData);
                calls._broker.Guard(nameof(Hooks.Connected), calls._connected, new ConnectedEvent(native));
            }
            catch (Exception)
            {
                // An event has no answer, and no exception may cross into the library.
            }
            finally
            {
                CallbackThread.Leave();
            }
        }

        private static void OnDisconnected(Native.Disconnected* native, IntPtr userData)
        {
            CallbackThread.Enter();
            try
            {
                var calls = UserData.Target<HookCalls>(userData);
                calls._broker.Guard(nameof(Hooks.Disconnected), calls._disconnected, new DisconnectedEvent(native));
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

        private Native.VerdictKind Decide(AuthEvent connect, Native.Verdict* answer)
        {
            Task<Verdict> task;
            try
            {
                task = _authenticate(connect, _broker.Stopping);
                if (task == null) throw new InvalidOperationException("the hook returned no task");
            }
            catch (Exception exception)
            {
                Failed(exception);
                return Native.VerdictKind.Deny;
            }
            return task.IsCompleted ? AnswerNow(ResultOf(task), answer) : AnswerLater(task);
        }

        private static Native.VerdictKind AnswerNow(Verdict verdict, Native.Verdict* answer)
        {
            if (verdict.IsAllowed) return Native.VerdictKind.Allow;
            answer->ReasonCode = verdict.ReasonCode;
            if (verdict.Reason == null) return Native.VerdictKind.Deny;

            // The library reads the words right after this has returned, when nothing keeps them any more. A ticket
            // completed on the spot copies them; without one, the client has to do without the words.
            var decision = Decision.Defer();
            if (!decision.IsGranted) return Native.VerdictKind.Deny;
            decision.Complete(verdict);
            return Native.VerdictKind.Deferred;
        }

        private Native.VerdictKind AnswerLater(Task<Verdict> task)
        {
            var decision = Decision.Defer();
            // Also without a ticket, the task is watched: its exception should be heard of.
            task.ContinueWith(
                done =>
                {
                    var verdict = ResultOf(done);
                    if (decision.IsGranted) decision.Complete(verdict);
                },
                CancellationToken.None,
                TaskContinuationOptions.DenyChildAttach,
                TaskScheduler.Default);
            return decision.IsGranted ? Native.VerdictKind.Deferred : Native.VerdictKind.Deny;
        }

        /// <summary>What a completed task has decided; a failed one denies.</summary>
        private Verdict ResultOf(Task<Verdict> task)
        {
            try
            {
                return task.GetAwaiter().GetResult();
            }
            catch (Exception exception)
            {
                Failed(exception);
                return Verdict.Deny;
            }
        }

        private void Failed(Exception exception)
        {
            _broker.RaiseCallbackFailed(nameof(Hooks.Authenticate), exception);
        }
    }
}
