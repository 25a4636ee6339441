//! Section 3.3.2.3.4: topic aliases.

use crate::client::*;

/// [MQTT-3.3.2-7] [MQTT-3.2.2-18] Aliases end with the connection, even if the session goes on.
#[test]
fn aliases_end_with_the_connection() {
    let server = Server::new();
    let mut client = server.connect(&Connect::new("client").expiry(100));
    client.publish(Publish::new("t", "x").alias(1));
    client.publish(Publish::new("", "x").alias(1).qos(1));
    client.drop_connection();
    let mut client = server.connect(&Connect::new("client").resume());
    assert!(client.connack.session_present);
    client.send_publish(&Publish::new("", "x").alias(1));
    client.expect_disconnect(0x82);
}

/// [MQTT-3.3.2-8] There is no alias 0.
#[test]
fn there_is_no_alias_0() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_publish(&Publish::new("t", "x").alias(0));
    client.expect_disconnect(0x94);
}

/// An empty topic without an alias names nothing.
#[test]
fn an_empty_topic_needs_an_alias() {
    let server = Server::new();
    let mut client = server.client("client");
    client.send_publish(&Publish::new("", "x"));
    client.expect_disconnect(0x82);
}

/// [MQTT-3.3.2-12] Every alias up to the maximum that was told works, and can be given another topic.
#[test]
fn aliases_up_to_the_maximum_work() {
    let server = Server::new();
    let mut subscriber = server.client("subscriber");
    subscriber.subscribe("#", 2);
    let mut client = server.client("client");
    let maximum = client.connack.number(property::TOPIC_ALIAS_MAXIMUM).unwrap() as u16;
    for round in ["first", "second"] {
        for alias in 1..=maximum {
            client.publish(Publish::new(format!("{round}/{alias}"), "defined").alias(alias).qos(1));
            subscriber.take("defined");
        }
        for alias in 1..=maximum {
            client.publish(Publish::new("", "used").alias(alias).qos(alias as u8 % 3));
            assert_eq!(subscriber.take("used").topic, format!("{round}/{alias}"));
        }
    }
}

/// [MQTT-3.1.2-27] A client that allows no aliases gets none, and gets none of the publisher's.
#[test]
fn no_aliases_for_who_wants_none() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    for connect in [Connect::new("client"), Connect::new("client").property(two(property::TOPIC_ALIAS_MAXIMUM, 0))] {
        let mut client = server.connect(&connect);
        client.subscribe("t", 0);
        for _ in 0..5 {
            publisher.publish(Publish::new("t", "x").alias(3));
            let packet = client.take("x");
            assert_eq!(packet.topic, "t");
            assert!(!packet.has(property::TOPIC_ALIAS));
        }
    }
}

/// [MQTT-3.1.2-26] [MQTT-3.3.2-10] [MQTT-3.3.2-11] The broker's aliases stay within what the client allows, and name the
/// topics that they stand for.
#[test]
fn the_brokers_aliases_are_those_the_client_allows() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.connect(&Connect::new("client").property(two(property::TOPIC_ALIAS_MAXIMUM, 2)));
    client.subscribe("#", 1);
    let mut known: [Option<String>; 2] = [None, None];
    let mut used = 0;
    for number in 0..40 {
        let topic = format!("topic/number/{}", number % 5 * (number % 3));
        publisher.publish(Publish::new(&topic, "x").qos(number % 2));
        let packet = client.take("x");
        let name = match packet.number(property::TOPIC_ALIAS) {
            None => packet.topic,
            Some(alias) => {
                used += 1;
                assert!((1..=2).contains(&alias), "{alias}");
                let known = &mut known[alias as usize - 1];
                if !packet.topic.is_empty() {
                    *known = Some(packet.topic);
                }
                known.clone().expect("an alias is defined before it is used")
            }
        };
        assert_eq!(name, topic);
    }
    assert!(used > 0, "a client that allows aliases gets some");
}

/// [MQTT-3.3.2-11] A client that reads too slowly loses messages, but not the meaning of an alias: what defines one is
/// not among them.
#[test]
fn aliases_outlive_messages_that_are_dropped() {
    for policy in ["drop_newest", "drop_oldest"] {
        let limits = format!(r#""limits":{{"slow_consumer":"{policy}","max_queued_messages":20}}"#);
        let server = Server::with(&limits);
        let mut client = server.connect(&Connect::new("client").property(two(property::TOPIC_ALIAS_MAXIMUM, 16)));
        client.subscribe("#", 0);
        let mut publisher = server.client("publisher");
        let count = 1_500;
        for number in 0..count {
            // Of many topics, most come up only when the client has fallen behind.
            let topic = format!("topic/{}", number / 100 + number % 7);
            let payload = [topic.as_bytes(), b" ", &[b'x'; 10_000]].concat();
            publisher.publish(Publish::new(&topic, payload).qos(1));
        }
        client.send(PINGREQ, &[]);
        let (mut known, mut got) = (vec![String::new(); 17], 0);
        loop {
            let packet = client.receive();
            if packet.kind == PINGRESP {
                break;
            }
            got += 1;
            let topic = match packet.number(property::TOPIC_ALIAS) {
                None => packet.topic.clone(),
                Some(alias) => {
                    if !packet.topic.is_empty() {
                        known[alias as usize] = packet.topic.clone();
                    }
                    known[alias as usize].clone()
                }
            };
            assert!(packet.text().starts_with(&format!("{topic} ")), "{topic:?} is not the topic");
        }
        assert!(got < count, "none was dropped");
    }
}
