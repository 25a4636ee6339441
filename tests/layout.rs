//! The layout of every struct and the number of every constant, as a C compiler sees the header, is what
//! `abi/rmqtt.layout` says. Within one ABI version, structs only grow at the end and numbers are only added.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use support::compare_or_bless;

/// Structs by name with their fields, and enumerators.
fn types_of(header: &str) -> (Vec<(String, Vec<String>)>, Vec<String>) {
    let (mut structs, mut constants) = (Vec::new(), Vec::new());
    let mut fields: Option<Vec<String>> = None;
    for line in header.lines() {
        let code = line.trim();
        if code.starts_with("typedef struct") && code.ends_with('{') {
            fields = Some(Vec::new());
        } else if let Some(name) = code.strip_prefix("} ").and_then(|rest| rest.strip_suffix(';')) {
            structs.push((name.to_owned(), fields.take().unwrap_or_default()));
        } else if let (Some(fields), true) = (fields.as_mut(), code.ends_with(';') && !code.starts_with('*')) {
            let name = code.trim_end_matches(';').rsplit([' ', '*']).next().unwrap_or_default();
            fields.push(name.split('[').next().unwrap_or_default().to_owned());
        } else if code.starts_with("RMQTT_") && code.ends_with(',') && code.contains(" = ") {
            constants.push(code.split(' ').next().unwrap_or_default().to_owned());
        }
    }
    (structs, constants)
}

/// Asks the C compiler.
fn layout() -> String {
    let (structs, constants) = types_of(&support::read("include/rmqtt.h"));
    assert!(structs.len() > 10 && constants.len() > 20, "the header was not understood");
    let mut program = String::from("#include <stdio.h>\n#include \"rmqtt.h\"\nint main(void) {\n");
    for (name, fields) in &structs {
        program += &format!("printf(\"struct {name} size %zu\\n\", sizeof({name}));\n");
        for field in fields {
            program += &format!(
                "printf(\"struct {name} {field} offset %zu size %zu\\n\", offsetof({name}, {field}), \
                 sizeof((({name} *)0)->{field}));\n"
            );
        }
    }
    for name in constants {
        program += &format!("printf(\"constant {name} %d\\n\", (int){name});\n");
    }
    program += "return 0;\n}\n";

    let directory = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let (source, binary) = (directory.join("layout.c"), directory.join("layout"));
    fs::write(&source, program).unwrap();
    let include = support::root().join("include");
    let compiled =
        Command::new("cc").arg("-I").arg(include).arg(&source).arg("-o").arg(&binary).status().expect("a C compiler");
    assert!(compiled.success());
    String::from_utf8(Command::new(&binary).output().unwrap().stdout).unwrap()
}

#[test]
fn the_layout_is_recorded() {
    let layout = layout();
    refuse_what_is_no_append(
        &fs::read_to_string(support::root().join("abi/rmqtt.layout")).unwrap_or_default(),
        &layout,
    );
    compare_or_bless("abi/rmqtt.layout", &layout);
}

/// Not even blessing takes a change that breaks programs, unless `RMQTT_ABI_VERSION` has changed with it.
fn refuse_what_is_no_append(recorded: &str, current: &str) {
    let version = format!("abi {}", rmqttc::ffi::RMQTT_ABI_VERSION);
    let recorded_version = support::read("abi/version");
    if recorded_version.trim() != version {
        return compare_or_bless("abi/version", &format!("{version}\n"));
    }
    let breaks = breaking_changes(recorded, current);
    assert!(breaks.is_empty(), "these break programs and ask for a new RMQTT_ABI_VERSION:\n{}", breaks.join("\n"));
}

fn breaking_changes(recorded: &str, current: &str) -> Vec<String> {
    let parse = |text: &str| -> BTreeMap<String, String> {
        let split = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            let key = if words[0] == "constant" || words[2] == "size" { 2 } else { 3 };
            (words[..key].join(" "), words[key..].join(" "))
        };
        text.lines().map(split).collect()
    };
    let current = parse(current);
    let mut breaks = Vec::new();
    for (key, before) in parse(recorded) {
        // What is kept free may be put to use: zero means there what it has meant before.
        if key.split(' ').nth(2).is_some_and(|field| field.starts_with("reserved")) {
            continue;
        }
        // The size of a struct that grows at its end may change; everything else may not.
        let may_grow = before.starts_with("size ") && current.contains_key(&format!("{key} struct_size"));
        match current.get(&key) {
            Some(now) if *now == before => {}
            Some(_) if may_grow => {}
            Some(now) => breaks.push(format!("{key}: was {before}, is {now}")),
            None => breaks.push(format!("{key}: is gone")),
        }
    }
    breaks
}

#[test]
fn appends_are_allowed_and_nothing_else() {
    let before = "struct s size 16\nstruct s struct_size offset 0 size 8\nstruct s a offset 8 size 8\nconstant A 1\n";
    let append = "struct s size 24\nstruct s struct_size offset 0 size 8\nstruct s a offset 8 size 8\n\
                  struct s b offset 16 size 8\nconstant A 1\nconstant B 2\n";
    assert_eq!(breaking_changes(before, append), [""; 0]);
    for (broken, why) in [
        ("struct s size 16\nstruct s struct_size offset 0 size 8\nconstant A 1\n", "struct s a: is gone"),
        (&before.replace("constant A 1", "constant A 2"), "constant A: was 1, is 2"),
        (&before.replace("offset 8 size 8", "offset 8 size 4"), "struct s a: was offset 8 size 8, is offset 8 size 4"),
    ] {
        assert_eq!(breaking_changes(before, broken), [why]);
    }
    let frozen = "struct v size 16\nstruct v ptr offset 0 size 8\n";
    assert_eq!(breaking_changes(frozen, &frozen.replace("size 16", "size 24")), ["struct v: was size 16, is size 24"]);
}
