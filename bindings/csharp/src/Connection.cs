using System;

namespace Rmqtt
{
    /// <summary>What is known of a connection besides its address, before its client has said anything in MQTT. A copy:
    /// keep it as long as you like.</summary>
    public sealed class Connection
    {
        private unsafe Connection(Native.Connection* native)
        {
            Transport = Utf8.Copy(native->Transport);
            ProxyAddress = Utf8.Copy(native->ProxyAddress);
            ProxyAuthority = Utf8.Copy(native->ProxyAuthority);
            ProxyAlpn = Utf8.Copy(native->ProxyAlpn);
            ProxyTlsVersion = Utf8.Copy(native->ProxyTlsVersion);
            ProxyCommonName = Utf8.Copy(native->ProxyCommonName);
            ProxyUniqueId = Utf8.Copy(native->ProxyUniqueId);
            TlsVersion = Utf8.Copy(native->TlsVersion);
            CipherSuite = Utf8.Copy(native->CipherSuite);
            ServerName = Utf8.Copy(native->ServerName);
            Alpn = Utf8.Copy(native->Alpn);
            Certificate = Certificate.Copy(native->Certificate);
            if (native->Pid != -1) Pid = native->Pid;
            if (native->Uid != uint.MaxValue) Uid = native->Uid;
            if (native->Gid != uint.MaxValue) Gid = native->Gid;
        }

        /// <summary>The transport: "tcp", "tls", "ws", "wss", "quic", "unix", or "attached" for a connection that the
        /// program has brought.</summary>
        public string Transport { get; }

        /// <summary>The load balancer or reverse proxy that has told of the client's address; null if none
        /// has.</summary>
        public string ProxyAddress { get; }

        /// <summary>PROXY protocol version 2: the server that the client has named (SNI). Null, as the four below, if
        /// that was not told.</summary>
        public string ProxyAuthority { get; }

        /// <summary>PROXY protocol version 2: the application protocol (ALPN).</summary>
        public string ProxyAlpn { get; }

        /// <summary>PROXY protocol version 2: the version of TLS, as the load balancer spells it.</summary>
        public string ProxyTlsVersion { get; }

        /// <summary>PROXY protocol version 2: the common name of the client's certificate, if the load balancer has
        /// verified it.</summary>
        public string ProxyCommonName { get; }

        /// <summary>PROXY protocol version 2: what identifies the connection.</summary>
        public byte[] ProxyUniqueId { get; }

        /// <summary>The version of TLS: "1.2" or "1.3". Null, as the three below, where there is no TLS, or before its
        /// handshake.</summary>
        public string TlsVersion { get; }

        /// <summary>The cipher suite, as IANA spells it, such as <c>TLS_AES_128_GCM_SHA256</c>.</summary>
        public string CipherSuite { get; }

        /// <summary>The server that the client has named (SNI); null if it has not.</summary>
        public string ServerName { get; }

        /// <summary>The application protocol agreed on (ALPN); null if the client has offered none.</summary>
        public string Alpn { get; }

        /// <summary>The certificate of the client; null if it has shown none.</summary>
        public Certificate Certificate { get; }

        /// <summary>Unix sockets: the process at the other end when it connected; null if it is not known.</summary>
        public int? Pid { get; }

        /// <summary>Unix sockets: the user that it ran as; null if that is not known.</summary>
        public uint? Uid { get; }

        /// <summary>Unix sockets: its group; null if that is not known.</summary>
        public uint? Gid { get; }

        /// <summary>Copies; null for NULL.</summary>
        internal static unsafe Connection Copy(IntPtr native)
        {
            return native == IntPtr.Zero ? null : new Connection((Native.Connection*)native);
        }
    }
}
