//! Every statement of MQTT 5 about a server is shown by a test, or there is a reason why it cannot be.

use std::collections::BTreeMap;
use std::fs;

use crate::support;

const STATEMENTS: &str = include_str!("mqtt5_statements.tsv");
const NOT_OBSERVABLE: &str = include_str!("not_observable.tsv");
const HEAD: &str = include_str!("head.md");

/// Ids with the tests that cite them.
type Citations = BTreeMap<String, Vec<String>>;

/// The ids in the comments right above the tests: of MQTT 5, and of MQTT 3.1.1.
fn citations() -> (Citations, Citations) {
    let mut files: Vec<_> = fs::read_dir(support::root().join("tests/conformance"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    files.sort();
    let (mut v5, mut v3) = (Citations::new(), Citations::new());
    for file in files {
        let module = file.file_stem().unwrap().to_str().unwrap();
        let (mut comment, mut is_test) = (String::new(), false);
        for line in fs::read_to_string(&file).unwrap().lines() {
            if let Some(text) = line.strip_prefix("/// ") {
                comment = comment + text + " ";
            } else if line == "#[test]" {
                is_test = true;
            } else if let (true, Some(rest)) = (is_test, line.strip_prefix("fn ")) {
                let test = format!("{module}::{}", rest.split('(').next().unwrap());
                for part in comment.split('[').skip(1) {
                    let id = part.split(']').next().unwrap();
                    let citations = if id.starts_with("MQTT-3.1.1: ") { &mut v3 } else { &mut v5 };
                    citations.entry(id.to_owned()).or_default().push(test.clone());
                }
                (comment, is_test) = (String::new(), false);
            } else {
                (comment, is_test) = (String::new(), false);
            }
        }
    }
    (v5, v3)
}

/// Each statement: its id, its level and whom it is about.
fn statements() -> Vec<[&'static str; 3]> {
    STATEMENTS.lines().skip(1).map(|line| columns(line).try_into().unwrap()).collect()
}

fn reasons() -> BTreeMap<&'static str, &'static str> {
    NOT_OBSERVABLE.lines().map(columns).map(|columns| (columns[0], columns[1])).collect()
}

fn columns(line: &str) -> Vec<&str> {
    line.split('\t').collect()
}

#[test]
fn every_statement_about_a_server_has_a_test_or_a_reason() {
    let (cited, reasons, statements) = (citations().0, reasons(), statements());
    let mut wrong = Vec::new();
    for [id, _, about] in &statements {
        let is_cited = cited.contains_key(*id);
        match (is_cited, reasons.contains_key(id)) {
            (true, true) => wrong.push(format!("{id} is shown by {:?}, and said not to be observable", cited[*id])),
            (false, false) if *about != "Client" => wrong.push(format!("{id} has neither a test nor a reason")),
            _ => {}
        }
    }
    let known = |id: &str| statements.iter().any(|[known, ..]| *known == id);
    let strangers = cited.keys().map(String::as_str).chain(reasons.keys().copied()).filter(|id| !known(id));
    wrong.extend(strangers.map(|id| format!("{id} is not known")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(statements.iter().filter(|[_, _, about]| *about != "Client").count(), 227);
}

#[test]
fn the_documentation_is_current() {
    let (v5, v3) = citations();
    let (reasons, statements) = (reasons(), statements());
    let about_a_server = |id: &str| statements.iter().any(|[other, _, about]| *other == id && *about != "Client");
    let shown = v5.keys().filter(|id| about_a_server(id)).count();
    let mut text = HEAD.trim_end().to_owned();
    let summary = match reasons.len() {
        0 => "All 227 statements about a server are shown by tests.".to_owned(),
        count => format!(
            "Of the 227 statements about a server, {shown} are shown by tests; for {count} a reason stands in the place \
             of a test."
        ),
    };
    text += &format!("\n\n## MQTT 5\n\n{summary}\n\n| statement | level | about | shown by |\n|---|---|---|---|\n");
    for [id, level, about] in &statements {
        let by = match (v5.get(*id), reasons.get(id)) {
            (Some(tests), _) => list(tests),
            (None, Some(reason)) => format!("not shown: {reason}"),
            (None, None) => "not shown: a rule for clients".to_owned(),
        };
        let level = if *level == "MustNot" { "must not" } else { &level.to_lowercase() };
        let about = about.to_lowercase();
        text += &format!("| {id} | {level} | {about} | {by} |\n");
    }
    text += "\n## MQTT 3.1.1\n\nWhat differs from MQTT 5, by the numbers of the older specification.\n\n\
             | statement | shown by |\n|---|---|\n";
    for (id, tests) in v3 {
        text += &format!("| {id} | {} |\n", list(&tests));
    }
    support::compare_or_bless("docs/conformance.md", &text);
}

fn list(tests: &[String]) -> String {
    tests.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join(", ")
}
