use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::certificates::Authority;
use crate::mqtt::Connect;
use crate::secured::{config, material, start, NAMES};
use crate::tls;

fn payload(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|index| ((index * 31 + seed) % 251) as u8).collect()
}

/// They fill many records, and what is left of the last one does not lie about.
#[test]
fn large_messages_pass() {
    let authority = Authority::new("authority");
    let (_broker, address) = start(&config("tls", material(&authority.server(&NAMES), json!({})), json!({})));
    for version in rustls::ALL_VERSIONS {
        let open = || tls::open(&address, &authority.client_config_with(None, &[version]));
        let mut receiver = Connect::v5("receiver").over(open()).unwrap();
        receiver.subscribe("t");
        let mut sender = Connect::v5("sender").over(open()).unwrap();
        for size in [0, 1, 16_384, 65_536, 70_000, 1_000_000] {
            let payload = payload(size, size);
            assert!(sender.publish("t", &payload, false));
            assert!(receiver.message().payload == payload, "{size}");
        }
    }
}

/// Records wait for it in the broker. The last of them needs nothing else to be sent.
#[test]
fn a_slow_reader_gets_everything() {
    const MESSAGES: usize = 60;
    const SIZE: usize = 200_000;
    let authority = Authority::new("authority");
    let mut config = config("tls", material(&authority.server(&NAMES), json!({})), json!({}));
    config["limits"] = json!({"max_queued_bytes": 0, "max_queued_messages": 0});
    let (_broker, address) = start(&config);
    let open = || tls::open(&address, &authority.client_config(None));
    let mut reader = Connect::v5("reader").over(open()).unwrap();
    reader.subscribe("t");
    let mut sender = Connect::v5("sender").over(open()).unwrap();
    for number in 0..MESSAGES {
        assert!(sender.publish("t", &payload(SIZE, number), false));
    }
    for number in 0..MESSAGES {
        // Much more slowly than they come.
        thread::sleep(Duration::from_millis(2));
        assert!(reader.message().payload == payload(SIZE, number), "{number}");
    }
    assert!(reader.ping());
}

/// They end in order: nobody could have cut them off.
#[test]
fn clients_are_told_when_the_broker_stops() {
    let authority = Authority::new("authority");
    let (broker, address) = start(&config("tls", material(&authority.server(&NAMES), json!({})), json!({})));
    let mut clients: Vec<_> = (0..10)
        .map(|number| {
            let open = tls::open(&address, &authority.client_config(None));
            Connect::v5(&format!("client-{number}")).over(open).unwrap()
        })
        .collect();
    broker.stop(Duration::from_secs(5)).unwrap();
    for client in &mut clients {
        assert_eq!(client.end(), Some(0x8B));
    }
}
