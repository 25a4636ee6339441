//! Topic names and filters: nothing panics, what is checked matches as the levels say one by one, and a filter's literal
//! prefix begins each name that it matches.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rmqttc::model::topic::{check_filter, check_name, is_shared, literal_prefix, matches};

const MAX_LEVELS: usize = 64;

/// `[MQTT-5 4.7.1]`
fn levels_match(filter: &[&str], name: &[&str]) -> bool {
    match (filter, name) {
        (["#"], _) | ([], []) => true,
        ([wanted, filter @ ..], [level, name @ ..]) if *wanted == "+" || wanted == level => levels_match(filter, name),
        _ => false,
    }
}

fuzz_target!(|input: (&str, &str)| {
    let (filter, name) = input;
    let good_filter = check_filter(filter, MAX_LEVELS).is_ok();
    let good_name = check_name(name, MAX_LEVELS).is_ok();
    let matched = matches(filter, name);
    let prefix = literal_prefix(filter);
    assert!(filter.starts_with(prefix));
    if !good_filter || !good_name || is_shared(filter) {
        return;
    }
    let [filter_levels, name_levels] = [filter, name].map(|text| text.split('/').collect::<Vec<_>>());
    let hidden = name.starts_with('$') && filter.starts_with(['+', '#']); // [MQTT-4.7.2-1]
    assert_eq!(matched, !hidden && levels_match(&filter_levels, &name_levels));
    assert!(!matched || name.starts_with(prefix));
});
