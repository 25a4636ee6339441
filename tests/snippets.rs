//! What documents show of files is what the files say.

mod support;

use std::collections::BTreeSet;
use std::fs;

use rmqttc::config::Config;

const MARK: &str = "<!-- file: ";

/// A document with each block behind a mark as its file is now, and the files that it shows.
fn rendered(document: &str) -> (String, BTreeSet<String>) {
    let mut files = BTreeSet::new();
    let mut parts = document.split(MARK);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (file, rest) = part.split_once(" -->\n\n```").expect("a mark stands before a block");
        let (language, rest) = rest.split_once('\n').expect("a block has lines");
        // A block that is empty ends at once.
        let rest = rest.strip_prefix("```\n").or_else(|| Some(rest.split_once("\n```\n")?.1)).expect("a block ends");
        text += &format!("{MARK}{file} -->\n\n```{language}\n{}```\n{rest}", support::read(file));
        files.insert(file.to_owned());
    }
    (text, files)
}

#[test]
fn configurations_of_documents_are_valid() {
    let document = support::read("docs/transports.md");
    let blocks = document.split("```json\n").skip(1).filter_map(|rest| Some(rest.split_once("```\n")?.0));
    let faults: Vec<_> = blocks.filter_map(|block| Config::parse(block).err()).collect();
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn the_hardened_configuration_is_shown() {
    let (text, shown) = rendered(&support::read("docs/security.md"));
    support::compare_or_bless("docs/security.md", &text);
    assert_eq!(shown, BTreeSet::from(["examples/hardened.json".to_owned()]));
}

#[test]
fn documents_show_the_files_of_the_proxies() {
    let (text, shown) = rendered(&support::read("docs/transports.md"));
    support::compare_or_bless("docs/transports.md", &text);
    let directory = "examples/proxies";
    let files = fs::read_dir(support::root().join(directory)).unwrap();
    let files = files.map(|file| format!("{directory}/{}", file.unwrap().file_name().into_string().unwrap()));
    assert_eq!(shown, files.collect());
}
