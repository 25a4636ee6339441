use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertRevocationListError, RootCertStore};

use super::material::{Material, Pem};
use crate::config::{self, ClientAuth, Fault};

/// Clients are told which authorities are trusted, which helps those with several certificates. There is only so much room
/// for it in a handshake.
const MAX_HINT_BYTES: usize = 16 * 1024;

/// Makes what checks the certificates of clients.
pub(super) fn load(
    config: &config::Tls,
    pointer: &str,
    provider: &Arc<CryptoProvider>,
    material: &mut Material,
) -> Result<Arc<dyn ClientCertVerifier>, Vec<Fault>> {
    if config.client_auth == ClientAuth::None {
        return Ok(WebPkiClientVerifier::no_client_auth());
    }
    let roots = material
        .need(&config.client_ca_file, &config.client_ca_pem, &format!("{pointer}/client_ca"))
        .and_then(|pem| Ok((roots(&pem)?, pem)));
    let lists = material
        .read(&config.crl_file, &config.crl_pem, &format!("{pointer}/crl"))
        .and_then(|pem| pem.map(|pem| Ok((pem.revocation_lists()?, pem))).transpose());
    let ((roots, ca), lists) = match (roots, lists) {
        (Ok(roots), Ok(lists)) => (roots, lists),
        (roots, lists) => return Err([roots.err(), lists.err()].into_iter().flatten().collect()),
    };
    let hints: usize = roots.subjects().iter().map(|subject| subject.as_ref().len()).sum();
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    if hints > MAX_HINT_BYTES {
        builder = builder.clear_root_hint_subjects();
    }
    if config.client_auth == ClientAuth::Optional {
        builder = builder.allow_unauthenticated();
    }
    let mut crl = None;
    if let Some((lists, pem)) = lists {
        builder = builder.with_crls(lists);
        crl = Some(pem);
    }
    builder.build().map_err(|error| {
        vec![match (error, crl) {
            (VerifierBuilderError::InvalidCrl(error), Some(crl)) => crl.fault(words(&error)),
            (error, _) => ca.fault(error.to_string()),
        }]
    })
}

fn roots(pem: &Pem) -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    for (index, certificate) in pem.certificates()?.into_iter().enumerate() {
        roots.add(certificate).map_err(|error| {
            pem.fault(format!("has a certificate that is of no use, number {}: {error}", index + 1))
        })?;
    }
    Ok(roots)
}

fn words(error: &CertRevocationListError) -> String {
    format!("has a certificate revocation list that is of no use: {error:?}")
}
