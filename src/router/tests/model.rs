//! The router against a list of subscriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use proptest::collection::vec;
use proptest::prelude::{prop, proptest, Just, ProptestConfig, Strategy as Values};
use proptest::{prop_assert, prop_assert_eq, prop_oneof};

use crate::model::{topic, QoS, SubscriptionOptions};

use super::super::{Router, Strategy, Subscriber, Unsubscribed};
use super::support::Somebody;

#[derive(Clone, Debug)]
enum Action {
    Subscribe(String, u64, SubscriptionOptions),
    Unsubscribe(String, u64),
    Match(String, Option<u64>),
}

fn level() -> impl Values<Value = &'static str> {
    prop_oneof![4 => Just("a"), 3 => Just("b"), 2 => Just(""), 1 => Just("$s"), 1 => Just("fifteen bytes !")]
}

fn name() -> impl Values<Value = String> {
    vec(level(), 1..4).prop_map(|levels| levels.join("/")).prop_filter("[MQTT-4.7.3-1]", |name| !name.is_empty())
}

fn filter() -> impl Values<Value = String> {
    let levels = vec(prop_oneof![2 => level(), 1 => Just("+")], 0..4);
    let share = prop_oneof![4 => Just(""), 1 => Just("$share/g/"), 1 => Just("$share/h/")];
    let filter = (share, levels, prop::bool::ANY).prop_map(|(share, mut levels, open)| {
        if open {
            levels.push("#");
        }
        format!("{share}{}", levels.join("/"))
    });
    filter.prop_filter("well formed", |filter| topic::check_filter(filter, 64).is_ok())
}

fn options() -> impl Values<Value = SubscriptionOptions> {
    (0..3u8, prop::bool::ANY, prop::bool::ANY, 0..4u32).prop_map(|(qos, no_local, retain_as_published, identifier)| {
        SubscriptionOptions {
            qos: QoS::try_from(qos).unwrap(),
            no_local,
            retain_as_published,
            identifier: NonZeroU32::new(identifier),
            ..SubscriptionOptions::default()
        }
    })
}

fn action() -> impl Values<Value = Action> {
    prop_oneof![
        3 => (filter(), 0..24u64, options()).prop_map(|(filter, key, options)| Action::Subscribe(filter, key, options)),
        1 => (filter(), 0..24u64).prop_map(|(filter, key)| Action::Unsubscribe(filter, key)),
        2 => (name(), prop::option::of(0..24u64)).prop_map(|(name, publisher)| Action::Match(name, publisher)),
    ]
}

/// The group's name, or none, and the filter.
fn split(filter: &str) -> (&str, &str) {
    match filter.strip_prefix("$share/") {
        Some(shared) => shared.split_once('/').unwrap(),
        None => ("", filter),
    }
}

/// What a subscriber gets: QoS, retain as published, identifiers in order.
type Expected = (QoS, bool, Vec<NonZeroU32>);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn is_as_a_list_would_be(actions in vec(action(), 1..120)) {
        let router = Router::new(Strategy::RoundRobin);
        let mut list: BTreeMap<(String, u64), SubscriptionOptions> = BTreeMap::new();
        for action in actions {
            match action {
                Action::Subscribe(filter, key, options) => {
                    let is_first = !list.keys().any(|(other, _)| split(other).1 == split(&filter).1);
                    let existed = list.insert((filter.clone(), key), options).is_some();
                    let subscribed = router.subscribe(&filter, Somebody::new(key), options);
                    prop_assert_eq!((subscribed.existed, subscribed.is_first), (existed, is_first));
                }
                Action::Unsubscribe(filter, key) => {
                    let existed = list.remove(&(filter.clone(), key)).is_some();
                    let was_last = existed && !list.keys().any(|(other, _)| split(other).1 == split(&filter).1);
                    prop_assert_eq!(router.unsubscribe(&filter, key), Unsubscribed { existed, was_last });
                }
                Action::Match(name, publisher) => {
                    let mut targets: BTreeMap<u64, Expected> = BTreeMap::new();
                    let mut groups: BTreeMap<(&str, &str), Vec<u64>> = BTreeMap::new();
                    for ((filter, key), options) in &list {
                        let (group, filter) = split(filter);
                        if !topic::matches(filter, &name) {
                            continue;
                        }
                        if !group.is_empty() {
                            groups.entry((group, filter)).or_default().push(*key);
                        } else if !options.no_local || publisher != Some(*key) {
                            let target = targets.entry(*key).or_default();
                            target.0 = target.0.max(options.qos);
                            target.1 |= options.retain_as_published;
                            target.2.extend(options.identifier);
                            target.2.sort_unstable();
                        }
                    }
                    let matched = router.matches(&name, publisher);
                    prop_assert_eq!(matched.targets.len(), targets.len());
                    prop_assert_eq!(matched.groups.len(), groups.len());
                    prop_assert_eq!(matched.is_empty(), targets.is_empty() && groups.is_empty());
                    for target in &matched.targets {
                        let mut identifiers = target.identifiers.as_slice().to_vec();
                        identifiers.sort_unstable();
                        prop_assert_eq!(target.key, target.subscriber.key());
                        let found = (target.qos, target.retain_as_published, identifiers);
                        prop_assert_eq!(Some(&found), targets.get(&target.key));
                    }
                    for group in &matched.groups {
                        let members = groups.get(&(group.name(), group.filter()));
                        prop_assert!(members.is_some());
                        // One round serves each member once.
                        let mut served: Vec<u64> = (0..members.unwrap().len())
                            .map(|_| group.pick(&name, None, None).unwrap().key)
                            .collect();
                        served.sort_unstable();
                        prop_assert_eq!(Some(&served), members);
                    }
                }
            }
            prop_assert_eq!(router.subscription_count(), list.len());
        }
        let filters = list.keys().map(|(filter, _)| filter).collect::<BTreeSet<_>>();
        prop_assert_eq!(router.filter_count(), filters.len());
        for (filter, key) in list.keys() {
            prop_assert!(router.unsubscribe(filter, *key).existed);
        }
        prop_assert_eq!(router.subscription_count(), 0);
        prop_assert_eq!(router.filter_count(), 0);
        prop_assert_eq!(router.table.read().trie.node_count(), 1);
    }
}
