//! `docs/config.schema.json` and `docs/configuration.md` say what the types of the configuration say.

mod support;

use rmqttc::config::{schema, Config};
use serde_json::Value;

#[test]
fn the_schema_is_current() {
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    support::compare_or_bless("docs/config.schema.json", &text);
}

#[test]
fn the_documentation_has_every_key() {
    let document = support::read("docs/configuration.md");
    let (before, _) = document.split_once("<!-- keys -->").expect("the table is marked");
    let mut table = String::from("| key | type | default | meaning |\n|---|---|---|---|\n");
    rows("", &schema(), &serde_json::to_value(Config::default()).unwrap(), &mut table);
    support::compare_or_bless("docs/configuration.md", &format!("{before}<!-- keys -->\n\n{table}"));
}

fn rows(path: &str, schema: &Value, default: &Value, table: &mut String) {
    for (key, property) in schema["properties"].as_object().unwrap() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let default = match &default[key] {
            Value::Null => &property["default"],
            value => value,
        };
        let shown = match default {
            Value::Null if is_required(schema, key) => "required".to_owned(),
            Value::Null => "–".to_owned(),
            Value::Object(_) => "".to_owned(),
            value => format!("`{value}`"),
        };
        let description = property["description"].as_str().unwrap_or_default().replace('\n', " ");
        *table += &format!("| `{path}` | {} | {shown} | {description} |\n", kind(property));
        if property["properties"].is_object() {
            rows(&path, property, default, table);
        } else if property["items"]["properties"].is_object() {
            rows(&format!("{path}[]"), &property["items"], &Value::Null, table);
        }
    }
}

fn is_required(schema: &Value, key: &str) -> bool {
    schema["required"].as_array().is_some_and(|required| required.iter().any(|name| name == key))
}

fn kind(property: &Value) -> String {
    if let Some(Value::Array(any_of)) = property.get("anyOf") {
        // One of them is null.
        return any_of.iter().find(|one| one["type"] != "null").map(kind).unwrap_or_default();
    }
    let name = match &property["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or_default(),
        name => name.as_str().unwrap_or_default(),
    };
    if let Some(choices) = property["oneOf"].as_array() {
        return choices.iter().map(|choice| format!("`{}`", choice["const"])).collect::<Vec<_>>().join(", ");
    }
    match (&property["minimum"], &property["maximum"]) {
        (Value::Number(min), Value::Number(max)) => format!("{name}, {min} to {max}"),
        _ => name.to_owned(),
    }
}
