//! TLS, by rustls.

mod certificate;
mod clients;
mod distinguished_name;
mod identity;
mod material;
mod names;

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::{ring, CryptoProvider};
use rustls::pki_types::CertificateDer;
use rustls::server::NoServerSessionStorage;
use rustls::version::{TLS12, TLS13};
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_rustls::TlsAcceptor;

use self::material::Material;
use self::names::{Nameless, Names};
use crate::config::{self, ClientAuth, Fault, ListenerType, TlsCertificate, TlsVersion, UsernameFrom};
use crate::model::{Certificate, Text, TlsInfo};

/// How long a client may take to read why its handshake has failed.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The TLS side of a listener: certificates, keys, and whom it trusts.
#[derive(Clone, Debug)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    username_from: UsernameFrom,
    fingerprint: [u8; 32],
}

impl TlsServer {
    /// Reads what the configuration names. Each fault has the pointer of the key that is to blame, below `pointer`.
    pub fn load(config: &config::Tls, pointer: &str, kind: ListenerType) -> Result<TlsServer, Vec<Fault>> {
        // The one of the process is the host program's affair.
        let provider = Arc::new(ring::default_provider());
        let mut material = Material::new();
        let names = load_names(config, pointer, &provider, &mut material);
        let clients = clients::load(config, pointer, &provider, &mut material);
        let (names, clients) = match (names, clients) {
            (Ok(names), Ok(clients)) => (names, clients),
            (names, clients) => return Err([names.err(), clients.err()].into_iter().flatten().flatten().collect()),
        };
        let versions = match (kind, config.min_version) {
            (ListenerType::Quic, _) | (_, TlsVersion::V1_3) => &[&TLS13][..],
            (_, TlsVersion::V1_2) => &[&TLS13, &TLS12],
        };
        let unusable = |error: rustls::Error| vec![Fault::new(pointer, format!("is of no use: {error}"))];
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .map_err(unusable)?
            .with_client_cert_verifier(clients)
            .with_cert_resolver(Arc::new(names));
        server.alpn_protocols = vec![if kind.is_websocket() { b"http/1.1".to_vec() } else { b"mqtt".to_vec() }];
        // What a client has to remember, the broker need not. The key of the tickets goes with this configuration.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        if config.client_auth == ClientAuth::None {
            server.ticketer = ring::Ticketer::new().map_err(unusable)?;
        } else {
            // A session that is resumed is not verified again, however long ago its certificate has expired.
            server.send_tls13_tickets = 0;
        }
        let fingerprint = material.fingerprint();
        Ok(TlsServer { config: Arc::new(server), username_from: config.username_from, fingerprint })
    }

    /// A digest of all that has been read: certificates, keys, lists.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.fingerprint
    }

    /// What rustls makes of it, for protocols that have TLS in them.
    #[cfg(feature = "quic")]
    pub(super) fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// Shakes hands.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<(TlsStream<S>, TlsInfo)> {
        match TlsAcceptor::from(self.config.clone()).accept(stream).into_fallible().await {
            Ok(stream) => {
                let info = describe(stream.get_ref().1)?;
                Ok((stream, info))
            }
            Err((error, stream)) => {
                // Whether it goes well matters to nobody.
                let _ = timeout(LAST_WORDS, part(stream)).await;
                Err(error)
            }
        }
    }

    /// The user name that a client's certificate stands for; `None` if the configuration wants none or the client has shown
    /// no certificate. A certificate without one is an error.
    pub fn username(&self, info: &TlsInfo) -> io::Result<Option<Text>> {
        let Some(certificate) = &info.certificate else { return Ok(None) };
        let (name, what) = match self.username_from {
            UsernameFrom::None => return Ok(None),
            UsernameFrom::Cn => (certificate.common_name.clone(), "common name"),
            UsernameFrom::Subject => (Some(certificate.subject.clone()).filter(|name| !name.is_empty()), "subject"),
        };
        let missing = || io::Error::new(io::ErrorKind::InvalidData, format!("the certificate has no {what}"));
        name.map(Some).ok_or_else(missing)
    }
}

fn load_names(
    config: &config::Tls,
    pointer: &str,
    provider: &CryptoProvider,
    material: &mut Material,
) -> Result<Names, Vec<Fault>> {
    let main = TlsCertificate {
        cert_file: config.cert_file.clone(),
        key_file: config.key_file.clone(),
        cert_pem: config.cert_pem.clone(),
        key_pem: config.key_pem.clone(),
    };
    let mut faults = Vec::new();
    let mut names =
        identity::load(&main, pointer, provider, material).map(Names::new).map_err(|found| faults.extend(found)).ok();
    for (index, certificate) in config.certificates.iter().enumerate() {
        let pointer = format!("{pointer}/certificates/{index}");
        match identity::load(certificate, &pointer, provider, material) {
            Ok(identity) => {
                if let Some(Err(Nameless)) = names.as_mut().map(|names| names.add(identity)) {
                    let key = if certificate.cert_pem.is_empty() { "cert_file" } else { "cert_pem" };
                    let words = "has no DNS name that a client could ask for";
                    faults.push(Fault::new(&format!("{pointer}/{key}"), words));
                }
            }
            Err(found) => faults.extend(found),
        }
    }
    names.filter(|_| faults.is_empty()).ok_or(faults)
}

/// What a handshake over TCP has come to.
fn describe(connection: &ServerConnection) -> io::Result<TlsInfo> {
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "1.2",
        _ => "1.3",
    };
    let suite = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    // What is TLS13_ for rustls has no version in its registered name.
    let suite = suite.map(|name| name.replacen("TLS13_", "TLS_", 1));
    Ok(TlsInfo {
        version: Text::from(version),
        cipher_suite: suite.map(Text::from),
        server_name: connection.server_name().map(Text::from),
        alpn: connection.alpn_protocol().and_then(text),
        certificate: certificate_of(connection.peer_certificates())?,
    })
}

pub(super) fn text(octets: &[u8]) -> Option<Text> {
    std::str::from_utf8(octets).ok().map(Text::from)
}

/// The client's own certificate, the first one of its chain.
pub(super) fn certificate_of(chain: Option<&[CertificateDer<'_>]>) -> io::Result<Option<Arc<Certificate>>> {
    let Some(der) = chain.and_then(<[_]>::first) else { return Ok(None) };
    let unreadable = || io::Error::new(io::ErrorKind::InvalidData, "the certificate cannot be read");
    Ok(Some(Arc::new(certificate::read(der).ok_or_else(unreadable)?)))
}

/// Closes a connection whose last bytes the client should still get: if anything that it has sent were left unread, the
/// system would reset the connection.
async fn part<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) -> io::Result<()> {
    poll_fn(|cx| Pin::new(&mut stream).poll_shutdown(cx)).await?;
    let mut waste = [0; 512];
    loop {
        let mut waste = ReadBuf::new(&mut waste);
        poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut waste)).await?;
        if waste.filled().is_empty() {
            return Ok(());
        }
    }
}
