namespace Rmqtt
{
    /// <summary>What a client might do.</summary>
    public enum ClientAction
    {
        /// <summary>Publish a message.</summary>
        Publish = 1,

        /// <summary>Subscribe.</summary>
        Subscribe = 2,
    }
}
