/// How a shared subscription chooses the member that gets a message. MQTT leaves that to the server `[MQTT-5 4.8.2]`.
///
/// Whatever the strategy, members that are offline get messages only while all are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// In turn.
    #[default]
    RoundRobin,
    /// By chance.
    Random,
    /// The same member until it leaves or is offline.
    Sticky,
    /// By the publisher: messages of one publisher go to one member, in order.
    HashClient,
    /// By the topic: messages of one topic go to one member, in order.
    HashTopic,
    /// The member with the fewest messages on their way to it.
    LeastInflight,
}

/// A hash of a text that is the same in every process (FNV-1a).
pub(super) fn hash_text(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Which of `places` a hash belongs to (jump consistent hash, Lamping and Veach 2014): when a place is added or the last
/// one removed, only its own share moves, so most topics and publishers keep their member as members come and go.
pub(super) fn place(mut hash: u64, places: usize) -> usize {
    let (mut chosen, mut next) = (0, 0);
    while next < places {
        chosen = next;
        hash = hash.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        next = ((chosen + 1) as f64 * ((1u64 << 31) as f64 / ((hash >> 33) + 1) as f64)) as usize;
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_even_and_stay() {
        let hashes: Vec<u64> = (0..10_000).map(|i| hash_text(&format!("topic/{i}"))).collect();
        let mut load = [0; 10];
        for hash in &hashes {
            load[place(*hash, 10)] += 1;
        }
        assert!(load.iter().all(|count| (800..1200).contains(count)), "{load:?}");
        let moved = hashes.iter().filter(|hash| place(**hash, 10) != place(**hash, 11)).count();
        assert!((700..1150).contains(&moved), "{moved}");
        assert!(hashes.iter().all(|hash| place(*hash, 1) == 0));
        assert_eq!(hash_text("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
