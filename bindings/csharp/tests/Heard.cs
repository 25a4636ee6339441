using System;
using System.Collections.Generic;
using System.Threading;

namespace Rmqtt.Tests
{
    /// <summary>What a function has got, in order: "1,2," or, of one that gets several at once, "1;2,3;".</summary>
    internal sealed class Heard
    {
        private readonly List<Message> _messages = new List<Message>();
        private string _text = "";

        /// <summary>Where calls wait when they have been noted.</summary>
        internal ManualResetEvent Door { get; } = new ManualResetEvent(true);

        internal int Count
        {
            get
            {
                lock (_messages)
                {
                    return _messages.Count;
                }
            }
        }

        internal string Text
        {
            get
            {
                lock (_messages)
                {
                    return _text;
                }
            }
        }

        internal Message this[int index]
        {
            get
            {
                lock (_messages)
                {
                    return _messages[index];
                }
            }
        }

        internal void One(Message message)
        {
            Note(message, ",");
            Door.WaitOne();
        }

        internal void Several(IReadOnlyList<Message> messages)
        {
            for (var index = 0; index < messages.Count; index++)
            {
                Note(messages[index], index + 1 < messages.Count ? "," : ";");
            }
            Door.WaitOne();
        }

        internal void Expect(string text)
        {
            try
            {
                Check.Until(() => Text == text, "text");
            }
            catch (Exception)
            {
                Check.Equal(text, Text, "heard");
                throw;
            }
        }

        private void Note(Message message, string separator)
        {
            lock (_messages)
            {
                _messages.Add(message);
                _text += message.Text + separator;
            }
        }
    }
}
