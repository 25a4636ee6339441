namespace Rmqtt
{
    /// <summary>What made a message enter the broker. A number without a name is one of a later version.</summary>
    public enum Origin
    {
        /// <summary>A connected client published it.</summary>
        Client = 1,

        /// <summary>The program published it.</summary>
        Api = 2,

        /// <summary>It is the will of a client.</summary>
        Will = 3,

        /// <summary>It was retained, and comes because of a new subscription.</summary>
        Retained = 4,

        /// <summary>A bridge brought it.</summary>
        Bridge = 5,

        /// <summary>Another node of the cluster sent it.</summary>
        Cluster = 6,

        /// <summary>The broker itself made it.</summary>
        System = 7,

        /// <summary>It was published earlier, to be delivered now.</summary>
        Delayed = 8,
    }
}
