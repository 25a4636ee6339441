//! Topics without end.

use crate::brokers::{broker, Bystander};
use crate::mqtt::{Client, Connect};

fn levels(count: usize) -> String {
    vec!["a"; count].join("/")
}

/// Without a limit, each level is one more frame on a stack somewhere, and the whole process ends.
#[test]
fn deep_topics_are_refused_and_nobody_else_notices() {
    let (broker, address) = broker("");
    let bystander = Bystander::start(&address);
    let mut watcher = Client::connect(&address, "watcher").unwrap();
    assert_eq!(watcher.subscribe("#"), Some(0));

    for connect in [Connect::v3("deep"), Connect::v5("deep")] {
        let v5 = connect.version == 5;
        let mut client = connect.open(&address).unwrap();
        for filter in [levels(65), levels(8_000), levels(32_000), format!("{}/#", levels(32_000))] {
            let code = client.subscribe(&filter);
            assert_eq!(code, Some(if v5 { 0x8F } else { 0x80 }), "{} levels", filter.len() / 2 + 1);
        }
        // A publish that is refused is acknowledged to a client of MQTT 3.1.1, which has no way to hear of it.
        for topic in [levels(65), levels(8_000), levels(32_000)] {
            for retain in [false, true] {
                assert_eq!(client.publish_code(&topic, b"x", retain), Some(if v5 { 0x90 } else { 0 }));
            }
        }
        for count in [65, 8_000, 32_000] {
            let refused = Connect { will: Some((&levels(count), b"x")), ..connect.clone() }.open(&address).err();
            assert_eq!(refused, Some(if v5 { 0x90 } else { 5 }));
        }
    }
    assert_eq!(broker.stats().retained_messages, 0);
    assert_eq!(watcher.messages().iter().filter(|message| message.topic != "bystander").count(), 0);

    // As deep as allowed is no trouble.
    assert_eq!(watcher.subscribe(&levels(64)), Some(0));
    bystander.finish();
}

#[test]
fn filters_that_share_all_their_levels_come_and_go() {
    let (broker, address) = broker(r#","limits":{"max_topic_levels":512}"#);
    let mut client = Client::connect(&address, "deep").unwrap();
    for count in (1..=512).rev() {
        assert_eq!(client.subscribe(&levels(count)), Some(0));
    }
    assert_eq!(broker.stats().subscriptions, 512);
    assert!(client.publish(&levels(512), b"x", true));
    for count in 1..=512 {
        client.unsubscribe(&levels(count));
    }
    assert_eq!(broker.stats().subscriptions, 0);
}
