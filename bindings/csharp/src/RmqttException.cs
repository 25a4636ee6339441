using System;
using System.Collections.Generic;

namespace Rmqtt
{
    /// <summary>A call of the library failed.</summary>
    public sealed class RmqttException : Exception
    {
        private static readonly Fault[] NoFaults = new Fault[0];

        internal RmqttException(Status status, string message) : this(status, message, NoFaults)
        {
        }

        private RmqttException(Status status, string message, IReadOnlyList<Fault> faults, int accepted = 0)
            : base(message)
        {
            Status = status;
            Faults = faults;
            Accepted = accepted;
        }

        /// <summary>What went wrong. A number without a name is one of a later version.</summary>
        public Status Status { get; }

        /// <summary>Every fault of the configuration; empty unless the status is
        /// <see cref="Rmqtt.Status.InvalidConfig" />.</summary>
        public IReadOnlyList<Fault> Faults { get; }

        /// <summary>How many messages <see cref="Broker.PublishBatch" /> had published before, those at the front; else
        /// 0.</summary>
        public int Accepted { get; }

        /// <summary>Throws if a call without words of its own has failed.</summary>
        internal static void ThrowIfFailed(int status)
        {
            if (status != 0) throw new RmqttException((Status)status, Utf8.Copy(Native.StatusName(status)));
        }

        /// <summary>Throws if a call has failed. Frees the error in any case.</summary>
        internal static void ThrowIfFailed(int status, IntPtr error, int accepted = 0)
        {
            if (status == 0) return;
            if (error == IntPtr.Zero) ThrowIfFailed(status);
            try
            {
                var message = Utf8.Copy(Native.ErrorMessage(error));
                throw new RmqttException((Status)status, message, ReadFaults(error), accepted);
            }
            finally
            {
                Native.ErrorFree(error);
            }
        }

        private static unsafe IReadOnlyList<Fault> ReadFaults(IntPtr error)
        {
            var count = checked((int)Native.ErrorFaultCount(error));
            if (count == 0) return NoFaults;
            var faults = new Fault[count];
            for (var index = 0; index < count; index++)
            {
                var fault = new Native.Fault { StructSize = (UIntPtr)sizeof(Native.Fault) };
                ThrowIfFailed(Native.ErrorFault(error, (UIntPtr)index, &fault));
                faults[index] = new Fault(Utf8.Copy(fault.Pointer), Utf8.Copy(fault.Message));
            }
            return Array.AsReadOnly(faults);
        }
    }
}
