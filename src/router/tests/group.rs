use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::QoS;

use super::super::{Group, Router, Strategy};
use super::support::{options, Somebody};

/// A group of members with keys from 0, and the members.
fn group(strategy: Strategy, members: u64) -> (Arc<Group<Somebody>>, Vec<Somebody>, Router<Somebody>) {
    let router = Router::new(strategy);
    let members: Vec<_> = (0..members).map(Somebody::new).collect();
    for member in &members {
        router.subscribe("$share/g/a/#", member.clone(), options(QoS::AtLeastOnce));
    }
    let group = router.matches("a", None).groups.remove(0);
    (group, members, router)
}

fn pick(group: &Group<Somebody>, topic: &str) -> u64 {
    group.pick(topic, None, None).unwrap().key
}

/// How often each member is picked, in `times` messages, each on a topic of its own.
fn shares(group: &Group<Somebody>, times: u64) -> BTreeMap<u64, u64> {
    let mut shares = BTreeMap::new();
    for time in 0..times {
        *shares.entry(pick(group, &format!("a/{time}"))).or_default() += 1;
    }
    shares
}

const ALL: [Strategy; 6] = [
    Strategy::RoundRobin,
    Strategy::Random,
    Strategy::Sticky,
    Strategy::HashClient,
    Strategy::HashTopic,
    Strategy::LeastInflight,
];

#[test]
fn those_online_come_first() {
    for strategy in ALL {
        let (group, members, _router) = group(strategy, 5);
        for member in &members[..4] {
            member.set_online(false);
        }
        assert_eq!(shares(&group, 20), BTreeMap::from([(4, 20)]), "{strategy:?}");
        assert!(group.has_online_other_than(3) && !group.has_online_other_than(4));
        assert!(group.pick("a", None, Some(4)).is_some_and(|target| target.key != 4), "{strategy:?}");
        members[4].set_online(false);
        assert!(group.pick("a", None, None).is_some(), "{strategy:?}: offline rather than nobody");
        assert!(!group.has_online_other_than(0));
    }
}

#[test]
fn the_exception_does_not_get_it() {
    for strategy in ALL {
        let (group, _members, router) = group(strategy, 2);
        for time in 0..20 {
            let except = time % 2;
            let target = group.pick("a", Some(&time.to_string()), Some(except)).unwrap();
            assert_eq!(target.key, 1 - except, "{strategy:?}");
        }
        router.unsubscribe("$share/g/a/#", 0);
        assert!(group.pick("a", None, Some(1)).is_none(), "{strategy:?}");
        router.unsubscribe("$share/g/a/#", 1);
        assert!(group.pick("a", None, None).is_none(), "{strategy:?}: nobody is left");
        assert!(!group.has_online_other_than(0));
    }
}

#[test]
fn round_robin_is_even_also_if_some_are_offline() {
    let (group, members, _router) = group(Strategy::RoundRobin, 4);
    assert_eq!(shares(&group, 40).into_values().collect::<Vec<_>>(), [10; 4]);
    members[1].set_online(false);
    assert_eq!(shares(&group, 30), BTreeMap::from([(0, 10), (2, 10), (3, 10)]));
}

#[test]
fn random_reaches_everybody() {
    let (group, _members, _router) = group(Strategy::Random, 4);
    let shares = shares(&group, 4_000);
    assert!(shares.len() == 4 && shares.values().all(|share| (800..1_200).contains(share)), "{shares:?}");
}

#[test]
fn sticky_stays_until_it_has_to_go() {
    let (group, members, router) = group(Strategy::Sticky, 3);
    let first = pick(&group, "a");
    assert_eq!(shares(&group, 10), BTreeMap::from([(first, 10)]));
    assert_ne!(group.pick("a", None, Some(first)).unwrap().key, first);
    assert_eq!(pick(&group, "a"), first, "one message that went to another changes nothing");
    members[first as usize].set_online(false);
    let second = pick(&group, "a");
    members[first as usize].set_online(true);
    assert_ne!(first, second);
    assert_eq!(shares(&group, 10), BTreeMap::from([(second, 10)]));
    router.unsubscribe("$share/g/a/#", second);
    let third = pick(&group, "a");
    assert_ne!(third, second);
    assert_eq!(shares(&group, 10), BTreeMap::from([(third, 10)]));
    for member in &members {
        member.set_online(false);
    }
    assert_eq!(shares(&group, 10), BTreeMap::from([(third, 10)]));
}

#[test]
fn hashes_keep_their_member() {
    let (group, _members, _router) = group(Strategy::HashTopic, 8);
    for topic in 0..100 {
        let topic = format!("a/{topic}");
        assert_eq!(
            pick(&group, &topic),
            group.pick(&topic, Some("seven"), None).unwrap().key,
            "the publisher is no matter"
        );
    }
    assert_eq!(shares(&group, 1_000).len(), 8);
}

#[test]
fn the_hash_of_the_publisher_is_even_as_well() {
    let (group, _members, _router) = group(Strategy::HashClient, 8);
    let mut shares = [0; 8];
    for publisher in 0..8_000 {
        let publisher = format!("client-{publisher}");
        let target = group.pick("a", Some(&publisher), None).unwrap();
        assert_eq!(target.key, group.pick("b", Some(&publisher), None).unwrap().key, "the topic is no matter");
        shares[target.key as usize] += 1;
    }
    assert!(shares.iter().all(|share| (800..1_200).contains(share)), "{shares:?}");
    assert_eq!(pick(&group, "a"), pick(&group, "a"), "by the topic if nobody publishes it");
}

#[test]
fn the_least_loaded_is_found() {
    let (group, members, _router) = group(Strategy::LeastInflight, 10);
    for (load, member) in members.iter().enumerate() {
        member.set_load(20 - load);
    }
    assert_eq!(shares(&group, 10), BTreeMap::from([(9, 10)]));
    members[9].set_online(false);
    assert_eq!(shares(&group, 10), BTreeMap::from([(8, 10)]));
    for member in &members {
        member.set_load(1);
    }
    assert_eq!(shares(&group, 90).len(), 9, "equals take turns");
}
