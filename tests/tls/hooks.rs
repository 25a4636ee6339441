use rcgen::DnType;
use ring::digest::{digest, SHA256};
use rmqttc::hooks::{Hook, Stage};
use rmqttc::model::{Certificate, TlsInfo};
use serde_json::json;

use crate::certificates::{Authority, Issued};
use crate::mqtt::Connect;
use crate::secured::{config, mutual, start, Seen, Witness};
use crate::tls;

/// What the hooks are shown of a client of this authority.
fn shown(authority: &Authority, tls: serde_json::Value, identity: Option<&Issued>) -> TlsInfo {
    let (broker, address) = start(&config("tls", tls, json!({})));
    let witness = Witness::of(&broker, &[Hook::PreConnect, Hook::Authenticate]);
    let mut client = authority.client_config(identity);
    client.alpn_protocols = vec![b"mqtt".to_vec()];
    Connect::v5("client").over(tls::open(&address, &client)).unwrap();
    let seen = witness.take(3);
    let [Seen::PreConnect(Stage::Accepted, _, first), Seen::PreConnect(Stage::Established, _, second), Seen::Authenticate(_, third)] =
        &seen[..]
    else {
        panic!("{seen:?}")
    };
    assert_eq!(&*first.transport, "tls");
    assert!(first.tls.is_none());
    let (second, third) = (second.tls.as_deref().unwrap(), third.tls.as_deref().unwrap());
    assert_eq!(format!("{second:?}"), format!("{third:?}"));
    second.clone()
}

fn certificate(info: &TlsInfo) -> &Certificate {
    info.certificate.as_deref().expect("no certificate")
}

#[test]
fn hooks_see_the_handshake() {
    let (authority, tls) = mutual("optional", json!({}));
    let info = shown(&authority, tls, None);
    assert_eq!(&*info.version, "1.3");
    assert!(info.cipher_suite.as_deref().unwrap().starts_with("TLS_"), "{info:?}");
    assert_eq!(info.server_name.as_deref(), Some("localhost"));
    assert_eq!(info.alpn.as_deref(), Some("mqtt"));
    assert!(info.certificate.is_none());
}

#[test]
fn hooks_see_the_certificate() {
    let (authority, tls) = mutual("required", json!({}));
    let names = ["DNS:pump-7.example", "IP:192.0.2.1", "IP:2001:db8::7", "URI:urn:pump:7", "email:pump@example.com"];
    let identity = authority
        .client("pump-7")
        .organization("Plant")
        .names(&names)
        .serial(&[0x80, 0, 0xab])
        .valid(2000, 3000)
        .issue();
    let info = shown(&authority, tls, Some(&identity));
    let certificate = certificate(&info);
    let der = identity.chain()[0].to_vec();
    let sha256: String = digest(&SHA256, &der).as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(&*certificate.subject, "O=Plant,CN=pump-7");
    assert_eq!(certificate.common_name.as_deref(), Some("pump-7"));
    assert_eq!(&*certificate.issuer, "CN=authority");
    assert_eq!(&*certificate.serial, "8000ab");
    assert_eq!((certificate.not_before_s, certificate.not_after_s), (946_684_800, 32_503_680_000));
    assert_eq!(&*certificate.sha256, sha256);
    assert_eq!(certificate.alternative_names.iter().map(|name| &**name).collect::<Vec<_>>(), names);
    assert_eq!(certificate.der, der);
}

/// As RFC 4514 has it: the last part first, and nothing in a value is taken for something else.
#[test]
fn subjects_are_written_safely() {
    let (authority, tls) = mutual("required", json!({}));
    let identity = authority
        .client("")
        .attribute(DnType::CountryName, "DE")
        .attribute(DnType::OrganizationName, " a,b+c\"d\\e<f>g;h ")
        .attribute(DnType::CustomDnType(vec![1, 2, 3, 4]), "x")
        .attribute(DnType::CustomDnType(vec![0, 9, 2342, 19_200_300, 100, 1, 1]), "é=\u{1}")
        .attribute(DnType::CommonName, "#1")
        .issue();
    let info = shown(&authority, tls, Some(&identity));
    let subject = r##"CN=\#1,UID=é=\01,1.2.3.4=#0c0178,O=\ a\,b\+c\"d\\e\<f\>g\;h\ ,C=DE"##;
    assert_eq!(&*certificate(&info).subject, subject);
    assert_eq!(certificate(&info).common_name.as_deref(), Some("#1"));
}

/// What cannot be seen could make one name seem another.
#[test]
fn names_with_control_characters_are_none() {
    let (authority, tls) = mutual("required", json!({}));
    let identity = authority.client("admin\0.example").names(&["DNS:a\0b", "DNS:c"]).issue();
    let info = shown(&authority, tls, Some(&identity));
    let certificate = certificate(&info);
    assert_eq!(&*certificate.subject, r"CN=admin\00.example");
    assert_eq!(certificate.common_name, None);
    assert_eq!(certificate.alternative_names.iter().map(|name| &**name).collect::<Vec<_>>(), ["DNS:c"]);
}
