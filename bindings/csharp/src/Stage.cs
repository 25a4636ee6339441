namespace Rmqtt
{
    /// <summary>How far a connection has come. A number without a name is one of a later version.</summary>
    public enum Stage
    {
        /// <summary>It has been accepted. Nothing has been read but the header of the PROXY protocol, where there is
        /// one.</summary>
        Accepted = 1,

        /// <summary>The handshakes of TLS, WebSocket and QUIC are over. Only for listeners that have one.</summary>
        Established = 2,
    }
}
