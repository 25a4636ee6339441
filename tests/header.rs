//! `include/rmqtt.h` is what cbindgen makes of the source, and every public item of it is documented.

mod support;

use std::collections::HashMap;

/// The order of the reference. What follows a type in it may use the type.
const ORDER: [&str; 24] = [
    "library",
    "status",
    "view",
    "string",
    "error",
    "log",
    "client",
    "connection",
    "properties",
    "message",
    "listener",
    "decision",
    "hook_questions",
    "hook_events",
    "hooks",
    "stats",
    "broker",
    "reload",
    "publish",
    "retained",
    "peer",
    "clients",
    "bans",
    "subscription",
];

/// Files of `src/ffi` that the header shows one type or nothing of.
const PLUMBING: [&str; 5] = ["mod", "guard", "signals", "user_data", "versioned"];

fn render() -> String {
    let mut config = cbindgen::Config::from_file(support::root().join("cbindgen.toml")).unwrap();
    let mut versions = String::from("/* The version of this header; the library's own: rmqtt_version(). */\n");
    for part in ["MAJOR", "MINOR", "PATCH"] {
        let number = match part {
            "MAJOR" => env!("CARGO_PKG_VERSION_MAJOR"),
            "MINOR" => env!("CARGO_PKG_VERSION_MINOR"),
            _ => env!("CARGO_PKG_VERSION_PATCH"),
        };
        versions += &format!("#define RMQTT_VERSION_{part} {number}\n");
    }
    config.after_includes = Some(versions);
    let mut header = Vec::new();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in ["user_data"].iter().chain(&ORDER) {
        builder = builder.with_src(support::root().join(format!("src/ffi/{file}.rs")));
    }
    builder.generate().unwrap().write(&mut header);
    let header = String::from_utf8(header).unwrap();
    // Contracts for Rust callers; C programmers have the prose.
    support::strip_safety_sections(&header)
}

#[test]
fn the_header_is_current() {
    support::compare_or_bless("include/rmqtt.h", &render());
}

#[test]
fn no_file_is_left_out() {
    let mut files: Vec<String> = std::fs::read_dir(support::root().join("src/ffi"))
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    files.sort();
    let mut known: Vec<&str> = ORDER.into_iter().chain(PLUMBING).collect();
    known.sort();
    assert_eq!(files, known);
}

#[test]
fn every_public_item_is_documented() {
    let header = render();
    let lines: Vec<&str> = header.lines().take_while(|line| *line != "#define RMQTT_H_INLINE").collect();
    let mut undocumented = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let code = line.trim();
        let above = number.checked_sub(1).map(|above| lines[above].trim()).unwrap_or_default();
        let starts_item = (code.starts_with("typedef ") && !names_an_enum(code))
            || code.starts_with("enum rmqtt")
            || code.starts_with("#define RMQTT_ABI")
            || (!line.starts_with([' ', '#', '/']) && code.contains("rmqtt_") && code.contains('('))
            || (line.starts_with("    ") && (code.ends_with(';') || code.contains(" = ")) && in_type(&lines, number));
        if starts_item && !above.ends_with("*/") {
            undocumented.push(format!("{}: {line}", number + 1));
        }
    }
    assert!(undocumented.is_empty(), "undocumented:\n{}", undocumented.join("\n"));
}

/// cbindgen makes a plain name for each enum, which has its comment already.
fn names_an_enum(code: &str) -> bool {
    code.starts_with("typedef enum ") || (code.starts_with("typedef int32_t ") && !code.ends_with("_t;"))
}

/// Whether the line is inside of a struct or an enum, and not inside of the inline helpers.
fn in_type(lines: &[&str], number: usize) -> bool {
    let opener = lines[..number].iter().rev().find(|line| !line.starts_with(' ') && !line.is_empty());
    opener.is_some_and(|line| line.starts_with("typedef struct") || line.starts_with("enum rmqtt"))
}

#[test]
fn every_exported_function_is_declared_once() {
    let mut declared: HashMap<String, usize> = HashMap::new();
    for name in support::declared_functions(&render()) {
        *declared.entry(name).or_default() += 1;
    }
    let mut names: Vec<_> = declared.keys().cloned().collect();
    names.sort();
    let recorded = support::read("abi/rmqtt.symbols");
    assert_eq!(names, recorded.lines().collect::<Vec<_>>());
    assert!(declared.values().all(|count| *count == 1), "{declared:?}");
}
