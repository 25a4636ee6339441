using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Rmqtt;

internal static class Messages
{
    private static void Main()
    {
        using (var broker = new Broker("{}"))
        using (var store = new Store())
        {
            broker.CallbackFailed += (sender, failure) => Console.Error.WriteLine(failure.Exception);
            broker.Start();
            RunAsync(broker, store).GetAwaiter().GetResult();
            broker.Stop(TimeSpan.FromSeconds(5));
        }
    }

    private static async Task RunAsync(Broker broker, Store store)
    {
        var options = new SubscribeOptions { QoS = 1, ManualAck = true, Overflow = Overflow.Block };
        using (broker.SubscribeBatch("sensors/#", messages => store.Add(messages), options))
        using (broker.Subscribe("calc/sum", request => Answer(broker, request)))
        {
            broker.SetRetained("sensors/unit", "celsius");
            var report = await broker.PublishAsync(
                "sensors/1", "21.5", new PublishOptions { QoS = 1, Wait = TimeSpan.FromSeconds(1) });
            Console.WriteLine(report.Acknowledged + " of " + report.Receivers + " have acknowledged it");

            var answer = new TaskCompletionSource<Message>(TaskCreationOptions.RunContinuationsAsynchronously);
            using (broker.Subscribe("answers/me", message => answer.TrySetResult(message)))
            {
                var properties = new Properties { ResponseTopic = "answers/me", CorrelationData = new byte[] { 1 } };
                broker.Publish("calc/sum", "1 2 39", new PublishOptions { Properties = properties });
                Console.WriteLine("the answer is " + (await answer.Task).Text);
            }
        }
    }

    // MQTT 5 requests say where the answer goes, and what it comes with.
    private static void Answer(Broker broker, Message request)
    {
        if (request.Properties?.ResponseTopic == null) return;
        var sum = request.Text.Split(' ').Sum(number => long.Parse(number));
        var properties = new Properties
        {
            CorrelationData = request.Properties.CorrelationData,
            MessageExpiry = TimeSpan.FromSeconds(10),
        };
        var options = new PublishOptions { Properties = properties };
        broker.Publish(request.Properties.ResponseTopic, sum.ToString(), options);
    }

    /// <summary>Writes on a thread of its own, and acknowledges what is written.</summary>
    private sealed class Store : IDisposable
    {
        private readonly BlockingCollection<IReadOnlyList<Message>> _waiting =
            new BlockingCollection<IReadOnlyList<Message>>();

        private readonly Task _writing;

        internal Store()
        {
            _writing = Task.Factory.StartNew(Write, TaskCreationOptions.LongRunning);
        }

        internal void Add(IReadOnlyList<Message> messages)
        {
            _waiting.Add(messages);
        }

        public void Dispose()
        {
            _waiting.CompleteAdding();
            _writing.Wait();
            _waiting.Dispose();
        }

        private void Write()
        {
            foreach (var messages in _waiting.GetConsumingEnumerable())
            {
                foreach (var message in messages)
                {
                    Console.WriteLine("stored " + message.Topic + " " + message.Text);
                    message.Acknowledge();
                }
            }
        }
    }
}
