//! Where clients connect.

use std::net::SocketAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ListenerLimits;

/// One place where clients connect.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The name in events, statistics and logs; unique. Without it, the type and the position: `tcp-0`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256), extend("format" = "text"))]
    pub name: Option<String>,

    /// The transport.
    #[serde(rename = "type", default)]
    pub kind: ListenerType,

    /// IP address and port, such as `127.0.0.1:1883` or `[::]:1883`. Port 0 lets the system choose one. For all types but
    /// `unix`; not together with `fd`.
    #[serde(default)]
    #[schemars(extend("format" = "socket-address"))]
    pub address: Option<String>,

    /// For `unix`: the path of the socket in the file system, of up to 107 bytes. One that a process has left behind there is
    /// replaced; a stop removes it. For `ws` and `wss`: the path of the URL, `/mqtt` without it.
    #[serde(default)]
    #[schemars(length(min = 1, max = 1024), extend("format" = "text"))]
    pub path: Option<String>,

    /// The descriptor of a socket that the host program has bound, as service managers hand it over; in place of `address`,
    /// for `unix` in place of `path`. It has been bound, and may listen already: a TCP, UDP (`quic`) or Unix stream socket, as
    /// the type needs. Each start makes a descriptor of the broker's own of it; the program's stays open, is set to not block,
    /// and goes on to take connections, for the next start.
    #[serde(default)]
    #[schemars(range(max = 1_048_576))]
    pub fd: Option<u32>,

    /// For `unix` with `path`: the permissions of the socket, in octal. Who may write to it may connect.
    #[serde(default = "default_mode")]
    #[schemars(extend("format" = "file-mode"))]
    pub mode: String,

    /// For IPv6 addresses: whether IPv4 clients are kept out. Without that, `[::]` lets both in, and those of IPv4 are shown
    /// with their IPv4 address.
    #[serde(default)]
    pub ipv6_only: bool,

    /// Whether clients without credentials may connect here. Without it, `auth.allow_anonymous` decides.
    #[serde(default)]
    pub allow_anonymous: Option<bool>,

    /// Connections of this listener at the same time; one more is told so if it can be, and closed. 0 means no limit.
    #[serde(default)]
    #[schemars(range(max = 2_147_483_647))]
    pub max_connections: u32,

    /// How long a client may take from being accepted until its CONNECT is complete, in milliseconds: PROXY protocol, TLS
    /// and WebSocket handshakes included.
    #[serde(default = "default_connect_timeout")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub connect_timeout_ms: u64,

    /// The versions of MQTT that clients may speak here. A CONNECT of another one is refused with reason code 0x84, before
    /// MQTT 5 with return code 1.
    #[serde(default = "default_protocols")]
    #[schemars(length(min = 1, max = 3))]
    pub protocols: Vec<Spoken>,

    /// Limits of its clients, where they are not those of `limits`. They hold for connections that come from then on.
    #[serde(default)]
    pub limits: ListenerLimits,

    /// Load balancers and reverse proxies in front, and what they tell of the client.
    #[serde(default)]
    pub proxy: Proxy,

    /// Certificates and keys, for `tls`, `wss` and `quic`.
    #[serde(default)]
    pub tls: Tls,

    /// For `ws` and `wss`.
    #[serde(default)]
    pub websocket: WebSocket,
}

/// The transport of a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListenerType {
    /// MQTT over TCP.
    #[default]
    Tcp,
    /// MQTT over TLS.
    Tls,
    /// MQTT over WebSocket.
    Ws,
    /// MQTT over WebSocket and TLS.
    Wss,
    /// MQTT over QUIC: one connection, one stream, one client.
    Quic,
    /// MQTT over a Unix socket.
    Unix,
}

impl ListenerType {
    pub fn as_str(self) -> &'static str {
        match self {
            ListenerType::Tcp => "tcp",
            ListenerType::Tls => "tls",
            ListenerType::Ws => "ws",
            ListenerType::Wss => "wss",
            ListenerType::Quic => "quic",
            ListenerType::Unix => "unix",
        }
    }

    /// Whether it has a `tls` object.
    pub fn is_secured(self) -> bool {
        matches!(self, ListenerType::Tls | ListenerType::Wss | ListenerType::Quic)
    }

    pub fn is_websocket(self) -> bool {
        matches!(self, ListenerType::Ws | ListenerType::Wss)
    }
}

/// A version of MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum Spoken {
    #[serde(rename = "3.1")]
    V3_1,
    #[serde(rename = "3.1.1")]
    V3_1_1,
    #[serde(rename = "5")]
    V5,
}

/// Load balancers and reverse proxies in front of a listener.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Proxy {
    /// The version of the PROXY protocol that every connection begins with. One that begins with anything else is closed. Where
    /// the header names no client, as in UNKNOWN and LOCAL, the address stays that of the connection. Not for `quic`.
    pub protocol: ProxyProtocol,

    /// The networks of load balancers and reverse proxies, such as `10.0.0.0/8`. With `protocol`, a connection from anywhere
    /// else is closed. Clients of Unix sockets are trusted.
    #[schemars(length(max = 1024), with = "Vec<String>", extend("items" = {"type": "string", "format": "ip-network"}))]
    pub trusted: Vec<IpNet>,

    /// How long the header of the PROXY protocol may take, in milliseconds.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub timeout_ms: u64,

    /// For `ws` and `wss`: whether the client's address is taken from `Forwarded`, `X-Forwarded-For` or `X-Real-IP` if the
    /// request comes from a trusted network. Each is read from the right, up to the first address that is not trusted. A
    /// request in which they lead to different clients is refused: a proxy that writes one may let the others pass.
    pub trust_forwarded: bool,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyProtocol {
    /// Connections begin with their client's first byte.
    #[default]
    None,
    /// The one that is a line of text.
    V1,
    /// The binary one.
    V2,
    /// Either of the two.
    Any,
}

/// Certificates and keys of a listener. Each is a file or PEM text in the configuration, not both.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain, the broker's own certificate first: a PEM file.
    #[schemars(extend("format" = "text"))]
    pub cert_file: String,

    /// Its private key: a PEM file (PKCS #8, PKCS #1 or SEC 1, not encrypted).
    #[schemars(extend("format" = "text"))]
    pub key_file: String,

    /// The certificate chain as PEM text.
    pub cert_pem: String,

    /// The private key as PEM text.
    pub key_pem: String,

    /// More certificates: a client that names a server (SNI) gets the first one that is valid for it. The one above is for
    /// all others.
    #[schemars(length(max = 1024))]
    pub certificates: Vec<TlsCertificate>,

    /// The certificate authorities that clients' certificates come from: a PEM file.
    #[schemars(extend("format" = "text"))]
    pub client_ca_file: String,

    /// Those authorities as PEM text.
    pub client_ca_pem: String,

    /// Whether clients show a certificate.
    pub client_auth: ClientAuth,

    /// Certificates that have been revoked: a PEM file of certificate revocation lists. With any, each authority of a chain
    /// has to have one; those that are out of date count all the same.
    #[schemars(extend("format" = "text"))]
    pub crl_file: String,

    /// Those lists as PEM text.
    pub crl_pem: String,

    /// What of a client's certificate is its user name, in place of the one in CONNECT. A client whose certificate has none is
    /// refused; one that has one need not be anonymous where no hook decides.
    pub username_from: UsernameFrom,

    /// The oldest version that is spoken.
    pub min_version: TlsVersion,
}

/// One more certificate of a listener.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TlsCertificate {
    /// As `cert_file` above.
    #[schemars(extend("format" = "text"))]
    pub cert_file: String,

    /// As `key_file` above.
    #[schemars(extend("format" = "text"))]
    pub key_file: String,

    /// As `cert_pem` above.
    pub cert_pem: String,

    /// As `key_pem` above.
    pub key_pem: String,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// They are not asked for one.
    #[default]
    None,
    /// They may. One that is not valid is refused.
    Optional,
    /// They must.
    Required,
}

/// What of a client's certificate is its user name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsernameFrom {
    /// Nothing: CONNECT says it.
    #[default]
    None,
    /// The common name of its subject.
    Cn,
    /// Its subject, as RFC 4514 writes it: `CN=pump-7,O=Plant`.
    Subject,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum TlsVersion {
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    #[serde(rename = "1.3")]
    V1_3,
}

/// What holds for WebSocket.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WebSocket {
    /// The origins of web pages that may connect, such as `https://example.com`. Requests without an `Origin` do not come
    /// from one. Empty: all may.
    #[schemars(length(max = 1024), extend("items" = {"type": "string", "minLength": 1, "format": "text"}))]
    pub origins: Vec<String>,

    /// The largest frame, and the largest message of several, that a client may send, in bytes. MQTT packets may be larger.
    #[schemars(range(min = 64, max = 268_435_460))]
    pub max_frame_bytes: u32,
}

fn default_connect_timeout() -> u64 {
    15_000
}

fn default_mode() -> String {
    "0660".to_owned()
}

fn default_protocols() -> Vec<Spoken> {
    vec![Spoken::V3_1, Spoken::V3_1_1, Spoken::V5]
}

impl Default for Proxy {
    fn default() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"].map(|network| network.parse());
        Proxy {
            protocol: ProxyProtocol::default(),
            trusted: loopback.into_iter().flatten().collect(),
            timeout_ms: 2_000,
            trust_forwarded: false,
        }
    }
}

impl Default for WebSocket {
    fn default() -> Self {
        WebSocket { origins: Vec::new(), max_frame_bytes: 1_048_576 }
    }
}

impl Listener {
    /// The name, given or made up from the position in the list.
    pub fn display_name(&self, index: usize) -> String {
        self.name.clone().unwrap_or_else(|| default_name(self.kind.as_str(), index))
    }

    /// The address to bind, if that is what it has. It has been checked: `Config::parse` refuses any other.
    pub fn socket_address(&self) -> Option<SocketAddr> {
        self.address.as_deref()?.parse().ok()
    }

    /// Where it is to be, before it is bound: its address, path, or descriptor.
    pub fn place(&self) -> String {
        match (&self.address, &self.path, self.fd) {
            (_, _, Some(fd)) => format!("fd:{fd}"),
            (Some(address), _, None) => address.clone(),
            (None, path, None) => path.clone().unwrap_or_default(),
        }
    }

    /// The key that says so.
    pub fn place_key(&self) -> &'static str {
        match (&self.address, self.fd) {
            (_, Some(_)) => "fd",
            (Some(_), None) => "address",
            (None, None) => "path",
        }
    }

    /// The permissions of a Unix socket.
    pub fn file_mode(&self) -> u32 {
        u32::from_str_radix(&self.mode, 8).unwrap_or(0o660)
    }
}

pub(super) fn default_name(kind: &str, index: usize) -> String {
    format!("{kind}-{index}")
}
