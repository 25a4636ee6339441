//! Section 4.6: the order of messages.

use crate::client::*;

const COUNT: usize = 200;

/// [MQTT-4.6.0-5] [MQTT-4.6.0-6] Messages of one client on one topic with one QoS arrive in their order, at each of
/// several subscribers.
#[test]
fn messages_keep_their_order() {
    let server = Server::new();
    for qos in 0..3 {
        let mut subscribers: Vec<Client> =
            (0..3).map(|number| server.connect(&Connect::new(format!("s{number}")).receive_maximum(5))).collect();
        subscribers.iter_mut().for_each(|client| client.subscribe("t/#", qos));
        let mut publisher = server.client("publisher");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..COUNT {
                    publisher.publish(Publish::new("t/u", number.to_string()).qos(qos));
                }
            });
            for client in &mut subscribers {
                scope.spawn(|| {
                    for number in 0..COUNT {
                        client.take(&number.to_string());
                    }
                });
            }
        });
    }
}

/// [MQTT-4.6.0-5] The order holds where messages were queued while the client was away, and new ones come behind them.
#[test]
fn queued_messages_come_before_new_ones() {
    let server = Server::new();
    let mut publisher = server.client("publisher");
    let connect = Connect::new("client").resume().expiry(100).receive_maximum(3);
    let mut client = server.connect(&connect);
    client.subscribe("t", 1);
    client.drop_connection();
    (0..50).for_each(|number| publisher.publish(Publish::new("t", number.to_string()).qos(1)));
    let mut client = server.connect(&connect);
    (50..60).for_each(|number| publisher.publish(Publish::new("t", number.to_string()).qos(1)));
    (0..60).for_each(|number| drop(client.take(&number.to_string())));
}

/// [MQTT-4.6.0-6] Messages of several clients keep the order of each.
#[test]
fn each_publisher_keeps_its_order() {
    let server = Server::new();
    let mut subscriber = server.client("subscriber");
    subscriber.subscribe("t", 1);
    std::thread::scope(|scope| {
        for publisher in 0..3 {
            let mut client = server.client(&format!("publisher-{publisher}"));
            scope.spawn(move || {
                for number in 0..COUNT {
                    client.publish(Publish::new("t", format!("{publisher} {number}")).qos(1));
                }
            });
        }
        let mut next = [0; 3];
        for _ in 0..3 * COUNT {
            let packet = subscriber.expect(PUBLISH);
            subscriber.ack(PUBACK, packet.id);
            let (publisher, number) = packet.text().split_once(' ').unwrap();
            let next = &mut next[publisher.parse::<usize>().unwrap()];
            assert_eq!(number.parse(), Ok(*next));
            *next += 1;
        }
    });
}
