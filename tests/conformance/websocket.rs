//! Chapter 6: MQTT over WebSocket.

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "../support/websocket.rs"]
mod frames;

use frames::*;
use rmqttc::broker::Broker;

use crate::client;

/// A broker that listens on WebSocket; its address.
fn serve() -> (Broker, String) {
    let config = r#"{"listeners":[{"type":"ws","address":"127.0.0.1:0","allow_anonymous":true}]}"#;
    let broker = Broker::new(config).unwrap();
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address.to_string();
    (broker, address)
}

/// A CONNECT of MQTT 3.1.1, whose CONNACK is short.
fn connect() -> Vec<u8> {
    client::Connect::v3("client").bytes()
}

const CONNACK: [u8; 4] = [0x20, 2, 0, 0];
const PINGREQ: [u8; 2] = [0xC0, 0];
const PINGRESP: [u8; 2] = [0xD0, 0];

/// [MQTT-6.0.0-1] Packets are in binary frames. Any other data frame ends the connection.
#[test]
fn packets_come_in_binary_frames() {
    let (_broker, address) = serve();
    let mut client = WebSocket::open(&address);
    client.send_frame(BINARY, &connect());
    client.expect_frame(BINARY, &CONNACK);
    client.send_frame(TEXT, &PINGREQ);
    client.expect_close(1003);
    let mut client = WebSocket::open(&address);
    client.send_frame(TEXT, &connect());
    client.expect_close(1003);
}

/// [MQTT-6.0.0-2] A frame may hold a part of a packet, several packets, or both.
#[test]
fn frames_and_packets_are_not_aligned() {
    let (_broker, address) = serve();
    let mut client = WebSocket::open(&address);
    let bytes = [&connect()[..], &PINGREQ, &PINGREQ, &PINGREQ].concat();
    let (first, rest) = bytes.split_at(5);
    let (second, third) = rest.split_at(rest.len() - 3);
    for part in [first, second, third] {
        client.send_frame(BINARY, part);
    }
    let mut received = Vec::new();
    while received.len() < CONNACK.len() + 3 * PINGRESP.len() {
        let (kind, payload) = client.receive_frame().unwrap();
        assert_eq!(kind, BINARY);
        received.extend(payload);
    }
    assert_eq!(received, [&CONNACK[..], &PINGRESP, &PINGRESP, &PINGRESP].concat());
}

/// [MQTT-6.0.0-3] [MQTT-6.0.0-4] The subprotocol is mqtt: a client that does not offer it is refused, and whatever else one
/// offers, it is selected and returned.
#[test]
fn the_subprotocol_is_mqtt() {
    let (_broker, address) = serve();
    let ask = |lines: &[&str]| WebSocket::upgrade(socket(&address), &request("/mqtt", lines));
    for lines in [&[MQTT][..], &["Sec-WebSocket-Protocol: chat, mqtt"], &["Sec-WebSocket-Protocol: chat", MQTT]] {
        let (_, response) = ask(lines).ok().unwrap();
        assert_eq!(response.header("sec-websocket-protocol"), Some("mqtt"), "{lines:?}");
    }
    assert_eq!(ask(&[]).err().unwrap().status, 400);
    assert_eq!(ask(&["Sec-WebSocket-Protocol: chat"]).err().unwrap().status, 400);
}
