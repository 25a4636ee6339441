using System;
using System.Collections.Generic;
using System.Threading;

namespace Rmqtt.Tests
{
    /// <summary>Runs every test on a thread of its own: one that hangs is named, not waited for.</summary>
    internal static class Program
    {
        private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

        private static int Main(string[] args)
        {
            if (args.Length < 3 || args.Length > 4)
            {
                Console.Error.WriteLine("usage: tests LAYOUT HEADER CERTIFICATES [PART OF A NAME]");
                return 2;
            }
            var tests = new List<KeyValuePair<string, Action>>();
            Action<string, Action> add = (name, body) => tests.Add(new KeyValuePair<string, Action>(name, body));
            LayoutTests.Register(add, args[0], args[1]);
            LifecycleTests.Register(add);
            DecisionTests.Register(add);
            AuthorizationTests.Register(add);
            ForwardTests.Register(add);
            ConnectTests.Register(add);
            ConnectionTests.Register(add, args[2]);
            ReloadTests.Register(add);
            EventTests.Register(add);
            MessageTests.Register(add);
            PublishTests.Register(add);
            SubscriptionTests.Register(add);
            RetainedTests.Register(add);
            ClientTests.Register(add);
            BanTests.Register(add);
            LimitTests.Register(add);
            AttachTests.Register(add);
            CallbackTests.Register(add);
            ObserveTests.Register(add);

            if (args.Length == 4) tests.RemoveAll(test => !test.Key.Contains(args[3]));

            var failed = 0;
            foreach (var test in tests)
            {
                var fault = Run(test.Value);
                if (fault != null) failed++;
                Console.WriteLine("{0} {1}", fault == null ? "ok    " : "FAILED", test.Key);
                if (fault != null) Console.WriteLine(fault);
            }
            Console.WriteLine("{0} passed, {1} failed", tests.Count - failed, failed);
            return failed == 0 ? 0 : 1;
        }

        private static string Run(Action body)
        {
            string fault = null;
            var thread = new Thread(
                () =>
                {
                    try
                    {
                        body();
                    }
                    catch (Exception exception)
                    {
                        fault = exception.ToString();
                    }
                });
            thread.IsBackground = true;
            thread.Start();
            return thread.Join(Deadline) ? fault : "not done after " + Deadline;
        }
    }
}
