using System;
using System.Threading;
using System.Threading.Tasks;
using Rmqtt;

internal static class Minimal
{
    private static void Main()
    {
        var hooks = new Hooks
        {
            Authenticate = async (connect, stopping) =>
            {
                await Task.Delay(10, stopping); // ask a directory, a database, ...
                return connect.Username == "alice" ? Verdict.Allow : Verdict.Deny;
            },
            Disconnected = gone => Console.WriteLine(gone.Client.ClientId + " is gone: " + gone.Reason),
        };
        using (var broker = new Broker("{\"listeners\":[{\"address\":\"127.0.0.1:0\"}]}", hooks))
        using (var arrived = new ManualResetEvent(false))
        {
            broker.CallbackFailed += (sender, failure) => Console.Error.WriteLine(failure.Exception);
            broker.Start();
            Console.WriteLine("listening on " + broker.Listeners[0].Address);

            using (broker.Subscribe(
                "plant/#",
                message =>
                {
                    Console.WriteLine(message.Topic + " " + message.Text);
                    arrived.Set();
                }))
            {
                broker.Publish("plant/1/state", "on", new PublishOptions { Retain = true });
                arrived.WaitOne(TimeSpan.FromSeconds(10));
            }
            broker.Stop(TimeSpan.FromSeconds(5));
        }
    }
}
