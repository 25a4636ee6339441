//! Section 4.7: topic names and topic filters.

use crate::client::*;

/// [MQTT-4.7.1-1] `#` stands alone or behind a separator, and last.
#[test]
fn the_multi_level_wildcard_stands_last() {
    let server = Server::new();
    let mut client = server.client("client");
    for filter in ["a#", "#/a", "a/#/b", "##", "a/b#", "+#", "#+", "/#/"] {
        assert_eq!(client.subscribe_code(filter, 0), 0x8F, "{filter}");
    }
    for filter in ["#", "a/#", "/#", "+/#", "a//#"] {
        assert_eq!(client.subscribe_code(filter, 0), 0, "{filter}");
    }
}

/// [MQTT-4.7.1-1] `#` stands for any number of levels, none included.
#[test]
fn the_multi_level_wildcard_matches() {
    let cases: [(&str, &[&str]); 4] = [
        ("a/#", &["a", "a/", "a/b", "a/b/c"]),
        ("#", &["a", "a/", "a/b", "a/b/c", "b", "/a", "aa/b"]),
        ("/#", &["/a"]),
        ("a/b/#", &["a/b", "a/b/c"]),
    ];
    matches(&cases, &["a", "a/", "a/b", "a/b/c", "b", "/a", "aa/b"]);
}

/// [MQTT-4.7.1-2] `+` fills a level.
#[test]
fn the_single_level_wildcard_fills_a_level() {
    let server = Server::new();
    let mut client = server.client("client");
    for filter in ["a+", "+a", "a/b+/c", "++", "a/++"] {
        assert_eq!(client.subscribe_code(filter, 0), 0x8F, "{filter}");
    }
    for filter in ["+", "+/a", "a/+", "+/+", "/+", "a/+/b"] {
        assert_eq!(client.subscribe_code(filter, 0), 0, "{filter}");
    }
}

/// [MQTT-4.7.1-2] `+` stands for one level, which may be empty.
#[test]
fn the_single_level_wildcard_matches() {
    let cases: [(&str, &[&str]); 6] = [
        ("+", &["a", "b"]),
        ("a/+", &["a/", "a/b"]),
        ("+/+", &["a/", "a/b", "/a", "aa/b"]),
        ("/+", &["/a"]),
        ("a/+/c", &["a/b/c"]),
        ("+/#", &["a", "a/", "a/b", "a/b/c", "b", "/a", "aa/b"]),
    ];
    matches(&cases, &["a", "a/", "a/b", "a/b/c", "b", "/a", "aa/b"]);
}

/// Each filter gets, of all topics, the given ones.
#[track_caller]
fn matches(cases: &[(&str, &[&str])], topics: &[&str]) {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    for (filter, expected) in cases {
        let mut client = server.client("client");
        client.subscribe(filter, 0);
        topics.iter().for_each(|topic| publisher.publish(Publish::new(topic, "x")));
        let got: Vec<String> = expected.iter().map(|_| client.expect(PUBLISH).topic).collect();
        assert_eq!(&got, expected, "{filter}");
        client.expect_nothing_from(&mut publisher);
    }
}

/// [MQTT-4.7.2-1] A wildcard at the front does not match a topic that begins with `$`.
#[test]
fn leading_wildcards_do_not_match_dollar_topics() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut client = server.client("client");
    client.subscribe("#", 0);
    client.subscribe("+/a", 0);
    client.subscribe("+/+", 0);
    publisher.publish(Publish::new("$mine/a", "x"));
    publisher.publish(Publish::new("$mine/a", "x").retain());
    client.expect_nothing_from(&mut publisher);
    client.subscribe("$mine/+", 0);
    assert!(client.take("x").retain);
    publisher.publish(Publish::new("$mine/a", "y"));
    client.take("y");
    // Only at the front is `$` special.
    publisher.publish(Publish::new("a/$b", "z"));
    client.take("z");
}

/// [MQTT-4.7.3-1] Names and filters have a character at least.
#[test]
fn topics_are_not_empty() {
    let server = Server::new();
    let mut client = server.client("client");
    assert_eq!(client.subscribe_code("", 0), 0x8F);
    client.subscribe("/", 0);
    client.publish(Publish::new("/", "x"));
    client.take("x");
    client.send_publish(&Publish::new("", "x"));
    client.expect_disconnect(0x82);
}

/// [MQTT-4.7.3-2] Names and filters have no U+0000.
#[test]
fn topics_have_no_null_character() {
    let server = Server::new();
    for topic in ["\0", "a/\0"] {
        let mut client = server.client("client");
        client.send_publish(&Publish::new(topic, "x").qos(1));
        client.expect_disconnect(0x81);
        let mut client = server.client("client");
        client.send_raw(&client.subscribe_bytes(1, &[], &[("t", 0), (topic, 0)]));
        client.expect_disconnect(0x81);
    }
}

/// [MQTT-4.7.3-3] Names and filters have up to 65,535 bytes; no packet can say more.
#[test]
fn topics_can_be_as_long_as_a_packet_can_say() {
    let server = Server::new();
    let mut client = server.client("client");
    let topic = "t".repeat(65_535);
    client.subscribe(&topic, 1);
    client.publish(Publish::new(&topic, "x").qos(1));
    assert_eq!(client.take("x").topic, topic);
}

/// [MQTT-4.7.3-4] Topics are compared byte by byte: no case, no form of Unicode, no separator is like another.
#[test]
fn topics_are_not_normalized() {
    let topics = ["a/b", "A/b", "a//b", "a/b/", "/a/b", " a/b", "a/b ", "a/%62", "é", "e\u{301}", "a\\b", "a/./b"];
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut clients: Vec<Client> = topics.iter().map(|topic| server.client(&format!("for {topic}"))).collect();
    clients.iter_mut().zip(topics).for_each(|(client, topic)| client.subscribe(topic, 0));
    topics.iter().for_each(|topic| publisher.publish(Publish::new(topic, "x")));
    for (client, topic) in clients.iter_mut().zip(topics) {
        assert_eq!(client.take("x").topic, topic);
        client.expect_nothing_from(&mut publisher);
    }
}
