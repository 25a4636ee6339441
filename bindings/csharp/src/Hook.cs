namespace Rmqtt
{
    /// <summary>The hooks by name. A number without a name is one of a later version.</summary>
    public enum Hook
    {
        /// <summary><see cref="Hooks.Authenticate" />.</summary>
        Authenticate = 0,

        /// <summary><see cref="Hooks.Connected" />.</summary>
        Connected = 1,

        /// <summary><see cref="Hooks.Disconnected" />.</summary>
        Disconnected = 2,

        /// <summary><see cref="Hooks.PreConnect" />.</summary>
        PreConnect = 3,

        /// <summary><see cref="Hooks.AuthorizePublish" />.</summary>
        AuthorizePublish = 4,

        /// <summary><see cref="Hooks.AuthorizeSubscribe" />.</summary>
        AuthorizeSubscribe = 5,

        /// <summary><see cref="Hooks.AuthorizeUnsubscribe" />.</summary>
        AuthorizeUnsubscribe = 6,

        /// <summary><see cref="Hooks.AuthorizeForward" />.</summary>
        AuthorizeForward = 7,

        /// <summary><see cref="Hooks.AuthExchange" />.</summary>
        AuthExchange = 8,

        /// <summary><see cref="Hooks.Connack" />.</summary>
        Connack = 9,

        /// <summary><see cref="Hooks.SessionCreated" />.</summary>
        SessionCreated = 10,

        /// <summary><see cref="Hooks.SessionResumed" />.</summary>
        SessionResumed = 11,

        /// <summary><see cref="Hooks.SessionTakenOver" />.</summary>
        SessionTakenOver = 12,

        /// <summary><see cref="Hooks.SessionTerminated" />.</summary>
        SessionTerminated = 13,

        /// <summary><see cref="Hooks.Subscribed" />.</summary>
        Subscribed = 14,

        /// <summary><see cref="Hooks.Unsubscribed" />.</summary>
        Unsubscribed = 15,

        /// <summary><see cref="Hooks.MessagePublished" />.</summary>
        MessagePublished = 16,

        /// <summary><see cref="Hooks.MessageDelivered" />.</summary>
        MessageDelivered = 17,

        /// <summary><see cref="Hooks.MessageAcked" />.</summary>
        MessageAcked = 18,

        /// <summary><see cref="Hooks.MessageDropped" />.</summary>
        MessageDropped = 19,

        /// <summary><see cref="Hooks.WillPublished" />.</summary>
        WillPublished = 20,

        /// <summary><see cref="Hooks.RetainedChanged" />.</summary>
        RetainedChanged = 21,

        /// <summary><see cref="Hooks.FirstSubscriber" />.</summary>
        FirstSubscriber = 22,

        /// <summary><see cref="Hooks.LastSubscriber" />.</summary>
        LastSubscriber = 23,

        /// <summary><see cref="Hooks.ListenerUp" />.</summary>
        ListenerUp = 24,

        /// <summary><see cref="Hooks.ListenerDown" />.</summary>
        ListenerDown = 25,

        /// <summary><see cref="Hooks.Overload" />.</summary>
        Overload = 26,

        /// <summary><see cref="Hooks.ClientBanned" />.</summary>
        ClientBanned = 27,
    }
}
