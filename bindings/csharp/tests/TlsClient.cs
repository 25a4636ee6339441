using System;
using System.Diagnostics;
using System.IO;

namespace Rmqtt.Tests
{
    /// <summary>A connection through TLS, as <c>openssl s_client</c> makes it: Mono has no TLS 1.3.</summary>
    internal sealed class TlsClient : Stream
    {
        private readonly Process _process;
        private readonly Stream _out;
        private readonly Stream _in;

        /// <param name="port">A port of 127.0.0.1.</param>
        /// <param name="options">Further options of s_client.</param>
        internal TlsClient(int port, string options)
        {
            // Without -quiet, lines that begin with Q or R are commands.
            _process = Process.Start(
                new ProcessStartInfo("openssl", "s_client -quiet -connect 127.0.0.1:" + port + " " + options)
                {
                    UseShellExecute = false,
                    RedirectStandardInput = true,
                    RedirectStandardOutput = true,
                    RedirectStandardError = true,
                });
            // What is not read from it may fill it up.
            _process.BeginErrorReadLine();
            _out = _process.StandardInput.BaseStream;
            _in = _process.StandardOutput.BaseStream;
        }

        public override bool CanRead
        {
            get { return true; }
        }

        public override bool CanWrite
        {
            get { return true; }
        }

        public override bool CanSeek
        {
            get { return false; }
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

        /// <summary>Pipes have none: a test that hangs is ended by its own deadline.</summary>
        public override int ReadTimeout { get; set; }

        public override int WriteTimeout { get; set; }

        public override int Read(byte[] buffer, int offset, int count)
        {
            return _in.Read(buffer, offset, count);
        }

        public override void Write(byte[] buffer, int offset, int count)
        {
            _out.Write(buffer, offset, count);
            _out.Flush();
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
                // It would wait for the broker to close the connection.
                if (!_process.HasExited) Kill();
                _process.WaitForExit();
                _process.Dispose();
            }
            base.Dispose(disposing);
        }

        private void Kill()
        {
            try
            {
                _process.Kill();
            }
            catch (InvalidOperationException)
            {
                // It has ended in between.
            }
        }
    }
}
