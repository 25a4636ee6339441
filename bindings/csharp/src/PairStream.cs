using System;
using System.Diagnostics;
using System.IO;
using System.Threading;
using System.Threading.Tasks;

namespace Rmqtt
{
    /// <summary>The client's end of a pair. One thread may read while another one writes.</summary>
    internal sealed unsafe class PairStream : Stream
    {
        /// <summary>How often a call that can be cancelled looks whether it is, in milliseconds.</summary>
        private const int Slice = 50;

        private readonly DescriptorHandle _handle;
        private int _readTimeout = Timeout.Infinite;
        private int _writeTimeout = Timeout.Infinite;

        internal PairStream(DescriptorHandle handle)
        {
            _handle = handle;
        }

        public override bool CanRead
        {
            get { return !_handle.IsClosed; }
        }

        public override bool CanWrite
        {
            get { return !_handle.IsClosed; }
        }

        public override bool CanSeek
        {
            get { return false; }
        }

        public override bool CanTimeout
        {
            get { return true; }
        }

        public override int ReadTimeout
        {
            get { return _readTimeout; }
            set { _readTimeout = Checked(value); }
        }

        public override int WriteTimeout
        {
            get { return _writeTimeout; }
            set { _writeTimeout = Checked(value); }
        }

        public override long Length
        {
            get { throw new NotSupportedException(); }
        }

        public override long Position
        {
            get { throw new NotSupportedException(); }
            set { throw new NotSupportedException(); }
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            return Read(buffer, offset, count, CancellationToken.None);
        }

        public override void Write(byte[] buffer, int offset, int count)
        {
            Write(buffer, offset, count, CancellationToken.None);
        }

        // Those of Stream have one call wait for the other, and a client that reads could not write.

        public override Task<int> ReadAsync(
            byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        {
            return Task.Run(() => Read(buffer, offset, count, cancellationToken), cancellationToken);
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        {
            return Task.Run(() => Write(buffer, offset, count, cancellationToken), cancellationToken);
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin)
        {
            throw new NotSupportedException();
        }

        public override void SetLength(long value)
        {
            throw new NotSupportedException();
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                try
                {
                    // Calls under way hold the descriptor: they have to end first.
                    Held(
                        descriptor =>
                        {
                            Posix.Shutdown(descriptor);
                            return 0;
                        });
                }
                catch (ObjectDisposedException)
                {
                    // A second call.
                }
                _handle.Dispose();
            }
            base.Dispose(disposing);
        }

        private static int Checked(int timeout)
        {
            if (timeout > 0 || timeout == Timeout.Infinite) return timeout;
            throw new ArgumentOutOfRangeException(nameof(timeout), timeout, "a timeout is above 0, or infinite");
        }

        private static void Check(byte[] buffer, int offset, int count)
        {
            if (buffer == null) throw new ArgumentNullException(nameof(buffer));
            if (offset < 0) throw new ArgumentOutOfRangeException(nameof(offset));
            if (count < 0 || count > buffer.Length - offset) throw new ArgumentOutOfRangeException(nameof(count));
        }

        private static void Wait(int descriptor, short events, int timeout, CancellationToken cancel)
        {
            var clock = Stopwatch.StartNew();
            while (true)
            {
                cancel.ThrowIfCancellationRequested();
                var left = timeout == Timeout.Infinite
                    ? int.MaxValue
                    : (int)Math.Max(0, timeout - clock.ElapsedMilliseconds);
                if (Posix.Poll(descriptor, events, cancel.CanBeCanceled ? Math.Min(left, Slice) : left)) return;
                if (left == 0) throw new IOException("not done within " + timeout + " milliseconds");
            }
        }

        private int Read(byte[] buffer, int offset, int count, CancellationToken cancel)
        {
            Check(buffer, offset, count);
            return Held(
                descriptor =>
                {
                    if (count == 0) return 0;
                    fixed (byte* pinned = buffer)
                    {
                        while (true)
                        {
                            Wait(descriptor, Posix.PollIn, _readTimeout, cancel);
                            var read = Posix.Receive(descriptor, pinned + offset, count);
                            if (read >= 0) return read;
                        }
                    }
                });
        }

        private void Write(byte[] buffer, int offset, int count, CancellationToken cancel)
        {
            Check(buffer, offset, count);
            Held(
                descriptor =>
                {
                    fixed (byte* pinned = buffer)
                    {
                        for (var written = 0; written < count;)
                        {
                            Wait(descriptor, Posix.PollOut, _writeTimeout, cancel);
                            var more = Posix.Send(descriptor, pinned + offset + written, count - written);
                            if (more > 0) written += more;
                        }
                    }
                    return 0;
                });
        }

        /// <summary>Keeps the descriptor open while something is done with it.</summary>
        private int Held(Func<int, int> action)
        {
            var held = false;
            try
            {
                _handle.DangerousAddRef(ref held);
                return action((int)_handle.DangerousGetHandle());
            }
            finally
            {
                if (held) _handle.DangerousRelease();
            }
        }
    }
}
