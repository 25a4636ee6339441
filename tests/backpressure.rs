//! With the limits that a broker has unless told otherwise, nothing is lost between clients that read what they get,
//! however fast others publish: publishers are held back.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use rmqttc::broker::Broker;

/// Longer than anything takes, shorter than a person waits.
const LONG: Duration = Duration::from_secs(30);

fn broker() -> (Broker, String) {
    let broker = Broker::new(
        r#"{"listeners":[{"address":"127.0.0.1:0"}],"auth":{"allow_anonymous":true},"runtime":{"worker_threads":2}}"#,
    )
    .unwrap();
    broker.start().unwrap();
    let address = broker.listener(0).unwrap().address.to_string();
    (broker, address)
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

fn send(stream: &mut TcpStream, first: u8, body: &[u8]) {
    assert!(body.len() < 128);
    stream.write_all(&[&[first, body.len() as u8], body].concat()).unwrap();
}

fn connect(address: &str, id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    stream.set_write_timeout(Some(LONG)).unwrap();
    stream.set_nodelay(true).unwrap();
    send(&mut stream, 0x10, &[&text("MQTT")[..], &[4, 2, 0, 0], &text(id)].concat());
    stream.read_exact(&mut [0; 4]).unwrap();
    stream
}

fn subscribe(stream: &mut TcpStream, filter: &str, qos: u8) {
    send(stream, 0x82, &[&[0, 1], &text(filter)[..], &[qos]].concat());
    stream.read_exact(&mut [0; 5]).unwrap();
}

/// Writes `count` messages as fast as the broker takes them, each with its number.
fn flood(stream: &mut TcpStream, topic: &str, qos: u8, count: u32) {
    let mut batch = Vec::new();
    for number in 0..count {
        let id = (number % 65_535 + 1) as u16;
        let id = if qos == 0 { Vec::new() } else { id.to_be_bytes().to_vec() };
        let body = [&text(topic)[..], &id, &number.to_be_bytes()].concat();
        batch.extend([0x30 | qos << 1, body.len() as u8]);
        batch.extend(body);
        if batch.len() > 32 * 1024 || number + 1 == count {
            stream.write_all(&batch).unwrap();
            batch.clear();
        }
    }
}

/// Reads until `count` messages have come, acknowledges them, and checks that those of each topic come in order.
fn receive(stream: TcpStream, count: u32) {
    let mut next = std::collections::HashMap::new();
    let mut answers = stream.try_clone().unwrap();
    let mut reader = BufReader::with_capacity(64 * 1024, stream);
    let mut seen = 0;
    while seen < count {
        let mut header = [0; 2];
        reader.read_exact(&mut header).unwrap_or_else(|error| panic!("{seen} of {count} messages: {error}"));
        assert!(header[1] < 128);
        let mut body = vec![0; usize::from(header[1])];
        reader.read_exact(&mut body).unwrap();
        if header[0] >> 4 != 3 {
            continue;
        }
        let (length, rest) = body.split_at(2);
        let (topic, mut rest) = rest.split_at(u16::from_be_bytes([length[0], length[1]]).into());
        if header[0] & 0b110 != 0 {
            answers.write_all(&[0x40, 2, rest[0], rest[1]]).unwrap();
            rest = &rest[2..];
        }
        let number = u32::from_be_bytes(rest.try_into().unwrap());
        let next: &mut u32 = next.entry(topic.to_vec()).or_default();
        assert_eq!(number, *next, "of {}", String::from_utf8_lossy(topic));
        *next += 1;
        seen += 1;
    }
}

#[test]
fn a_flood_of_each_qos_arrives_whole() {
    for qos in [0, 1] {
        let (broker, address) = broker();
        const COUNT: u32 = 200_000;
        let mut receiver = connect(&address, "receiver");
        subscribe(&mut receiver, "flood", qos);
        let mut publisher = connect(&address, "publisher");
        thread::scope(|scope| {
            let mut acknowledgements = publisher.try_clone().unwrap();
            if qos == 1 {
                scope.spawn(move || acknowledgements.read_exact(&mut vec![0; 4 * COUNT as usize]).unwrap());
            }
            scope.spawn(|| receive(receiver, COUNT));
            flood(&mut publisher, "flood", qos, COUNT);
        });
        assert_eq!(broker.stats().messages_dropped, 0);
    }
}

/// Each is a receiver that the others wait for, and waits for all the others.
fn flood_each_other(qos: u8, count: u32, finish: impl Fn(TcpStream, u32) + Sync) -> Broker {
    const CLIENTS: u32 = 6;
    let (broker, address) = broker();
    let mut clients: Vec<_> = (0..CLIENTS).map(|number| connect(&address, &format!("{number}"))).collect();
    for client in &mut clients {
        subscribe(client, "#", qos);
    }
    thread::scope(|scope| {
        for (number, client) in clients.into_iter().enumerate() {
            let mut publisher = client.try_clone().unwrap();
            let finish = &finish;
            scope.spawn(move || finish(client, CLIENTS * count));
            scope.spawn(move || {
                flood(&mut publisher, &format!("from/{number}"), qos, count);
                publisher.write_all(&[0xC0, 0]).unwrap();
            });
        }
    });
    broker
}

#[test]
fn clients_that_flood_each_other_lose_nothing_of_qos_0() {
    let broker = flood_each_other(0, 5_000, receive);
    assert_eq!(broker.stats().messages_dropped, 0);
}

/// A client's acknowledgements are stuck behind what it publishes, which is held back by clients in the same position.
/// Something has to give; it must not be that everyone waits.
#[test]
fn clients_that_flood_each_other_with_qos_1_do_not_lock_up() {
    flood_each_other(1, 5_000, |mut stream, _| {
        let mut answers = stream.try_clone().unwrap();
        loop {
            let mut header = [0; 2];
            stream.read_exact(&mut header).unwrap();
            let mut body = vec![0; usize::from(header[1])];
            stream.read_exact(&mut body).unwrap();
            match header[0] {
                0xD0 => return,
                0x32 => {
                    let id = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                    answers.write_all(&[0x40, 2, body[id], body[id + 1]]).unwrap();
                }
                _ => {}
            }
        }
    });
}
