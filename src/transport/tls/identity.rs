use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};

use super::material::Material;
use crate::config::{Fault, TlsCertificate};

/// Makes what the broker shows of a certificate chain and its key. `pointer`: the object that has them.
pub(super) fn load(
    config: &TlsCertificate,
    pointer: &str,
    provider: &CryptoProvider,
    material: &mut Material,
) -> Result<Arc<CertifiedKey>, Vec<Fault>> {
    let chain = material
        .need(&config.cert_file, &config.cert_pem, &format!("{pointer}/cert"))
        .and_then(|pem| Ok((pem.certificates()?, pem)));
    let key = material.need(&config.key_file, &config.key_pem, &format!("{pointer}/key")).and_then(|pem| {
        let key = provider.key_provider.load_private_key(pem.key()?);
        Ok((key.map_err(|error| pem.fault(format!("is of no use: {}", words(&error))))?, pem))
    });
    let ((chain, chain_pem), (key, key_pem)) = match (chain, key) {
        (Ok(chain), Ok(key)) => (chain, key),
        (chain, key) => return Err([chain.err(), key.err()].into_iter().flatten().collect()),
    };
    let identity = CertifiedKey::new(chain, key);
    match identity.keys_match() {
        Ok(()) => Ok(Arc::new(identity)),
        Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(vec![key_pem.fault("is not the key of the certificate")])
        }
        Err(error) => Err(vec![chain_pem.fault(format!("has a certificate that is of no use: {}", words(&error)))]),
    }
}

/// What rustls says, without what kind of error it takes it for.
fn words(error: &Error) -> String {
    match error {
        Error::General(words) => words.clone(),
        other => other.to_string(),
    }
}
