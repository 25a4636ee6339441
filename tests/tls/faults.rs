//! What can be wrong with certificates, keys and lists, and who is told to be to blame.

use rcgen::KeyPair;
use rmqttc::broker::{Broker, Error};
use serde_json::{json, Value};

use crate::certificates::{Authority, Directory};
use crate::secured::{config, mutual, NAMES};

/// Pointer and words of each fault, below the listener.
fn faults(tls: Value) -> Vec<(String, String)> {
    let config = config("tls", tls, json!({})).to_string();
    let found = |result: Result<(), Error>| match result {
        Err(Error::InvalidConfig(faults)) => faults
            .as_slice()
            .iter()
            .map(|fault| {
                let pointer = fault.pointer.strip_prefix("/listeners/0/tls/").unwrap_or(&fault.pointer);
                (pointer.to_owned(), fault.message.clone())
            })
            .collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    let faults = found(Broker::validate(&config));
    assert_eq!(found(Broker::new(&config).map(drop)), faults);
    faults
}

#[track_caller]
fn expect(tls: &Value, changes: Value, expected: &[(&str, &str)]) {
    let mut tls = tls.clone();
    tls.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let found = faults(tls);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((pointer, words), (expected_pointer, expected_words)) in found.iter().zip(expected) {
        assert_eq!(pointer, expected_pointer, "{words}");
        assert!(words.starts_with(expected_words), "{pointer}: {words}");
    }
}

#[test]
fn files_that_cannot_be_read() {
    let (_, tls) = mutual("required", json!({}));
    let directory = Directory::new();
    let missing = directory.path().join("missing").display().to_string();
    let (a_directory, empty) = (directory.path().display().to_string(), directory.write("empty", ""));
    for (path, words) in [
        (&missing, "cannot be read: No such file or directory"),
        (&a_directory, "cannot be read: Is a directory"),
        (&empty, "is empty"),
    ] {
        for key in ["cert", "key", "client_ca", "crl"] {
            let (file, text) = (format!("{key}_file"), format!("{key}_pem"));
            expect(&tls, json!({&*file: path, &*text: ""}), &[(&file, words)]);
        }
    }
}

#[test]
fn texts_that_are_something_else() {
    let (authority, tls) = mutual("required", json!({}));
    let list = authority.revoking(&[]);
    let key = KeyPair::generate().unwrap().serialize_pem();
    let certificate = authority.pem();
    expect(&tls, json!({"cert_pem": key}), &[("cert_pem", "has no certificate in it")]);
    expect(&tls, json!({"key_pem": certificate}), &[("key_pem", "has no private key in it")]);
    expect(&tls, json!({"client_ca_pem": list}), &[("client_ca_pem", "has no certificate in it")]);
    expect(&tls, json!({"crl_pem": key}), &[("crl_pem", "has no certificate revocation list in it")]);
    let cut = &certificate[..certificate.len() / 2];
    expect(&tls, json!({"cert_pem": cut}), &[("cert_pem", "is cut off")]);
    expect(&tls, json!({"client_ca_pem": cut}), &[("client_ca_pem", "is cut off")]);
    let damaged = certificate.replacen("MII", "!!!", 1);
    expect(&tls, json!({"cert_pem": damaged}), &[("cert_pem", "is damaged")]);
    // Base64, but of nothing.
    let hollow = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    expect(&tls, json!({"cert_pem": hollow("CERTIFICATE")}), &[("cert_pem", "has a certificate that is of no use")]);
    expect(&tls, json!({"key_pem": hollow("PRIVATE KEY")}), &[("key_pem", "is of no use")]);
    let second = authority.pem() + &hollow("CERTIFICATE");
    let words = "has a certificate that is of no use, number 2";
    expect(&tls, json!({"client_ca_pem": second}), &[("client_ca_pem", words)]);
    let words = "has a certificate revocation list that is of no use";
    expect(&tls, json!({"crl_pem": hollow("X509 CRL")}), &[("crl_pem", words)]);
}

#[test]
fn keys_that_do_not_fit() {
    let (_, tls) = mutual("required", json!({}));
    let other = KeyPair::generate().unwrap().serialize_pem();
    expect(&tls, json!({"key_pem": other}), &[("key_pem", "is not the key of the certificate")]);
    let new = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n\
               -----END RSA PRIVATE KEY-----\n";
    for encrypted in [new, old] {
        expect(&tls, json!({"key_pem": encrypted}), &[("key_pem", "is encrypted")]);
    }
}

#[test]
fn further_certificates() {
    let (authority, tls) = mutual("required", json!({}));
    let good = authority.server(&["DNS:a.example"]);
    let nameless = authority.server(&["IP:192.0.2.1"]);
    let certificates = json!([
        {"cert_pem": good.certificate, "key_pem": good.key},
        {"cert_pem": nameless.certificate, "key_pem": nameless.key},
        {"cert_pem": good.certificate, "key_pem": nameless.key},
    ]);
    expect(
        &tls,
        json!({ "certificates": certificates }),
        &[
            ("certificates/1/cert_pem", "has no DNS name that a client could ask for"),
            ("certificates/2/key_pem", "is not the key of the certificate"),
        ],
    );
}

#[test]
fn all_of_them_at_once() {
    let authority = Authority::new("authority");
    let server = authority.server(&NAMES);
    let bad = |pem: &str| json!({"cert_pem": pem, "key_pem": pem, "client_ca_pem": pem, "crl_pem": pem});
    let mut tls = bad("nothing");
    tls["client_auth"] = json!("optional");
    tls["certificates"] = json!([{"cert_pem": server.certificate, "key_file": "/nowhere/at/all"}]);
    let found = faults(tls);
    let pointers: Vec<_> = found.iter().map(|(pointer, _)| &**pointer).collect();
    assert_eq!(pointers, ["cert_pem", "key_pem", "certificates/0/key_file", "client_ca_pem", "crl_pem"]);
}

#[cfg(not(feature = "quic"))]
#[test]
fn quic_has_to_be_built_in() {
    let (_, tls) = mutual("required", json!({}));
    let Err(Error::InvalidConfig(faults)) = Broker::validate(&config("quic", tls, json!({})).to_string()) else {
        panic!("no fault")
    };
    assert_eq!(faults.to_string(), "/listeners/0/type: is \"quic\", which this library has been built without");
}

/// Files are read again at each start: what has become of them meanwhile counts.
#[test]
fn files_are_read_at_each_start() {
    let authority = Authority::new("authority");
    let (server, directory) = (authority.server(&NAMES), Directory::new());
    let tls = json!({
        "cert_file": directory.write("server.pem", &server.certificate),
        "key_file": directory.write("server.key", &server.key),
    });
    let broker = Broker::new(&config("tls", tls, json!({})).to_string()).unwrap();
    directory.write("server.key", &KeyPair::generate().unwrap().serialize_pem());
    let Err(Error::InvalidConfig(faults)) = broker.start() else { panic!("started") };
    assert_eq!(faults.to_string(), "/listeners/0/tls/key_file: is not the key of the certificate");
    directory.write("server.key", &server.key);
    broker.start().unwrap();
}
