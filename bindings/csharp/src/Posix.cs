using System;
using System.IO;
using System.Runtime.InteropServices;

namespace Rmqtt
{
    /// <summary>As much of the system as descriptors need. Neither the sockets nor the files of every runtime take a
    /// descriptor that the runtime has not opened itself.</summary>
    internal static unsafe class Posix
    {
        internal const short PollIn = 1;
        internal const short PollOut = 4;

        private const string Library = "libc";

        private const int Unix = 1;
        private const int StreamSocket = 1;
        private const int ShutdownBoth = 2;
        private const int Interrupted = 4;

        private static readonly bool IsLinux = RuntimeInformation.IsOSPlatform(OSPlatform.Linux);

        // EAGAIN. MSG_DONTWAIT; and MSG_NOSIGNAL, without which a runtime has to ignore SIGPIPE, as all do.
        private static readonly int Again = IsLinux ? 11 : 35;
        private static readonly int Flags = IsLinux ? 0x4040 : 0x80;

        /// <summary>Takes the connection away from an object that owns its descriptor, and returns another descriptor
        /// of it. The object is left with a socket that leads nowhere: closing one that has been shared would end the
        /// connection, in runtimes that shut sockets down first.</summary>
        internal static int Take(int owned)
        {
            var taken = -1;
            var nowhere = Socket(Unix, StreamSocket, 0);
            try
            {
                if (nowhere < 0) throw Failure("socket");
                taken = Dup(owned);
                if (taken < 0) throw Failure("dup");
                if (Dup2(nowhere, owned) < 0) throw Failure("dup2");
                return taken;
            }
            catch
            {
                if (taken >= 0) Close(taken);
                throw;
            }
            finally
            {
                if (nowhere >= 0) Close(nowhere);
            }
        }

        /// <summary>Ends a connection, and with it every call that waits for it.</summary>
        internal static void Shutdown(int descriptor)
        {
            Shutdown(descriptor, ShutdownBoth);
        }

        internal static void CloseDescriptor(int descriptor)
        {
            Close(descriptor);
        }

        /// <summary>Waits until there is something to do, or for so many milliseconds; -1 is for ever. Whether there
        /// is.</summary>
        internal static bool Poll(int descriptor, short events, int milliseconds)
        {
            var polled = new PollFd { Descriptor = descriptor, Events = events };
            var ready = Poll(&polled, (UIntPtr)1, milliseconds);
            if (ready < 0 && Marshal.GetLastWin32Error() != Interrupted) throw Failure("poll");
            return ready > 0;
        }

        /// <summary>Without waiting; -1 if there is nothing to do.</summary>
        internal static int Receive(int descriptor, byte* data, int count)
        {
            return Done(Recv(descriptor, data, (UIntPtr)count, Flags), "recv");
        }

        /// <summary>Without waiting; -1 if there is nothing to do.</summary>
        internal static int Send(int descriptor, byte* data, int count)
        {
            return Done(Send(descriptor, data, (UIntPtr)count, Flags), "send");
        }

        private static int Done(IntPtr count, string call)
        {
            if ((long)count >= 0) return (int)count;
            var error = Marshal.GetLastWin32Error();
            return error == Interrupted || error == Again ? -1 : throw Failure(call);
        }

        private static IOException Failure(string call)
        {
            return new IOException(call + " failed with errno " + Marshal.GetLastWin32Error());
        }

        [DllImport(Library, EntryPoint = "socket", CallingConvention = CallingConvention.Cdecl, SetLastError = true)]
        private static extern int Socket(int domain, int type, int protocol);

        [DllImport(Library, EntryPoint = "dup", CallingConvention = CallingConvention.Cdecl, SetLastError = true)]
        private static extern int Dup(int descriptor);

        [DllImport(Library, EntryPoint = "dup2", CallingConvention = CallingConvention.Cdecl, SetLastError = true)]
        private static extern int Dup2(int from, int to);

        [DllImport(Library, EntryPoint = "close", CallingConvention = CallingConvention.Cdecl)]
        private static extern int Close(int descriptor);

        [DllImport(Library, EntryPoint = "shutdown", CallingConvention = CallingConvention.Cdecl)]
        private static extern int Shutdown(int descriptor, int how);

        [DllImport(Library, EntryPoint = "poll", CallingConvention = CallingConvention.Cdecl, SetLastError = true)]
        private static extern int Poll(PollFd* polled, UIntPtr count, int milliseconds);

        [DllImport(Library, EntryPoint = "recv", CallingConvention = CallingConvention.Cdecl, SetLastError = true)]
        private static extern IntPtr Recv(int descriptor, byte* data, UIntPtr count, int flags);

        [DllImport(Library, EntryPoint = "send", CallingConvention = CallingConvention.Cdecl, SetLastError = true)]
        private static extern IntPtr Send(int descriptor, byte* data, UIntPtr count, int flags);

        [StructLayout(LayoutKind.Sequential)]
        private struct PollFd
        {
            internal int Descriptor;
            internal short Events;
            internal short Found;
        }
    }
}
