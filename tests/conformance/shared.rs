//! Section 4.8: subscriptions, shared ones above all.

use crate::client::*;

/// Two members of a group, with sessions that outlive their connections.
fn members(server: &Server, qos: u8) -> [Client; 2] {
    ["first", "second"].map(|id| {
        let mut client = server.connect(&Connect::new(id).expiry(100));
        client.subscribe("$share/g/t", qos);
        client
    })
}

/// The member that has got the message, and the message: each is asked in turn, until one has.
fn find(members: &mut [Client; 2]) -> (usize, Packet) {
    for _ in 0..10_000 {
        for (number, client) in members.iter_mut().enumerate() {
            client.send(PINGREQ, &[]);
            let packet = client.receive();
            if packet.kind == PUBLISH {
                client.expect(PINGRESP);
                return (number, packet);
            }
        }
    }
    panic!("neither has got the message");
}

/// What comes up to a message that is sent to everybody now; acknowledged.
fn all(client: &mut Client, publisher: &mut Client) -> Vec<Packet> {
    client.subscribe("end", 0);
    publisher.publish(Publish::new("end", ""));
    let mut packets = Vec::new();
    loop {
        let packet = client.receive();
        match packet.kind {
            PUBREL => client.ack(PUBCOMP, packet.id),
            _ if packet.topic == "end" => return packets,
            _ => {
                if packet.qos > 0 {
                    client.ack([PUBACK, PUBREC][usize::from(packet.qos - 1)], packet.id);
                }
                packets.push(packet);
            }
        }
    }
}

/// [MQTT-4.8.2-1] [MQTT-4.8.2-2] A shared subscription is `$share`, a name without wildcards, and a filter.
#[test]
fn shared_filters_have_their_form() {
    let server = Server::new();
    let mut client = server.client("client");
    for filter in ["$share/", "$share/g", "$share/g/", "$share//t", "$share/+/t", "$share/g#/t", "$share/g/a#"] {
        assert_eq!(client.subscribe_code(filter, 0), 0x8F, "{filter}");
    }
    for filter in ["$share/g/t", "$share/g/#", "$share/g//", "$share/gé/+/t", "$share/$g/$t"] {
        assert_eq!(client.subscribe_code(filter, 0), 0, "{filter}");
    }
    // What only looks like one is a plain topic.
    client.subscribe("$shared/g/t", 0);
    client.publish(Publish::new("$shared/g/t", "plain"));
    assert_eq!(client.take("plain").topic, "$shared/g/t");
}

/// [MQTT-4.8.2-3] Each member gets messages with the QoS that it was granted.
#[test]
fn members_have_their_own_qos() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut members = [0, 1, 2].map(|qos| {
        let mut client = server.client(&format!("member-{qos}"));
        client.subscribe("$share/g/t", qos);
        client
    });
    for _ in 0..30 {
        publisher.publish(Publish::new("t", "x").qos(2));
    }
    let mut got = 0;
    for (qos, client) in members.iter_mut().enumerate() {
        for packet in all(client, &mut publisher) {
            assert_eq!(usize::from(packet.qos), qos);
            got += 1;
        }
    }
    assert_eq!(got, 30);
}

/// A message goes to one member of each group, and to everybody who has subscribed for himself.
#[test]
fn a_message_goes_to_one_member_of_each_group() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut members: Vec<Client> = (0..4).map(|number| server.client(&format!("member-{number}"))).collect();
    for (number, client) in members.iter_mut().enumerate() {
        client.subscribe(["$share/g/t/+", "$share/h/t/#"][number % 2], 1);
    }
    let mut alone = server.client("alone");
    alone.subscribe("t/u", 1);
    let count = 20;
    for number in 0..count {
        publisher.publish(Publish::new("t/u", number.to_string()).qos(1));
        alone.take(&number.to_string());
    }
    let mut got = [Vec::new(), Vec::new()];
    for (number, client) in members.iter_mut().enumerate() {
        let packets = all(client, &mut publisher);
        got[number % 2].extend(packets.iter().map(|packet| packet.text().parse::<usize>().unwrap()));
    }
    for mut got in got {
        got.sort();
        assert_eq!(got, (0..count).collect::<Vec<_>>());
    }
}

/// [MQTT-4.8.2-4] QoS 2 that a member has got is completed with this member when it comes back.
#[test]
fn qos_2_stays_with_the_member() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut members = members(&server, 2);
    publisher.publish(Publish::new("t", "x").qos(2));
    let (number, packet) = find(&mut members);
    let [first, second] = members;
    let (owner, mut other) = if number == 0 { (first, second) } else { (second, first) };
    owner.drop_connection();
    other.expect_nothing_from(&mut publisher);
    let mut owner = server.connect(&Connect::new(["first", "second"][number]).resume().expiry(100));
    let again = owner.take("x");
    assert_eq!((again.id, again.dup), (packet.id, true));
    other.expect_nothing_from(&mut publisher);
}

/// [MQTT-4.8.2-5] If the session of the member ends, nobody else gets QoS 2 that was sent.
#[test]
fn qos_2_ends_with_the_session_of_the_member() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut members = members(&server, 2);
    publisher.publish(Publish::new("t", "x").qos(2));
    let (number, _) = find(&mut members);
    let [first, second] = members;
    let (owner, mut other) = if number == 0 { (first, second) } else { (second, first) };
    owner.disconnect_with(4, &[four(property::SESSION_EXPIRY, 0)]);
    assert!(!server.connect(&Connect::new(["first", "second"][number]).resume()).connack.session_present);
    other.expect_nothing_from(&mut publisher);
}

/// QoS 1 that a member has not acknowledged goes to another one when the connection is lost.
#[test]
fn qos_1_goes_to_another_member() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut members = members(&server, 1);
    publisher.publish(Publish::new("t", "x").qos(1));
    let (number, _) = find(&mut members);
    let [first, second] = members;
    let (owner, mut other) = if number == 0 { (first, second) } else { (second, first) };
    owner.drop_connection();
    other.take("x");
    // The first does not get it any more.
    let mut owner = server.connect(&Connect::new(["first", "second"][number]).resume());
    owner.expect_nothing_from(&mut publisher);
}

/// [MQTT-4.8.2-6] What a member refuses is discarded, not offered to another.
#[test]
fn what_a_member_refuses_is_discarded() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let mut members = members(&server, 2);
    for (qos, kind) in [(1, PUBACK), (2, PUBREC)] {
        publisher.publish(Publish::new("t", "x").qos(qos));
        let (number, packet) = find(&mut members);
        members[number].ack_with(kind, packet.id, 0x83);
        members.iter_mut().for_each(|client| client.expect_nothing_from(&mut publisher));
    }
}

/// Members that are away get nothing while others are there.
#[test]
fn members_that_are_there_come_first() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let [away, mut there] = members(&server, 1);
    away.drop_connection();
    for _ in 0..10 {
        publisher.publish(Publish::new("t", "x").qos(1));
        there.take("x");
    }
}

/// Retained messages are not sent because of a shared subscription.
#[test]
fn shared_subscriptions_get_no_retained_messages() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    publisher.publish(Publish::new("t", "retained").retain().qos(1));
    let mut client = server.client("client");
    client.subscribe("$share/g/t", 1);
    client.expect_nothing_from(&mut publisher);
    publisher.publish(Publish::new("t", "live").qos(1));
    client.take("live");
}

/// A member that leaves its group gets nothing more; the others do.
#[test]
fn members_can_leave() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let [mut gone, mut there] = members(&server, 1);
    assert_eq!(gone.unsubscribe(1, &["t"]).codes, [0x11]);
    assert_eq!(gone.unsubscribe(1, &["$share/g/t"]).codes, [0]);
    for _ in 0..5 {
        publisher.publish(Publish::new("t", "x").qos(1));
        there.take("x");
    }
    gone.expect_nothing_from(&mut publisher);
}

/// A broker without shared subscriptions says so.
#[test]
fn shared_subscriptions_can_be_turned_off() {
    let server = Server::with(r#""shared_subscriptions":{"enabled":false}"#);
    let mut client = server.client("client");
    assert_eq!(client.connack.number(property::SHARED_AVAILABLE), Some(0));
    assert_eq!(client.subscribe_code("$share/g/t", 1), 0x9E);
    assert_ne!(Server::new().client("client").connack.number(property::SHARED_AVAILABLE), Some(0));
}
