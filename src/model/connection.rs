use std::sync::Arc;

use bytes::Bytes;

use super::Text;

/// What is known of a connection besides its address, before its client has said anything in MQTT.
#[derive(Clone, Debug)]
pub struct ConnectionInfo {
    /// The transport of its listener, such as `tls`; `attached` for a connection that the host program has brought.
    pub transport: Text,
    /// The load balancer or reverse proxy that has told of the client's address.
    pub proxy_address: Option<Text>,
    /// What the PROXY protocol tells besides.
    pub proxy: Option<Box<ProxyInfo>>,
    pub tls: Option<Box<TlsInfo>>,
    /// Who is at the other end of a Unix socket.
    pub credentials: Option<Credentials>,
}

impl ConnectionInfo {
    /// One of which nothing is known but its transport.
    pub fn new(transport: &str) -> Self {
        let transport = Text::from(transport);
        ConnectionInfo { transport, proxy_address: None, proxy: None, tls: None, credentials: None }
    }
}

/// What a load balancer tells of the client's connection to it, in version 2 of the PROXY protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyInfo {
    /// The server that the client has named (SNI).
    pub authority: Option<Text>,
    /// The application protocol agreed on.
    pub alpn: Option<Text>,
    /// The version of TLS, as the load balancer spells it.
    pub tls_version: Option<Text>,
    /// The common name of the client's certificate, if the load balancer has verified it.
    pub common_name: Option<Text>,
    /// Identifies the connection.
    pub unique_id: Option<Bytes>,
}

/// What a TLS handshake has come to.
#[derive(Clone, Debug)]
pub struct TlsInfo {
    /// `1.2` or `1.3`.
    pub version: Text,
    /// As IANA spells it, such as `TLS_AES_128_GCM_SHA256`. Not known for QUIC.
    pub cipher_suite: Option<Text>,
    /// The server that the client has named (SNI).
    pub server_name: Option<Text>,
    /// The application protocol agreed on.
    pub alpn: Option<Text>,
    /// What the client has shown, verified.
    pub certificate: Option<Arc<Certificate>>,
}

/// A certificate that has been verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// As RFC 4514 writes it: `CN=pump-7,O=Plant`.
    pub subject: Text,
    /// The common name of the subject.
    pub common_name: Option<Text>,
    /// As the subject.
    pub issuer: Text,
    /// Hexadecimal digits in lower case, two for each octet.
    pub serial: Text,
    /// When it begins and ceases to be valid, in seconds since 1970.
    pub not_before_s: i64,
    pub not_after_s: i64,
    /// Of the whole certificate: 64 hexadecimal digits in lower case.
    pub sha256: Text,
    /// The subject alternative names, each with its kind: `DNS:pump-7.example`, `IP:192.0.2.1`, `URI:urn:pump:7`,
    /// `email:pump@example.com`.
    pub alternative_names: Vec<Text>,
    /// The certificate itself.
    pub der: Bytes,
}

/// Who has connected to a Unix socket, as the system knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// `None` if the system does not tell.
    pub pid: Option<i32>,
    pub uid: u32,
    pub gid: u32,
}
