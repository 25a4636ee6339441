use std::num::NonZeroU32;
use std::slice;

/// Subscription identifiers that go with a message: those of all subscriptions that match, in any order, equal ones as
/// often as they occur `[MQTT-3.3.4-3]`.
///
/// None and one, the usual cases, need no memory of their own.
#[derive(Clone, Debug, Default)]
pub struct Identifiers(Held);

#[derive(Clone, Debug, Default)]
enum Held {
    #[default]
    None,
    One(NonZeroU32),
    Many(Vec<NonZeroU32>),
}

impl Identifiers {
    pub fn as_slice(&self) -> &[NonZeroU32] {
        match &self.0 {
            Held::None => &[],
            Held::One(identifier) => slice::from_ref(identifier),
            Held::Many(identifiers) => identifiers,
        }
    }

    pub(super) fn push(&mut self, identifier: NonZeroU32) {
        match &mut self.0 {
            Held::None => self.0 = Held::One(identifier),
            Held::One(first) => self.0 = Held::Many(vec![*first, identifier]),
            Held::Many(identifiers) => identifiers.push(identifier),
        }
    }
}

impl From<Option<NonZeroU32>> for Identifiers {
    fn from(identifier: Option<NonZeroU32>) -> Self {
        Identifiers(identifier.map_or(Held::None, Held::One))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_is_pushed() {
        let [one, two] = [1, 2].map(|id| NonZeroU32::new(id).unwrap());
        let mut identifiers = Identifiers::from(None);
        assert!(identifiers.as_slice().is_empty());
        identifiers.push(one);
        assert_eq!(identifiers.as_slice(), Identifiers::from(Some(one)).as_slice());
        identifiers.push(two);
        identifiers.push(two);
        assert_eq!(identifiers.as_slice(), [one, two, two]);
    }
}
