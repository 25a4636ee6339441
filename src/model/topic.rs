//! Topic names and topic filters: what is well formed, and what matches what.
//!
//! Nothing here recurses: the depth of a topic is the client's choice, the depth of the stack is not.

use std::fmt;

/// The longest topic name or filter: a UTF-8 encoded string has a two byte length `[MQTT-4.7.3-3]`.
pub const MAX_TOPIC_BYTES: usize = 65_535;

const SHARE_PREFIX: &str = "$share/";

/// Why a topic name or a topic filter is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TopicError {
    Empty,
    TooLong,
    Nul,
    WildcardInName,
    MisplacedWildcard,
    TooManyLevels { max: usize },
    ShareName,
}

impl fmt::Display for TopicError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TopicError::Empty => f.write_str("is empty"),
            TopicError::TooLong => write!(f, "is longer than {MAX_TOPIC_BYTES} bytes"),
            TopicError::Nul => f.write_str("contains U+0000"),
            TopicError::WildcardInName => f.write_str("contains a wildcard, which only a topic filter may"),
            TopicError::MisplacedWildcard => {
                f.write_str("has a wildcard that does not fill its level, or a # that is not the last level")
            }
            TopicError::TooManyLevels { max } => write!(f, "has more than {max} levels"),
            TopicError::ShareName => f.write_str("is not $share/{name}/{filter} with a name free of / + #"),
        }
    }
}

/// Checks the name that a message is published to.
pub fn check_name(name: &str, max_levels: usize) -> Result<(), TopicError> {
    check_text(name)?;
    if name.bytes().any(|byte| byte == b'+' || byte == b'#') {
        return Err(TopicError::WildcardInName); // [MQTT-3.3.2-2]
    }
    check_levels(name, max_levels)
}

/// Checks a filter as SUBSCRIBE carries it, `$share/{name}/` included.
pub fn check_filter(filter: &str, max_levels: usize) -> Result<(), TopicError> {
    check_text(filter)?;
    let filter = match filter.strip_prefix(SHARE_PREFIX) {
        Some(rest) => {
            let (name, filter) = rest.split_once('/').ok_or(TopicError::ShareName)?;
            // [MQTT-4.8.2-1], [MQTT-4.8.2-2]
            if name.is_empty() || name.contains(['+', '#']) || filter.is_empty() {
                return Err(TopicError::ShareName);
            }
            filter
        }
        None if filter == "$share" => return Err(TopicError::ShareName),
        None => filter,
    };
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let wildcard = level.contains(['+', '#']);
        // [MQTT-4.7.1-1], [MQTT-4.7.1-2]
        if wildcard && (level.len() > 1 || (level == "#" && levels.peek().is_some())) {
            return Err(TopicError::MisplacedWildcard);
        }
    }
    check_levels(filter, max_levels)
}

/// Says whether a filter, as SUBSCRIBE carries it, is that of a shared subscription `[MQTT-4.8.2]`.
pub fn is_shared(filter: &str) -> bool {
    filter.starts_with(SHARE_PREFIX)
}

/// The group name, if the subscription is shared, and the filter proper `[MQTT-5 4.8.2]`.
pub fn split_share(filter: &str) -> (Option<&str>, &str) {
    match filter.strip_prefix(SHARE_PREFIX).and_then(|rest| rest.split_once('/')) {
        Some((name, filter)) => (Some(name), filter),
        None => (None, filter),
    }
}

/// Says whether a filter (without `$share`) matches a topic name.
pub fn matches(filter: &str, name: &str) -> bool {
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false; // [MQTT-4.7.2-1]
    }
    let mut levels = name.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// The part of a filter in front of its first wildcard: every name that it matches begins with it.
pub fn literal_prefix(filter: &str) -> &str {
    match filter.find(['+', '#']) {
        // `a/#` also matches `a` itself, so the separator does not belong to the prefix.
        Some(at) if filter[at..].starts_with('#') => filter[..at].trim_end_matches('/'),
        Some(at) => &filter[..at],
        None => filter,
    }
}

fn check_text(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty); // [MQTT-4.7.3-1]
    }
    if text.len() > MAX_TOPIC_BYTES {
        return Err(TopicError::TooLong);
    }
    if text.contains('\0') {
        return Err(TopicError::Nul); // [MQTT-4.7.3-2]
    }
    Ok(())
}

fn check_levels(topic: &str, max: usize) -> Result<(), TopicError> {
    if topic.bytes().filter(|byte| *byte == b'/').count() >= max {
        return Err(TopicError::TooManyLevels { max });
    }
    Ok(())
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for good in ["a", "/", "a//b", "$SYS/x", "é/ü", &"x".repeat(MAX_TOPIC_BYTES)] {
            assert_eq!(check_name(good, 64), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", TopicError::Empty),
            ("a/+", TopicError::WildcardInName),
            ("a#", TopicError::WildcardInName),
            ("a\0b", TopicError::Nul),
            ("1/2/3/4/5", TopicError::TooManyLevels { max: 4 }),
            (&"x".repeat(MAX_TOPIC_BYTES + 1), TopicError::TooLong),
        ] {
            assert_eq!(check_name(bad, 4), Err(why), "{bad}");
        }
    }

    #[test]
    fn filters() {
        for good in ["#", "+", "a/+/b", "a/#", "/#", "+/+", "$share/g/a/#", "$shared/x", "a/b/c/d"] {
            assert_eq!(check_filter(good, 4), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("", TopicError::Empty),
            ("a#", TopicError::MisplacedWildcard),
            ("a/#/b", TopicError::MisplacedWildcard),
            ("a+/b", TopicError::MisplacedWildcard),
            ("##", TopicError::MisplacedWildcard),
            ("$share", TopicError::ShareName),
            ("$share/g", TopicError::ShareName),
            ("$share//a", TopicError::ShareName),
            ("$share/g/", TopicError::ShareName),
            ("$share/+/a", TopicError::ShareName),
            ("a/b/c/d/e", TopicError::TooManyLevels { max: 4 }),
        ] {
            assert_eq!(check_filter(bad, 4), Err(why), "{bad}");
        }
    }

    #[test]
    fn matching() {
        for (filter, name) in [
            ("#", "a/b"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("+", "a"),
            ("+/+", "/a"),
            ("/+", "/a"),
            ("a/+/c", "a//c"),
            ("$SYS/#", "$SYS/x"),
            ("a", "a"),
        ] {
            assert!(matches(filter, name), "{filter} {name}");
            assert!(name.starts_with(literal_prefix(filter)), "{filter} {name}");
        }
        for (filter, name) in
            [("+", "/a"), ("a", "a/b"), ("a/b", "a"), ("a/+", "a"), ("#", "$SYS/x"), ("+/x", "$SYS/x"), ("A", "a")]
        {
            assert!(!matches(filter, name), "{filter} {name}");
        }
    }
}
