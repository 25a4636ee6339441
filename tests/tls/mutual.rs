use std::io::{Read, Write};

use rmqttc::broker::Broker;
use rmqttc::hooks::Hook;
use rustls::ClientConfig;
use serde_json::{json, Value};

use crate::certificates::Authority;
use crate::mqtt::{Client, Connect};
use crate::secured::{config, eventually, material, mutual, start, Seen, Witness, NAMES};
use crate::tls::{self, handshake, refusal};

fn connect(address: &str, config: &ClientConfig) -> Client {
    Connect::v5("client").over(tls::open(address, config)).unwrap()
}

/// Nobody has to say who it is besides.
fn serve(tls: Value) -> (Broker, String) {
    start(&config("tls", tls, json!({})))
}

#[test]
fn nobody_is_asked_for_a_certificate() {
    let authority = Authority::new("authority");
    let tls = material(&authority.server(&NAMES), json!({}));
    let (_broker, address) = serve(tls);
    let foreign = Authority::new("elsewhere").client("client").issue();
    for identity in [None, Some(&foreign)] {
        assert!(connect(&address, &authority.client_config(identity)).ping());
    }
}

#[test]
fn a_certificate_may_be_optional_but_not_wrong() {
    let (authority, tls) = mutual("optional", json!({}));
    let (broker, address) = serve(tls);
    let own = authority.client("client").issue();
    for identity in [None, Some(&own)] {
        assert!(connect(&address, &authority.client_config(identity)).ping());
    }
    let foreign = Authority::new("elsewhere").client("client").issue();
    assert_eq!(refusal(&address, &authority.client_config(Some(&foreign))), "received fatal alert: UnknownCA");
    eventually("counted", || broker.stats().handshakes_failed == 1);
}

#[test]
fn certificates_that_are_not_valid_are_refused_with_an_alert() {
    let (authority, mut tls) = mutual("required", json!({}));
    let revoked = authority.client("revoked").issue();
    tls["crl_pem"] = json!(authority.revoking(&[&revoked]));
    let (broker, address) = serve(tls);
    let good = authority.client("client").issue();
    let expired = authority.client("expired").valid(1999, 2000).issue();
    let early = authority.client("early").valid(3000, 3001).issue();
    // Of the same name, but another key.
    let foreign = Authority::new("authority").client("foreign").issue();
    let server = authority.server(&["DNS:elsewhere"]);
    let mut failed = 0;
    for version in rustls::ALL_VERSIONS {
        let client = |identity| authority.client_config_with(identity, &[version]);
        assert!(connect(&address, &client(Some(&good))).ping());
        for (identity, alert) in [
            (None, "CertificateRequired"),
            (Some(&revoked), "CertificateRevoked"),
            (Some(&expired), "CertificateExpired"),
            (Some(&early), "CertificateExpired"),
            (Some(&foreign), "DecryptError"),
            (Some(&server), "UnsupportedCertificate"),
        ] {
            let said = refusal(&address, &client(identity));
            assert_eq!(said, format!("received fatal alert: {alert}"), "{version:?}");
            failed += 1;
        }
    }
    eventually("all of them counted", || broker.stats().handshakes_failed == failed);
    assert_eq!(broker.stats().connections, 2);
}

/// A client may have said much before it reads. It still learns why.
#[test]
fn the_alert_arrives_whatever_has_been_sent() {
    let (authority, tls) = mutual("required", json!({}));
    let (_broker, address) = serve(tls);
    for _ in 0..10 {
        let mut stream = handshake(&address, &authority.client_config(None), "localhost").unwrap();
        let said = stream.write_all(&[0; 100_000]).and_then(|()| stream.read(&mut [0]));
        assert_eq!(said.unwrap_err().to_string(), "received fatal alert: CertificateRequired");
    }
}

#[test]
fn authorities_between_are_sent_along() {
    let (authority, tls) = mutual("required", json!({}));
    let (_broker, address) = serve(tls);
    let between = authority.intermediate("between");
    let alone = between.client("client").issue();
    assert_eq!(refusal(&address, &authority.client_config(Some(&alone))), "received fatal alert: UnknownCA");
    let with = alone.with(&between);
    assert!(connect(&address, &authority.client_config(Some(&with))).ping());
}

/// Clients are told whom the broker trusts. All of these would not fit.
#[test]
fn there_may_be_many_authorities() {
    let (authority, mut tls) = mutual("required", json!({}));
    let others = (0..1_000).map(|number| Authority::new(&format!("{number:0100}")).pem());
    tls["client_ca_pem"] = json!(others.collect::<String>() + &authority.pem());
    let (_broker, address) = serve(tls);
    for version in rustls::ALL_VERSIONS {
        let identity = authority.client("client").issue();
        assert!(connect(&address, &authority.client_config_with(Some(&identity), &[version])).ping());
    }
}

/// With lists, an authority without one has nothing to say.
#[test]
fn certificates_that_may_have_been_revoked_are_refused() {
    let (one, other) = (Authority::new("one"), Authority::new("other"));
    let server = one.server(&NAMES);
    let tls = material(
        &server,
        json!({
            "client_ca_pem": one.pem() + &other.pem(), "crl_pem": one.revoking(&[]), "client_auth": "required"
        }),
    );
    let (_broker, address) = serve(tls);
    assert!(connect(&address, &one.client_config(Some(&one.client("client").issue()))).ping());
    let unknown = other.client("client").issue();
    assert_eq!(refusal(&address, &one.client_config(Some(&unknown))), "received fatal alert: UnknownCA");
}

/// A client that has proved who it is needs no hook and no permission for the anonymous.
#[test]
fn the_certificate_is_the_user_name() {
    for (from, expected) in [("cn", "pump-7"), ("subject", "O=Plant,CN=pump-7")] {
        let (authority, tls) = mutual("optional", json!({ "username_from": from }));
        let (broker, address) = start(&config("tls", tls, json!({"allow_anonymous": false})));
        let identity = authority.client("pump-7").organization("Plant").issue();
        let shown = authority.client_config(Some(&identity));
        let witness = Witness::of(&broker, &[Hook::Connected]);
        connect(&address, &shown);
        assert_eq!(witness.connected().as_deref(), Some(expected));
        // Whatever it says.
        Connect::v5("client").username("admin").over(tls::open(&address, &shown)).unwrap();
        assert_eq!(witness.connected().as_deref(), Some(expected));
        // Without one, it is as anonymous as any.
        let stranger = tls::open(&address, &authority.client_config(None));
        assert_eq!(Connect::v5("client").username("pump-7").over(stranger).err(), Some(0x87));

        let witness = Witness::of(&broker, &[Hook::Authenticate]);
        Connect::v5("client").username("admin").over(tls::open(&address, &shown)).unwrap();
        let seen = witness.take(1);
        let Seen::Authenticate(client, _) = &seen[0] else { panic!("{seen:?}") };
        assert_eq!(client.username.as_deref(), Some(expected));
    }
}

#[test]
fn a_certificate_without_a_name_is_refused() {
    for (from, has_subject) in [("cn", true), ("cn", false), ("subject", false)] {
        let (authority, tls) = mutual("required", json!({ "username_from": from }));
        let (broker, address) = serve(tls);
        let nameless = authority.client("").names(&["DNS:pump-7.example"]);
        let nameless = if has_subject { nameless.organization("Plant") } else { nameless };
        let mut client = tls::open(&address, &authority.client_config(Some(&nameless.issue())));
        client.send_bytes(&Connect::v5("client").packet());
        assert_eq!(client.receive(), None);
        eventually("counted", || broker.stats().handshakes_failed == 1);
    }
}
