mod group;
mod model;
mod support;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use crate::model::{topic, QoS, SubscriptionOptions};

use super::{Matched, Router, Strategy};
use support::{keys, options, router, Somebody};

#[test]
fn finds_by_filter() {
    for (filter, topic) in [
        ("a", "a"),
        ("a/b", "a/b"),
        ("#", "a/b"),
        ("a/#", "a"),
        ("a/#", "a/b/c"),
        ("+", "a"),
        ("+/+", "/a"),
        ("/+", "/a"),
        ("+/", "a/"),
        ("a/+/c", "a//c"),
        ("+/+/#", "a/b"),
        ("$SYS/#", "$SYS/x"),
        ("$SYS/+", "$SYS/x"),
        ("a/+", "a/$x"),
        ("a level longer than others/x", "a level longer than others/x"),
    ] {
        let router = router([(filter, 1)]);
        assert_eq!(keys(&router.matches(topic, None)), [1], "{filter} {topic}");
    }
    for (filter, topic) in [
        ("+", "/a"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("a/+", "a"),
        ("a/+", "a/b/c"),
        ("#", "$SYS/x"),
        ("+/x", "$SYS/x"),
        ("+/#", "$SYS"),
        ("A", "a"),
        ("/a", "a"),
        ("a/", "a"),
    ] {
        let router = router([(filter, 1)]);
        assert!(router.matches(topic, None).is_empty(), "{filter} {topic}");
    }
}

#[test]
fn overlapping_filters_make_one_target() {
    let router = Router::new(Strategy::default());
    let client = Somebody::new(1);
    let with = |qos, retain_as_published, identifier| SubscriptionOptions {
        qos,
        retain_as_published,
        identifier: NonZeroU32::new(identifier),
        ..SubscriptionOptions::default()
    };
    router.subscribe("a/#", client.clone(), with(QoS::AtLeastOnce, false, 3));
    router.subscribe("a/b", client.clone(), with(QoS::AtMostOnce, true, 0));
    router.subscribe("+/b", client.clone(), with(QoS::ExactlyOnce, false, 5));
    router.subscribe("+/b", Somebody::new(2), with(QoS::AtLeastOnce, false, 0));
    let mut matched = router.matches("a/b", None);
    assert_eq!(keys(&matched), [1, 2]);
    let target = matched.targets.remove(0);
    assert_eq!((target.key, target.qos, target.retain_as_published), (1, QoS::ExactlyOnce, true));
    let mut identifiers: Vec<u32> = target.identifiers.as_slice().iter().map(|id| id.get()).collect();
    identifiers.sort_unstable();
    assert_eq!(identifiers, [3, 5]);
    assert_eq!(matched.targets[0].qos, QoS::AtLeastOnce);
    assert!(matched.targets[0].identifiers.as_slice().is_empty());
}

#[test]
fn many_subscribers_overlap() {
    const CLIENTS: u64 = 500;
    let router = Router::new(Strategy::default());
    for filter in ["a/b", "a/#", "+/b", "+/+", "#"] {
        for key in 0..CLIENTS {
            router.subscribe(filter, Somebody::new(key), options(QoS::AtMostOnce));
        }
    }
    assert_eq!(keys(&router.matches("a/b", None)), (0..CLIENTS).collect::<Vec<_>>());
}

#[test]
fn no_local_leaves_out_that_subscription_only() {
    let router = Router::new(Strategy::default());
    let no_local = SubscriptionOptions { no_local: true, ..options(QoS::ExactlyOnce) };
    router.subscribe("a/b", Somebody::new(1), no_local);
    router.subscribe("a/b", Somebody::new(2), no_local);
    assert_eq!(keys(&router.matches("a/b", Some(1))), [2]);
    assert_eq!(keys(&router.matches("a/b", None)), [1, 2]);
    router.subscribe("a/#", Somebody::new(1), options(QoS::AtLeastOnce));
    let matched = router.matches("a/b", Some(1));
    let target = matched.targets.iter().find(|target| target.key == 1).unwrap();
    assert_eq!(target.qos, QoS::AtLeastOnce, "the subscription with no-local adds nothing");
}

#[test]
fn subscribing_again_replaces() {
    let router = Router::new(Strategy::default());
    for filter in ["a", "$share/g/a"] {
        assert!(!router.subscribe(filter, Somebody::new(1), options(QoS::AtMostOnce)).existed);
        assert!(router.subscribe(filter, Somebody::new(1), options(QoS::ExactlyOnce)).existed);
    }
    assert_eq!((router.subscription_count(), router.filter_count()), (2, 2));
    let matched = router.matches("a", None);
    assert_eq!(matched.targets[0].qos, QoS::ExactlyOnce);
    assert_eq!(matched.groups[0].pick("a", None, None).unwrap().qos, QoS::ExactlyOnce);
    for filter in ["a", "$share/g/a"] {
        assert!(!router.unsubscribe(filter, 2).existed);
        assert!(router.unsubscribe(filter, 1).existed);
        assert!(!router.unsubscribe(filter, 1).existed);
    }
    assert!(!router.unsubscribe("b", 1).existed);
    assert_eq!((router.subscription_count(), router.filter_count()), (0, 0));
}

#[test]
fn the_generation_tells_what_is_current() {
    let router = router([("a", 1)]);
    let matched = router.matches("a", None);
    assert_eq!(matched.generation, router.generation());
    assert!(!router.unsubscribe("b", 1).existed);
    assert_eq!(matched.generation, router.generation(), "nothing has changed");
    router.subscribe("b", Somebody::new(1), options(QoS::AtMostOnce));
    assert_ne!(matched.generation, router.generation());
    let generation = router.generation();
    router.unsubscribe("a", 1);
    assert_ne!(generation, router.generation());
}

#[test]
fn a_group_is_a_name_and_a_filter() {
    let router = router([("$share/g/a", 1), ("$share/g/+", 1), ("$share/h/a", 1), ("a", 1), ("$share/g/b", 1)]);
    let matched = router.matches("a", None);
    assert_eq!(keys(&matched), [1], "directly as well");
    let mut groups: Vec<_> = matched.groups.iter().map(|group| (group.name(), group.filter())).collect();
    groups.sort_unstable();
    assert_eq!(groups, [("g", "+"), ("g", "a"), ("h", "a")]);
    assert_eq!(router.filter_count(), 5);
}

#[test]
fn what_is_not_well_formed_does_no_harm() {
    let router = Router::new(Strategy::default());
    for filter in ["", "#/a", "$share/", "$share/g", "$share//", "a+/#", "##"] {
        assert!(!router.subscribe(filter, Somebody::new(1), options(QoS::AtMostOnce)).existed);
    }
    for topic in ["", "#", "+", "#/a", "$share/g"] {
        router.matches(topic, None);
    }
    for filter in ["", "#/a", "$share/", "$share/g", "$share//", "a+/#", "##"] {
        assert!(router.unsubscribe(filter, 1).existed, "{filter}");
    }
    assert_eq!(router.table.read().trie.node_count(), 1);
}

#[test]
fn depth_is_no_matter() {
    let deep = "/".repeat(topic::MAX_TOPIC_BYTES);
    let levels = vec!["level"; 512].join("/");
    let wildcards = vec!["+"; 512].join("/");
    let router = router([(&*deep, 1), (&*levels, 2), (&*wildcards, 3), ("level/#", 4)]);
    assert_eq!(keys(&router.matches(&deep, None)), [1]);
    assert_eq!(keys(&router.matches(&levels, None)), [2, 3, 4]);
    for (filter, key) in [(&*deep, 1), (&*levels, 2), (&*wildcards, 3), ("level/#", 4)] {
        assert!(router.unsubscribe(filter, key).existed);
    }
    assert_eq!(router.table.read().trie.node_count(), 1);
}

#[test]
fn a_filter_has_any_number_of_subscribers() {
    const CLIENTS: u64 = 100_000;
    let router = Router::new(Strategy::default());
    for filter in ["a", "$share/g/a"] {
        for key in 0..CLIENTS {
            assert!(!router.subscribe(filter, Somebody::new(key), options(QoS::AtMostOnce)).existed);
        }
    }
    assert_eq!(router.matches("a", None).targets.len() as u64, CLIENTS);
    for filter in ["a", "$share/g/a"] {
        for key in 0..CLIENTS {
            assert!(router.unsubscribe(filter, key).existed);
        }
    }
    assert_eq!(router.table.read().trie.node_count(), 1);
}

#[test]
fn matches_while_others_come_and_go() {
    const ROUNDS: u64 = 500;
    let router = &router([("a/+/c", 1), ("$share/g/a/b/#", 2)]);
    let done = &AtomicBool::new(false);
    let check = |matched: &Matched<Somebody>| {
        assert!(matched.targets.iter().any(|target| target.key == 1));
        let group = matched.groups.iter().find(|group| group.name() == "g").unwrap();
        assert!(group.pick("a/b/c", None, None).is_some());
    };
    thread::scope(|scope| {
        let writers: Vec<_> = (10..14)
            .map(|key| {
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let own = format!("a/b/{key}/{round}");
                        for filter in ["a/b/c", "a/#", "$share/g/a/b/#", "$share/h/+/b/c", &own] {
                            assert!(!router.subscribe(filter, Somebody::new(key), options(QoS::AtMostOnce)).existed);
                        }
                        for filter in ["a/b/c", "a/#", "$share/g/a/b/#", "$share/h/+/b/c", &own] {
                            assert!(router.unsubscribe(filter, key).existed);
                        }
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(move || {
                while !done.load(Relaxed) {
                    check(&router.matches("a/b/c", None));
                }
            });
        }
        let outcomes: Vec<_> = writers.into_iter().map(|writer| writer.join()).collect();
        done.store(true, Relaxed);
        assert!(outcomes.iter().all(Result::is_ok));
    });
    check(&router.matches("a/b/c", None));
    assert_eq!(router.subscription_count(), 2);
    assert_eq!(router.filter_count(), 2);
    assert!(router.unsubscribe("a/+/c", 1).existed && router.unsubscribe("$share/g/a/b/#", 2).existed);
    assert_eq!(router.table.read().trie.node_count(), 1);
}
