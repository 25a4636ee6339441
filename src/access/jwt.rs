//! JSON Web Tokens: who signed them, for whom, until when.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use super::credentials::{Credentials, Granted, Outcome, Refused};
use super::key_set::KeySet;
use super::Rules;
use crate::config::{self, AclRule, Effect, Fault, JwtAlgorithm, JwtFrom};
use crate::model::Text;

/// The least a secret may have: as many bytes as the shortest hash (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;

/// Access rules that a token may bring.
const MAX_RULES: usize = 1_000;

/// Checks tokens.
pub struct Tokens {
    keys: Keys,
    validation: Validation,
    config: config::Jwt,
}

enum Keys {
    One(Arc<DecodingKey>),
    Set(KeySet),
}

impl Tokens {
    /// `None` if there is no key. Files are read with `read`, and later with `read_again`.
    pub fn load(
        config: &config::Jwt,
        read: impl Fn(&str) -> Result<Vec<u8>, String>,
        read_again: impl Fn(&str) -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> Result<Option<Tokens>, Vec<Fault>> {
        let given = [&config.secret, &config.public_key_file, &config.public_key_pem, &config.jwks_file];
        let fault = |key: &str, message: String| vec![Fault::new(&format!("/auth/jwt/{key}"), message)];
        match given.iter().filter(|source| !source.is_empty()).count() {
            0 => return Ok(None),
            1 => {}
            _ => {
                let text = "has more than one of secret, public_key_file, public_key_pem and jwks_file";
                return Err(vec![Fault::new("/auth/jwt", text)]);
            }
        }
        if config.algorithm.is_symmetric() == config.secret.is_empty() {
            let text = if config.secret.is_empty() { "needs a secret" } else { "has no use for a secret" };
            return Err(fault("algorithm", format!("{:?} {text}", config.algorithm)));
        }
        let keys = if !config.secret.is_empty() {
            if config.secret.len() < MIN_SECRET_BYTES {
                return Err(fault("secret", format!("is shorter than {MIN_SECRET_BYTES} bytes")));
            }
            Keys::One(Arc::new(DecodingKey::from_secret(config.secret.as_bytes())))
        } else if !config.jwks_file.is_empty() {
            let set = read(&config.jwks_file).and_then(|text| KeySet::new(&config.jwks_file, &text, read_again));
            Keys::Set(set.map_err(|error| fault("jwks_file", error))?)
        } else {
            let (key, pem) = match config.public_key_pem.is_empty() {
                true => {
                    let pem = read(&config.public_key_file).map_err(|error| fault("public_key_file", error))?;
                    ("public_key_file", pem)
                }
                false => ("public_key_pem", config.public_key_pem.clone().into_bytes()),
            };
            Keys::One(Arc::new(public_key(config.algorithm, &pem).map_err(|error| fault(key, error))?))
        };
        Ok(Some(Tokens { keys, validation: validation(config), config: config.clone() }))
    }

    /// Looks at the token of a client. What does not look like one is none of ours. Needs a runtime.
    pub async fn check(&self, credentials: &Credentials<'_>) -> Outcome {
        let token = match self.config.from {
            JwtFrom::Password => credentials.password.and_then(|password| std::str::from_utf8(password).ok()),
            JwtFrom::Username => credentials.username,
        };
        let Some(token) = token.filter(|token| token.split('.').count() == 3) else { return Outcome::Unknown };
        let Ok(header) = jsonwebtoken::decode_header(token) else {
            return Refused::bad_credentials("token without a header");
        };
        let key = match &self.keys {
            Keys::One(key) => Some(key.clone()),
            Keys::Set(keys) => keys.find(header.kid.as_deref(), Instant::now()).await,
        };
        let Some(key) = key else { return Refused::bad_credentials("token with a key that is not known") };
        let claims = match jsonwebtoken::decode::<Value>(token, &key, &self.validation) {
            Ok(token) => token.claims,
            Err(error) => return Refused::bad_credentials(why(&error)),
        };
        self.grant(&claims, credentials)
    }

    fn grant(&self, claims: &Value, credentials: &Credentials<'_>) -> Outcome {
        let claim = |name: &str| claims.get(name).filter(|value| !value.is_null());
        let id_claim = &self.config.client_id_claim;
        if !id_claim.is_empty() && claim(id_claim).and_then(Value::as_str) != Some(credentials.client_id) {
            return Refused::not_authorized("token for another client identifier");
        }
        let username = match claim(&self.config.username_claim) {
            None => None,
            Some(Value::String(name)) if !name.contains('\0') => Some(Text::from(name.as_str())),
            Some(_) => return Refused::not_authorized("token with a user name that is none"),
        };
        let rules = match claim(&self.config.acl_claim).map(rules_of) {
            None => None,
            Some(Ok(rules)) => Some(Arc::new(rules)),
            Some(Err(why)) => return Refused::not_authorized(why),
        };
        let exp = claim("exp").and_then(Value::as_f64);
        let seconds = exp.map(|at| Duration::try_from_secs_f64(at + f64::from(self.config.leeway_s)));
        let until = seconds.and_then(Result::ok).and_then(|since_1970| UNIX_EPOCH.checked_add(since_1970));
        if until.is_some_and(|at| at <= SystemTime::now()) {
            // Of the second in which a token expires, the library thinks that it is still valid.
            return Refused::bad_credentials("expired token");
        }
        let expires_at = until.filter(|_| self.config.disconnect_on_expiry);
        Outcome::Allowed(Granted { username, superuser: false, expires_at, rules })
    }
}

/// The access rules of a claim. What is wrong with one of them is wrong with the token: half of the rules may allow what all
/// of them forbid.
pub(super) fn rules_of(claim: &Value) -> Result<Rules, &'static str> {
    let faults = config::check_rules(claim);
    let rules: Vec<AclRule> = match serde_json::from_value(claim.clone()) {
        Ok(rules) if faults.is_empty() => rules,
        _ => return Err("token with access rules that are none"),
    };
    if rules.len() > MAX_RULES {
        return Err("token with too many access rules");
    }
    Ok(Rules::new(&rules, Effect::Deny, Effect::Deny))
}

fn validation(config: &config::Jwt) -> Validation {
    let mut validation = Validation::new(algorithm(config.algorithm));
    validation.leeway = config.leeway_s.into();
    validation.validate_nbf = true;
    validation.set_required_spec_claims(&["exp"]);
    if !config.audience.is_empty() {
        validation.set_audience(&[&config.audience]);
        validation.required_spec_claims.insert("aud".to_owned());
    }
    if !config.issuer.is_empty() {
        validation.set_issuer(&[&config.issuer]);
        validation.required_spec_claims.insert("iss".to_owned());
    }
    validation
}

fn algorithm(algorithm: JwtAlgorithm) -> Algorithm {
    match algorithm {
        JwtAlgorithm::HS256 => Algorithm::HS256,
        JwtAlgorithm::HS384 => Algorithm::HS384,
        JwtAlgorithm::HS512 => Algorithm::HS512,
        JwtAlgorithm::RS256 => Algorithm::RS256,
        JwtAlgorithm::RS384 => Algorithm::RS384,
        JwtAlgorithm::RS512 => Algorithm::RS512,
        JwtAlgorithm::PS256 => Algorithm::PS256,
        JwtAlgorithm::PS384 => Algorithm::PS384,
        JwtAlgorithm::PS512 => Algorithm::PS512,
        JwtAlgorithm::ES256 => Algorithm::ES256,
        JwtAlgorithm::ES384 => Algorithm::ES384,
        JwtAlgorithm::EdDSA => Algorithm::EdDSA,
    }
}

fn public_key(algorithm: JwtAlgorithm, pem: &[u8]) -> Result<DecodingKey, String> {
    let (key, kind) = match algorithm {
        JwtAlgorithm::ES256 | JwtAlgorithm::ES384 => (DecodingKey::from_ec_pem(pem), "elliptic curve"),
        JwtAlgorithm::EdDSA => (DecodingKey::from_ed_pem(pem), "Ed25519"),
        _ => (DecodingKey::from_rsa_pem(pem), "RSA"),
    };
    key.map_err(|_| format!("has no public {kind} key, which {algorithm:?} needs"))
}

fn why(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => "expired token",
        ErrorKind::ImmatureSignature => "token that is not valid yet",
        ErrorKind::InvalidAudience => "token for another audience",
        ErrorKind::InvalidIssuer => "token of another issuer",
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => "token with another algorithm",
        ErrorKind::InvalidSignature => "token with a signature that does not fit",
        ErrorKind::MissingRequiredClaim(_) => "token without a claim that it must have",
        _ => "token that cannot be read",
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{encode, EncodingKey, Header};
    use serde_json::json;
    use tokio::runtime::Runtime;

    use super::super::Subject;
    use super::*;

    const SECRET: &str = "a secret of thirty-two bytes or more";

    fn now() -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    fn config(more: Value) -> config::Jwt {
        let mut config = json!({ "secret": SECRET });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(config).unwrap()
    }

    fn load(config: &config::Jwt) -> Result<Option<Tokens>, Vec<String>> {
        let read = |_: &str| Err("cannot be read".to_owned());
        Tokens::load(config, read, read).map_err(|faults| faults.iter().map(Fault::to_string).collect())
    }

    fn tokens(more: Value) -> Tokens {
        load(&config(more)).unwrap().unwrap()
    }

    fn sign(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
        encode(&Header::new(algorithm), claims, key).unwrap()
    }

    fn signed(claims: &Value) -> String {
        sign(Algorithm::HS256, &EncodingKey::from_secret(SECRET.as_bytes()), claims)
    }

    fn check(tokens: &Tokens, password: &str) -> Outcome {
        let (username, password) = (Some("somebody"), Some(password.as_bytes()));
        let client_id = "pump-7";
        let credentials = Credentials { client_id, username, password, address: "", listener: "" };
        Runtime::new().unwrap().block_on(tokens.check(&credentials))
    }

    #[track_caller]
    fn refused(tokens: &Tokens, token: &str) -> &'static str {
        match check(tokens, token) {
            Outcome::Denied(refused) => refused.why,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn granted(tokens: &Tokens, token: &str) -> Granted {
        match check(tokens, token) {
            Outcome::Allowed(granted) => granted,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_token_says_who_and_until_when() {
        let exp = now() + 60;
        let granted = granted(&tokens(json!({})), &signed(&json!({ "sub": "pump", "exp": exp })));
        assert_eq!(granted.username.as_deref(), Some("pump"));
        assert_eq!(granted.expires_at, Some(UNIX_EPOCH + Duration::from_secs(exp)));
        assert!(!granted.superuser && granted.rules.is_none());
    }

    #[test]
    fn what_is_no_token_is_for_other_methods() {
        for password in ["", "secret", "a.b"] {
            assert!(matches!(check(&tokens(json!({})), password), Outcome::Unknown), "{password}");
        }
    }

    #[test]
    fn tokens_that_are_not_valid() {
        let tokens = tokens(json!({ "audience": "plant", "issuer": "us" }));
        let good = json!({ "exp": now() + 60, "aud": "plant", "iss": "us" });
        granted(&tokens, &signed(&good));
        let with = |key: &str, value: Value| {
            let mut claims = good.clone();
            claims[key] = value;
            signed(&claims)
        };
        let without = |key: &str| {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().remove(key);
            signed(&claims)
        };
        for (token, why) in [
            (with("exp", json!(now() - 1)), "expired token"),
            (with("exp", json!(now())), "expired token"),
            (without("exp"), "token without a claim that it must have"),
            (with("nbf", json!(now() + 60)), "token that is not valid yet"),
            (with("aud", json!("other")), "token for another audience"),
            (without("aud"), "token without a claim that it must have"),
            (with("iss", json!("them")), "token of another issuer"),
            (without("iss"), "token without a claim that it must have"),
            (with("sub", json!(7)), "token with a user name that is none"),
            (with("sub", json!("a\u{0}b")), "token with a user name that is none"),
            ("a.b.c".to_owned(), "token without a header"),
        ] {
            assert_eq!(refused(&tokens, &token), why);
        }
        let other = EncodingKey::from_secret(b"another secret of thirty-two bytes, too");
        let why = refused(&tokens, &sign(Algorithm::HS256, &other, &good));
        assert_eq!(why, "token with a signature that does not fit");
        let own = EncodingKey::from_secret(SECRET.as_bytes());
        assert_eq!(refused(&tokens, &sign(Algorithm::HS384, &own, &good)), "token with another algorithm");
        // {"alg":"none","typ":"JWT"}
        let payload = signed(&good).split('.').nth(1).unwrap().to_owned();
        let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
        assert_eq!(refused(&tokens, &none), "token without a header");
    }

    #[test]
    fn a_token_for_another_client() {
        let tokens = tokens(json!({ "client_id_claim": "cid" }));
        let claims = |cid: &str| signed(&json!({ "exp": now() + 60, "cid": cid }));
        granted(&tokens, &claims("pump-7"));
        assert_eq!(refused(&tokens, &claims("pump-8")), "token for another client identifier");
        assert_eq!(refused(&tokens, &signed(&json!({ "exp": now() + 60 }))), "token for another client identifier");
    }

    #[test]
    fn access_rules_in_a_token() {
        let claims = |acl: Value| signed(&json!({ "exp": now() + 60, "acl": acl }));
        let tokens = tokens(json!({}));
        let token = claims(json!([{ "effect": "allow", "action": "publish", "topics": ["c/%c"] }]));
        let rules = granted(&tokens, &token).rules.unwrap();
        let subject = Subject { username: None, client_id: "pump-7", ip: None };
        assert!(rules.publish(&subject, "c/pump-7", 0, false).allowed);
        for bad in [json!("all"), json!([{ "effect": "allow" }]), json!([{ "effect": "allow", "topics": ["a#"] }])] {
            assert_eq!(refused(&tokens, &claims(bad)), "token with access rules that are none");
        }
    }

    #[test]
    fn expiry_may_be_of_no_interest_once_connected() {
        let tokens = tokens(json!({ "disconnect_on_expiry": false }));
        assert_eq!(granted(&tokens, &signed(&json!({ "exp": now() + 60 }))).expires_at, None);
    }

    /// With a public key in place of the secret, anybody could make tokens.
    #[test]
    fn the_public_key_is_no_secret() {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let config: config::Jwt =
            serde_json::from_value(json!({ "algorithm": "ES256", "public_key_pem": pair.public_key_pem() })).unwrap();
        let tokens = load(&config).unwrap().unwrap();
        let claims = json!({ "exp": now() + 60, "sub": "pump" });
        let own = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        assert_eq!(granted(&tokens, &sign(Algorithm::ES256, &own, &claims)).username.as_deref(), Some("pump"));
        let forged = EncodingKey::from_secret(pair.public_key_pem().as_bytes());
        assert_eq!(refused(&tokens, &sign(Algorithm::HS256, &forged, &claims)), "token with another algorithm");
    }

    #[test]
    fn a_set_of_keys() {
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        use base64::Engine;
        let pairs = ["one", "two"].map(|kid| (kid, rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap()));
        let keys: Vec<Value> = pairs
            .iter()
            .map(|(kid, pair)| {
                let x = URL_SAFE_NO_PAD.encode(pair.public_key_raw());
                json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid })
            })
            .collect();
        let set = json!({ "keys": keys }).to_string();
        let config: config::Jwt =
            serde_json::from_value(json!({ "algorithm": "EdDSA", "jwks_file": "keys.json" })).unwrap();
        let read = move |_: &str| Ok(set.clone().into_bytes());
        let tokens = Tokens::load(&config, read.clone(), read).ok().flatten().unwrap();
        let claims = json!({ "exp": now() + 60 });
        for (kid, pair) in &pairs {
            let key = EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap();
            let with = |kid: Option<&str>| {
                let header = Header { kid: kid.map(str::to_owned), ..Header::new(Algorithm::EdDSA) };
                encode(&header, &claims, &key).unwrap()
            };
            granted(&tokens, &with(Some(kid)));
            assert_eq!(refused(&tokens, &with(Some("three"))), "token with a key that is not known");
            assert_eq!(refused(&tokens, &with(None)), "token with a key that is not known");
        }
    }

    #[test]
    fn faults_of_the_configuration() {
        assert!(load(&config(json!({ "secret": "" }))).unwrap().is_none());
        for (more, fault) in [
            (json!({ "secret": "short" }), "/auth/jwt/secret: is shorter than 32 bytes"),
            (
                json!({ "jwks_file": "x" }),
                "/auth/jwt: has more than one of secret, public_key_file, public_key_pem and jwks_file",
            ),
            (json!({ "algorithm": "RS256" }), "/auth/jwt/algorithm: RS256 has no use for a secret"),
            (json!({ "secret": "", "public_key_file": "x" }), "/auth/jwt/algorithm: HS256 needs a secret"),
            (
                json!({ "secret": "", "algorithm": "RS256", "public_key_file": "x" }),
                "/auth/jwt/public_key_file: cannot be read",
            ),
            (json!({ "secret": "", "algorithm": "RS256", "jwks_file": "x" }), "/auth/jwt/jwks_file: cannot be read"),
            (
                json!({ "secret": "", "algorithm": "RS256", "public_key_pem": "nonsense" }),
                "/auth/jwt/public_key_pem: has no public RSA key, which RS256 needs",
            ),
        ] {
            assert_eq!(load(&config(more)).err().unwrap(), [fault]);
        }
    }
}
