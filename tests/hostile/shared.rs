//! Shared subscriptions: nobody is blocked by members that come and go, and nothing is lost with them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use crate::brokers::{broker, eventually, Bystander};
use crate::mqtt::{Client, Connect};

const SHARE: &str = "$share/group/work";

/// With `RMQTT_LONG=1` for 30 s, else until enough has been done. A router that holds a lock while it looks at the
/// members stalls within a second.
#[test]
fn members_that_come_and_go_block_nobody() {
    const ROUNDS: u64 = 4_000;
    let long = std::env::var("RMQTT_LONG").as_deref() == Ok("1");
    let (_broker, address) = broker("");
    let bystander = Bystander::start(&address);
    let mut members: Vec<Client> =
        (0..120).map(|number| Client::connect(&address, &format!("member-{number}")).unwrap()).collect();
    for member in &mut members {
        assert_eq!(member.subscribe(SHARE), Some(0));
    }
    let (stop, done) = (AtomicBool::new(false), [AtomicU64::new(0), AtomicU64::new(0)]);
    let begin = Instant::now();
    thread::scope(|scope| {
        for number in 0..4 {
            let (address, stop, done) = (&address, &stop, &done);
            scope.spawn(move || {
                let mut client = Client::connect(address, &format!("publisher-{number}")).unwrap();
                while !stop.load(Relaxed) {
                    assert!(client.publish("work", b"x", false));
                    done[0].fetch_add(1, Relaxed);
                }
            });
            scope.spawn(move || {
                let mut client = Client::connect(address, &format!("churner-{number}")).unwrap();
                while !stop.load(Relaxed) {
                    assert_eq!(client.subscribe(SHARE), Some(0));
                    client.unsubscribe(SHARE);
                    done[1].fetch_add(1, Relaxed);
                }
            });
        }
        let enough = || done.iter().all(|count| count.load(Relaxed) >= ROUNDS);
        while begin.elapsed() < Duration::from_secs(if long { 30 } else { 10 }) && (long || !enough()) {
            thread::sleep(Duration::from_millis(10));
        }
        stop.store(true, Relaxed);
    });
    let done = done.map(|count| count.load(Relaxed));
    // A machine that is busy with something else may be slow; a stall shows in the clients, which do not wait for ever.
    assert!(done.iter().all(|count| *count >= 100), "{done:?}");
    assert!(Client::connect(&address, "after").is_ok());
    bystander.finish();
}

fn numbers(client: &mut Client) -> Vec<u8> {
    client.messages().iter().map(|message| message.payload[0]).collect()
}

/// What it is called, who leaves, and how.
type Way<'a> = (&'a str, Connect<'a>, fn(Client));

#[test]
fn what_a_member_leaves_goes_to_the_others() {
    let (broker, address) = broker("");
    let mut publisher = Client::connect(&address, "publisher").unwrap();
    let ways: [Way; 4] = [
        ("goodbye", Connect::v5("leaves"), |mut client| client.send(0xE0, &[])),
        ("cut", Connect::v5("leaves"), drop),
        ("cut, and may come back", Connect::v5("leaves").persistent(), drop),
        ("old", Connect::v3("leaves"), drop),
    ];
    for (what, connect, leave) in ways {
        let mut stays = Connect::v5("stays").open(&address).unwrap();
        // What is under way, and what waits behind it.
        let connect = if connect.version == 5 { connect.receive_maximum(2) } else { connect };
        let mut leaves = connect.open(&address).unwrap();
        for member in [&mut stays, &mut leaves] {
            assert_eq!(member.subscribe_with(SHARE, 1), Some(1));
        }
        for number in 0..10 {
            assert!(publisher.publish("work", &[number], false));
        }
        let mut all = numbers(&mut stays);
        assert_eq!(all.len(), 5, "{what}");
        leave(leaves);
        eventually("it is gone", || broker.connected_clients() == 2);
        all.extend(numbers(&mut stays));
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>(), "{what}");

        // Nobody is left behind for the next round.
        drop(Connect { clean: true, ..Connect::v3("leaves") }.open(&address).unwrap());
        drop(stays);
        eventually("all have gone", || broker.connected_clients() == 1);
    }
}

#[test]
fn who_is_offline_gets_something_only_when_nobody_is_online() {
    let (broker, address) = broker("");
    let mut publisher = Client::connect(&address, "publisher").unwrap();
    let absent = Connect::v5("absent").persistent();
    let mut client = absent.open(&address).unwrap();
    assert_eq!(client.subscribe_with(SHARE, 1), Some(1));
    drop(client);
    let mut present = Client::connect(&address, "present").unwrap();
    assert_eq!(present.subscribe_with(SHARE, 1), Some(1));
    eventually("the other is offline", || broker.connected_clients() == 2);

    for number in 0..10 {
        assert!(publisher.publish("work", &[number], false));
    }
    assert_eq!(numbers(&mut present), (0..10).collect::<Vec<_>>());
    present.unsubscribe(SHARE);
    for number in 10..15 {
        assert!(publisher.publish("work", &[number], false));
    }
    let mut client = absent.open(&address).unwrap();
    // Five that came now, and what the member that has left had not acknowledged.
    let mut got = numbers(&mut client);
    got.sort_unstable();
    assert_eq!(got[got.len() - 5..], (10..15).collect::<Vec<_>>());
    assert_eq!(broker.stats().messages_dropped, 0);
}
