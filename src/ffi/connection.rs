//! What is known of a connection besides its address.

use std::ptr;

use super::view::{rmqtt_bytes_t, rmqtt_str_t};
use crate::model::{Certificate, ConnectionInfo};

/// A certificate that a client has shown, and that has been verified. All of it lives as long as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_certificate_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// The subject, as RFC 4514 writes it: `CN=pump-7,O=Plant`.
    pub subject: rmqtt_str_t,
    /// The common name of the subject; absent if it has none.
    pub common_name: rmqtt_str_t,
    /// The issuer, written as the subject.
    pub issuer: rmqtt_str_t,
    /// The serial number: hexadecimal digits in lower case, two for each octet.
    pub serial: rmqtt_str_t,
    /// The SHA-256 fingerprint of the certificate: 64 hexadecimal digits in lower case.
    pub sha256: rmqtt_str_t,
    /// The subject alternative names, `alternative_name_count` of them, each with its kind: `DNS:pump-7.example`,
    /// `IP:192.0.2.1`, `URI:urn:pump:7`, `email:pump@example.com`. Names of other kinds are in `der` only. NULL if there are
    /// none.
    pub alternative_names: *const rmqtt_str_t,
    /// How many alternative names there are.
    pub alternative_name_count: usize,
    /// When the certificate begins to be valid, in seconds since 1970.
    pub not_before_s: i64,
    /// When it ceases to be valid, in seconds since 1970.
    pub not_after_s: i64,
    /// The certificate itself, DER.
    pub der: rmqtt_bytes_t,
}

/// What is known of a connection besides its address, before its client has said anything in MQTT. All of it lives as long
/// as the hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_connection_t {
    /// What the library fills: a field beyond it is not there.
    pub struct_size: usize,
    /// The transport: "tcp", "tls", "ws", "wss", "quic", "unix", or "attached" for a connection that the program has brought.
    pub transport: rmqtt_str_t,
    /// The load balancer or reverse proxy that has told of the client's address; absent if none has.
    pub proxy_address: rmqtt_str_t,
    /// PROXY protocol version 2: the server that the client has named (SNI). Absent, as the four below, if it was not told.
    pub proxy_authority: rmqtt_str_t,
    /// PROXY protocol version 2: the application protocol (ALPN).
    pub proxy_alpn: rmqtt_str_t,
    /// PROXY protocol version 2: the version of TLS, as the load balancer spells it.
    pub proxy_tls_version: rmqtt_str_t,
    /// PROXY protocol version 2: the common name of the client's certificate, if the load balancer has verified it.
    pub proxy_common_name: rmqtt_str_t,
    /// PROXY protocol version 2: what identifies the connection.
    pub proxy_unique_id: rmqtt_bytes_t,
    /// The version of TLS: "1.2" or "1.3". Absent, as the three below, where there is no TLS, or before its handshake.
    pub tls_version: rmqtt_str_t,
    /// The cipher suite, as IANA spells it, such as "TLS_AES_128_GCM_SHA256". Not told for QUIC.
    pub cipher_suite: rmqtt_str_t,
    /// The server that the client has named (SNI); absent if it has not.
    pub server_name: rmqtt_str_t,
    /// The application protocol agreed on (ALPN); absent if the client has offered none.
    pub alpn: rmqtt_str_t,
    /// The certificate of the client; NULL if it has shown none.
    pub certificate: *const rmqtt_certificate_t,
    /// Unix sockets: the process at the other end when it connected; -1 if it is not known.
    pub pid: i32,
    /// Unix sockets: the user that it ran as; 4294967295 if that is not known.
    pub uid: u32,
    /// Unix sockets: its group; 4294967295 if that is not known.
    pub gid: u32,
    /// Zero.
    pub reserved: [u8; 4],
}

/// Shows `connection` to `body`.
pub(super) fn with_connection<T>(connection: &ConnectionInfo, body: impl FnOnce(&rmqtt_connection_t) -> T) -> T {
    let tls = connection.tls.as_deref();
    let certificate = tls.and_then(|tls| tls.certificate.as_deref());
    let names: Vec<rmqtt_str_t> =
        certificate.into_iter().flat_map(|shown| &shown.alternative_names).map(rmqtt_str_t::of).collect();
    let certificate = certificate.map(|shown| certificate_of(shown, &names));
    let proxy = connection.proxy.as_deref();
    let credentials = connection.credentials;
    body(&rmqtt_connection_t {
        struct_size: size_of::<rmqtt_connection_t>(),
        transport: rmqtt_str_t::of(&connection.transport),
        proxy_address: rmqtt_str_t::of_option(connection.proxy_address.as_ref()),
        proxy_authority: rmqtt_str_t::of_option(proxy.and_then(|proxy| proxy.authority.as_ref())),
        proxy_alpn: rmqtt_str_t::of_option(proxy.and_then(|proxy| proxy.alpn.as_ref())),
        proxy_tls_version: rmqtt_str_t::of_option(proxy.and_then(|proxy| proxy.tls_version.as_ref())),
        proxy_common_name: rmqtt_str_t::of_option(proxy.and_then(|proxy| proxy.common_name.as_ref())),
        proxy_unique_id: rmqtt_bytes_t::of_option(proxy.and_then(|proxy| proxy.unique_id.as_ref())),
        tls_version: rmqtt_str_t::of_option(tls.map(|tls| &tls.version)),
        cipher_suite: rmqtt_str_t::of_option(tls.and_then(|tls| tls.cipher_suite.as_ref())),
        server_name: rmqtt_str_t::of_option(tls.and_then(|tls| tls.server_name.as_ref())),
        alpn: rmqtt_str_t::of_option(tls.and_then(|tls| tls.alpn.as_ref())),
        certificate: certificate.as_ref().map_or(ptr::null(), ptr::from_ref),
        pid: credentials.and_then(|known| known.pid).unwrap_or(-1),
        uid: credentials.map_or(u32::MAX, |known| known.uid),
        gid: credentials.map_or(u32::MAX, |known| known.gid),
        reserved: [0; 4],
    })
}

fn certificate_of(shown: &Certificate, names: &[rmqtt_str_t]) -> rmqtt_certificate_t {
    rmqtt_certificate_t {
        struct_size: size_of::<rmqtt_certificate_t>(),
        subject: rmqtt_str_t::of(&shown.subject),
        common_name: rmqtt_str_t::of_option(shown.common_name.as_ref()),
        issuer: rmqtt_str_t::of(&shown.issuer),
        serial: rmqtt_str_t::of(&shown.serial),
        sha256: rmqtt_str_t::of(&shown.sha256),
        alternative_names: if names.is_empty() { ptr::null() } else { names.as_ptr() },
        alternative_name_count: names.len(),
        not_before_s: shown.not_before_s,
        not_after_s: shown.not_after_s,
        der: rmqtt_bytes_t::of(&shown.der),
    }
}
