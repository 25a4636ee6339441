//! What a session is subscribed to: looked at by anyone, changed by its connection and by the host program.

use std::collections::HashMap;

use crate::model::{SubscriptionOptions, Text};

/// By what the client has asked for. A hook may have put another filter in the place of that one.
#[derive(Default)]
pub(super) struct Subscriptions {
    /// `None` instead of an empty one: most sessions of clients that idle have none.
    #[allow(clippy::box_collection, reason = "an idle session is to be small")]
    by_wanted: Option<Box<HashMap<Text, Granted>>>,
    /// What they take in memory.
    memory: usize,
    /// A hook has done so.
    is_rewritten: bool,
    /// The session is over: there are no more of them.
    is_over: bool,
}

/// What a subscription takes besides its filters: here, and with the router. The tests compare it with what the process
/// takes.
const SUBSCRIPTION_BYTES: usize = 320;

/// What a subscription has come to.
#[derive(Clone, Debug)]
pub(super) struct Granted {
    /// The filter whose messages it gets.
    pub(super) filter: Text,
    pub(super) options: SubscriptionOptions,
}

/// A subscription that has been noted.
pub(super) struct Noted {
    /// As the client has it.
    pub(super) wanted: Text,
    pub(super) filter: Text,
    /// The filter that it had before, if no subscription has that one any more.
    pub(super) released: Option<Text>,
}

impl Subscriptions {
    /// What they take in memory, about.
    pub(super) fn memory(&self) -> usize {
        self.memory
    }

    pub(super) fn len(&self) -> usize {
        self.by_wanted.as_ref().map_or(0, |known| known.len())
    }

    pub(super) fn contains(&self, wanted: &str) -> bool {
        self.by_wanted.as_ref().is_some_and(|known| known.contains_key(wanted))
    }

    /// Whether a subscription gets the messages of `filter`.
    pub(super) fn has_filter(&self, filter: &str) -> bool {
        match &self.by_wanted {
            Some(known) if self.is_rewritten => known.values().any(|granted| *granted.filter == *filter),
            _ => self.contains(filter),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Notes that the client has asked for `wanted`, and gets that or the filter that has been put `instead`.
    pub(super) fn insert(&mut self, wanted: &str, instead: Option<Text>, options: SubscriptionOptions) -> Noted {
        let known = self.by_wanted.get_or_insert_default();
        let wanted = match known.get_key_value(wanted) {
            Some((known, _)) => known.clone(),
            None => Text::from(wanted),
        };
        let filter = instead.unwrap_or_else(|| wanted.clone());
        self.is_rewritten |= filter != wanted;
        let before = known.insert(wanted.clone(), Granted { filter: filter.clone(), options });
        let replaced = before.as_ref().map_or(0, |before| size(&wanted, &before.filter));
        self.memory = self.memory + size(&wanted, &filter) - replaced;
        let released = before.map(|before| before.filter).filter(|before| !self.has_filter(before));
        Noted { wanted, filter, released }
    }

    /// Forgets a subscription. `None`: there is none.
    pub(super) fn remove(&mut self, wanted: &str) -> Option<Noted> {
        let known = self.by_wanted.as_mut()?;
        let (wanted, granted) = known.remove_entry(wanted)?;
        self.memory -= size(&wanted, &granted.filter);
        if known.is_empty() {
            self.by_wanted = None;
        }
        let released = (!self.has_filter(&granted.filter)).then(|| granted.filter.clone());
        Some(Noted { wanted, filter: granted.filter, released })
    }

    /// The session is over; what it was subscribed to.
    pub(super) fn end(&mut self) -> impl Iterator<Item = Text> {
        self.is_over = true;
        self.memory = 0;
        let known = self.by_wanted.take();
        known.into_iter().flat_map(|known| known.into_values()).map(|granted| granted.filter)
    }

    /// All of them, in the order of what the client has asked for.
    pub(super) fn sorted(&self) -> Vec<(Text, Granted)> {
        let known = self.by_wanted.iter().flat_map(|known| known.iter());
        let mut all: Vec<_> = known.map(|(wanted, granted)| (wanted.clone(), granted.clone())).collect();
        all.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        all
    }
}

fn size(wanted: &str, filter: &str) -> usize {
    // The router has the filter as well, level by level.
    SUBSCRIPTION_BYTES + wanted.len() + 2 * filter.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(subscriptions: &mut Subscriptions, wanted: &str, instead: &str) -> Option<String> {
        let noted = subscriptions.insert(wanted, Some(Text::from(instead)), SubscriptionOptions::default());
        assert_eq!((&*noted.wanted, &*noted.filter), (wanted, instead));
        noted.released.map(|filter| filter.to_string())
    }

    #[test]
    fn a_filter_is_released_by_the_last_that_has_it() {
        let mut subscriptions = Subscriptions::default();
        assert_eq!(insert(&mut subscriptions, "a", "x"), None);
        assert_eq!(insert(&mut subscriptions, "b", "x"), None);
        assert_eq!(insert(&mut subscriptions, "x", "x"), None);
        assert!(subscriptions.has_filter("x") && !subscriptions.has_filter("a") && subscriptions.contains("a"));
        assert_eq!(insert(&mut subscriptions, "a", "a"), None);
        assert!(subscriptions.remove("b").is_some_and(|noted| noted.released.is_none()));
        assert!(subscriptions.remove("b").is_none());
        assert_eq!(insert(&mut subscriptions, "x", "y"), Some("x".to_owned()));
        assert!(subscriptions.remove("x").is_some_and(|noted| noted.released == Some(Text::from("y"))));
        assert_eq!((subscriptions.len(), subscriptions.is_over()), (1, false));
        assert_eq!(subscriptions.end().collect::<Vec<_>>(), [Text::from("a")]);
        assert_eq!((subscriptions.len(), subscriptions.is_over()), (0, true));
    }

    #[test]
    fn they_are_sorted_by_what_was_asked_for() {
        let mut subscriptions = Subscriptions::default();
        for wanted in ["b", "a/b", "a", "c"] {
            insert(&mut subscriptions, wanted, "z");
        }
        let sorted: Vec<_> = subscriptions.sorted().into_iter().map(|(wanted, _)| wanted.to_string()).collect();
        assert_eq!(sorted, ["a", "a/b", "b", "c"]);
    }
}
