use std::cmp::Ordering;

use super::key::{BEHIND, SEPARATOR};

/// How to find what matches a filter among keys in order: for each key, whether it matches, and where the next one that
/// may do so can stand.
pub(super) struct Plan<'f> {
    /// Without the `#` at the end.
    levels: Vec<&'f str>,
    /// Whether the filter ends with `#`.
    open: bool,
}

pub(super) struct Verdict {
    pub(super) matches: bool,
    pub(super) next: Next,
}

/// Where to look after a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// At the key behind it.
    Adjacent,
    /// At the first key that is not less than this one, which is behind it.
    From(String),
    /// Nowhere: what is behind does not match.
    Nowhere,
}

impl<'f> Plan<'f> {
    pub(super) fn new(filter: &'f str) -> Self {
        let mut levels: Vec<&str> = filter.split('/').collect();
        let open = levels.last() == Some(&"#");
        if open {
            levels.pop();
        }
        Plan { levels, open }
    }

    /// No key that matches is less than this one.
    pub(super) fn first(&self) -> String {
        self.least("", 0)
    }

    pub(super) fn judge(&self, key: &str) -> Verdict {
        // Topics that begin with $ are not for filters that begin with a wildcard [MQTT-4.7.2-1]; `%` follows `$`.
        if key.starts_with('$') && self.levels.first().is_none_or(|level| *level == "+") {
            return Verdict { matches: false, next: Next::From("%".to_owned()) };
        }
        // Where the last level ends that a `+` stands for: what is behind its subtree may match, with another value.
        let mut variable = None;
        let mut start = 0;
        for (at, wanted) in self.levels.iter().enumerate() {
            let Some(rest) = key.get(start..) else {
                let next = self.least(&format!("{key}{SEPARATOR}"), at);
                return Verdict { matches: false, next: Next::From(next) };
            };
            let level = rest.split(SEPARATOR).next().unwrap_or_default();
            let end = start + level.len();
            if *wanted == "+" {
                variable = Some(end);
            } else {
                match level.cmp(wanted) {
                    Ordering::Equal => {}
                    Ordering::Less => {
                        let next = self.least(&key[..start], at);
                        return Verdict { matches: false, next: Next::From(next) };
                    }
                    Ordering::Greater => return Verdict { matches: false, next: behind(key, variable) },
                }
            }
            start = end + SEPARATOR.len_utf8();
        }
        if self.open {
            return Verdict { matches: true, next: Next::Adjacent };
        }
        // The key matches if it has no more levels; in its subtree nothing does.
        Verdict { matches: start > key.len(), next: behind(key, variable) }
    }

    /// The least key that begins with `prefix`, complete levels, and has the levels from `at` on.
    fn least(&self, prefix: &str, at: usize) -> String {
        let mut key = prefix.to_owned();
        for (nth, level) in self.levels[at..].iter().enumerate() {
            if nth > 0 {
                key.push(SEPARATOR);
            }
            if *level != "+" {
                key.push_str(level);
            }
        }
        key
    }
}

/// Behind the subtree of the level that ends at `variable`.
fn behind(key: &str, variable: Option<usize>) -> Next {
    match variable.and_then(|end| key.get(..end)) {
        Some(value) => Next::From(format!("{value}{BEHIND}")),
        None => Next::Nowhere,
    }
}

#[cfg(test)]
mod tests {
    use super::super::key;
    use super::*;

    #[test]
    fn leaps() {
        let from = |key: &str| Next::From(key::from_name(key));
        for (filter, name, matches, next) in [
            ("a/b", "a/b", true, Next::Nowhere),
            ("a/b", "a", false, from("a/b")),
            ("a/b", "a/a", false, from("a/b")),
            ("a/b", "a/c", false, Next::Nowhere),
            ("+/x", "a/c", false, from("a/x")),
            ("+/x", "a/x", true, from("a\u{1}")),
            ("+/x", "a/y", false, from("a\u{1}")),
            ("+/x", "a", false, from("a/x")),
            ("+/x", "$a/x", false, from("%")),
            ("a/+/+/x", "a/b/c/z", false, from("a/b/c\u{1}")),
            ("a/+/+/x", "a/b", false, from("a/b//x")),
            ("a/+/b/+", "a/x/c", false, from("a/x\u{1}")),
            ("a/#", "a", true, Next::Adjacent),
            ("a/#", "a/b/c", true, Next::Adjacent),
            ("a/#", "ab", false, Next::Nowhere),
            ("+/b/#", "a/c", false, from("a\u{1}")),
            ("#", "$a", false, from("%")),
            ("$a/#", "$a", true, Next::Adjacent),
        ] {
            let verdict = Plan::new(filter).judge(&key::from_name(name));
            assert_eq!((verdict.matches, verdict.next), (matches, next), "{filter} {name}");
        }
    }

    #[test]
    fn begins_at_the_least_key() {
        for (filter, first) in [("#", ""), ("+/x", "/x"), ("a/#", "a"), ("a/+/c/#", "a//c"), ("a/b", "a/b")] {
            assert_eq!(Plan::new(filter).first(), key::from_name(first), "{filter}");
        }
    }
}
