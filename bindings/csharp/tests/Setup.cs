using System;
using System.Threading.Tasks;

namespace Rmqtt.Tests
{
    /// <summary>Brokers and hooks that many tests want.</summary>
    internal static class Setup
    {
        internal const string Open =
            "{\"listeners\":[{\"name\":\"main\",\"address\":\"127.0.0.1:0\"}],\"auth\":{\"allow_anonymous\":true}}";

        internal static string WithCallbacks(string callbacks)
        {
            return Open.Insert(1, "\"callbacks\":{" + callbacks + "},");
        }

        internal static string WithLimits(string limits)
        {
            return Open.Insert(1, "\"limits\":{" + limits + "},");
        }

        internal static Broker Started(Hooks hooks = null, string config = Open)
        {
            var broker = new Broker(config, hooks);
            broker.Start();
            return broker;
        }

        internal static Hooks Answering(Func<AuthEvent, Verdict> answer)
        {
            return new Hooks { Authenticate = (connect, stopping) => Task.FromResult(answer(connect)) };
        }

        internal static int Port(this Broker broker)
        {
            return broker.Listeners[0].Port;
        }

        internal static MqttClient Connected(
            this Broker broker, string clientId, byte level = 4, bool clean = true, MqttProperties properties = null)
        {
            var client = new MqttClient(broker.Port());
            var code = client.Connect(clientId, level: level, clean: clean, properties: properties);
            Check.Equal(0, code, "CONNACK");
            return client;
        }

        /// <summary>The status of a call that has to fail.</summary>
        internal static Status StatusOf(Action call, string what)
        {
            return Check.Throws<RmqttException>(call, what).Status;
        }

        internal static void PublishNumbers(this Broker broker, string topic, byte qos, int from, int to)
        {
            for (var number = from; number <= to; number++)
            {
                broker.Publish(topic, number.ToString(), new PublishOptions { QoS = qos });
            }
        }

        /// <summary>What CONNECT is answered: the code of CONNACK, or -1 if the connection ends without.</summary>
        internal static int TryConnect(this Broker broker, string clientId, string username = null)
        {
            using (var client = new MqttClient(broker.Port()))
            {
                return client.Connect(clientId, username);
            }
        }
    }
}
