namespace Rmqtt
{
    /// <summary>What went wrong.</summary>
    public enum Status
    {
        /// <summary>Nothing.</summary>
        Ok = 0,

        /// <summary>An argument is out of range, or not what it has to be, such as a topic; nothing was done.</summary>
        InvalidArgument = -1,

        /// <summary>The configuration has faults: <see cref="RmqttException.Faults" /> lists them all.</summary>
        InvalidConfig = -2,

        /// <summary>Not now: the broker runs already, or does not run.</summary>
        InvalidState = -3,

        /// <summary>A listener could not be bound; no listener is.</summary>
        Bind = -4,

        /// <summary>The system refused a resource, such as a thread.</summary>
        Io = -5,

        /// <summary>This version of the library, or this build of it, cannot do that.</summary>
        Unsupported = -6,

        /// <summary>The call would wait for the callback that makes it.</summary>
        WouldDeadlock = -7,

        /// <summary>The decision has been made already; or the message has been acknowledged already, or its
        /// subscription is over.</summary>
        Expired = -8,

        /// <summary>The process has forked since: a broker stays with the process that made it.</summary>
        Forked = -9,

        /// <summary>A fault of the library that it survived. Please report it.</summary>
        Panic = -10,

        /// <summary>A fault of the library that it noticed. Please report it.</summary>
        Internal = -11,

        /// <summary>There is no room for it now; later there may be.</summary>
        WouldBlock = -12,

        /// <summary>There is no such client, message or subscription.</summary>
        NotFound = -13,
    }
}
