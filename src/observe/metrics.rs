use serde_json::{json, Map, Value};

use super::Stats;
use crate::hooks::{time_bound_us, Hook, HookStats};

/// The statistics as one JSON object, with those of `hooks` by name.
pub fn json(stats: &Stats, hooks: impl IntoIterator<Item = (Hook, HookStats)>) -> String {
    let hooks: Map<String, Value> =
        hooks.into_iter().map(|(hook, stats)| (hook.name().to_owned(), of_hook(hook, &stats))).collect();
    // Numbers with names: there is nothing in it that JSON cannot say.
    let mut metrics = serde_json::to_value(stats).unwrap_or_default();
    metrics["hooks"] = hooks.into();
    metrics.to_string()
}

fn of_hook(hook: Hook, stats: &HookStats) -> Value {
    let mut value = if hook.decides() {
        json!({
            "allowed": stats.allowed,
            "denied": stats.denied,
            "expired": stats.expired,
            "overflowed": stats.overflowed,
            "without_ticket": stats.without_ticket,
            "stopped": stats.stopped,
            "departed": stats.departed,
        })
    } else {
        json!({ "told": stats.told, "dropped": stats.dropped })
    };
    value["failed"] = stats.failed.into();
    value["in_flight"] = stats.in_flight.into();
    value["slow"] = stats.slow.into();
    let bucket = |(index, count): (usize, &u64)| json!([time_bound_us(index), count]);
    value["time"] = json!({
        "count": stats.time.iter().sum::<u64>(),
        "sum_us": stats.time_us_sum,
        "buckets": stats.time.iter().enumerate().map(bucket).collect::<Vec<_>>(),
    });
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_have_names() {
        let stats = Stats { connected_clients: 7, slow_hook_calls: u64::MAX, ..Stats::default() };
        let mut decided = HookStats { allowed: 3, without_ticket: 2, time_us_sum: 9, ..HookStats::default() };
        decided.time[1] = 4;
        let told = HookStats { told: 5, failed: 1, ..HookStats::default() };
        let text = json(&stats, [(Hook::Authenticate, decided), (Hook::Connected, told)]);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["connected_clients"], &value["slow_hook_calls"]), (&json!(7), &json!(u64::MAX)));
        assert_eq!(value["hooks"].as_object().unwrap().len(), 2);
        let authenticate = &value["hooks"]["authenticate"];
        assert_eq!((&authenticate["allowed"], &authenticate["without_ticket"]), (&json!(3), &json!(2)));
        assert!(authenticate.get("told").is_none());
        let time = &authenticate["time"];
        assert_eq!((&time["count"], &time["sum_us"]), (&json!(4), &json!(9)));
        assert_eq!((&time["buckets"][0], &time["buckets"][1]), (&json!([1, 0]), &json!([2, 4])));
        assert_eq!(time["buckets"].as_array().unwrap().last(), Some(&json!([null, 0])));
        let connected = &value["hooks"]["connected"];
        assert_eq!((&connected["told"], &connected["failed"]), (&json!(5), &json!(1)));
        assert!(connected.get("allowed").is_none());
    }
}
