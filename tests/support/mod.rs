//! What the contract tests share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Compares a committed file with what it should be; writes it instead when `RMQTT_BLESS` is 1.
pub fn compare_or_bless(path: &str, expected: &str) {
    if std::env::var("RMQTT_BLESS").as_deref() == Ok("1") {
        fs::write(root().join(path), expected).unwrap();
        return;
    }
    let actual = fs::read_to_string(root().join(path)).unwrap_or_default();
    if let Some((number, (actual, expected))) =
        actual.lines().zip(expected.lines()).enumerate().find(|(_, (actual, expected))| actual != expected)
    {
        panic!(
            "{path}:{} differs; RMQTT_BLESS=1 writes it anew\n  committed: {actual}\n   rendered: {expected}",
            number + 1
        );
    }
    assert_eq!(actual.len(), expected.len(), "{path} is not current; RMQTT_BLESS=1 writes it anew");
}

/// Takes the `# Safety` part out of each comment of a rendered header.
pub fn strip_safety_sections(header: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut skipping = false;
    for line in header.lines() {
        let text = line.trim_start();
        if text.starts_with("* # Safety") {
            skipping = true;
            while kept.last().is_some_and(|line| line.trim() == "*") {
                kept.pop();
            }
        }
        if text.starts_with("*/") {
            skipping = false;
        }
        if !skipping {
            kept.push(line);
        }
    }
    kept.join("\n") + "\n"
}

/// The names of the functions that a header declares, in its order.
pub fn declared_functions(header: &str) -> Vec<String> {
    let mut names = Vec::new();
    for line in header.lines() {
        if line.starts_with([' ', '/', '*', '#', '}']) || line.starts_with("typedef") || line.starts_with("static") {
            continue;
        }
        let Some((before, _)) = line.split_once('(') else { continue };
        let name = before.rsplit([' ', '*']).next().unwrap_or_default();
        if name.starts_with("rmqtt_") {
            names.push(name.to_owned());
        }
    }
    names
}

/// A library that was built together with this test.
pub fn artifact(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.with_file_name(name);
    assert!(path.exists(), "{} has not been built", path.display());
    path
}
