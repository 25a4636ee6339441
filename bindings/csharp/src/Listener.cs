namespace Rmqtt
{
    /// <summary>A listener of a broker.</summary>
    public sealed class Listener
    {
        internal Listener(Native.ListenerInfo native)
        {
            Name = Utf8.Copy(native.Name);
            Type = Utf8.Copy(native.Type);
            Address = Utf8.Copy(native.Address);
            Port = native.Port;
        }

        /// <summary>The name.</summary>
        public string Name { get; }

        /// <summary>The transport, such as "tcp".</summary>
        public string Type { get; }

        /// <summary>Where it is bound, such as "127.0.0.1:1883"; as configured while the broker does not
        /// run.</summary>
        public string Address { get; }

        /// <summary>The port of that address: the real one while the broker runs, also where port 0 is
        /// configured.</summary>
        public int Port { get; }
    }
}
