//! Certificates for tests: authorities, what they issue, and what they revoke.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::Arc;

use rcgen::{
    date_time_ymd, BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
    DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason,
    RevokedCertParams, SanType, SerialNumber,
};
use rustls::crypto::{ring, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

/// A certificate authority.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, in PEM.
pub struct Issued {
    pub certificate: String,
    pub key: String,
    serial: SerialNumber,
}

/// A certificate to be issued.
pub struct Request<'a> {
    authority: &'a Authority,
    params: CertificateParams,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let issuer = CertifiedIssuer::self_signed(authority_params(name), KeyPair::generate().unwrap());
        Authority { issuer: issuer.unwrap() }
    }

    /// Another one that this one vouches for.
    pub fn intermediate(&self, name: &str) -> Authority {
        let issuer = CertifiedIssuer::signed_by(authority_params(name), KeyPair::generate().unwrap(), &self.issuer);
        Authority { issuer: issuer.unwrap() }
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate for a server of these names: `DNS:localhost`, `IP:127.0.0.1`.
    pub fn server(&self, names: &[&str]) -> Issued {
        self.request("server", ExtendedKeyUsagePurpose::ServerAuth).names(names).issue()
    }

    /// A certificate for a client, to be described further.
    pub fn client(&self, common_name: &str) -> Request<'_> {
        self.request(common_name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn request(&self, common_name: &str, usage: ExtendedKeyUsagePurpose) -> Request<'_> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.extended_key_usages = vec![usage];
        let request = Request { authority: self, params };
        if common_name.is_empty() {
            return request;
        }
        request.attribute(DnType::CommonName, common_name)
    }

    /// A list of what it has revoked.
    pub fn revoking(&self, revoked: &[&Issued]) -> String {
        let revoke = |issued: &&Issued| RevokedCertParams {
            serial_number: issued.serial.clone(),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(4000, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.iter().map(revoke).collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// What a client has in order to trust servers of this authority, and to show a certificate.
    pub fn client_config(&self, identity: Option<&Issued>) -> ClientConfig {
        self.client_config_with(identity, rustls::ALL_VERSIONS)
    }

    /// The same, for a client that speaks only these versions of TLS.
    pub fn client_config_with(
        &self,
        identity: Option<&Issued>,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        match identity {
            Some(issued) => builder.with_client_auth_cert(issued.chain(), issued.private_key()).unwrap(),
            None => builder.with_no_client_auth(),
        }
    }
}

pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

impl Request<'_> {
    pub fn attribute(mut self, kind: DnType, value: &str) -> Self {
        self.params.distinguished_name.push(kind, value);
        self
    }

    pub fn organization(self, name: &str) -> Self {
        self.attribute(DnType::OrganizationName, name)
    }

    /// Alternative names, each with its kind: `DNS:`, `IP:`, `URI:` or `email:`.
    pub fn names(mut self, names: &[&str]) -> Self {
        let name = |name: &&str| match name.split_once(':').unwrap() {
            ("DNS", name) => SanType::DnsName(name.try_into().unwrap()),
            ("IP", address) => SanType::IpAddress(address.parse().unwrap()),
            ("URI", uri) => SanType::URI(uri.try_into().unwrap()),
            ("email", address) => SanType::Rfc822Name(address.try_into().unwrap()),
            _ => panic!("{name}"),
        };
        self.params.subject_alt_names = names.iter().map(name).collect();
        self
    }

    pub fn serial(mut self, octets: &[u8]) -> Self {
        self.params.serial_number = Some(SerialNumber::from_slice(octets));
        self
    }

    /// Valid in these years only.
    pub fn valid(mut self, from: i32, to: i32) -> Self {
        self.params.not_before = date_time_ymd(from, 1, 1);
        self.params.not_after = date_time_ymd(to, 1, 1);
        self
    }

    pub fn issue(mut self) -> Issued {
        static NEXT: AtomicU32 = AtomicU32::new(1000);
        let next = || SerialNumber::from(u64::from(NEXT.fetch_add(1, Relaxed)));
        let serial = self.params.serial_number.get_or_insert_with(next).clone();
        let key = KeyPair::generate().unwrap();
        let certificate = self.params.signed_by(&key, &self.authority.issuer).unwrap().pem();
        Issued { certificate, key: key.serialize_pem(), serial }
    }
}

impl Issued {
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.certificate.as_bytes()).map(Result::unwrap).collect()
    }

    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }

    /// Followed by the authority that has issued it.
    pub fn with(mut self, intermediate: &Authority) -> Issued {
        self.certificate.push_str(&intermediate.pem());
        self
    }
}

/// A directory of its own, removed at the end.
pub struct Directory(PathBuf);

impl Directory {
    pub fn new() -> Directory {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("rmqttc-test-{}-{}", process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, in place of one that is there; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.into_os_string().into_string().unwrap()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
