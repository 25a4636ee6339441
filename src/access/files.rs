//! The files that the policy is made of, and which of them are others than before.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;

use ring::digest::{digest, Digest, SHA256};

use crate::config::Config;

/// Reads files, and keeps in mind what was in them.
#[derive(Default)]
pub(super) struct Reader(RefCell<HashMap<String, Digest>>);

impl Reader {
    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        let octets = read(path)?;
        self.0.borrow_mut().insert(path.to_owned(), digest(&SHA256, &octets));
        Ok(octets)
    }

    pub(super) fn into_files(self, config: &Config) -> Files {
        let (auth, read) = (&config.auth, self.0.into_inner());
        let named = [
            ("/acl/file", &config.acl.file),
            ("/auth/http/ca_file", &auth.http.ca_file),
            ("/auth/jwt/jwks_file", &auth.jwt.jwks_file),
            ("/auth/jwt/public_key_file", &auth.jwt.public_key_file),
            ("/auth/password_file", &auth.password_file),
        ];
        Files(named.into_iter().filter_map(|(pointer, path)| Some((pointer, *read.get(path)?))).collect())
    }
}

/// Reads a file, whatever was in it before.
pub(super) fn read(path: &str) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|error| format!("cannot be read: {error}"))
}

/// What the files of a configuration were made of, by the pointers of the keys that name them.
pub(super) struct Files(Vec<(&'static str, Digest)>);

impl Files {
    /// The pointers of those that were made of something else before.
    pub(super) fn others_than<'a>(&'a self, before: &'a Files) -> impl Iterator<Item = &'static str> + 'a {
        let is_other = |pointer: &str, now: &Digest| {
            let known = before.0.iter().find(|(other, _)| *other == pointer);
            known.is_some_and(|(_, then)| then.as_ref() != now.as_ref())
        };
        self.0.iter().filter(move |(pointer, now)| is_other(pointer, now)).map(|(pointer, _)| *pointer)
    }
}
