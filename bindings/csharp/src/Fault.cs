namespace Rmqtt
{
    /// <summary>One fault of a configuration.</summary>
    public sealed class Fault
    {
        internal Fault(string pointer, string message)
        {
            Pointer = pointer;
            Message = message;
        }

        /// <summary>Where it is, as a JSON pointer, such as <c>/listeners/0/address</c>. Empty for the whole
        /// text.</summary>
        public string Pointer { get; }

        /// <summary>What is wrong.</summary>
        public string Message { get; }

        /// <summary>Pointer and message.</summary>
        public override string ToString()
        {
            return Pointer + ": " + Message;
        }
    }
}
