//! Which certificate a client gets.

use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::parse_x509_certificate;

/// Certificates by the name of the server that a client asks for (SNI).
#[derive(Debug)]
pub(super) struct Names {
    main: Arc<CertifiedKey>,
    /// In the order of the configuration.
    more: Vec<Arc<CertifiedKey>>,
    /// The first of `more` that has the name, which may begin with `*.`.
    named: HashMap<String, usize>,
}

/// A certificate without a name that a client could ask for.
pub(super) struct Nameless;

impl Names {
    pub(super) fn new(main: Arc<CertifiedKey>) -> Self {
        Names { main, more: Vec::new(), named: HashMap::new() }
    }

    /// Adds one for clients that ask for one of its names.
    pub(super) fn add(&mut self, identity: Arc<CertifiedKey>) -> Result<(), Nameless> {
        let names = dns_names(&identity);
        if names.is_empty() {
            return Err(Nameless);
        }
        for name in names {
            if let Entry::Vacant(place) = self.named.entry(name) {
                place.insert(self.more.len());
            }
        }
        self.more.push(identity);
        Ok(())
    }

    fn find(&self, server_name: &str) -> &Arc<CertifiedKey> {
        let name = server_name.to_ascii_lowercase();
        let exact = self.named.get(&name);
        // A wildcard stands for one label [RFC 9525, 6.3].
        let wild = name.split_once('.').and_then(|(_, domain)| self.named.get(&format!("*.{domain}")));
        let first = exact.into_iter().chain(wild).min();
        first.and_then(|index| self.more.get(*index)).unwrap_or(&self.main)
    }
}

impl ResolvesServerCert for Names {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(hello.server_name().map_or(&self.main, |name| self.find(name)).clone())
    }
}

fn dns_names(identity: &CertifiedKey) -> Vec<String> {
    let Some((_, certificate)) = identity.cert.first().and_then(|der| parse_x509_certificate(der).ok()) else {
        return Vec::new();
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else { return Vec::new() };
    let of_dns = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    };
    names.value.general_names.iter().filter_map(of_dns).collect()
}
