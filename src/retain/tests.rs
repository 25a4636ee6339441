use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{prop, proptest, Just, ProptestConfig, Strategy};
use proptest::{prop_assert, prop_assert_eq, prop_oneof};

use crate::model::topic;

use super::*;

/// What a look-up finds, page by page.
fn look_up(store: &RetainStore<u32>, filter: &str, max: usize, now: Instant) -> Vec<(String, u32)> {
    let mut page = store.page(filter, None, max, now);
    let mut found = page.messages;
    while let Some(next) = page.next {
        page = store.page(filter, Some(&next), max, now);
        assert!(page.messages.len() <= max.max(1));
        assert_ne!(page.next.as_ref(), Some(&next), "each page moves on");
        found.append(&mut page.messages);
    }
    found
}

fn names(store: &RetainStore<u32>, filter: &str) -> Vec<String> {
    look_up(store, filter, 2, Instant::now()).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn finds_by_filter() {
    let store = RetainStore::default();
    for name in ["a", "a/b", "a/b/c", "a-b", "ab", "b", "b/b", "/", "/b", "$SYS/b"] {
        store.set(name, 0, None).unwrap();
    }
    assert_eq!(names(&store, "a/#"), ["a", "a/b", "a/b/c"]);
    assert_eq!(names(&store, "a/+"), ["a/b"]);
    assert_eq!(names(&store, "+"), ["a", "a-b", "ab", "b"]);
    assert_eq!(names(&store, "+/b"), ["/b", "a/b", "b/b"]);
    assert_eq!(names(&store, "+/+/#"), ["/", "/b", "a/b", "a/b/c", "b/b"]);
    assert_eq!(names(&store, "#"), ["/", "/b", "a", "a/b", "a/b/c", "a-b", "ab", "b", "b/b"]);
    assert_eq!(names(&store, "$SYS/#"), ["$SYS/b"]);
    assert_eq!(names(&store, "$SYS/+"), ["$SYS/b"]);
    assert_eq!(names(&store, "a/b"), ["a/b"]);
    assert!(names(&store, "c").is_empty());
    assert!(names(&store, "c/#").is_empty());
}

#[test]
fn replaces_removes_and_expires() {
    let store = RetainStore::default();
    let now = Instant::now();
    let [soon, later] = [1, 2].map(|seconds| now + Duration::from_secs(seconds));
    store.set("a", 1, None).unwrap();
    store.set("a", 2, Some(soon)).unwrap();
    assert_eq!(look_up(&store, "a", 1, now), [("a".to_owned(), 2)]);
    assert!(look_up(&store, "a", 1, soon).is_empty());
    store.sweep(now, drop);
    assert_eq!(store.count(), 1);
    // The instant of the message before counts for nothing.
    store.set("a", 3, Some(later)).unwrap();
    store.sweep(soon, drop);
    assert_eq!(look_up(&store, "#", 1, soon), [("a".to_owned(), 3)]);
    store.set("a", 4, None).unwrap();
    store.sweep(later, drop);
    assert_eq!(look_up(&store, "#", 1, later), [("a".to_owned(), 4)]);
    assert!(store.remove("a"));
    assert!(!store.remove("a"));
    assert_eq!(store.count(), 0);
    assert!(store.held.read().expiries.is_empty());
}

#[test]
fn gets_one_by_its_name() {
    let store = RetainStore::default();
    let now = Instant::now();
    let soon = now + Duration::from_secs(1);
    for (name, message) in [("a/b", 1), ("a/b/c", 2), ("c", 3)] {
        store.set(name, message, None).unwrap();
    }
    store.set("brief", 4, Some(soon)).unwrap();
    assert_eq!(["a/b", "a/b/c", "a", "b", "a/"].map(|name| store.get(name, now)), [Some(1), Some(2), None, None, None]);
    // It has not been swept.
    assert_eq!((store.get("brief", now), store.get("brief", soon), store.count()), (Some(4), None, 4));
}

#[test]
fn sweeps_more_than_goes_at_once() {
    let store = RetainStore::default();
    let now = Instant::now();
    for at in 0..3 * SWEPT_AT_ONCE as u32 {
        store.set(&format!("gone/{at}"), at, Some(now)).unwrap();
        store.set(&format!("kept/{at}"), at, None).unwrap();
    }
    store.sweep(now, drop);
    assert_eq!(store.count(), 3 * SWEPT_AT_ONCE);
    assert!(names(&store, "gone/#").is_empty());
}

#[test]
fn is_full_for_new_names_only() {
    let store = RetainStore::new(2);
    store.set("a", 1, None).unwrap();
    store.set("b", 1, None).unwrap();
    assert_eq!(store.set("c", 1, None), Err(Full { max_messages: 2 }));
    store.set("b", 2, None).unwrap();
    assert!(store.remove("a"));
    store.set("c", 1, None).unwrap();
    assert_eq!(names(&store, "#"), ["b", "c"]);
}

/// The entries that a look-up visits in all, and the most for one page.
fn visits(store: &RetainStore<u32>, filter: &str, max: usize) -> (usize, usize) {
    let (now, held) = (Instant::now(), store.held.read());
    let (mut cursor, mut total, mut most) = (None, 0, 0);
    loop {
        let (page, visited) = page::read(&held.entries, filter, cursor.as_ref(), max, now);
        (total, most) = (total + visited, most.max(visited));
        match page.next {
            Some(next) => cursor = Some(next),
            None => return (total, most),
        }
    }
}

#[test]
fn leaps_over_what_cannot_match() {
    const DEVICES: usize = 10_000;
    let store = RetainStore::default();
    for device in 0..DEVICES {
        for value in 0..100 {
            store.set(&format!("device{device}/{value:02}"), 0, None).unwrap();
        }
    }
    // Per device: its first name, and the one that is looked for or what is there instead.
    for filter in ["+/50", "+/none"] {
        let (total, most) = visits(&store, filter, 100);
        assert!(total <= 2 * DEVICES + 1, "{filter}: {total}");
        assert!(most <= 4 * 100 + 64, "{filter}: {most}");
    }
    assert_eq!(names(&store, "+/50").len(), DEVICES);
    assert_eq!(visits(&store, "device7/50", 100), (1, 1));
    assert_eq!(visits(&store, "device7/#", 1_000).0, 101);
    assert!(visits(&store, "none/#", 100).0 <= 1);
}

#[test]
fn depth_is_no_matter() {
    let store = RetainStore::default();
    let deep = "/".repeat(topic::MAX_TOPIC_BYTES);
    store.set(&deep, 0, None).unwrap();
    assert_eq!(names(&store, "#"), [&*deep]);
    assert_eq!(names(&store, &"+/".repeat(32_767)), Vec::<String>::new());
}

fn level() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("a"), 3 => Just("b"), 2 => Just(""), 1 => Just("$s"), 1 => Just("a-"), 1 => Just("\u{1}")]
}

fn name() -> impl Strategy<Value = String> {
    let name = vec(level(), 1..5).prop_map(|levels| levels.join("/"));
    name.prop_filter("[MQTT-4.7.3-1]", |name| !name.is_empty())
}

fn filter() -> impl Strategy<Value = String> {
    let levels = vec(prop_oneof![2 => level(), 1 => Just("+")], 0..5);
    let filter = (levels, prop::bool::ANY).prop_map(|(mut levels, open)| {
        if open {
            levels.push("#");
        }
        levels.join("/")
    });
    filter.prop_filter("[MQTT-4.7.3-1]", |filter| !filter.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn is_as_a_list_would_be(
        sets in vec((name(), prop::option::of(0..4u64)), 0..60),
        removed in vec(name(), 0..8),
        filters in vec(filter(), 1..8),
        max in 0..9usize,
    ) {
        let now = Instant::now();
        let store = RetainStore::default();
        let mut list: Vec<(String, u32, Option<Instant>)> = Vec::new();
        for (message, (name, expiry)) in sets.into_iter().enumerate() {
            let expires_at = expiry.map(|seconds| now + Duration::from_secs(seconds));
            store.set(&name, message as u32, expires_at).unwrap();
            list.retain(|(other, ..)| *other != name);
            list.push((name, message as u32, expires_at));
        }
        for name in removed {
            prop_assert_eq!(store.remove(&name), list.iter().any(|(other, ..)| *other == name));
            list.retain(|(other, ..)| *other != name);
        }
        list.sort_by(|(one, ..), (other, ..)| one.split('/').cmp(other.split('/')));
        for second in 0..5 {
            let then = now + Duration::from_secs(second);
            list.retain(|(.., expires_at)| expires_at.is_none_or(|at| at > then));
            for filter in &filters {
                let expected: Vec<_> = list
                    .iter()
                    .filter(|(name, ..)| topic::matches(filter, name))
                    .map(|(name, message, _)| (name.clone(), *message))
                    .collect();
                prop_assert_eq!(look_up(&store, filter, max, then), expected, "{}", filter);
            }
            store.sweep(then, drop);
            prop_assert_eq!(store.count(), list.len());
        }
        let held = store.held.read();
        let expiring = held.entries.values().filter(|entry| entry.expires_at.is_some()).count();
        prop_assert_eq!(held.expiries.len(), expiring);
    }

    #[test]
    fn removal_between_pages_loses_nothing_else(
        sets in vec(name(), 1..60),
        removed in vec(name(), 1..20),
        filter in filter(),
        max in 1..4usize,
    ) {
        let now = Instant::now();
        let store = RetainStore::default();
        for name in &sets {
            store.set(name, 0, None).unwrap();
        }
        let mut removed = removed.into_iter();
        let mut gone = Vec::new();
        let mut found: Vec<String> = Vec::new();
        let mut cursor = None;
        loop {
            let page = store.page(&filter, cursor.as_ref(), max, now);
            found.extend(page.messages.into_iter().map(|(name, _)| name));
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
            if let Some(name) = removed.next() {
                store.remove(&name);
                gone.push(name);
            }
        }
        prop_assert!(found.windows(2).all(|pair| pair[0].split('/').lt(pair[1].split('/'))), "{:?}", found);
        for name in sets {
            let matches = topic::matches(&filter, &name);
            prop_assert!(matches || !found.contains(&name));
            prop_assert!(!matches || found.contains(&name) || gone.contains(&name), "{}", name);
        }
    }
}
