//! What the configuration names, read: a file or a text in PEM. Whatever is wrong is the fault of the key that names it.

use std::fs::File;
use std::io::{self, Read};

use ring::digest::{Context, SHA256};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};

use crate::config::Fault;

/// What is read of a file at most. Revocation lists of large authorities have some megabytes.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// What a key says that is.
const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// Reads all that there is for one listener.
pub(super) struct Material(Context);

/// PEM, and where it comes from.
pub(super) struct Pem {
    pointer: String,
    bytes: Vec<u8>,
}

impl Material {
    pub(super) fn new() -> Self {
        Material(Context::new(&SHA256))
    }

    /// Reads a file, or takes the text in place of it. `pointer`: both keys of them, without `_file` and `_pem`. `None` if
    /// the configuration has neither.
    pub(super) fn read(&mut self, file: &str, text: &str, pointer: &str) -> Result<Option<Pem>, Fault> {
        let pem = match (file, text) {
            ("", "") => return Ok(None),
            (_, "") => {
                let pointer = format!("{pointer}_file");
                let bytes =
                    read_file(file).map_err(|error| Fault::new(&pointer, format!("cannot be read: {error}")))?;
                Pem { pointer, bytes }
            }
            _ => Pem { pointer: format!("{pointer}_pem"), bytes: text.as_bytes().to_vec() },
        };
        // With its length, so that nothing seems to be the end of what was before.
        self.0.update(&(pem.bytes.len() as u64).to_be_bytes());
        self.0.update(&pem.bytes);
        Ok(Some(pem))
    }

    /// The same for what has to be there.
    pub(super) fn need(&mut self, file: &str, text: &str, pointer: &str) -> Result<Pem, Fault> {
        self.read(file, text, pointer)?.ok_or_else(|| Fault::new(&format!("{pointer}_file"), "is missing"))
    }

    /// A digest of all that has been read.
    pub(super) fn fingerprint(self) -> [u8; 32] {
        let mut fingerprint = [0; 32];
        fingerprint.iter_mut().zip(self.0.finish().as_ref()).for_each(|(to, from)| *to = *from);
        fingerprint
    }
}

impl Pem {
    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault::new(&self.pointer, message)
    }

    pub(super) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, Fault> {
        self.all("certificate")
    }

    pub(super) fn revocation_lists(&self) -> Result<Vec<CertificateRevocationListDer<'static>>, Fault> {
        self.all("certificate revocation list")
    }

    /// The first private key.
    pub(super) fn key(&self) -> Result<PrivateKeyDer<'static>, Fault> {
        PrivateKeyDer::from_pem_slice(&self.bytes).map_err(|error| {
            // One of PKCS #8 has a label of its own; in older ones, a line says it, which makes them unreadable.
            if self.bytes.windows(ENCRYPTED.len()).any(|part| part == ENCRYPTED) {
                return self.fault("is encrypted: a key without a password is needed");
            }
            self.unreadable(&error, "private key")
        })
    }

    fn all<T: PemObject>(&self, what: &str) -> Result<Vec<T>, Fault> {
        let found: Result<Vec<T>, pem::Error> = T::pem_slice_iter(&self.bytes).collect();
        match found {
            Ok(found) if found.is_empty() => Err(self.unreadable(&pem::Error::NoItemsFound, what)),
            Ok(found) => Ok(found),
            Err(error) => Err(self.unreadable(&error, what)),
        }
    }

    fn unreadable(&self, error: &pem::Error, what: &str) -> Fault {
        self.fault(match error {
            pem::Error::NoItemsFound if self.bytes.is_empty() => "is empty".to_owned(),
            pem::Error::NoItemsFound => format!("has no {what} in it"),
            pem::Error::MissingSectionEnd { .. } => "is cut off: a section of it has no end".to_owned(),
            pem::Error::Base64Decode(_) => "is damaged: a section of it is not Base64".to_owned(),
            other => format!("cannot be read: {other}"),
        })
    }
}

fn read_file(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it is larger than {MAX_FILE} bytes")));
    }
    Ok(bytes)
}
