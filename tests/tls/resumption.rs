use std::io::Write;

use rustls::{ClientConfig, HandshakeKind};
use serde_json::json;

use crate::certificates::Authority;
use crate::mqtt::Connect;
use crate::secured::{config, eventually, material, mutual, start, NAMES};
use crate::tls::{handshake, refusal};

/// Connects, and stays until the broker has answered, with what it gives for the next time. How the handshake went.
fn visit(address: &str, client: &ClientConfig) -> HandshakeKind {
    use std::io::Read;
    let mut stream = handshake(address, client, "localhost").unwrap();
    stream.write_all(&Connect::v3("client").packet()).unwrap();
    stream.read_exact(&mut [0; 4]).unwrap();
    stream.conn.handshake_kind().unwrap()
}

#[test]
fn sessions_are_resumed() {
    let authority = Authority::new("authority");
    let (_broker, address) = start(&config("tls", material(&authority.server(&NAMES), json!({})), json!({})));
    for version in rustls::ALL_VERSIONS {
        let client = authority.client_config_with(None, &[version]);
        assert!(matches!(visit(&address, &client), HandshakeKind::Full));
        assert!(matches!(visit(&address, &client), HandshakeKind::Resumed), "{version:?}");
    }
}

/// They would not be verified again, and a certificate that is valid today may not be so tomorrow.
#[test]
fn sessions_with_certificates_are_not_resumed() {
    for auth in ["optional", "required"] {
        let (authority, tls) = mutual(auth, json!({}));
        let (_broker, address) = start(&config("tls", tls, json!({})));
        for version in rustls::ALL_VERSIONS {
            let identity = authority.client("client").issue();
            let client = authority.client_config_with(Some(&identity), &[version]);
            assert!(matches!(visit(&address, &client), HandshakeKind::Full));
            assert!(matches!(visit(&address, &client), HandshakeKind::Full), "{version:?}");
        }
    }
}

#[test]
fn a_client_that_has_been_revoked_does_not_come_back() {
    for version in rustls::ALL_VERSIONS {
        let (authority, tls) = mutual("required", json!({}));
        let (broker, address) = start(&config("tls", tls.clone(), json!({})));
        let identity = authority.client("client").issue();
        let client = authority.client_config_with(Some(&identity), &[version]);
        visit(&address, &client);
        let mut tls = tls;
        tls["crl_pem"] = json!(authority.revoking(&[&identity]));
        let report = broker.reload(&config("tls", tls, json!({"address": address})).to_string()).unwrap();
        assert!(!report.applied.is_empty());
        assert_eq!(broker.listener(0).unwrap().address.to_string(), address);
        assert_eq!(refusal(&address, &client), "received fatal alert: CertificateRevoked");
        eventually("counted", || broker.stats().handshakes_failed == 1);
    }
}

/// Whoever has not shown a certificate when none was asked for has to show one when it is.
#[test]
fn sessions_do_not_outlive_what_was_asked_for() {
    for version in rustls::ALL_VERSIONS {
        let (authority, tls) = mutual("required", json!({}));
        let before = json!({"cert_pem": tls["cert_pem"], "key_pem": tls["key_pem"]});
        let (broker, address) = start(&config("tls", before, json!({})));
        let client = authority.client_config_with(None, &[version]);
        visit(&address, &client);
        broker.reload(&config("tls", tls, json!({"address": address})).to_string()).unwrap();
        assert_eq!(refusal(&address, &client), "received fatal alert: CertificateRequired");
    }
}
