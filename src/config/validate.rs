//! Checks a JSON value against the schema of the configuration, as far as that schema goes.
//!
//! Deserializers stop at the first fault. A person who writes a configuration wants them all.

use std::fmt;
use std::net::SocketAddr;

use ipnet::IpNet;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{acl, pending, schema, Fault, Faults};

/// Parses the text. A key that stands twice in one object is a fault: which of the two was meant is a guess.
pub(super) fn parse(json: &str) -> Result<Value, Faults> {
    match serde_json::from_str::<NoDuplicates>(json) {
        Ok(NoDuplicates(value)) => Ok(value),
        Err(error) => Err(Faults::new(vec![Fault::new("", format!("is not JSON: {error}"))])),
    }
}

/// Every fault of `value`, an object's members in the order of their keys.
pub(super) fn check(value: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    walk(schema::cached(), value, "", &mut faults);
    faults
}

/// Every fault of what should be an array of access rules.
pub fn check_rules(value: &Value) -> Vec<Fault> {
    let mut faults = Vec::new();
    walk(&schema::cached()["properties"]["acl"]["properties"]["rules"], value, "", &mut faults);
    faults
}

fn walk(schema: &Value, value: &Value, pointer: &str, faults: &mut Vec<Fault>) {
    if let Some(any_of) = schema.get("anyOf").and_then(Value::as_array) {
        // The choice of an enumeration, or null.
        if let Some(schema) = any_of.iter().find(|one| one["type"] != "null" && !value.is_null()) {
            walk(schema, value, pointer, faults);
        }
        return;
    }
    let mut fault = |message: String| faults.push(Fault::new(pointer, message));

    if let Some(wanted) = schema.get("type").filter(|wanted| !has_type(wanted, value)) {
        return fault(format!("is {}, expected {}", article(type_name(value)), expected(wanted)));
    }
    if let Some(choices) = choices(schema) {
        if !choices.contains(&value) {
            let choices: Vec<String> = choices.iter().map(|choice| choice.to_string()).collect();
            return fault(format!("{value} is not one of {}", choices.join(", ")));
        }
    }
    match value {
        Value::Number(number) => {
            let beyond = |key: &str, is_beyond: fn(f64, f64) -> bool| {
                let bound = schema.get(key)?;
                is_beyond(number.as_f64()?, bound.as_f64()?).then_some(bound)
            };
            if let Some(bound) = beyond("minimum", |value, bound| value < bound) {
                fault(format!("{number} is below the minimum, {bound}"));
            } else if let Some(bound) = beyond("maximum", |value, bound| value > bound) {
                fault(format!("{number} is above the maximum, {bound}"));
            }
        }
        Value::String(text) => {
            let bound = |key: &str| schema.get(key).and_then(Value::as_u64).map(|bound| bound as usize);
            if bound("minLength").is_some_and(|min| text.len() < min) {
                fault("is empty".to_owned());
            } else if let Some(max) = bound("maxLength").filter(|max| text.len() > *max) {
                fault(format!("is {} bytes long, at most {max} are allowed", text.len()));
            } else if let Some(format) = schema.get("format").and_then(Value::as_str) {
                if let Some(message) = check_format(format, text) {
                    fault(message);
                }
            }
        }
        Value::Array(items) => {
            let bound = |key: &str| schema.get(key).and_then(Value::as_u64).map(|bound| bound as usize);
            if let Some(max) = bound("maxItems").filter(|max| items.len() > *max) {
                fault(format!("has {} entries, at most {max} are allowed", items.len()));
            } else if bound("minItems").is_some_and(|min| items.len() < min) {
                fault("is empty".to_owned());
            }
            for (index, item) in items.iter().enumerate() {
                walk(&schema["items"], item, &format!("{pointer}/{index}"), faults);
            }
        }
        Value::Object(members) => {
            for key in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
            {
                if !members.contains_key(key) {
                    faults.push(Fault::new(&child(pointer, key), "is missing"));
                }
            }
            for (key, member) in members {
                let pointer = child(pointer, key);
                match schema["properties"].get(key) {
                    Some(schema) => walk(schema, member, &pointer, faults),
                    None if pending::key(&pointer) => faults.push(Fault::new(&pointer, "is not supported yet")),
                    None => faults.push(Fault::new(&pointer, "is not a known key")),
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// The formats that the types of `super` name.
fn check_format(format: &str, text: &str) -> Option<String> {
    match format {
        "socket-address" => text
            .parse::<SocketAddr>()
            .err()
            .map(|_| format!("{text:?} is not an IP address and port, such as \"127.0.0.1:1883\" or \"[::1]:1883\"")),
        "http-url" if !text.is_empty() && !text.starts_with("http://") && !text.starts_with("https://") => {
            Some(format!("{text:?} is not a URL that begins with http:// or https://"))
        }
        "acl-topic" => acl::check_topic(text),
        "ip-network" => {
            text.parse::<IpNet>().err().map(|_| format!("{text:?} is not a network such as \"10.0.0.0/8\""))
        }
        "file-mode" if !is_file_mode(text) => Some(format!("{text:?} is not octal permissions such as \"0660\"")),
        "topic-level" if text.contains(['/', '+', '#']) => Some(format!("{text:?} is not one topic level")),
        "topic-level" | "text" if text.contains(char::is_control) => {
            Some(format!("{text:?} contains a control character"))
        }
        _ => None,
    }
}

fn is_file_mode(text: &str) -> bool {
    // The parser takes a sign.
    let is_number = text.len() <= 4 && text.bytes().all(|digit| digit.is_ascii_digit());
    is_number && matches!(u32::from_str_radix(text, 8), Ok(0..=0o777))
}

fn has_type(wanted: &Value, value: &Value) -> bool {
    match wanted {
        Value::String(wanted) => wanted == type_name(value),
        Value::Array(wanted) => wanted.iter().any(|wanted| has_type(wanted, value)),
        _ => false,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn expected(wanted: &Value) -> String {
    match wanted {
        Value::Array(wanted) => wanted.iter().map(expected).collect::<Vec<_>>().join(" or "),
        wanted => article(wanted.as_str().unwrap_or_default()),
    }
}

fn article(name: &str) -> String {
    match name {
        "null" => "null".to_owned(),
        name if name.starts_with(['a', 'e', 'i', 'o', 'u']) => format!("an {name}"),
        name => format!("a {name}"),
    }
}

/// The values of an enumeration; one with documented values is a `oneOf` of constants.
fn choices(schema: &Value) -> Option<Vec<&Value>> {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return Some(values.iter().collect());
    }
    schema.get("oneOf").and_then(Value::as_array).map(|of| of.iter().filter_map(|one| one.get("const")).collect())
}

/// Appends a reference token (RFC 6901, section 3).
fn child(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A JSON value whose objects have no key twice.
struct NoDuplicates(Value);

impl<'de> Deserialize<'de> for NoDuplicates {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NoDuplicatesVisitor).map(NoDuplicates)
    }
}

struct NoDuplicatesVisitor;

impl<'de> Visitor<'de> for NoDuplicatesVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(NoDuplicates(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if members.contains_key(&key) {
                return Err(serde::de::Error::custom(format!("the key {key:?} stands twice")));
            }
            let NoDuplicates(member) = access.next_value()?;
            members.insert(key, member);
        }
        Ok(members.into())
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn faults(json: &str) -> Vec<String> {
        match Config::parse(json) {
            Ok(_) => Vec::new(),
            Err(faults) => faults.as_slice().iter().map(|fault| fault.to_string()).collect(),
        }
    }

    #[test]
    fn defaults_and_full_configurations_pass() {
        assert_eq!(faults("{}"), [""; 0]);
        assert_eq!(
            faults(
                r#"{"node_id":7,"id":"gateway-7","listeners":[{"name":"a","type":"tcp","address":"[::1]:0",
                "allow_anonymous":null,"connect_timeout_ms":1000},{"address":"127.0.0.1:0","allow_anonymous":true}],
                "runtime":{"worker_threads":2,"thread_name":"mqtt"},
                "callbacks":{"threads":1,"queue":1,"timeout_ms":1,"max_pending":1},"auth":{"allow_anonymous":true},
                "limits":{"max_qos":1,"max_client_id_length":0,"max_topic_levels":3},"retain":{"enabled":false},
                "sys_topics":{"heartbeat":{"enabled":true,"interval_ms":100}}}"#
            ),
            [""; 0]
        );
        assert_eq!(Config::parse("{}").unwrap().broker_id(), "rmqtt-1");
    }

    #[test]
    fn all_faults_come_at_once() {
        assert_eq!(
            faults(r#"{"listeners":[{"type":"tcp","address":"nonsense","colour":1}],"limits":{"max_qos":7}}"#),
            [
                "/limits/max_qos: 7 is above the maximum, 2",
                "/listeners/0/address: \"nonsense\" is not an IP address and port, such as \"127.0.0.1:1883\" or \
                 \"[::1]:1883\"",
                "/listeners/0/colour: is not a known key",
            ]
        );
    }

    #[test]
    fn each_kind_of_fault() {
        for (json, expected) in [
            ("", "(document): is not JSON: EOF while parsing a value at line 1 column 0"),
            ("[]", "(document): is an array, expected an object"),
            (
                r#"{"retain":{},"retain":{}}"#,
                "(document): is not JSON: the key \"retain\" stands twice at line 1 column 21",
            ),
            (r#"{"a/b~c":1}"#, "/a~1b~0c: is not a known key"),
            (r#"{"node_id":0}"#, "/node_id: 0 is below the minimum, 1"),
            (r#"{"node_id":1.5}"#, "/node_id: is a number, expected an integer"),
            (r#"{"node_id":"1"}"#, "/node_id: is a string, expected an integer"),
            (r#"{"node_id":-1}"#, "/node_id: -1 is below the minimum, 1"),
            (r#"{"node_id":99999999999999999999}"#, "/node_id: is a number, expected an integer"),
            (r#"{"id":""}"#, "/id: is empty"),
            (r#"{"id":"a/b"}"#, "/id: \"a/b\" is not one topic level"),
            (r#"{"id":"a\u0000"}"#, "/id: \"a\\0\" contains a control character"),
            (r#"{"id":7}"#, "/id: is an integer, expected a string or null"),
            (
                r#"{"runtime":{"thread_name":"longer-than-fifteen"}}"#,
                "/runtime/thread_name: is 19 bytes long, at most 15 are allowed",
            ),
            (r#"{"listeners":[{}]}"#, "/listeners/0/address: is missing"),
            (
                r#"{"listeners":[{"type":"tpc","address":"127.0.0.1:0"}]}"#,
                "/listeners/0/type: \"tpc\" is not one of \"tcp\", \"tls\", \"ws\", \"wss\", \"quic\", \"unix\"",
            ),
            (r#"{"acl":{"rules":[{"topics":["a"]}]}}"#, "/acl/rules/0/effect: is missing"),
            (
                r#"{"acl":{"rules":[{"effect":"deny","topics":[]}]}}"#,
                "/acl/rules/0/topics: is empty",
            ),
            (
                r##"{"acl":{"rules":[{"effect":"deny","topics":["a","a/#/b"]}]}}"##,
                "/acl/rules/0/topics/1: \"a/#/b\" has a wildcard that does not fill its level, or a # that is not the last \
                 level",
            ),
            (
                r#"{"acl":{"rules":[{"effect":"deny","topics":["a/%x"]}]}}"#,
                "/acl/rules/0/topics/0: \"a/%x\" has a % without u, c, i or % behind it",
            ),
            (
                r#"{"acl":{"rules":[{"effect":"deny","topics":["$share/g/a"]}]}}"#,
                "/acl/rules/0/topics/0: \"$share/g/a\" is shared; rules are about the filter behind the group",
            ),
            (r#"{"acl":{"rules":[{"effect":"deny","topics":["a"],"qos":[3]}]}}"#, "/acl/rules/0/qos/0: 3 is above the maximum, 2"),
            (
                r#"{"session":{"max_expiry_s":4294967296}}"#,
                "/session/max_expiry_s: 4294967296 is above the maximum, 4294967295",
            ),
            (r#"{"persistence":{"engine":"redb"}}"#, "/persistence: is not supported yet"),
            (
                r#"{"limits":{"memory_budget_bytes":1}}"#,
                "/limits/memory_budget_bytes: 1 is below the minimum, 8388608; 0 means no limit",
            ),
            (r#"{"sys_topics":{"enabled":true}}"#, "/sys_topics/enabled: is not supported yet"),
            (r#"{"sys_topics":{"heartbeat":{"every":1}}}"#, "/sys_topics/heartbeat/every: is not a known key"),
            (
                r#"{"sys_topics":{"heartbeat":{"interval_ms":99}}}"#,
                "/sys_topics/heartbeat/interval_ms: 99 is below the minimum, 100",
            ),
            (
                r#"{"sys_topics":{"heartbeat":{"interval_ms":86400001}}}"#,
                "/sys_topics/heartbeat/interval_ms: 86400001 is above the maximum, 86400000",
            ),
            (
                r#"{"limits":{"max_topic_levels":2},"sys_topics":{"heartbeat":{"enabled":true}}}"#,
                "/sys_topics/heartbeat/enabled: takes a topic of 3 levels, above /limits/max_topic_levels, 2",
            ),
            (
                r#"{"listeners":[{"name":"a","address":"127.0.0.1:0"},{"name":"a","address":"127.0.0.1:0"}]}"#,
                "/listeners/1/name: \"a\" is the name of /listeners/0 too",
            ),
        ] {
            assert_eq!(faults(json), [expected], "{json}");
        }
    }
}
