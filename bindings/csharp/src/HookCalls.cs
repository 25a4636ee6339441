using System;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt
{
    /// <summary>
    /// Where the library calls the hooks. Holds them as they were when they were set, so that changing the
    /// <see cref="Hooks" /> afterwards changes nothing behind the back of the library.
    /// </summary>
    internal sealed unsafe class HookCalls
    {
        private static readonly Entry Authenticate = Asked(
            nameof(Hooks.Authenticate), hooks => hooks.Authenticate,
            native => new AuthEvent((Native.Authenticate*)native));

        private static readonly Entry Connected = Told(
            nameof(Hooks.Connected), hooks => hooks.Connected,
            native => new ConnectedEvent((Native.Connected*)native));

        private static readonly Entry Disconnected = Told(
            nameof(Hooks.Disconnected), hooks => hooks.Disconnected,
            native => new DisconnectedEvent((Native.Disconnected*)native));

        private static readonly Entry PreConnect = Asked(
            nameof(Hooks.PreConnect), hooks => hooks.PreConnect,
            native => new PreConnectEvent((Native.PreConnect*)native));

        private static readonly Entry AuthorizePublish = Asked(
            nameof(Hooks.AuthorizePublish), hooks => hooks.AuthorizePublish,
            native => new PublishEvent((Native.AuthorizePublish*)native));

        private static readonly Entry AuthorizeSubscribe = Asked(
            nameof(Hooks.AuthorizeSubscribe), hooks => hooks.AuthorizeSubscribe,
            native => new SubscribeEvent((Native.AuthorizeSubscribe*)native));

        private static readonly Entry AuthorizeUnsubscribe = Asked(
            nameof(Hooks.AuthorizeUnsubscribe), hooks => hooks.AuthorizeUnsubscribe,
            native => new UnsubscribeEvent((Native.AuthorizeUnsubscribe*)native));

        private static readonly Entry AuthorizeForward = Asked(
            nameof(Hooks.AuthorizeForward), hooks => hooks.AuthorizeForward,
            native => new ForwardEvent((Native.AuthorizeForward*)native));

        private static readonly Entry AuthExchange = Asked(
            nameof(Hooks.AuthExchange), hooks => hooks.AuthExchange,
            native => new AuthExchangeEvent((Native.AuthExchange*)native));

        private static readonly Entry Connack = Told(
            nameof(Hooks.Connack), hooks => hooks.Connack,
            native => new ConnackEvent((Native.Connack*)native));

        private static readonly Entry SessionCreated = Told(
            nameof(Hooks.SessionCreated), hooks => hooks.SessionCreated,
            native => new SessionEvent((Native.SessionEvent*)native));

        private static readonly Entry SessionResumed = Told(
            nameof(Hooks.SessionResumed), hooks => hooks.SessionResumed,
            native => new SessionEvent((Native.SessionEvent*)native));

        private static readonly Entry SessionTakenOver = Told(
            nameof(Hooks.SessionTakenOver), hooks => hooks.SessionTakenOver,
            native => new SessionEvent((Native.SessionEvent*)native));

        private static readonly Entry SessionTerminated = Told(
            nameof(Hooks.SessionTerminated), hooks => hooks.SessionTerminated,
            native => new SessionTerminatedEvent((Native.SessionEvent*)native));

        private static readonly Entry Subscribed = Told(
            nameof(Hooks.Subscribed), hooks => hooks.Subscribed,
            native => new SubscribedEvent((Native.Subscribed*)native));

        private static readonly Entry Unsubscribed = Told(
            nameof(Hooks.Unsubscribed), hooks => hooks.Unsubscribed,
            native => new UnsubscribedEvent((Native.Unsubscribed*)native));

        private static readonly Entry MessagePublished = Told(
            nameof(Hooks.MessagePublished), hooks => hooks.MessagePublished,
            native => new MessagePublishedEvent((Native.MessagePublished*)native));

        private static readonly Entry MessageDelivered = Told(
            nameof(Hooks.MessageDelivered), hooks => hooks.MessageDelivered,
            native => new MessageDeliveredEvent((Native.MessageDelivered*)native));

        private static readonly Entry MessageAcked = Told(
            nameof(Hooks.MessageAcked), hooks => hooks.MessageAcked,
            native => new MessageAckedEvent((Native.MessageAcked*)native));

        private static readonly Entry MessageDropped = Told(
            nameof(Hooks.MessageDropped), hooks => hooks.MessageDropped,
            native => new MessageDroppedEvent((Native.MessageDropped*)native));

        private static readonly Entry WillPublished = Told(
            nameof(Hooks.WillPublished), hooks => hooks.WillPublished,
            native => new MessagePublishedEvent((Native.MessagePublished*)native));

        private static readonly Entry RetainedChanged = Told(
            nameof(Hooks.RetainedChanged), hooks => hooks.RetainedChanged,
            native => new RetainedChangedEvent((Native.RetainedChanged*)native));

        private static readonly Entry FirstSubscriber = Told(
            nameof(Hooks.FirstSubscriber), hooks => hooks.FirstSubscriber,
            native => new SubscriberEvent((Native.SubscriberEvent*)native));

        private static readonly Entry LastSubscriber = Told(
            nameof(Hooks.LastSubscriber), hooks => hooks.LastSubscriber,
            native => new SubscriberEvent((Native.SubscriberEvent*)native));

        private static readonly Entry ListenerUp = Told(
            nameof(Hooks.ListenerUp), hooks => hooks.ListenerUp,
            native => new Listener(*(Native.ListenerInfo*)native));

        private static readonly Entry ListenerDown = Told(
            nameof(Hooks.ListenerDown), hooks => hooks.ListenerDown,
            native => new Listener(*(Native.ListenerInfo*)native));

        private static readonly Entry Overload = Told(
            nameof(Hooks.Overload), hooks => hooks.Overload,
            native => new OverloadEvent((Native.Overload*)native));

        private static readonly Entry ClientBanned = Told(
            nameof(Hooks.ClientBanned), hooks => hooks.ClientBanned,
            native => new ClientBannedEvent((Native.ClientBanned*)native));

        private readonly Broker _broker;
        private readonly Hooks _hooks;

        internal HookCalls(Broker broker, Hooks hooks)
        {
            _broker = broker;
            _hooks = hooks.Copy();
        }

        /// <summary>The native hooks. The library must get them, or their user_data is never freed.</summary>
        internal Native.Hooks ToNative()
        {
            return new Native.Hooks
            {
                StructSize = (UIntPtr)sizeof(Native.Hooks),
                UserData = UserData.Of(this),
                Drop = UserData.Drop,
                Authenticate = Authenticate.For(_hooks),
                Connected = Connected.For(_hooks),
                Disconnected = Disconnected.For(_hooks),
                PreConnect = PreConnect.For(_hooks),
                AuthorizePublish = AuthorizePublish.For(_hooks),
                AuthorizeSubscribe = AuthorizeSubscribe.For(_hooks),
                AuthorizeUnsubscribe = AuthorizeUnsubscribe.For(_hooks),
                AuthorizeForward = AuthorizeForward.For(_hooks),
                AuthExchange = AuthExchange.For(_hooks),
                Connack = Connack.For(_hooks),
                SessionCreated = SessionCreated.For(_hooks),
                SessionResumed = SessionResumed.For(_hooks),
                SessionTakenOver = SessionTakenOver.For(_hooks),
                SessionTerminated = SessionTerminated.For(_hooks),
                Subscribed = Subscribed.For(_hooks),
                Unsubscribed = Unsubscribed.For(_hooks),
                MessagePublished = MessagePublished.For(_hooks),
                MessageDelivered = MessageDelivered.For(_hooks),
                MessageAcked = MessageAcked.For(_hooks),
                MessageDropped = MessageDropped.For(_hooks),
                WillPublished = WillPublished.For(_hooks),
                RetainedChanged = RetainedChanged.For(_hooks),
                FirstSubscriber = FirstSubscriber.For(_hooks),
                LastSubscriber = LastSubscriber.For(_hooks),
                ListenerUp = ListenerUp.For(_hooks),
                ListenerDown = ListenerDown.For(_hooks),
                Overload = Overload.For(_hooks),
                ClientBanned = ClientBanned.For(_hooks),
            };
        }

        /// <summary>The entry of a hook that is told.</summary>
        /// <param name="name">The name of the hook.</param>
        /// <param name="select">Finds it among the others.</param>
        /// <param name="copy">Copies what the library tells.</param>
        private static Entry Told<T>(string name, Func<Hooks, Action<T>> select, Func<IntPtr, T> copy)
        {
            Native.EventFn call = (native, userData) =>
            {
                CallbackThread.Enter();
                try
                {
                    var calls = UserData.Target<HookCalls>(userData);
                    calls._broker.Guard(name, select(calls._hooks), copy(native));
                }
                catch (Exception)
                {
                    // An event has no answer, and no exception may cross into the library.
                }
                finally
                {
                    CallbackThread.Leave();
                }
            };
            return new Entry(call, select);
        }

        /// <summary>The entry of a hook that is asked.</summary>
        private static Entry Asked<T>(
            string name, Func<Hooks, Func<T, CancellationToken, Task<Verdict>>> select, Func<IntPtr, T> copy)
        {
            Native.DecisionFn call = (native, verdict, userData) =>
            {
                CallbackThread.Enter();
                try
                {
                    var calls = UserData.Target<HookCalls>(userData);
                    return (int)calls.Decide(name, select(calls._hooks), copy(native), verdict);
                }
                catch (Exception)
                {
                    return (int)Native.VerdictKind.Failed;
                }
                finally
                {
                    CallbackThread.Leave();
                }
            };
            return new Entry(call, select);
        }

        private Native.VerdictKind Decide<T>(
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
                return Native.VerdictKind.Failed;
            }
            return task.IsCompleted ? AnswerNow(ResultOf(hook, task), answer) : AnswerLater(hook, task);
        }

        private static Native.VerdictKind AnswerNow(Verdict verdict, Native.Verdict* answer)
        {
            // A library of an earlier version has no place for all of it here.
            if (!verdict.HasViews && (ulong)answer->StructSize >= (ulong)sizeof(Native.Verdict))
            {
                verdict.Fill(answer);
                return verdict.Kind;
            }
            // The library reads text and octets right after this has returned, when nothing keeps them any more. A
            // ticket completed on the spot copies them.
            var decision = Decision.Defer();
            if (decision.IsGranted)
            {
                decision.Complete(verdict);
                return Native.VerdictKind.Deferred;
            }
            // Without a ticket, a no does without the words. A yes that should come with something is none, and the
            // library counts why.
            if (verdict.IsAllowed || verdict.IsContinued) return Native.VerdictKind.Deferred;
            verdict.Fill(answer);
            return verdict.Kind;
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
            // Without a ticket, that denies, and the library counts why.
            return Native.VerdictKind.Deferred;
        }

        /// <summary>What a completed task has decided.</summary>
        private Verdict ResultOf(string hook, Task<Verdict> task)
        {
            try
            {
                return task.GetAwaiter().GetResult();
            }
            catch (Exception exception)
            {
                _broker.RaiseCallbackFailed(hook, exception);
                return Verdict.Failed;
            }
        }

        /// <summary>The function that the library calls for one hook, of whichever broker.</summary>
        private sealed class Entry
        {
            // The delegate has to outlive every pointer to it.
            private readonly Delegate _call;
            private readonly IntPtr _pointer;
            private readonly Func<Hooks, Delegate> _select;

            internal Entry(Delegate call, Func<Hooks, Delegate> select)
            {
                _call = call;
                _pointer = Marshal.GetFunctionPointerForDelegate(_call);
                _select = select;
            }

            /// <summary>A pointer to it if that hook is set, else NULL.</summary>
            internal IntPtr For(Hooks hooks)
            {
                return _select(hooks) == null ? IntPtr.Zero : _pointer;
            }
        }
    }
}
