//! Sections 3.12 and 3.13: PINGREQ and PINGRESP.

use crate::client::*;

/// [MQTT-3.12.4-1] Each PINGREQ is answered.
#[test]
fn each_pingreq_is_answered() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_raw(&[PINGREQ, 0].repeat(50));
    for _ in 0..50 {
        assert_eq!(client.expect(PINGRESP).raw, [PINGRESP, 0]);
    }
}

/// PINGREQ has no content.
#[test]
fn pingreq_is_empty() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send(PINGREQ, &[0]);
    client.expect_disconnect(0x81);
}
