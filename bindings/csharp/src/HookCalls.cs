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
        private static readonly Native.PreConnectFn PreConnectDelegate = OnPreConnect;
        private static readonly Native.AuthorizePublishFn AuthorizePublishDelegate = OnAuthorizePublish;
        private static readonly Native.AuthorizeSubscribeFn AuthorizeSubscribeDelegate = OnAuthorizeSubscribe;
        private static readonly Native.AuthorizeUnsubscribeFn AuthorizeUnsubscribeDelegate = OnAuthorizeUnsubscribe;

        private static readonly IntPtr AuthenticatePointer =
            Marshal.GetFunctionPointerForDelegate(AuthenticateDelegate);

        private static readonly IntPtr ConnectedPointer = Marshal.GetFunctionPointerForDelegate(ConnectedDelegate);

        private static readonly IntPtr DisconnectedPointer =
            Marshal.GetFunctionPointerForDelegate(DisconnectedDelegate);

        private static readonly IntPtr PreConnectPointer = Marshal.GetFunctionPointerForDelegate(PreConnectDelegate);

        private static readonly IntPtr AuthorizePublishPointer =
            Marshal.GetFunctionPointerForDelegate(AuthorizePublishDelegate);

        private static readonly IntPtr AuthorizeSubscribePointer =
            Marshal.GetFunctionPointerForDelegate(AuthorizeSubscribeDelegate);

        private static readonly IntPtr AuthorizeUnsubscribePointer =
            Marshal.GetFunctionPointerForDelegate(AuthorizeUnsubscribeDelegate);

        private readonly Broker _broker;
        private readonly Func<AuthEvent, CancellationToken, Task<Verdict>> _authenticate;
        private readonly Action<ConnectedEvent> _connected;
        private readonly Action<DisconnectedEvent> _disconnected;
        private readonly Func<PreConnectEvent, CancellationToken, Task<Verdict>> _preConnect;
        private readonly Func<PublishEvent, CancellationToken, Task<Verdict>> _authorizePublish;
        private readonly Func<SubscribeEvent, CancellationToken, Task<Verdict>> _authorizeSubscribe;
        private readonly Func<UnsubscribeEvent, CancellationToken, Task<Verdict>> _authorizeUnsubscribe;

        internal HookCalls(Broker broker, Hooks hooks)
        {
            _broker = broker;
            _authenticate = hooks.Authenticate;
            _connected = hooks.Connected;
            _disconnected = hooks.Disconnected;
            _preConnect = hooks.PreConnect;
            _authorizePublish = hooks.AuthorizePublish;
            _authorizeSubscribe = hooks.AuthorizeSubscribe;
            _authorizeUnsubscribe = hooks.AuthorizeUnsubscribe;
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
                PreConnect = _preConnect == null ? IntPtr.Zero : PreConnectPointer,
                AuthorizePublish = _authorizePublish == null ? IntPtr.Zero : AuthorizePublishPointer,
                AuthorizeSubscribe = _authorizeSubscribe == null ? IntPtr.Zero : AuthorizeSubscribePointer,
                AuthorizeUnsubscribe = _authorizeUnsubscribe == null ? IntPtr.Zero : AuthorizeUnsubscribePointer,
            };
        }

        private static int OnAuthenticate(Native.Authenticate* native, Native.Verdict* verdict, IntPtr userData)
        {
            CallbackThread.Enter();
            try
            {
                var calls = UserData.Target<HookCalls>(userData);
                return calls.Decide(nameof(Hooks.Authenticate), calls._authenticate, new AuthEvent(native), verdict);
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

        private static int OnPreConnect(Native.PreConnect* native, Native.Verdict* verdict, IntPtr userData)
        {
            CallbackThread.Enter();
            try
            {
                var calls = UserData.Target<HookCalls>(userData);
                return calls.Decide(nameof(Hooks.PreConnect), calls._preConnect, new PreConnectEvent(native), verdict);
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

        private static int OnAuthorizePublish(Native.AuthorizePublish* native, Native.Verdict* verdict, IntPtr userData)
        {
            CallbackThread.Enter();
            try
            {
                var calls = UserData.Target<HookCalls>(userData);
                return calls.Decide(
                    nameof(Hooks.AuthorizePublish), calls._authorizePublish, new PublishEvent(native), verdict);
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

        private static int OnAuthorizeSubscribe(
            Native.AuthorizeSubscribe* native, Native.Verdict* verdict, IntPtr userData)
        {
            CallbackThread.Enter();
            try
            {
                var calls = UserData.Target<HookCalls>(userData);
                return calls.Decide(
                    nameof(Hooks.AuthorizeSubscribe), calls._authorizeSubscribe, new SubscribeEvent(native), verdict);
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

        private static int OnAuthorizeUnsubscribe(
            Native.AuthorizeUnsubscribe* native, Native.Verdict* verdict, IntPtr userData)
        {
            CallbackThread.Enter();
            try
            {
                var calls = UserData.Target<HookCalls>(userData);
                return calls.Decide(
                    nameof(Hooks.AuthorizeUnsubscribe), calls._authorizeUnsubscribe, new UnsubscribeEvent(native),
                    verdict);
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

        private int Decide<T>(
            string hook, Func<T, CancellationToken, Task<Verdict>> decide, T question, Native.Verdict* answer)
        {
            Task<Verdict> task;
            try
            {
                task = decide(question, _broker.Stopping);
                if (task == null) throw new InvalidOperationException("the hook returned no task");
            }
            catch (Exception exception)
            {
                _broker.RaiseCallbackFailed(hook, exception);
                return (int)Native.VerdictKind.Deny;
            }
            return (int)(task.IsCompleted ? AnswerNow(ResultOf(hook, task), answer) : AnswerLater(hook, task));
        }

        private static Native.VerdictKind AnswerNow(Verdict verdict, Native.Verdict* answer)
        {
            if (!verdict.HasViews)
            {
                verdict.Fill(answer);
                return verdict.Kind;
            }
            // The library reads text and payload right after this has returned, when nothing keeps them any more. A
            // ticket completed on the spot copies them.
            var decision = Decision.Defer();
            if (decision.IsGranted)
            {
                decision.Complete(verdict);
                return Native.VerdictKind.Deferred;
            }
            // Without a ticket, the client has to do without the words. A message that should be another one is not
            // let through as it is.
            answer->ReasonCode = verdict.ReasonCode;
            return Native.VerdictKind.Deny;
        }

        private Native.VerdictKind AnswerLater(string hook, Task<Verdict> task)
        {
            var decision = Decision.Defer();
            // Also without a ticket, the task is watched: its exception should be heard of.
            task.ContinueWith(
                done =>
                {
                    var verdict = ResultOf(hook, done);
                    if (decision.IsGranted) decision.Complete(verdict);
                },
                CancellationToken.None,
                TaskContinuationOptions.DenyChildAttach,
                TaskScheduler.Default);
            return decision.IsGranted ? Native.VerdictKind.Deferred : Native.VerdictKind.Deny;
        }

        /// <summary>What a completed task has decided; a failed one denies.</summary>
        private Verdict ResultOf(string hook, Task<Verdict> task)
        {
            try
            {
                return task.GetAwaiter().GetResult();
            }
            catch (Exception exception)
            {
                _broker.RaiseCallbackFailed(hook, exception);
                return Verdict.Deny;
            }
        }
    }
}
