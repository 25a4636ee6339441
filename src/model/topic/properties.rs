//! What holds for any topic, against definitions that are as short as the specification's, and that recurse.

use proptest::collection::vec;
use proptest::prelude::{any, proptest, Just, ProptestConfig, Strategy};
use proptest::{prop_assert, prop_assert_eq, prop_assume, prop_oneof};

use super::{check_filter, check_name, is_shared, literal_prefix, matches, TopicError};

const MAX_LEVELS: usize = 6;

fn level() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just("a"), 2 => Just("b"), 2 => Just(""), 1 => Just("$s"), 1 => Just("é")]
}

fn name() -> impl Strategy<Value = String> {
    vec(level(), 1..6).prop_map(|levels| levels.join("/")).prop_filter("[MQTT-4.7.3-1]", |name| !name.is_empty())
}

fn filter() -> impl Strategy<Value = String> {
    let levels = vec(prop_oneof![2 => level(), 1 => Just("+")], 0..6);
    let filter = (levels, any::<bool>()).prop_map(|(mut levels, open)| {
        if open {
            levels.push("#");
        }
        levels.join("/")
    });
    filter.prop_filter("[MQTT-4.7.3-1]", |filter| !filter.is_empty())
}

/// Text of what matters to topics, well formed or not.
fn text() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        4 => Just("a"), 4 => Just("/"), 2 => Just("+"), 2 => Just("#"), 1 => Just("$"), 1 => Just("\0"), 1 => Just("é"),
        1 => Just("$share"), 1 => Just("$share/g/"),
    ];
    vec(part, 0..12).prop_map(|parts| parts.concat())
}

/// `[MQTT-4.7.1-1]`, `[MQTT-4.7.1-2]`
fn well_formed(levels: &[&str]) -> bool {
    match levels {
        [] | ["#"] => true,
        [level, rest @ ..] => (*level == "+" || !level.contains(['+', '#'])) && well_formed(rest),
    }
}

/// `[MQTT-4.7.3-1]`, `[MQTT-4.7.3-2]`, `[MQTT-4.8.2-1]`, `[MQTT-4.8.2-2]`
fn good_filter(filter: &str) -> bool {
    let levels: Vec<&str> = filter.split('/').collect();
    let proper = match levels[..] {
        ["$share"] | ["$share", _] | ["$share", _, ""] => return false,
        ["$share", name, ref proper @ ..] => {
            if name.is_empty() || name.contains(['+', '#']) {
                return false;
            }
            proper
        }
        _ => &levels[..],
    };
    !filter.is_empty() && !filter.contains('\0') && proper.len() <= MAX_LEVELS && well_formed(proper)
}

/// `[MQTT-5 4.7.1]`
fn levels_match(filter: &[&str], name: &[&str]) -> bool {
    match (filter, name) {
        (["#"], _) | ([], []) => true,
        ([wanted, filter @ ..], [level, name @ ..]) if *wanted == "+" || wanted == level => levels_match(filter, name),
        _ => false,
    }
}

fn reference(filter: &str, name: &str) -> bool {
    let [filter, name] = [filter, name].map(|text| text.split('/').collect::<Vec<_>>());
    let hidden = name[0].starts_with('$') && (filter[0] == "+" || filter[0] == "#"); // [MQTT-4.7.2-1]
    !hidden && levels_match(&filter, &name)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn any_text_can_be_asked_about(filter in any::<String>(), name in any::<String>()) {
        let _ = (check_filter(&filter, MAX_LEVELS), check_name(&name, MAX_LEVELS), is_shared(&filter));
        let (_, prefix) = (matches(&filter, &name), literal_prefix(&filter));
        prop_assert!(filter.starts_with(prefix));
    }

    #[test]
    fn filters_are_checked_as_defined(filter in text()) {
        prop_assert_eq!(check_filter(&filter, MAX_LEVELS).is_ok(), good_filter(&filter), "{:?}", filter);
    }

    #[test]
    fn names_are_filters_without_wildcards(name in text()) {
        let expected = match check_filter(&name, MAX_LEVELS) {
            _ if name.contains('\0') => Err(TopicError::Nul),
            _ if name.contains(['+', '#']) => Err(TopicError::WildcardInName),
            // Such a name may be published to, though nobody can subscribe to it alone.
            _ if name == "$share" || is_shared(&name) => {
                prop_assume!(name.split('/').count() <= MAX_LEVELS);
                Ok(())
            }
            checked => checked,
        };
        prop_assert_eq!(check_name(&name, MAX_LEVELS), expected);
    }

    #[test]
    fn matches_as_defined(filter in filter(), name in name()) {
        prop_assert_eq!(check_filter(&filter, MAX_LEVELS), Ok(()));
        prop_assert_eq!(check_name(&name, MAX_LEVELS), Ok(()));
        let matched = matches(&filter, &name);
        prop_assert_eq!(matched, reference(&filter, &name), "{} {}", filter, name);
        prop_assert!(!matched || name.starts_with(literal_prefix(&filter)), "{} {}", filter, name);
    }

    /// A filter made from a name by leaving something open.
    #[test]
    fn matches_what_it_was_made_from(name in name(), open in vec(any::<bool>(), 6), cut in 0..6_usize) {
        let mut levels: Vec<&str> =
            name.split('/').zip(open).map(|(level, open)| if open { "+" } else { level }).collect();
        let open_end = cut < levels.len();
        if open_end {
            levels.truncate(cut);
            levels.push("#");
        }
        let filter = levels.join("/");
        let hidden = name.starts_with('$') && filter.starts_with(['+', '#']);
        prop_assert_eq!(matches(&filter, &name), !hidden, "{} {}", filter, name);
        prop_assert!(hidden || name.starts_with(literal_prefix(&filter)), "{} {}", filter, name);
    }
}
