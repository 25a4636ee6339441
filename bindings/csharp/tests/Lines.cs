using System.Collections.Concurrent;

namespace Rmqtt.Tests
{
    /// <summary>Lines in the order in which they have come.</summary>
    internal sealed class Lines
    {
        private readonly ConcurrentQueue<string> _lines = new ConcurrentQueue<string>();

        internal void Add(params object[] words)
        {
            _lines.Enqueue(string.Join(" ", words));
        }

        /// <summary>Waits for as many lines, and forgets them.</summary>
        internal void Expect(params string[] expected)
        {
            Check.Until(() => _lines.Count >= expected.Length, expected.Length + " events, not " + this);
            Check.Equal(string.Join("\n", expected), ToString(), "events");
            string line;
            while (_lines.TryDequeue(out line))
            {
            }
        }

        public override string ToString()
        {
            return string.Join("\n", _lines);
        }
    }
}
