use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Instant;

use super::key;
use super::plan::{Next, Plan};
use super::Entry;

/// A part of what a look-up finds.
#[derive(Clone, Debug)]
pub struct Page<M> {
    /// Names and messages.
    pub messages: Vec<(String, M)>,
    /// Where the next page begins, if there is more to look through.
    pub next: Option<Cursor>,
}

/// How far a look-up has come. It serves the filter that it came with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor(Arc<str>);

/// Reads a page of at most `max` messages. Also says how many entries were visited for it, which is bounded, too.
pub(super) fn read<M: Clone>(
    entries: &BTreeMap<Arc<str>, Entry<M>>,
    filter: &str,
    cursor: Option<&Cursor>,
    max: usize,
    now: Instant,
) -> (Page<M>, usize) {
    let plan = Plan::new(filter);
    let from = |key: &str| entries.range::<str, _>((Bound::Included(key), Bound::Unbounded));
    let mut ahead = match cursor {
        Some(Cursor(key)) => from(key),
        None => from(&plan.first()),
    };
    let budget = max.saturating_mul(4).saturating_add(64);
    let mut visited = 0;
    let mut messages = Vec::new();
    while let Some((key, entry)) = ahead.next() {
        if messages.len() == max || visited == budget {
            return (Page { messages, next: Some(Cursor(key.clone())) }, visited);
        }
        visited += 1;
        let verdict = plan.judge(key);
        if verdict.matches && entry.is_alive(now) {
            messages.push((key::to_name(key), entry.message.clone()));
        }
        match verdict.next {
            Next::Adjacent => {}
            Next::From(key) => ahead = from(&key),
            Next::Nowhere => break,
        }
    }
    (Page { messages, next: None }, visited)
}
