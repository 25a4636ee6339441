//! What the configuration says about who may connect, and what they may do, where no hook decides.

mod credentials;
mod files;
mod filters;
mod hashing;
mod http;
mod jwt;
mod key_set;
mod password_file;
mod rules;

use std::sync::Arc;

use serde_json::Value;

use self::files::{Files, Reader};
use self::hashing::Hashing;
use self::http::Service;
use self::jwt::Tokens;
use self::password_file::{Checked, PasswordFile};
use crate::config::{self, AclRule, AuthMethod, Config, Fault};

pub use credentials::{Credentials, Granted, Outcome, Refused};
pub use rules::{Rules, Ruling, Subject};

/// The policy of a configuration, with the files that it names.
pub struct Access {
    methods: Vec<Method>,
    rules: Rules,
    files: Files,
    hashing: Hashing,
}

enum Method {
    PasswordFile(Arc<PasswordFile>),
    Tokens(Tokens),
    Service(Service),
}

impl Access {
    /// Reads what the configuration names. All faults come at once.
    pub fn load(config: &Config) -> Result<Access, Vec<Fault>> {
        let auth = &config.auth;
        let reader = Reader::default();
        let read = |path: &str| reader.read(path);
        let (mut methods, mut faults) = (Vec::new(), Vec::new());
        for (index, method) in auth.order.iter().enumerate() {
            if auth.order[..index].contains(method) {
                faults.push(Fault::new(&format!("/auth/order/{index}"), "stands further up already"));
                continue;
            }
            let loaded = match method {
                AuthMethod::PasswordFile => {
                    load_passwords(&auth.password_file, read).map(|file| file.map(Method::PasswordFile))
                }
                AuthMethod::Jwt => Tokens::load(&auth.jwt, read, files::read).map(|tokens| tokens.map(Method::Tokens)),
                AuthMethod::Http => Service::load(&auth.http, read).map(|service| service.map(Method::Service)),
            };
            match loaded {
                Ok(method) => methods.extend(method),
                Err(found) => faults.extend(found),
            }
        }
        let rules = load_rules(&config.acl, read).unwrap_or_else(|found| {
            faults.extend(found);
            Vec::new()
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        let rules = Rules::new(&rules, config.acl.default_publish, config.acl.default_subscribe);
        Ok(Access { methods, rules, files: reader.into_files(config), hashing: Hashing::new() })
    }

    /// Whether there is a way to find out who a client is.
    pub fn has_methods(&self) -> bool {
        !self.methods.is_empty()
    }

    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The pointers of the files that were made of something else before, whatever the configuration says of them.
    pub fn renewed_since<'a>(&'a self, before: &'a Access) -> impl Iterator<Item = &'static str> + 'a {
        self.files.others_than(&before.files)
    }

    /// Asks one method after the other until one knows the client. Needs a runtime.
    pub async fn authenticate(&self, credentials: &Credentials<'_>) -> Outcome {
        for method in &self.methods {
            let outcome = match method {
                Method::PasswordFile(file) => self.check_password(file, credentials).await,
                Method::Tokens(tokens) => tokens.check(credentials).await,
                Method::Service(service) => service.check(credentials).await,
            };
            if !matches!(outcome, Outcome::Unknown) {
                return outcome;
            }
        }
        Outcome::Unknown
    }

    async fn check_password(&self, file: &Arc<PasswordFile>, credentials: &Credentials<'_>) -> Outcome {
        let (Some(user), Some(password)) = (credentials.username, credentials.password) else {
            return Outcome::Unknown;
        };
        let (file, user, password) = (file.clone(), user.to_owned(), password.to_vec());
        match self.hashing.run(move || file.check(&user, &password)).await {
            Some(Checked::Right) => Outcome::Allowed(Granted::default()),
            Some(Checked::Wrong) => Refused::bad_credentials("wrong password"),
            Some(Checked::Unknown) => Outcome::Unknown,
            None => Refused::not_authorized("the password could not be checked"),
        }
    }
}

fn load_passwords(
    path: &str,
    read: impl Fn(&str) -> Result<Vec<u8>, String>,
) -> Result<Option<Arc<PasswordFile>>, Vec<Fault>> {
    if path.is_empty() {
        return Ok(None);
    }
    let fault = |text: String| Fault::new("/auth/password_file", text);
    let text = read(path).map_err(|error| vec![fault(error)])?;
    let text = String::from_utf8(text).map_err(|_| vec![fault("is not UTF-8".to_owned())])?;
    let file = PasswordFile::parse(&text).map_err(|faults| faults.into_iter().map(fault).collect::<Vec<_>>())?;
    Ok(Some(Arc::new(file)))
}

/// The rules of the configuration, then those of the file.
fn load_rules(acl: &config::Acl, read: impl Fn(&str) -> Result<Vec<u8>, String>) -> Result<Vec<AclRule>, Vec<Fault>> {
    let mut rules = acl.rules.clone();
    if !acl.file.is_empty() {
        let fault = |text: String| vec![Fault::new("/acl/file", text)];
        let text = read(&acl.file).map_err(fault)?;
        let value: Value = serde_json::from_slice(&text).map_err(|error| fault(format!("is not JSON: {error}")))?;
        let faults = config::check_rules(&value);
        if !faults.is_empty() {
            return Err(faults.into_iter().flat_map(|found| fault(format!("has a fault at {found}"))).collect());
        }
        let more: Vec<AclRule> =
            serde_json::from_value(value).map_err(|error| fault(format!("is no list of rules: {error}")))?;
        rules.extend(more);
    }
    Ok(rules)
}
