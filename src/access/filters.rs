//! Topic filters as sets of topic names.

/// The levels of a filter. No name is empty: `+/#` is what `#` is, and `/#` what `/+/#` is.
fn levels(filter: &str) -> impl Iterator<Item = &str> {
    match filter {
        "+/#" => "#",
        "/#" => "/+/#",
        other => other,
    }
    .split('/')
}

/// Whether one of the two begins with a wildcard and the other one with a dollar sign: no name is in both
/// `[MQTT-4.7.2-1]`.
fn are_apart(a: &str, b: &str) -> bool {
    let wild = |filter: &str| filter.starts_with(['+', '#']);
    (wild(a) && b.starts_with('$')) || (wild(b) && a.starts_with('$'))
}

/// Whether every name that `inner` matches is matched by `outer`, too.
pub(super) fn covers(outer: &str, inner: &str) -> bool {
    if are_apart(outer, inner) {
        return false;
    }
    let mut inner = levels(inner);
    for wanted in levels(outer) {
        if wanted == "#" {
            return true;
        }
        match inner.next() {
            Some("#") | None => return false,
            Some(level) if wanted == "+" || wanted == level => {}
            Some(_) => return false,
        }
    }
    inner.next().is_none()
}

/// The filter for the names that both match; `None` if there are none.
pub(super) fn intersection(a: &str, b: &str) -> Option<String> {
    if are_apart(a, b) {
        return None;
    }
    let (mut a, mut b) = (levels(a), levels(b));
    let mut both: Vec<&str> = Vec::new();
    loop {
        match (a.next(), b.next()) {
            (None, None) | (None, Some("#")) | (Some("#"), None) => break,
            (Some("#"), Some(level)) => {
                both.push(level);
                both.extend(b);
                break;
            }
            (Some(level), Some("#")) => {
                both.push(level);
                both.extend(a);
                break;
            }
            (Some("+"), Some(level)) | (Some(level), Some("+")) => both.push(level),
            (Some(one), Some(other)) if one == other => both.push(one),
            _ => return None,
        }
    }
    Some(both.join("/"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::topic::matches;

    #[test]
    fn covering() {
        for (outer, inner) in [
            ("#", "#"),
            ("#", "a/+"),
            ("+/#", "#"),
            ("#", "+/#"),
            ("a/#", "a"),
            ("a/#", "a/#"),
            ("a/+", "a/+"),
            ("a/+/c", "a/b/c"),
            ("+/+/#", "/#"),
            ("$SYS/#", "$SYS/+/x"),
        ] {
            assert!(covers(outer, inner), "{outer} {inner}");
        }
        for (outer, inner) in [("a/+", "a/#"), ("a", "a/#"), ("a/+", "a"), ("#", "$SYS/x"), ("+", "#"), ("a/b", "a/+")]
        {
            assert!(!covers(outer, inner), "{outer} {inner}");
        }
    }

    #[test]
    fn common_names() {
        for (a, b, both) in [
            ("#", "a/+", Some("a/+")),
            ("a/#", "a", Some("a")),
            ("a/#", "+/b/#", Some("a/b/#")),
            ("a/+", "+/b", Some("a/b")),
            ("+", "a/#", Some("a")),
            ("a", "b", None),
            ("#", "$SYS/#", None),
            ("a/+", "a", None),
        ] {
            assert_eq!(intersection(a, b).as_deref(), both, "{a} {b}");
            assert_eq!(intersection(b, a).as_deref(), both, "{b} {a}");
        }
    }

    /// Every name of up to three levels of these: all that such filters can tell apart.
    fn names() -> Vec<String> {
        let levels = ["a", "b", "", "$x"];
        let one: Vec<String> = levels.iter().map(|level| level.to_string()).collect();
        let longer = |shorter: &[String]| -> Vec<String> {
            shorter.iter().flat_map(|name| levels.iter().map(move |level| format!("{name}/{level}"))).collect()
        };
        let two = longer(&one);
        let three = longer(&two);
        let four = longer(&three);
        [one, two, three, four].concat().into_iter().filter(|name| !name.is_empty()).collect()
    }

    fn filters() -> impl Strategy<Value = String> {
        let level = prop::sample::select(vec!["a", "b", "+", "", "$x"]);
        (prop::collection::vec(level, 0..3), prop::sample::select(vec!["a", "+", "#", "b"]))
            .prop_map(|(levels, last)| levels.into_iter().chain([last]).collect::<Vec<_>>().join("/"))
    }

    proptest! {
        #[test]
        fn sets_of_names_agree(a in filters(), b in filters()) {
            let names = names();
            let all = |filter: &str| names.iter().filter(|name| matches(filter, name)).collect::<Vec<_>>();
            let is_subset = all(&b).iter().all(|name| matches(&a, name));
            prop_assert_eq!(covers(&a, &b), is_subset, "{} {}", a, b);
            let common: Vec<_> = all(&b).into_iter().filter(|name| matches(&a, name)).collect();
            let found = intersection(&a, &b).map(|both| all(&both)).unwrap_or_default();
            prop_assert_eq!(found, common, "{} {}", a, b);
        }
    }
}
