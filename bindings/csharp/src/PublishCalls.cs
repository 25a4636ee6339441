using System;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt
{
    /// <summary>Where the library reports what has become of a message.</summary>
    internal sealed unsafe class PublishCalls
    {
        // The delegates have to outlive every pointer to them.
        private static readonly Native.PublishReportFn ReportDelegate = OnReport;
        private static readonly Native.DropFn DropDelegate = OnDrop;

        private static readonly IntPtr ReportPointer = Marshal.GetFunctionPointerForDelegate(ReportDelegate);
        private static readonly IntPtr DropPointer = Marshal.GetFunctionPointerForDelegate(DropDelegate);

        private readonly Broker _broker;
        private readonly Action<PublishReport> _onReport;

        // Code that waits for the task is code of the program, and has no business on a thread of the library.
        private readonly TaskCompletionSource<PublishReport> _last =
            new TaskCompletionSource<PublishReport>(TaskCreationOptions.RunContinuationsAsynchronously);

        // The call that publishes, and the library.
        private int _holders = 2;

        /// <summary>One for whoever waits for the last report.</summary>
        internal PublishCalls(Broker broker, PublishOptions options)
        {
            _broker = broker;
            _onReport = options?.OnReport;
        }

        /// <summary>Completes with the last report; cancelled if none comes.</summary>
        internal Task<PublishReport> Last
        {
            get { return _last.Task; }
        }

        /// <summary>One if somebody wants to know, else null.</summary>
        internal static PublishCalls For(Broker broker, PublishOptions options)
        {
            return options?.OnReport == null ? null : new PublishCalls(broker, options);
        }

        /// <summary>Fills in what reports. The library must get it, or the user_data is never freed.</summary>
        internal void Fill(Native.Publish* native)
        {
            native->OnReport = ReportPointer;
            native->Drop = DropPointer;
            native->UserData = UserData.Of(this);
        }

        /// <summary>The call that publishes has succeeded, or the library reports no more.</summary>
        internal void Release()
        {
            // Before a call that fails returns, the library lets go: that alone cancels nothing.
            if (Interlocked.Decrement(ref _holders) == 0) _last.TrySetCanceled();
        }

        /// <summary>The call that publishes has failed.</summary>
        internal void Failed(Exception exception)
        {
            _last.TrySetException(exception);
        }

        private static void OnReport(Native.PublishReport* native, IntPtr userData)
        {
            CallbackThread.Enter();
            try
            {
                var calls = UserData.Target<PublishCalls>(userData);
                var report = new PublishReport(native);
                if (calls._onReport != null)
                {
                    calls._broker.Guard(nameof(PublishOptions.OnReport), calls._onReport, report);
                }
                if (report.Last) calls._last.TrySetResult(report);
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

        private static void OnDrop(IntPtr userData)
        {
            try
            {
                UserData.Target<PublishCalls>(userData).Release();
            }
            catch (Exception)
            {
                // As above.
            }
            UserData.Free(userData);
        }
    }
}
