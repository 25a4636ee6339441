//! What two configurations differ in.

use serde::Serialize;
use serde_json::Value;

use super::Config;

/// The pointers of what differs between two configurations, in the later one. `succession` is that of [`super::succession`].
///
/// A listener that goes on has a pointer for each key that differs, also if it stands elsewhere in the list; one that comes
/// new has a single one. One that is gone has no place in the later configuration: it shows as `/listeners`.
pub fn differences(before: &Config, after: &Config, succession: &[Option<usize>]) -> Vec<String> {
    let alone = |config: &Config| Config { listeners: Vec::new(), ..config.clone() };
    let mut found = Vec::new();
    compare("", &json(&alone(before)), &json(&alone(after)), &mut found);
    if !gone(before, succession).is_empty() {
        found.push("/listeners".to_owned());
    }
    for (index, origin) in succession.iter().enumerate() {
        let pointer = format!("/listeners/{index}");
        match origin {
            Some(origin) => compare(&pointer, &listener(before, *origin), &listener(after, index), &mut found),
            None => found.push(pointer),
        }
    }
    found
}

/// The listeners of the earlier configuration that do not go on.
pub fn gone(before: &Config, succession: &[Option<usize>]) -> Vec<usize> {
    (0..before.listeners.len()).filter(|index| !succession.contains(&Some(*index))).collect()
}

fn listener(config: &Config, index: usize) -> Value {
    let mut value = json(&config.listeners.get(index));
    if let (Some(name), Some(listener)) = (value.get_mut("name"), config.listeners.get(index)) {
        // One that has no name is called by its place, which may have changed.
        *name = listener.display_name(index).into();
    }
    value
}

fn json(part: &impl Serialize) -> Value {
    // What comes from JSON can be written as JSON.
    serde_json::to_value(part).unwrap_or_default()
}

/// Objects are compared key by key; anything else is one value.
fn compare(pointer: &str, before: &Value, after: &Value, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => {
            for (key, value) in after {
                compare(&format!("{pointer}/{key}"), before.get(key).unwrap_or(&Value::Null), value, found);
            }
        }
        (before, after) if before != after => found.push(pointer.to_owned()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::succession;
    use super::*;

    fn found(before: &str, after: &str) -> Vec<String> {
        let (before, after) = (Config::parse(before).unwrap(), Config::parse(after).unwrap());
        differences(&before, &after, &succession(&before, &[], &after))
    }

    #[test]
    fn each_key_has_its_pointer() {
        assert_eq!(found("{}", r#"{"node_id":1,"limits":{"max_qos":2}}"#), [""; 0], "defaults may be written down");
        assert_eq!(
            found(r#"{"limits":{"max_qos":1}}"#, r#"{"id":"x","sys_topics":{"heartbeat":{"interval_ms":100}}}"#),
            ["/id", "/limits/max_qos", "/sys_topics/heartbeat/interval_ms"]
        );
    }

    #[test]
    fn listeners_are_compared_with_what_they_were() {
        let before = r#"{"listeners":[{"name":"a","address":"127.0.0.1:1"},{"name":"b","address":"127.0.0.1:2"}]}"#;
        let moved = r#"{"listeners":[{"name":"b","address":"127.0.0.1:2"},{"name":"a","address":"127.0.0.1:1"}]}"#;
        assert_eq!(found(before, moved), [""; 0]);
        let changed = r#"{"listeners":[{"name":"c","address":"127.0.0.1:3"},
            {"name":"d","address":"127.0.0.1:2","protocols":["5"],"proxy":{"protocol":"any"}}]}"#;
        let expected = ["/listeners", "/listeners/0", "/listeners/1/name", "/listeners/1/protocols"];
        assert_eq!(found(before, changed), [&expected[..], &["/listeners/1/proxy/protocol"]].concat());
        let nameless = r#"{"listeners":[{"address":"127.0.0.1:1"}]}"#;
        assert_eq!(found(nameless, r#"{"listeners":[{"name":"tcp-0","address":"127.0.0.1:1"}]}"#), [""; 0]);
    }
}
