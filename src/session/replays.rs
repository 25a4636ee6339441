//! Retained messages on their way to new subscriptions.

use std::collections::{HashSet, VecDeque};

use crate::model::{SubscriptionOptions, Text};
use crate::retain::Cursor;

/// Subscriptions of one client that are still to get retained messages, one after the other.
/// An idle connection has none.
#[derive(Default)]
pub(super) struct Replays(Option<Box<Line>>);

#[derive(Default)]
struct Line {
    queue: VecDeque<Replay>,
    /// Filters of those that have not begun: one of them once more is the same replay.
    waiting: HashSet<Text>,
}

/// Retained messages for one subscription.
pub(super) struct Replay {
    pub(super) filter: Text,
    pub(super) options: SubscriptionOptions,
    /// What was published from this generation of subscriptions on has reached the subscription by itself.
    pub(super) before: u64,
    /// Where the next messages begin; `None` at first.
    pub(super) cursor: Option<Cursor>,
}

impl Replays {
    pub(super) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|line| line.queue.is_empty())
    }

    pub(super) fn push(&mut self, filter: Text, options: SubscriptionOptions, before: u64) {
        let line = self.0.get_or_insert_default();
        if line.waiting.insert(filter.clone()) {
            line.queue.push_back(Replay { filter, options, before, cursor: None });
            return;
        }
        if let Some(replay) = line.queue.iter_mut().rev().find(|replay| replay.filter == filter) {
            *replay = Replay { filter, options, before, cursor: None };
        }
    }

    /// Takes in those that the host program has asked for.
    pub(super) fn append(&mut self, others: Replays) {
        for Replay { filter, options, before, .. } in others.0.into_iter().flat_map(|line| line.queue) {
            self.push(filter, options, before);
        }
    }

    /// The next one.
    pub(super) fn front(&mut self) -> Option<&mut Replay> {
        let Line { queue, waiting } = self.0.as_deref_mut()?;
        let replay = queue.front_mut()?;
        waiting.remove(&replay.filter);
        Some(replay)
    }

    /// The first one is over.
    pub(super) fn pop(&mut self) {
        if let Some(line) = &mut self.0 {
            line.queue.pop_front();
        }
        if self.is_empty() {
            self.0 = None;
        }
    }

    /// The subscription is over.
    pub(super) fn cancel(&mut self, filter: &str) {
        if let Some(line) = &mut self.0 {
            line.waiting.remove(filter);
            line.queue.retain(|replay| *replay.filter != *filter);
        }
    }
}
