//! Who may connect when no `authenticate` hook is set.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may connect when no `authenticate` hook is set, or when it answers `RMQTT_VERDICT_CONTINUE`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// Whether clients may connect without anyone checking who they are: those without user name and password, and if no
    /// method is configured, all of them.
    pub allow_anonymous: bool,

    /// The order in which methods are asked. Those that are not configured are passed over. The first one that knows the
    /// client decides.
    #[schemars(length(max = 3))]
    pub order: Vec<AuthMethod>,

    /// A file of lines `user:hash`; `#` begins a comment. Hashes are PHC strings of Argon2 (`$argon2id$…`), or what
    /// `mosquitto_passwd` writes (`$7$…`, PBKDF2 with HMAC-SHA-512).
    #[schemars(extend("format" = "text"))]
    pub password_file: String,

    /// JSON Web Tokens. Configured if it has a key.
    pub jwt: Jwt,

    /// A service that is asked. Configured if it has a URL.
    pub http: HttpAuth,
}

/// A way to find out who a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// `auth.password_file`
    PasswordFile,
    /// `auth.jwt`
    Jwt,
    /// `auth.http`
    Http,
}

/// JSON Web Tokens (RFC 7519) that clients show.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Jwt {
    /// How tokens are signed. Any other algorithm is refused, whatever the token says.
    pub algorithm: JwtAlgorithm,

    /// The secret of `HS256`, `HS384` and `HS512`, at least 32 bytes.
    pub secret: String,

    /// The public key of the other algorithms: a PEM file.
    #[schemars(extend("format" = "text"))]
    pub public_key_file: String,

    /// The public key as PEM text.
    pub public_key_pem: String,

    /// Public keys: a file with a JSON Web Key Set (RFC 7517). A token says with `kid` which one it is signed with; one that
    /// does not is for a set of a single key. A `kid` that is not in the set has the file looked at again, once in 5 seconds
    /// at most.
    #[schemars(extend("format" = "text"))]
    pub jwks_file: String,

    /// Where clients put the token.
    pub from: JwtFrom,

    /// The audience that a token must be for (`aud`). Empty: tokens with an audience are refused.
    pub audience: String,

    /// The issuer that a token must come from (`iss`). Empty: any.
    pub issuer: String,

    /// The claim that becomes the user name. A token without it leaves the one of CONNECT.
    #[schemars(length(min = 1, max = 256))]
    pub username_claim: String,

    /// The claim that must be the client identifier. Empty: none.
    #[schemars(length(max = 256))]
    pub client_id_claim: String,

    /// The claim with access rules for this client: an array as in `acl.rules`. They stand before the configured ones.
    #[schemars(length(min = 1, max = 256))]
    pub acl_claim: String,

    /// How far clocks may be apart, in seconds.
    #[schemars(range(max = 3600))]
    pub leeway_s: u32,

    /// Whether a client is disconnected when its token expires, with reason code 0x87.
    pub disconnect_on_expiry: bool,
}

/// An algorithm that signs tokens (RFC 7518).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub enum JwtAlgorithm {
    #[default]
    HS256,
    HS384,
    HS512,
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

impl JwtAlgorithm {
    /// Whether whoever checks tokens can make them as well.
    pub fn is_symmetric(self) -> bool {
        matches!(self, JwtAlgorithm::HS256 | JwtAlgorithm::HS384 | JwtAlgorithm::HS512)
    }
}

/// Where clients put the token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JwtFrom {
    /// In the password.
    #[default]
    Password,
    /// In the user name.
    Username,
}

/// A service that says who may connect. It gets a POST with a JSON object.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HttpAuth {
    /// Such as `http://127.0.0.1:8080/mqtt/auth`. `https` needs `ca_file`.
    #[schemars(length(max = 2048), extend("format" = "http-url"))]
    pub url: String,

    /// The authorities that the service's certificate comes from: a PEM file.
    #[schemars(extend("format" = "text"))]
    pub ca_file: String,

    /// How long an answer may take, in milliseconds. Without one the client is refused.
    #[schemars(range(min = 1, max = 60_000))]
    pub timeout_ms: u64,

    /// How long an answer holds for the same credentials, in milliseconds; 0 asks each time. No longer than the answer itself
    /// says.
    #[schemars(range(max = 86_400_000))]
    pub cache_ttl_ms: u64,

    /// Answers that are kept.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub cache_entries: u32,

    /// Questions at the same time, each on a connection of its own that is kept. More wait.
    #[schemars(range(min = 1, max = 1024))]
    pub max_concurrent: u32,
}

impl Default for Auth {
    fn default() -> Self {
        Auth {
            allow_anonymous: false,
            order: vec![AuthMethod::PasswordFile, AuthMethod::Jwt, AuthMethod::Http],
            password_file: String::new(),
            jwt: Jwt::default(),
            http: HttpAuth::default(),
        }
    }
}

impl Default for Jwt {
    fn default() -> Self {
        Jwt {
            algorithm: JwtAlgorithm::default(),
            secret: String::new(),
            public_key_file: String::new(),
            public_key_pem: String::new(),
            jwks_file: String::new(),
            from: JwtFrom::default(),
            audience: String::new(),
            issuer: String::new(),
            username_claim: "sub".to_owned(),
            client_id_claim: String::new(),
            acl_claim: "acl".to_owned(),
            leeway_s: 0,
            disconnect_on_expiry: true,
        }
    }
}

impl Default for HttpAuth {
    fn default() -> Self {
        HttpAuth {
            url: String::new(),
            ca_file: String::new(),
            timeout_ms: 2_000,
            cache_ttl_ms: 0,
            cache_entries: 10_000,
            max_concurrent: 16,
        }
    }
}
