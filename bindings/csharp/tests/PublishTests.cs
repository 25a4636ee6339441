using System;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    internal static class PublishTests
    {
        internal static void Register(Action<string, Action> test)
        {
            test("publish: properties there and back", PropertiesThereAndBack);
            test("publish: mistakes are told", Mistakes);
            test("publish: one client gets it", OneClient);
            test("publish: later is later", Later);
            test("publish: everybody's acknowledgement is reported", Reports);
            test("publish: a refused message is reported", RefusedReport);
            test("publish: reports are bounded", BoundedReports);
            test("publish: a report function that throws is told", ThrowingReport);
            test("publish: PublishAsync waits for the last report", Async);
            test("publish: PublishAsync fails as Publish does", AsyncFails);
            test("publish: a stop cancels PublishAsync", AsyncCancelled);
            test("publish: what waits for PublishAsync runs on no thread of the library", AsyncContinuation);
            test("publish: a batch keeps its order", Batch);
            test("publish: a batch ends at a fault", BatchFault);
            test("publish: report functions are let go", LetGo);
        }

        private static Properties AllProperties()
        {
            var properties = new Properties
            {
                ContentType = "text/größe",
                ResponseTopic = "answers/1",
                CorrelationData = Encoding.UTF8.GetBytes("c\0d"),
                MessageExpiry = TimeSpan.FromSeconds(600),
                PayloadFormatIndicator = 1,
            };
            properties.UserProperties.Add("k", "1");
            properties.UserProperties.Add("a", "");
            properties.UserProperties.Add("k", "2");
            return properties;
        }

        private static bool IsLeft(int seconds)
        {
            return seconds > 500 && seconds <= 600;
        }

        private static void PropertiesThereAndBack()
        {
            var heard = new Heard();
            using (var broker = Setup.Started())
            using (broker.Subscribe("p/#", heard.One, new SubscribeOptions { QoS = 1 }))
            using (var v5 = broker.Connected("v5", 5))
            using (var v4 = broker.Connected("v4"))
            {
                Check.Equal(1, v5.TrySubscribe("p/#", 1), "granted QoS");
                Check.Equal(1, v4.TrySubscribe("p/#", 1), "granted QoS");
                broker.Publish("p/api", "there", new PublishOptions { QoS = 1, Properties = AllProperties() });
                Check.Equal("p/api there", v5.Receive(1), "to MQTT 5");
                var found = v5.Found;
                Check.Equal(6, found.Count, "kinds of properties");
                Check.Equal("1", found[MqttProperties.PayloadFormat], "payload format");
                Check.True(IsLeft(int.Parse(found[MqttProperties.MessageExpiry])), "message expiry");
                Check.Equal("text/größe", found[MqttProperties.ContentType], "content type");
                Check.Equal("answers/1", found[MqttProperties.ResponseTopic], "response topic");
                Check.Equal("c\0d", found[MqttProperties.CorrelationData], "correlation data");
                Check.Equal("k=1, a=, k=2", found[MqttProperties.User], "user properties");
                v5.SendPuback();
                Check.Equal("p/api there", v4.Receive(1), "to MQTT 3.1.1");
                heard.Expect("there,");
                HasAll(heard[0]);
                Check.Equal(Origin.Api, heard[0].Origin, "origin");

                var back = new MqttProperties().Add(MqttProperties.PayloadFormat, 1)
                    .Add(MqttProperties.MessageExpiry, 600)
                    .Add(MqttProperties.ContentType, "text/größe")
                    .Add(MqttProperties.ResponseTopic, "answers/1")
                    .Add(MqttProperties.CorrelationData, "c\0d")
                    .AddUser("k", "1").AddUser("a", "").AddUser("k", "2");
                v5.Publish("p/client", "back", properties: back);
                heard.Expect("there,back,");
                HasAll(heard[1]);
                broker.Publish("p/none", "none");
                heard.Expect("there,back,none,");
                Check.True(heard[2].Properties == null, "no properties");
            }
        }

        private static void HasAll(Message message)
        {
            var wanted = AllProperties();
            var found = message.Properties;
            Check.Equal(wanted.ContentType, found.ContentType, "content type");
            Check.Equal(wanted.ResponseTopic, found.ResponseTopic, "response topic");
            Check.True(wanted.CorrelationData.SequenceEqual(found.CorrelationData), "correlation data");
            Check.True(IsLeft((int)found.MessageExpiry.Value.TotalSeconds), "message expiry");
            Check.Equal(wanted.PayloadFormatIndicator, found.PayloadFormatIndicator, "payload format");
            Check.Equal("k=1 a= k=2", string.Join(" ", found.UserProperties), "user properties");
        }

        private static void Mistakes()
        {
            using (var broker = Setup.Started())
            {
                Action<PublishOptions, Status, string> refused = (options, status, what) =>
                    Check.Equal(
                        status, Setup.StatusOf(() => broker.Publish("t", new byte[] { 255 }, options), what), what);
                var invalid = Status.InvalidArgument;
                refused(new PublishOptions { QoS = 3 }, invalid, "QoS");
                refused(
                    new PublishOptions { Properties = new Properties { PayloadFormatIndicator = 1 } }, invalid,
                    "not UTF-8");
                refused(
                    new PublishOptions { Properties = new Properties { PayloadFormatIndicator = 2 } }, invalid,
                    "payload format");
                refused(
                    new PublishOptions { Properties = new Properties { ResponseTopic = "a/#" } }, invalid,
                    "response topic");
                refused(new PublishOptions { Delay = TimeSpan.FromDays(50000) }, invalid, "delay");
                refused(new PublishOptions { ClientId = "nobody", Retain = true }, invalid, "retained for one client");
                refused(new PublishOptions { ClientId = "nobody" }, Status.NotFound, "no such client");
                var negative = TimeSpan.FromMilliseconds(-1);
                foreach (var options in new[]
                {
                    new PublishOptions { Delay = negative },
                    new PublishOptions { Wait = negative },
                    new PublishOptions { Wait = TimeSpan.FromDays(50) },
                    new PublishOptions { Properties = new Properties { MessageExpiry = negative } },
                })
                {
                    Check.Throws<ArgumentOutOfRangeException>(() => broker.Publish("t", "p", options), "time");
                }
                Check.Throws<ArgumentException>(
                    () => broker.Publish("t", "p", new PublishOptions { ClientId = "\ud800" }), "no Unicode");
                Check.Equal(0L, broker.GetStats().MessagesPublished, "published");
            }
        }

        private static void OneClient()
        {
            using (var broker = Setup.Started())
            using (var one = broker.Connected("größe", 5))
            using (var other = broker.Connected("other"))
            {
                other.Subscribe("#");
                var options = new PublishOptions { ClientId = "größe", QoS = 1 };
                var last = broker.PublishAsync("direct", "for you", options);
                Check.Equal("direct for you", one.Receive(1), "message");
                one.SendPuback();
                Check.Equal("Acknowledged 1 1 0.", Told(Check.Result(last, "report")), "report");
                broker.Publish("all", "for all");
                Check.Equal("all for all", other.Receive(), "the first that the other one gets");
            }
        }

        private static void Later()
        {
            var heard = new Heard();
            var clock = Stopwatch.StartNew();
            using (var broker = Setup.Started())
            using (broker.Subscribe("d", heard.One))
            {
                broker.Publish("d", "third", new PublishOptions { Delay = TimeSpan.FromMilliseconds(300) });
                broker.Publish("d", "second", new PublishOptions { Delay = TimeSpan.FromMilliseconds(100) });
                broker.Publish("d", "first");
                heard.Expect("first,second,third,");
                Check.True(clock.ElapsedMilliseconds >= 300, "not before");
                Check.Equal(Origin.Api, heard[0].Origin, "origin");
                Check.Equal(Origin.Delayed, heard[2].Origin, "origin");
            }
        }

        private static string Told(PublishReport report)
        {
            return report.Stage + " " + report.Receivers + " " + report.Acknowledged + " " + report.Lost
                + (report.Last ? "." : "");
        }

        /// <summary>What has been reported, when the last report has come.</summary>
        private static string Take(BlockingCollection<PublishReport> reports)
        {
            var told = "";
            while (true)
            {
                PublishReport report;
                Check.True(reports.TryTake(out report, Check.Patience), "a report in time, after: " + told);
                told += Told(report);
                if (report.Last) return told;
                told += ", ";
            }
        }

        private static void Reports()
        {
            var reports = new BlockingCollection<PublishReport>();
            var heard = new Heard();
            using (var broker = Setup.Started())
            using (broker.Subscribe("r", heard.One, new SubscribeOptions { QoS = 1, ManualAck = true }))
            using (var careless = broker.Connected("careless"))
            using (var leaving = broker.Connected("leaving"))
            {
                careless.Subscribe("r");
                Check.Equal(1, leaving.TrySubscribe("r", 1), "granted QoS");
                broker.Publish("r", "x", new PublishOptions { QoS = 1, OnReport = reports.Add });
                leaving.Receive(1);
                heard.Expect("x,");
                Check.Until(() => reports.Count == 1, "queued");
                heard[0].Acknowledge();
                Check.Until(() => broker.GetStats().MessagesSent == 2, "sent");
                Check.Equal(1, reports.Count, "reports while one has not acknowledged");
                leaving.Dispose();
                Check.Equal("Queued 3 0 0, Acknowledged 3 1 1.", Take(reports), "reports");

                broker.Publish("r", "y", new PublishOptions { OnReport = reports.Add });
                Check.Equal("Queued 2 0 0.", Take(reports), "reports of QoS 0");
                broker.Publish("nobody", "z", new PublishOptions { QoS = 1, OnReport = reports.Add });
                Check.Equal("Queued 0 0 0.", Take(reports), "reports of what nobody gets");
            }
        }

        private static void RefusedReport()
        {
            var reports = new BlockingCollection<PublishReport>();
            var hooks = new Hooks
            {
                AuthorizePublish = (publish, stopping) =>
                    Task.FromResult(publish.Message.Topic == "no" ? Verdict.Deny : Verdict.Allow),
            };
            using (var broker = Setup.Started(hooks))
            {
                broker.Publish("no", "x", new PublishOptions { OnReport = reports.Add });
                Check.Equal("Refused 0 0 0.", Take(reports), "reports");
                broker.Publish("yes", "x", new PublishOptions { OnReport = reports.Add });
                Check.Equal("Queued 0 0 0.", Take(reports), "reports");
            }
        }

        private static void BoundedReports()
        {
            using (var broker = Setup.Started(config: Setup.WithCallbacks("\"max_pending\":1")))
            using (var silent = broker.Connected("silent"))
            {
                Check.Equal(1, silent.TrySubscribe("t", 1), "granted QoS");
                var options = new PublishOptions { QoS = 1, OnReport = report => { } };
                broker.Publish("t", "x", options);
                Check.Equal(
                    Status.WouldBlock,
                    Setup.StatusOf(() => broker.Publish("t", "x", options), "one too many"),
                    "status");
            }
        }

        private static void ThrowingReport()
        {
            var told = new BlockingCollection<string>();
            using (var broker = Setup.Started())
            {
                broker.CallbackFailed += (sender, failure) =>
                    told.Add(failure.Callback + " " + failure.Exception.Message);
                var options = new PublishOptions { OnReport = report => { throw new Exception("broken"); } };
                var last = broker.PublishAsync("t", "x", options);
                Check.True(Check.Result(last, "report").Last, "the report comes all the same");
                string line;
                Check.True(told.TryTake(out line, Check.Patience), "told");
                Check.Equal("OnReport broken", line, "told");
                Check.Equal(0L, broker.GetStats().CallbackPanics, "the library saw nothing of it");
            }
        }

        private static void Async()
        {
            var reports = new BlockingCollection<PublishReport>();
            using (var broker = Setup.Started())
            using (var client = broker.Connected("c"))
            {
                Check.Equal(1, client.TrySubscribe("t", 1), "granted QoS");
                var last = broker.PublishAsync("t", "x", new PublishOptions { QoS = 1, OnReport = reports.Add });
                Check.Equal("t x", client.Receive(1), "message");
                Check.Until(() => reports.Count == 1, "queued");
                Check.True(!last.IsCompleted, "not before it is acknowledged");
                client.SendPuback();
                Check.Equal("Acknowledged 1 1 0.", Told(Check.Result(last, "report")), "report");
                Check.Equal("Queued 1 0 0, Acknowledged 1 1 0.", Take(reports), "reports");
                last = broker.PublishAsync("nobody", new byte[0]);
                Check.Equal("Queued 0 0 0.", Told(Check.Result(last, "report")), "report");
            }
        }

        private static void AsyncFails()
        {
            using (var broker = Setup.Started())
            {
                var task = broker.PublishAsync("t", "x", new PublishOptions { ClientId = "nobody" });
                Check.Until(() => task.IsCompleted, "completed");
                Check.True(task.IsFaulted, "failed, not cancelled");
                Check.Equal(Status.NotFound, ((RmqttException)task.Exception.InnerException).Status, "status");
                Check.Throws<ArgumentNullException>(() => broker.PublishAsync("t", (string)null), "null payload");
            }
        }

        private static void AsyncCancelled()
        {
            using (var broker = Setup.Started())
            using (var silent = broker.Connected("silent"))
            {
                Check.Equal(1, silent.TrySubscribe("t", 1), "granted QoS");
                var delayed = broker.PublishAsync("t", "x", new PublishOptions { Delay = TimeSpan.FromHours(1) });
                broker.Stop(TimeSpan.Zero);
                Check.Until(() => delayed.IsCompleted, "completed");
                Check.True(delayed.IsCanceled, "cancelled");
                broker.Start();
                delayed = broker.PublishAsync("t", "x", new PublishOptions { Delay = TimeSpan.FromHours(1) });
                broker.Dispose();
                Check.Until(() => delayed.IsCompleted, "completed");
                Check.True(delayed.IsCanceled, "cancelled");
            }
        }

        private static void AsyncContinuation()
        {
            using (var broker = Setup.Started())
            using (var go = new ManualResetEvent(false))
            {
                // Holds back the report until there is something that waits for it.
                var options = new PublishOptions { OnReport = report => go.WaitOne() };
                var stopped = broker.PublishAsync("t", "x", options).ContinueWith(
                    last => broker.Stop(TimeSpan.Zero), TaskContinuationOptions.ExecuteSynchronously);
                go.Set();
                Check.True(stopped.Wait(Check.Patience), "stopped");
                Check.True(!broker.Running, "stopped");
            }
        }

        private static void Batch()
        {
            var reports = new BlockingCollection<PublishReport>();
            var heard = new Heard();
            using (var broker = Setup.Started())
            using (broker.Subscribe("b/#", heard.One, new SubscribeOptions { QoS = 1 }))
            {
                var options = new PublishOptions { QoS = 1, OnReport = reports.Add, Properties = AllProperties() };
                broker.PublishBatch(
                    Enumerable.Range(0, 1000).Select(
                        number => new Publication(number % 2 == 0 ? "b/even" : "b/odd", number.ToString(), options)));
                heard.Expect(string.Concat(Enumerable.Range(0, 1000).Select(number => number + ",")));
                Check.Until(() => reports.Count == 2000, "reports of each");
                HasAll(heard[999]);
                broker.PublishBatch(new Publication[0]);
                broker.PublishBatch(new[] { new Publication("b/1", new byte[0]) });
                Check.Until(() => heard.Count == 1001, "one more");
                Check.Equal("b/1", heard[1000].Topic, "topic");
            }
        }

        private static void BatchFault()
        {
            var reports = new BlockingCollection<PublishReport>();
            var heard = new Heard();
            using (var broker = Setup.Started())
            using (broker.Subscribe("b", heard.One))
            {
                var options = new PublishOptions { OnReport = reports.Add };
                var messages = new[] { "b", "b", "#", "b" }
                    .Select((topic, number) => new Publication(topic, number.ToString(), options))
                    .ToArray();
                var exception = Check.Throws<RmqttException>(() => broker.PublishBatch(messages), "wildcard");
                Check.Equal(Status.InvalidArgument, exception.Status, "status");
                Check.Equal(2, exception.Accepted, "accepted");
                broker.PublishBatch(messages.Skip(exception.Accepted + 1));
                heard.Expect("0,1,3,");
                Check.Until(() => reports.Count == 3, "reports of those published");

                messages[1] = null;
                Check.Throws<ArgumentException>(() => broker.PublishBatch(messages), "null in it");
                Check.Throws<ArgumentNullException>(() => broker.PublishBatch(null), "null");
                Check.Throws<ArgumentNullException>(() => new Publication(null, "p"), "null topic");
                Check.Throws<ArgumentNullException>(() => new Publication("t", (byte[])null), "null payload");
                broker.Publish("b", "end");
                heard.Expect("0,1,3,end,");
            }
        }

        private static void LetGo()
        {
            using (var broker = Setup.Started())
            {
                var functions = Functions(broker);
                Check.Until(
                    () =>
                    {
                        GC.Collect();
                        GC.WaitForPendingFinalizers();
                        return functions.Count(function => function.IsAlive) < functions.Length / 4;
                    },
                    "functions are let go");
            }
        }

        // Not every one: a conservative collector may see a stale reference on a stack.
        private static WeakReference[] Functions(Broker broker)
        {
            WeakReference[] functions = null;
            var thread = new Thread(
                () => functions = Enumerable.Range(0, 60).Select(
                    number =>
                    {
                        var reports = new BlockingCollection<PublishReport>();
                        var options = new PublishOptions { OnReport = reports.Add };
                        if (number % 3 == 0) broker.Publish("t", "x", options);
                        var bad = new Publication("#", "x", options);
                        if (number % 3 == 1)
                        {
                            Check.Throws<RmqttException>(() => broker.Publish("#", "x", options), "wildcard");
                        }
                        if (number % 3 == 2)
                        {
                            Check.Throws<RmqttException>(() => broker.PublishBatch(new[] { bad, bad }), "wildcard");
                        }
                        return new WeakReference(reports);
                    }).ToArray());
            thread.Start();
            thread.Join();
            return functions;
        }
    }
}
