//! A service that is asked who may connect: POST with a JSON object, answered with another one.
//!
//! It fails closed: what is late, cannot be reached, or is no answer, lets nobody in.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::engine::general_purpose::STANDARD;
use base64::Engine;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use lru::LruCache;
use parking_lot::Mutex;
use ring::digest::{Context, SHA256, SHA256_OUTPUT_LEN};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::credentials::{Credentials, Granted, Outcome, Refused};
use super::jwt::rules_of;
use crate::config::{self, Fault};
use crate::model::{ReasonCode, Text};

/// The largest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(60);

/// Asks a service.
pub struct Service {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    timeout: Duration,
    places: Semaphore,
    cache: Option<Cache>,
}

struct Cache {
    answers: Mutex<LruCache<Key, (Instant, Outcome)>>,
    ttl: Duration,
    /// So that nobody finds credentials from keys that leak.
    salt: [u8; 32],
}

type Key = [u8; SHA256_OUTPUT_LEN];

#[derive(Serialize)]
struct Question<'a> {
    client_id: &'a str,
    username: Option<&'a str>,
    /// `None` if it is not UTF-8; then it is in the one below.
    password: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_base64: Option<String>,
    address: &'a str,
    listener: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    result: Decision,
    username: Option<String>,
    #[serde(default)]
    superuser: bool,
    /// Seconds since 1970.
    expires_at: Option<u64>,
    acl: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Decision {
    Allow,
    Deny,
    /// The next method is asked.
    Ignore,
}

impl Service {
    /// `None` if there is no URL. Files are read with `read`.
    pub fn load(
        config: &config::HttpAuth,
        read: impl Fn(&str) -> Result<Vec<u8>, String>,
    ) -> Result<Option<Service>, Vec<Fault>> {
        if config.url.is_empty() {
            return Ok(None);
        }
        let fault = |key: &str, message: String| vec![Fault::new(&format!("/auth/http/{key}"), message)];
        let url: Uri = config.url.parse().map_err(|error| fault("url", format!("is not a URL: {error}")))?;
        let secure = url.scheme_str() == Some("https");
        if secure == config.ca_file.is_empty() {
            let text = if secure { "is missing: no certificate could be trusted" } else { "is for https only" };
            return Err(fault("ca_file", text.to_owned()));
        }
        let roots = match secure {
            true => authorities(&read(&config.ca_file).map_err(|error| fault("ca_file", error))?)
                .map_err(|error| fault("ca_file", error))?,
            false => RootCertStore::empty(),
        };
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| fault("url", error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(config.max_concurrent as usize)
            .build(connector);
        let cache = NonZeroUsize::new(config.cache_entries as usize).filter(|_| config.cache_ttl_ms > 0);
        let cache = cache.map(|entries| {
            let mut salt = [0; 32];
            ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut salt)
                .map_err(|_| fault("cache_ttl_ms", "needs random numbers that the system does not give".to_owned()))?;
            let answers = Mutex::new(LruCache::new(entries));
            Ok::<_, Vec<Fault>>(Cache { answers, ttl: Duration::from_millis(config.cache_ttl_ms), salt })
        });
        Ok(Some(Service {
            client,
            url,
            timeout: Duration::from_millis(config.timeout_ms),
            places: Semaphore::new(config.max_concurrent as usize),
            cache: cache.transpose()?,
        }))
    }

    /// Asks about a client, unless the answer is known.
    pub async fn check(&self, credentials: &Credentials<'_>) -> Outcome {
        let Some(cache) = &self.cache else { return self.ask_in_time(credentials).await.unwrap_or_else(unavailable) };
        let key = cache.key(credentials);
        if let Some(known) = cache.find(&key, Instant::now()) {
            return known;
        }
        match self.ask_in_time(credentials).await {
            Ok(outcome) => {
                cache.answers.lock().put(key, (Instant::now() + cache.holds(&outcome), outcome.clone()));
                outcome
            }
            Err(why) => unavailable(why),
        }
    }

    /// What the service says; else why it is as good as not there. The time counts from here, waiting for a place included.
    async fn ask_in_time(&self, credentials: &Credentials<'_>) -> Result<Outcome, &'static str> {
        let asked = async {
            let _place = self.places.acquire().await.map_err(|_| "closed")?;
            self.ask(credentials).await
        };
        timeout(self.timeout, asked).await.unwrap_or(Err("no answer of the service in time"))
    }

    async fn ask(&self, credentials: &Credentials<'_>) -> Result<Outcome, &'static str> {
        let password = credentials.password;
        let text = password.and_then(|password| std::str::from_utf8(password).ok());
        let question = Question {
            client_id: credentials.client_id,
            username: credentials.username,
            password: text,
            password_base64: password.filter(|_| text.is_none()).map(|octets| STANDARD.encode(octets)),
            address: credentials.address,
            listener: credentials.listener,
        };
        let body = serde_json::to_vec(&question).map_err(|_| "a question that cannot be put")?;
        let request = Request::post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| "a question that cannot be put")?;
        let response = self.client.request(request).await.map_err(|error| {
            tracing::debug!(%error, "the service that authenticates cannot be asked");
            "a service that cannot be reached"
        })?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Ok(Refused::bad_credentials("the service says no"));
            }
            status => {
                tracing::debug!(%status, "the service that authenticates answers with a status that means nothing");
                return Err("a service that answers with an error");
            }
        }
        let answer = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        let answer = answer.map_err(|_| "an answer of the service that is cut off or too long")?.to_bytes();
        let answer: Answer = serde_json::from_slice(&answer).map_err(|_| "an answer of the service that is none")?;
        outcome(answer)
    }
}

fn outcome(answer: Answer) -> Result<Outcome, &'static str> {
    match answer.result {
        Decision::Ignore => return Ok(Outcome::Unknown),
        Decision::Deny => return Ok(Refused::bad_credentials("the service says no")),
        Decision::Allow => {}
    }
    if answer.username.as_ref().is_some_and(|name| name.contains('\0')) {
        return Err("an answer of the service with a user name that is none");
    }
    let expires_at = answer.expires_at.and_then(|at| UNIX_EPOCH.checked_add(Duration::from_secs(at)));
    if expires_at.is_some_and(|at| at <= SystemTime::now()) {
        return Err("an answer of the service that does not hold any more");
    }
    let rules = answer.acl.as_ref().map(rules_of).transpose();
    Ok(Outcome::Allowed(Granted {
        username: answer.username.map(Text::from),
        superuser: answer.superuser,
        expires_at,
        rules: rules.map_err(|_| "an answer of the service with access rules that are none")?.map(Arc::new),
    }))
}

fn unavailable(why: &'static str) -> Outcome {
    Outcome::Denied(Refused { reason: ReasonCode::SERVER_UNAVAILABLE, why })
}

fn authorities(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("is no PEM file: {error}"))?;
        roots.add(certificate).map_err(|error| format!("has a certificate that is no authority: {error}"))?;
    }
    if roots.is_empty() {
        return Err("has no certificate".to_owned());
    }
    Ok(roots)
}

impl Cache {
    fn key(&self, credentials: &Credentials<'_>) -> Key {
        let mut context = Context::new(&SHA256);
        context.update(&self.salt);
        let parts = [
            Some(credentials.client_id.as_bytes()),
            credentials.username.map(str::as_bytes),
            credentials.password,
            Some(credentials.address.rsplit_once(':').map_or(credentials.address, |(host, _)| host).as_bytes()),
            Some(credentials.listener.as_bytes()),
        ];
        for part in parts {
            // With their lengths, for no two different ones to be written alike.
            let len = part.map_or(u64::MAX, |part| part.len() as u64);
            context.update(&len.to_be_bytes());
            context.update(part.unwrap_or_default());
        }
        let mut key = [0; SHA256_OUTPUT_LEN];
        key.copy_from_slice(context.finish().as_ref());
        key
    }

    /// How long an answer is kept: no longer than it says itself.
    fn holds(&self, outcome: &Outcome) -> Duration {
        match outcome {
            Outcome::Allowed(Granted { expires_at: Some(at), .. }) => {
                at.duration_since(SystemTime::now()).unwrap_or_default().min(self.ttl)
            }
            _ => self.ttl,
        }
    }

    fn find(&self, key: &Key, now: Instant) -> Option<Outcome> {
        let mut answers = self.answers.lock();
        let (until, outcome) = answers.get(key)?;
        let (is_over, outcome) = (*until <= now, outcome.clone());
        if is_over {
            answers.pop(key);
            return None;
        }
        Some(outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use serde_json::json;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const CREDENTIALS: Credentials<'_> = Credentials {
        client_id: "pump-7",
        username: Some("pump"),
        password: Some(b"secret"),
        address: "192.0.2.1:49152",
        listener: "main",
    };

    /// A service that answers each request with the same bytes, or never; its URL, and how many have asked.
    async fn service(answer: Option<String>) -> (String, Arc<AtomicUsize>, Arc<Mutex<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/auth", listener.local_addr().unwrap());
        let (asked, last) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(String::new())));
        let (count, heard) = (asked.clone(), last.clone());
        tokio::spawn(async move {
            loop {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let (answer, count, heard) = (answer.clone(), count.clone(), heard.clone());
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
                        if !request.ends_with(b"}") {
                            continue;
                        }
                        count.fetch_add(1, SeqCst);
                        *heard.lock() = String::from_utf8(std::mem::take(&mut request)).unwrap();
                        let Some(answer) = &answer else { std::future::pending().await };
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                });
            }
        });
        (url, asked, last)
    }

    fn ok(body: &str) -> String {
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    fn load(url: &str, more: Value) -> Service {
        let mut config = json!({ "url": url });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let config = serde_json::from_value(config).unwrap();
        Service::load(&config, |_| Err("cannot be read".to_owned())).ok().flatten().unwrap()
    }

    async fn check(answer: Option<String>, more: Value) -> Outcome {
        let (url, ..) = service(answer).await;
        load(&url, more).check(&CREDENTIALS).await
    }

    #[tokio::test]
    async fn the_service_decides() {
        let body = r#"{"result":"allow","username":"p","superuser":true,"expires_at":4102444800,
            "acl":[{"effect":"allow","topics":["a"]}]}"#;
        let Outcome::Allowed(granted) = check(Some(ok(body)), json!({})).await else { panic!("not allowed") };
        assert_eq!(granted.username.as_deref(), Some("p"));
        assert!(granted.superuser && granted.rules.is_some());
        assert_eq!(granted.expires_at, Some(UNIX_EPOCH + Duration::from_secs(4_102_444_800)));
        let denied = check(Some(ok(r#"{"result":"deny"}"#)), json!({})).await;
        assert!(matches!(denied, Outcome::Denied(Refused { reason: ReasonCode::BAD_USER_NAME_OR_PASSWORD, .. })));
        let ignored = check(Some(ok(r#"{"result":"ignore"}"#)), json!({})).await;
        assert!(matches!(ignored, Outcome::Unknown));
        let forbidden = check(Some("HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n".to_owned()), json!({})).await;
        assert!(matches!(forbidden, Outcome::Denied(Refused { reason: ReasonCode::BAD_USER_NAME_OR_PASSWORD, .. })));
    }

    #[tokio::test]
    async fn what_is_no_answer_lets_nobody_in() {
        let long = format!(r#"{{"result":"allow","username":"{}"}}"#, "x".repeat(MAX_ANSWER_BYTES));
        for (answer, why) in [
            (None, "no answer of the service in time"),
            (Some(ok("")), "an answer of the service that is none"),
            (Some(ok("yes")), "an answer of the service that is none"),
            (Some(ok(r#"{"result":"maybe"}"#)), "an answer of the service that is none"),
            (Some(ok(&long)), "an answer of the service that is cut off or too long"),
            (
                Some(ok(r#"{"result":"allow","acl":[{"effect":"allow"}]}"#)),
                "an answer of the service with access rules that are none",
            ),
            (
                Some(ok("{\"result\":\"allow\",\"username\":\"a\\u0000b\"}")),
                "an answer of the service with a user name that is none",
            ),
            (
                Some(ok(r#"{"result":"allow","expires_at":1700000000}"#)),
                "an answer of the service that does not hold any more",
            ),
            (
                Some("HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n".to_owned()),
                "a service that answers with an error",
            ),
            (Some("HTTP/1.1 204 Nothing\r\n\r\n".to_owned()), "a service that answers with an error"),
            (Some("nonsense\r\n\r\n".to_owned()), "a service that cannot be reached"),
        ] {
            match check(answer, json!({ "timeout_ms": 1000 })).await {
                Outcome::Denied(refused) => {
                    assert_eq!(refused, Refused { reason: ReasonCode::SERVER_UNAVAILABLE, why });
                }
                other => panic!("{why}: {other:?}"),
            }
        }
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let nobody = load(&format!("http://{free}/"), json!({})).check(&CREDENTIALS).await;
        assert!(matches!(nobody, Outcome::Denied(Refused { reason: ReasonCode::SERVER_UNAVAILABLE, .. })));
    }

    #[tokio::test]
    async fn answers_are_kept_for_the_same_credentials() {
        let (url, asked, _) = service(Some(ok(r#"{"result":"allow"}"#))).await;
        let kept = load(&url, json!({ "cache_ttl_ms": 60_000 }));
        for _ in 0..3 {
            assert!(matches!(kept.check(&CREDENTIALS).await, Outcome::Allowed(_)));
        }
        assert_eq!(asked.load(SeqCst), 1);
        let port = Credentials { address: "192.0.2.1:50000", ..CREDENTIALS };
        kept.check(&port).await;
        assert_eq!(asked.load(SeqCst), 1, "each connection has another port");
        for other in [
            Credentials { password: Some(b"other"), ..CREDENTIALS },
            Credentials { password: None, ..CREDENTIALS },
            Credentials { username: None, ..CREDENTIALS },
            Credentials { client_id: "pump-8", ..CREDENTIALS },
            Credentials { address: "192.0.2.2:49152", ..CREDENTIALS },
        ] {
            let before = asked.load(SeqCst);
            kept.check(&other).await;
            assert_eq!(asked.load(SeqCst), before + 1, "{other:?}");
        }
        let fresh = load(&url, json!({}));
        let before = asked.load(SeqCst);
        fresh.check(&CREDENTIALS).await;
        fresh.check(&CREDENTIALS).await;
        assert_eq!(asked.load(SeqCst), before + 2);
    }

    #[tokio::test]
    async fn answers_are_kept_no_longer_than_they_hold() {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let expires = now().as_secs() + 2;
        let answer = format!(r#"{{"result":"allow","expires_at":{expires}}}"#);
        let (url, asked, _) = service(Some(ok(&answer))).await;
        let kept = load(&url, json!({ "cache_ttl_ms": 60_000 }));
        for _ in 0..2 {
            assert!(matches!(kept.check(&CREDENTIALS).await, Outcome::Allowed(_)));
        }
        assert_eq!(asked.load(SeqCst), 1);
        tokio::time::sleep(Duration::from_secs(expires).saturating_sub(now())).await;
        kept.check(&CREDENTIALS).await;
        assert_eq!(asked.load(SeqCst), 2, "it is asked again");
    }

    #[tokio::test]
    async fn what_the_service_is_told() {
        let (url, _, last) = service(Some(ok(r#"{"result":"allow"}"#))).await;
        let service = load(&url, json!({}));
        let told = || {
            let request = last.lock().clone();
            assert!(request.starts_with("POST /auth HTTP/1.1\r\n"), "{request}");
            serde_json::from_str::<Value>(request.split_once("\r\n\r\n").unwrap().1).unwrap()
        };
        service.check(&CREDENTIALS).await;
        let expected = json!({ "client_id": "pump-7", "username": "pump", "password": "secret",
            "address": "192.0.2.1:49152", "listener": "main" });
        assert_eq!(told(), expected);
        service.check(&Credentials { password: Some(b"\xff"), username: None, ..CREDENTIALS }).await;
        assert_eq!(told()["password"], Value::Null);
        assert_eq!(told()["password_base64"], "/w==");
    }

    #[test]
    fn faults_of_the_configuration() {
        let load = |config: Value| {
            let config = serde_json::from_value(config).unwrap();
            let loaded = Service::load(&config, |_| Ok(b"no certificate".to_vec()));
            loaded.map(|service| service.is_some()).map_err(|faults| faults[0].to_string())
        };
        assert_eq!(load(json!({})), Ok(false));
        for (config, fault) in [
            (json!({ "url": "https://localhost/" }), "/auth/http/ca_file: is missing: no certificate could be trusted"),
            (json!({ "url": "http://localhost/", "ca_file": "x" }), "/auth/http/ca_file: is for https only"),
            (json!({ "url": "https://localhost/", "ca_file": "x" }), "/auth/http/ca_file: has no certificate"),
        ] {
            assert_eq!(load(config), Err(fault.to_owned()));
        }
    }
}
