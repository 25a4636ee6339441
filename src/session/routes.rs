//! Who gets the messages of one publisher, by topic, as far as it has been looked up.

use hashbrown::HashMap;

use super::receiver::Receiver;
use crate::model::Text;
use crate::router::Matched;

/// Topics that a publisher remembers.
const TOPICS: usize = 64;

/// What they may come to.
const TOPIC_BYTES: usize = 64 * 1024;

/// More receivers, or longer topics, than this are not remembered by a publisher that idles.
const RECEIVERS_AT_REST: usize = 64;
const TOPIC_BYTES_AT_REST: usize = 4 * 1024;

/// The topics that were published to last, until a subscription changes.
#[derive(Default)]
pub(super) struct Routes {
    generation: u64,
    known: Vec<Route>,
    /// Their places, as soon as there is more than one.
    places: HashMap<Text, usize>,
    /// The one that was looked up last.
    last: usize,
    /// Of all topics.
    receivers: usize,
    topic_bytes: usize,
}

pub(super) struct Route {
    pub(super) topic: Text,
    pub(super) matched: Matched<Receiver>,
}

impl Routes {
    /// The place of a topic that is known since subscriptions have changed last, which was in `generation`.
    pub(super) fn find(&mut self, topic: &str, generation: u64) -> Option<usize> {
        if self.generation != generation {
            self.forget();
            return None;
        }
        if self.known.get(self.last).is_some_and(|route| *route.topic == *topic) {
            return Some(self.last);
        }
        let place = *self.places.get(topic)?;
        self.last = place;
        Some(place)
    }

    pub(super) fn at(&self, place: usize) -> &Route {
        &self.known[place]
    }

    /// Remembers who gets the messages of a topic that is not known.
    pub(super) fn add(&mut self, topic: &str, matched: Matched<Receiver>) -> &Route {
        let is_full = self.known.len() >= TOPICS || self.topic_bytes + topic.len() > TOPIC_BYTES;
        // Another generation: a subscription has come since the others have been looked up.
        if is_full || matched.generation != self.generation {
            self.forget();
            self.generation = matched.generation;
        }
        self.topic_bytes += topic.len();
        self.receivers += matched.targets.len();
        self.last = self.known.len();
        if self.known.is_empty() {
            // Most publishers have one topic.
            self.known.reserve_exact(1);
        }
        self.known.push(Route { topic: Text::from(topic), matched });
        if self.last > 0 {
            for (place, route) in self.known.iter().enumerate().skip(self.places.len()) {
                self.places.insert(route.topic.clone(), place);
            }
        }
        &self.known[self.last]
    }

    /// Whether they are worth their memory while nothing is published.
    pub(super) fn may_stay(&self) -> bool {
        self.receivers <= RECEIVERS_AT_REST && self.topic_bytes <= TOPIC_BYTES_AT_REST
    }

    fn forget(&mut self) {
        *self = Routes { generation: self.generation, ..Routes::default() };
    }
}
