//! The shape of the source: imports point down, `unsafe` stays in `src/ffi`, RMQTT's codec in `src/codec`.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

/// Layers from the top. A module may use what stands below its own layer, nothing beside or above it.
const LAYERS: [&[&str]; 6] = [
    &["ffi"],
    &["broker"],
    &["observe", "runtime", "session", "transport"],
    &["access", "codec", "hooks", "limits", "retain", "router"],
    &["config"],
    &["model"],
];

fn sources(below: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(below).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The module that a file belongs to: the first part of its path below `src`.
fn module(file: &Path) -> String {
    let relative = file.strip_prefix(support::root().join("src")).unwrap();
    relative.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned()
}

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|modules| modules.contains(&module))
        .unwrap_or_else(|| panic!("`{module}` has no layer: give it one here and in src/lib.rs"))
}

/// The code of a file, without comments.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

fn all() -> Vec<(PathBuf, String, String)> {
    sources(&support::root().join("src"))
        .into_iter()
        .filter(|file| !file.ends_with("src/lib.rs"))
        .map(|file| (file.clone(), module(&file), code(&file)))
        .collect()
}

#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for (file, module, code) in all() {
        for used in code.split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(!used.is_empty(), "{}: name each module after `crate::`", file.display());
            if used != module && layer(&used) <= layer(&module) {
                wrong.push(format!("{}: uses crate::{used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn unsafe_stays_in_ffi() {
    for (file, module, code) in all() {
        let uses = code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
        assert!(!uses || module == "ffi", "{}", file.display());
    }
}

/// No byte of a client passes through RMQTT's server: what is used of it is its codec.
#[test]
fn rmqtt_is_a_codec() {
    for (file, module, code) in all() {
        for used in code.split("rmqtt::").skip(1) {
            assert!(module == "codec" && used.starts_with("codec::"), "{}", file.display());
        }
    }
}

/// Whether a file holds nothing but tests.
fn is_test(file: &Path) -> bool {
    file.iter().any(|part| part == "tests" || part == "tests.rs")
}

/// Whatever is sent to a queue faster than it is taken must meet a limit.
#[test]
fn channels_are_bounded() {
    for (file, _, code) in all().into_iter().filter(|(file, ..)| !is_test(file)) {
        for unbounded in ["unbounded(", "unbounded_channel(", "mpsc::channel()", "mpsc::channel::<"] {
            let tests = code.find("#[cfg(test)]").unwrap_or(code.len());
            assert!(!code[..tests].contains(unbounded), "{}: {unbounded}", file.display());
        }
    }
}
