//! Who may connect, and what clients may do, as the configuration says where no hook decides.

#[path = "support/certificates.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod certificates;
#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;
#[path = "support/tls.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod tls;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{mpsc, Arc};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use base64::Engine;
use jsonwebtoken::{encode, Algorithm, EncodingKey, Header};
use rmqttc::broker::{Action, Broker, Error};
use rmqttc::hooks::{Answer, Hook, HookSet, Hooks, Question, Verdict};
use rmqttc::observe::log::{self, Level, Line};
use serde_json::{json, Value};

use mqtt::{Connect, LONG};

const SECRET: &str = "a secret of thirty-two bytes or more";

const BAD_USER_NAME_OR_PASSWORD: u8 = 0x86;
const NOT_AUTHORIZED: u8 = 0x87;
const SERVER_UNAVAILABLE: u8 = 0x88;

/// A broker with one listener and this besides.
fn broker(more: Value) -> (Broker, String) {
    let broker = Broker::new(&config(more)).unwrap_or_else(|error| panic!("{error}"));
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address.to_string();
    (broker, address)
}

fn config(more: Value) -> String {
    let mut config = json!({ "listeners": [{ "name": "main", "address": "127.0.0.1:0" }] });
    config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config.to_string()
}

/// A file of its own, gone with the value.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> File {
        let path = std::env::temp_dir().join(format!("rmqtt-access-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        File(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Nobody sees half of it.
    fn replace(&self, text: &str) {
        let next = self.0.with_extension("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, &self.0).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A line of a password file, as `mosquitto_passwd` writes it.
fn line(user: &str, password: &str) -> String {
    let mut hash = [0; 64];
    let algorithm = ring::pbkdf2::PBKDF2_HMAC_SHA512;
    ring::pbkdf2::derive(algorithm, NonZeroU32::new(101).unwrap(), b"twelve bytes", password.as_bytes(), &mut hash);
    format!("{user}:$7$101${}${}\n", STANDARD.encode(b"twelve bytes"), STANDARD.encode(hash))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn token(claims: Value) -> String {
    encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

fn code(connect: Connect<'_>, address: &str) -> u8 {
    connect.open(address).err().unwrap_or(0)
}

#[test]
fn a_password_file() {
    let file = File::new("passwords", &[line("pump", "secret"), line("valve", "other")].concat());
    let (_broker, address) = broker(json!({ "auth": { "password_file": file.path() } }));
    for (connect, v5, v3) in [
        (Connect::v5("a").username("pump").password("secret"), 0, 0),
        (Connect::v5("a").username("pump").password("other"), BAD_USER_NAME_OR_PASSWORD, 4),
        (Connect::v5("a").username("pump").password(""), BAD_USER_NAME_OR_PASSWORD, 4),
        (Connect::v5("a").username("nobody").password("secret"), BAD_USER_NAME_OR_PASSWORD, 4),
        (Connect::v5("a").username("pump"), BAD_USER_NAME_OR_PASSWORD, 4),
        (Connect::v5("a"), NOT_AUTHORIZED, 5),
    ] {
        let old = Connect { version: 4, ..connect.clone() };
        assert_eq!(code(connect.clone(), &address), v5, "{:?} {:?}", connect.username, connect.password);
        assert_eq!(code(old, &address), v3, "{:?} {:?}", connect.username, connect.password);
    }
}

#[test]
fn those_without_credentials_are_a_matter_of_the_listener() {
    let file = File::new("anonymous", &line("pump", "secret"));
    let listeners = json!([{ "address": "127.0.0.1:0" }, { "address": "127.0.0.1:0", "allow_anonymous": true }]);
    let (broker, strict) = broker(json!({ "listeners": listeners, "auth": { "password_file": file.path() } }));
    let open = broker.listener(1).unwrap().address.to_string();
    assert_eq!(code(Connect::v5("a"), &strict), NOT_AUTHORIZED);
    assert_eq!(code(Connect::v5("a"), &open), 0);
    let wrong = Connect::v5("a").username("pump").password("wrong");
    assert_eq!(code(wrong, &open), BAD_USER_NAME_OR_PASSWORD, "who says a name has to prove it");
}

#[test]
fn many_passwords_at_once_hold_nobody_up() {
    let file = File::new("many", &line("pump", "secret").replace("$7$101$", "$7$50000$"));
    let (_broker, address) = broker(json!({ "auth": { "password_file": file.path(), "allow_anonymous": true },
        "runtime": { "worker_threads": 1 } }));
    let mut other = Connect::v5("other").open(&address).unwrap();
    let attackers: Vec<_> = (0..8)
        .map(|number| {
            let address = address.clone();
            thread::spawn(move || {
                let id = format!("attacker-{number}");
                code(Connect::v5(&id).username("pump").password("guess"), &address)
            })
        })
        .collect();
    let mut pings = 0;
    while !attackers.iter().all(|attacker| attacker.is_finished()) {
        assert!(other.ping());
        pings += 1;
    }
    // On the one thread that serves clients there would be room for a few between two passwords.
    assert!(pings > 50, "{pings}");
    for attacker in attackers {
        assert_eq!(attacker.join().unwrap(), BAD_USER_NAME_OR_PASSWORD);
    }
}

#[test]
fn tokens() {
    let (broker, address) = broker(json!({ "auth": { "jwt": { "secret": SECRET, "audience": "plant" } },
        "acl": { "default_publish": "deny", "rules": [{ "effect": "allow", "topics": ["u/%u"] }] } }));
    let good = json!({ "sub": "pump", "aud": "plant", "exp": now() + 60,
        "acl": [{ "effect": "allow", "action": "publish", "topics": ["own/%c"] }] });
    let with = |key: &str, value: Value| {
        let mut claims = good.clone();
        claims[key] = value;
        token(claims)
    };
    let mut client = Connect::v5("a").username("whatever").password(&token(good.clone())).open(&address).unwrap();
    for (topic, answer) in
        [("u/pump", 0x10), ("u/whatever", NOT_AUTHORIZED), ("own/a", 0x10), ("own/b", NOT_AUTHORIZED)]
    {
        assert_eq!(client.publish_code(topic, b"", false), Some(answer), "{topic}");
    }
    let other = broker.explain("a", Action::Publish, "own/a").unwrap();
    assert_eq!(serde_json::to_value(&other).unwrap()["decided_by"], "own_rule");
    // {"alg":"none","typ":"JWT"}
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{}.", token(good.clone()).split('.').nth(1).unwrap());
    let key = EncodingKey::from_secret(b"another secret of thirty-two bytes, too");
    let forged = encode(&Header::new(Algorithm::HS256), &good, &key).unwrap();
    for (what, token) in [
        ("expired", with("exp", json!(now() - 10))),
        ("another audience", with("aud", json!("other"))),
        ("no algorithm", none),
        ("another key", forged),
        ("rules that are none", with("acl", json!([{ "effect": "allow", "topics": ["a#"] }]))),
    ] {
        let refused = code(Connect::v5("b").username("x").password(&token), &address);
        assert!([BAD_USER_NAME_OR_PASSWORD, NOT_AUTHORIZED].contains(&refused), "{what}: {refused}");
    }
    assert_eq!(code(Connect::v5("b").username("x").password("no token"), &address), BAD_USER_NAME_OR_PASSWORD);
}

/// A key that signs tokens.
struct Signer {
    kid: &'static str,
    pair: rcgen::KeyPair,
}

impl Signer {
    fn new(kid: &'static str) -> Signer {
        Signer { kid, pair: rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap() }
    }

    fn token(&self) -> String {
        let key = EncodingKey::from_ed_pem(self.pair.serialize_pem().as_bytes()).unwrap();
        let header = Header { kid: Some(self.kid.to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, &json!({ "sub": "pump", "exp": now() + 600 }), &key).unwrap()
    }
}

/// The public keys of those who sign.
fn key_set(signers: &[&Signer]) -> String {
    let key = |signer: &&Signer| {
        let x = URL_SAFE_NO_PAD.encode(signer.pair.public_key_raw());
        json!({ "kty": "OKP", "crv": "Ed25519", "x": x, "kid": signer.kid })
    };
    json!({ "keys": signers.iter().map(key).collect::<Vec<_>>() }).to_string()
}

#[test]
fn whoever_signs_tokens_changes_keys_while_the_broker_runs() {
    let [one, two, three] = ["one", "two", "three"].map(Signer::new);
    let file = File::new("keys", &key_set(&[&one]));
    let (lines, logged) = mpsc::channel();
    let path = file.path().to_owned();
    let sink = move |line: &Line| {
        if line.message.contains(&path) {
            // Nobody listens any more when the test is over.
            let _ = lines.send((line.level, line.message.to_string()));
        }
    };
    log::set(Level::Info, Some(Box::new(sink))).unwrap();
    let (_broker, address) = broker(json!({ "auth": { "jwt": { "algorithm": "EdDSA", "jwks_file": file.path() } } }));
    let come = |signer: &Signer| code(Connect::v5("a").username("x").password(&signer.token()), &address);
    assert_eq!(come(&one), 0);

    file.replace(&key_set(&[&two]));
    assert_eq!((come(&one), come(&two), come(&one)), (0, 0, BAD_USER_NAME_OR_PASSWORD));
    let (level, text) = logged.recv_timeout(LONG).unwrap();
    assert!(level == Level::Info && text.contains("tokens are checked with other keys"), "{text}");

    // Half a file, or none, harms nobody who has got a token. It is looked at now and then.
    file.replace(&key_set(&[&two, &three])[..40]);
    let begun = Instant::now();
    let (level, text) = loop {
        assert_eq!((come(&two), come(&three)), (0, BAD_USER_NAME_OR_PASSWORD));
        match logged.try_recv() {
            Ok(line) => break line,
            Err(_) => assert!(begun.elapsed() < LONG, "the file has not been looked at"),
        }
    };
    assert!(level == Level::Warn && text.contains("the keys as before: the file is no JSON Web Key Set"), "{text}");
    assert_eq!(logged.try_iter().count(), 0);
}

#[test]
fn a_client_goes_when_its_token_expires() {
    for (stays, version) in [(false, 5), (false, 4), (true, 5)] {
        let (_broker, address) =
            broker(json!({ "auth": { "jwt": { "secret": SECRET, "disconnect_on_expiry": !stays } } }));
        let token = token(json!({ "sub": "pump", "exp": now() + 2 }));
        let connect = Connect { version, ..Connect::v5("a") };
        let mut client = connect.username("x").password(&token).open(&address).unwrap();
        let begun = Instant::now();
        if stays {
            while begun.elapsed() < Duration::from_secs(3) {
                assert!(client.ping());
                thread::sleep(Duration::from_millis(50));
            }
            continue;
        }
        assert_eq!(client.end(), (version == 5).then_some(NOT_AUTHORIZED));
        assert!(begun.elapsed() > Duration::from_millis(900) && begun.elapsed() < Duration::from_secs(10));
    }
}

/// A service that answers with a status and a body; its URL, and how often it has been asked.
fn service(answer: impl Fn(&Value) -> (u16, Value) + Send + Sync + 'static) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/auth", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, answer) = (asked.clone(), Arc::new(answer));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (count, answer) = (count.clone(), answer.clone());
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut request = Vec::new();
                let mut bytes = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut bytes) {
                    request.extend(&bytes[..read]);
                    let text = String::from_utf8_lossy(&request).into_owned();
                    let Some((_, body)) = text.split_once("\r\n\r\n") else { continue };
                    let Ok(question) = serde_json::from_str(body) else { continue };
                    request.clear();
                    count.fetch_add(1, SeqCst);
                    let (status, body) = answer(&question);
                    let body = body.to_string();
                    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\n\r\n", body.len());
                    if stream.write_all((head + &body).as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (url, asked)
}

#[test]
fn a_service_decides() {
    let (url, asked) = service(|question| match question["username"].as_str() {
        Some("root") => (200, json!({ "result": "allow", "superuser": true })),
        Some("pump") if question["password"] == "secret" => (200, json!({ "result": "allow" })),
        Some("broken") => (500, json!({})),
        Some("liar") => (200, json!({ "result": "perhaps" })),
        Some("slow") => {
            thread::sleep(Duration::from_secs(10));
            (200, json!({ "result": "allow" }))
        }
        _ => (403, json!({})),
    });
    let (_broker, address) = broker(json!({
        "auth": { "allow_anonymous": true, "http": { "url": url, "timeout_ms": 2000, "cache_ttl_ms": 60_000 } },
        "acl": { "default_publish": "deny" } }));
    let mut other = Connect::v5("other").open(&address).unwrap();
    for (user, expected) in [
        ("pump", 0),
        ("nobody", BAD_USER_NAME_OR_PASSWORD),
        ("broken", SERVER_UNAVAILABLE),
        ("liar", SERVER_UNAVAILABLE),
        ("slow", SERVER_UNAVAILABLE),
    ] {
        assert_eq!(code(Connect::v5("a").username(user).password("secret"), &address), expected, "{user}");
    }
    let before = asked.load(SeqCst);
    assert_eq!(code(Connect::v5("a").username("pump").password("secret"), &address), 0);
    assert_eq!(asked.load(SeqCst), before, "the answer was known");
    let mut root = Connect::v5("root").username("root").password("x").open(&address).unwrap();
    assert_eq!(root.publish_code("anything", b"", false), Some(0x10), "rules do not hold for a superuser");
    assert_eq!(other.publish_code("anything", b"", false), Some(NOT_AUTHORIZED));
}

#[test]
fn methods_are_asked_in_their_order() {
    let file = File::new("order", &line("pump", "secret"));
    let (url, asked) = service(|_| (200, json!({ "result": "allow" })));
    let auth = |order: Value| {
        json!({ "auth": { "order": order, "password_file": file.path(), "http": { "url": url },
            "jwt": { "secret": SECRET } } })
    };
    let (_first, address) = broker(auth(json!(["password_file", "jwt", "http"])));
    assert_eq!(code(Connect::v5("a").username("pump").password("wrong"), &address), BAD_USER_NAME_OR_PASSWORD);
    assert_eq!(asked.load(SeqCst), 0, "the file knows the user: nobody else is asked");
    assert_eq!(code(Connect::v5("a").username("valve").password("x"), &address), 0);
    assert_eq!(asked.load(SeqCst), 1);
    let expired = token(json!({ "exp": now() - 10 }));
    assert_eq!(code(Connect::v5("a").username("valve").password(&expired), &address), BAD_USER_NAME_OR_PASSWORD);
    assert_eq!(asked.load(SeqCst), 1, "a token that is not valid is no matter of other methods");
    let (_second, address) = broker(auth(json!(["http", "password_file"])));
    assert_eq!(code(Connect::v5("a").username("pump").password("wrong"), &address), 0);
}

/// Decides by the user name.
struct ByName;

impl Hooks for ByName {
    fn interest(&self) -> HookSet {
        HookSet::NONE.with(Hook::Authenticate, true)
    }

    fn decide(&self, question: Question<'_>) -> Answer {
        let Question::Authenticate(asked) = question else { panic!("{question:?}") };
        Answer::Now(match asked.client.username.as_deref() {
            Some("friend") => Verdict::ALLOW,
            Some("foe") => Verdict::deny(),
            _ => Verdict::Continue(None),
        })
    }
}

#[test]
fn a_hook_may_leave_it_to_the_configuration() {
    let file = File::new("hook", &[line("foe", "secret"), line("pump", "secret")].concat());
    let (broker, address) = broker(json!({ "auth": { "password_file": file.path() } }));
    broker.set_hooks(Some(Box::new(ByName)));
    for (user, password, expected) in [
        ("friend", "whatever", 0),
        ("foe", "secret", NOT_AUTHORIZED),
        ("pump", "secret", 0),
        ("pump", "wrong", BAD_USER_NAME_OR_PASSWORD),
        ("nobody", "x", BAD_USER_NAME_OR_PASSWORD),
    ] {
        assert_eq!(code(Connect::v5("a").username(user).password(password), &address), expected, "{user} {password}");
    }
    assert_eq!(broker.stats().decisions_denied, 1, "to go on is not to deny");
}

const RULES: &str = r##"[
    {"effect":"deny","topics":["plant/secret/x","secret/#"]},
    {"effect":"allow","action":"publish","topics":["plant/%c/#"]},
    {"effect":"allow","action":"subscribe","topics":["plant/+/state","news/#"],"qos":[0,1]}]"##;

fn rules() -> Value {
    serde_json::from_str(RULES).unwrap()
}

fn with_rules() -> (Broker, String) {
    broker(json!({ "auth": { "allow_anonymous": true },
        "acl": { "default_publish": "deny", "default_subscribe": "deny", "rules": rules() } }))
}

#[test]
fn what_clients_publish() {
    let (broker, address) = with_rules();
    let mut watcher = Connect::v5("watcher").open(&address).unwrap();
    assert_eq!(watcher.subscribe_with("plant/+/state", 1), Some(1));
    let mut client = Connect::v5("pump").open(&address).unwrap();
    for _ in 0..2 {
        for (topic, answer) in [
            ("plant/pump/state", 0),
            ("plant/valve/state", NOT_AUTHORIZED),
            ("plant/secret/x", NOT_AUTHORIZED),
            ("other", NOT_AUTHORIZED),
            ("$SYS/x", NOT_AUTHORIZED),
        ] {
            assert_eq!(client.publish_code(topic, topic.as_bytes(), false), Some(answer), "{topic}");
        }
    }
    client.send_publish(0x30, "plant/valve/state", 0, b"no");
    client.send_publish(0x30, "plant/pump/state", 0, b"yes");
    let got: Vec<_> = (0..3).map(|_| watcher.message()).map(|message| message.payload).collect();
    assert_eq!(got, [&b"plant/pump/state"[..], b"plant/pump/state", b"yes"]);
    assert_eq!(broker.stats().messages_dropped_refused, 9);

    let will = |topic: &'static str| Connect { will: Some((topic, b"gone")), ..Connect::v5("pump") };
    assert_eq!(code(will("plant/pump/will"), &address), 0);
    assert_eq!(code(will("plant/valve/will"), &address), NOT_AUTHORIZED);
}

#[test]
fn what_clients_subscribe_to() {
    let (broker, address) = with_rules();
    let mut client = Connect::v5("watcher").open(&address).unwrap();
    let mut old = Connect::v3("old").open(&address).unwrap();
    for (filter, qos, granted) in [
        ("plant/+/state", 1, true),
        ("plant/+/state", 2, false),
        ("plant/pump/state", 0, true),
        ("plant/#", 0, false),
        ("plant/+/x", 0, false),
        ("plant/secret/x", 0, false),
        ("news/#", 0, true),
        ("news", 0, true),
        ("#", 0, false),
        ("$share/g/news/today", 1, true),
        ("$share/g/plant/#", 1, false),
        ("$SYS/#", 0, false),
    ] {
        assert_eq!(client.subscribe_with(filter, qos), Some(if granted { qos } else { NOT_AUTHORIZED }), "{filter}");
        assert_eq!(old.subscribe_with(filter, qos), Some(if granted { qos } else { 0x80 }), "{filter}");
    }
    for (action, topic, decided_by, rule) in [
        (Action::Publish, "plant/watcher/x", "rule", json!("acl.rules[1]")),
        (Action::Publish, "other", "default", json!("acl.default_publish")),
        (Action::Subscribe, "plant/#", "rule", json!("acl.rules[0]")),
        (Action::Subscribe, "news/x", "rule", json!("acl.rules[2]")),
        (Action::Subscribe, "other", "default", json!("acl.default_subscribe")),
    ] {
        let explained = serde_json::to_value(broker.explain("watcher", action, topic).unwrap()).unwrap();
        assert_eq!((&explained["decided_by"], &explained["rule"]), (&json!(decided_by), &rule), "{topic}");
    }
}

#[test]
fn a_topic_that_is_none_is_no_matter_of_rules() {
    let (_broker, address) = with_rules();
    for topic in ["plant/+/state", "other/#"] {
        let mut client = Connect::v5("pump").open(&address).unwrap();
        client.send_publish(0x32, topic, 1, b"");
        assert_eq!(client.end(), Some(0x90), "{topic}");
    }
}

#[test]
fn other_rules_hold_for_clients_that_are_connected() {
    let file = File::new("rules", r#"[{"effect":"allow","topics":["b"]}]"#);
    let with = |rules: Value| {
        config(json!({ "auth": { "allow_anonymous": true },
            "acl": { "default_publish": "deny", "rules": rules, "file": file.path() } }))
    };
    let broker = Broker::new(&with(json!([{ "effect": "allow", "topics": ["a"] }]))).unwrap();
    broker.start().unwrap();
    let mut client = Connect::v5("pump").open(&broker.listener(0).unwrap().address).unwrap();
    let mut may = |topic| client.publish_code(topic, b"", false) == Some(0x10);
    assert!(may("a") && may("b") && !may("c"));
    let report = broker.reload(&with(json!([{ "effect": "deny", "topics": ["a"] }]))).unwrap();
    assert!(report.applied.contains(&"/acl/rules".to_owned()), "{report:?}");
    assert!(!may("a") && may("b"));
    fs::write(&file.0, r#"[{"effect":"allow","topics":["c"]}]"#).unwrap();
    let report = broker.reload(&with(json!([]))).unwrap();
    assert_eq!(report.applied, ["/acl/rules", "/acl/file"], "the text of the second one is the same");
    assert_eq!(broker.reload(&with(json!([]))).unwrap().applied, [""; 0]);
    assert!(!may("a") && !may("b") && may("c"));
    fs::write(&file.0, r#"[{"effect":"allow","topics":["c/#/d"]}]"#).unwrap();
    let refused = broker.reload(&with(json!([]))).err().unwrap().to_string();
    assert!(refused.starts_with("/acl/file: has a fault at /0/topics/0: "), "{refused}");
    assert!(may("c"), "nothing has changed");
}

#[test]
fn what_is_wrong_with_files_is_said_at_once() {
    let file = File::new("faulty", "no colon\n");
    let faulty = config(json!({
        "auth": { "password_file": file.path(), "order": ["jwt", "password_file", "jwt"],
            "jwt": { "algorithm": "RS256", "public_key_file": "/nowhere/key.pem" }, "http": { "url": "https://localhost/" } },
        "acl": { "file": "/nowhere/rules.json" } }));
    for error in [Broker::validate(&faulty).err(), Broker::new(&faulty).err()] {
        let Some(Error::InvalidConfig(faults)) = error else { panic!("{error:?}") };
        let mut pointers: Vec<_> = faults.as_slice().iter().map(|fault| fault.pointer.as_str()).collect();
        pointers.sort_unstable();
        let expected = ["/acl/file", "/auth/jwt/public_key_file", "/auth/order/2", "/auth/password_file"];
        assert_eq!(pointers, expected, "{faults}");
    }
}

/// With a certificate, passwords and a port of its own, it does what it says.
#[test]
fn the_hardened_configuration() {
    let authority = certificates::Authority::new("plant");
    let server = authority.server(&["DNS:localhost", "IP:127.0.0.1"]);
    let file = File::new("hardened", &line("pump", "secret"));
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/hardened.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["listeners"][0]["address"] = json!("127.0.0.1:0");
    config["listeners"][0]["tls"] =
        json!({ "cert_pem": server.certificate, "key_pem": server.key, "min_version": "1.3" });
    config["auth"]["password_file"] = json!(file.path());
    let broker = Broker::new(&config.to_string()).unwrap_or_else(|error| panic!("{error}"));
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address;
    let open = |connect: Connect<'_>| connect.over(tls::open(&address, &authority.client_config(None)));
    let mut pump = open(Connect::v5("pump-1").username("pump").password("secret")).unwrap();
    assert_eq!(pump.publish_code("plant/pump/state", b"", false), Some(0x10));
    assert_eq!(pump.publish_code("plant/valve/state", b"", false), Some(NOT_AUTHORIZED));
    assert_eq!(pump.subscribe_with("news/#", 1), Some(1));
    assert_eq!(pump.subscribe_with("#", 0), Some(NOT_AUTHORIZED));
    assert_eq!(open(Connect::v5("x").username("pump").password("wrong")).err(), Some(BAD_USER_NAME_OR_PASSWORD));
    assert_eq!(open(Connect::v5("x")).err(), Some(NOT_AUTHORIZED));
    let old = Connect { version: 3, ..Connect::v5("x").username("pump").password("secret") };
    assert_eq!(open(old).err(), Some(1), "MQTT 3.1 is not spoken");
}
