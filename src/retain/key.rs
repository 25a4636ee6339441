//! The form of topic names in the store: U+0000, which no name contains `[MQTT-4.7.3-2]`, in place of `/`.
//!
//! It sorts below every other character. So keys are in the order of their levels, and the names below a name stand
//! right behind it, with nothing in between: `a`, `a/b`, `a-b`.

/// Stands between levels.
pub(super) const SEPARATOR: char = '\0';

/// The least that may follow a level other than [`SEPARATOR`]: what stands between a name's subtree and what is behind.
pub(super) const BEHIND: char = '\u{1}';

pub(super) fn from_name(name: &str) -> String {
    name.replace('/', "\0")
}

pub(super) fn to_name(key: &str) -> String {
    key.replace(SEPARATOR, "/")
}
