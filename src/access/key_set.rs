//! Public keys of a file. Whoever signs tokens has new ones when it likes, and need not know that there is a broker.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::DecodingKey;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

/// How often the file is looked at, whatever tokens come.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// The keys of a file, which is looked at again when a token is signed with one that is not among them.
pub(super) struct KeySet {
    file: Arc<File>,
    /// When it was looked at last. Whoever looks at it holds this, and those who would like to wait.
    looked_at: Arc<Mutex<Option<Instant>>>,
}

struct File {
    path: String,
    read: Read,
    keys: ArcSwap<Keys>,
}

type Read = Box<dyn Fn(&str) -> Result<Vec<u8>, String> + Send + Sync>;

/// By `kid`; the only key of a set need not have one.
type Keys = HashMap<String, Arc<DecodingKey>>;

impl KeySet {
    /// `text`: what is in the file now.
    pub(super) fn new(
        path: &str,
        text: &[u8],
        read: impl Fn(&str) -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> Result<KeySet, String> {
        let keys = ArcSwap::from_pointee(parse(text)?);
        let file = File { path: path.to_owned(), read: Box::new(read), keys };
        Ok(KeySet { file: Arc::new(file), looked_at: Arc::default() })
    }

    /// The key that a token names. Needs a runtime.
    pub(super) async fn find(&self, kid: Option<&str>, now: Instant) -> Option<Arc<DecodingKey>> {
        let Some(kid) = kid else { return self.file.only_key() };
        if let Some(key) = self.file.key(kid) {
            return Some(key);
        }
        self.look_again(now).await;
        self.file.key(kid)
    }

    async fn look_again(&self, now: Instant) {
        let mut looked_at = self.looked_at.clone().lock_owned().await;
        if looked_at.is_some_and(|at| now.saturating_duration_since(at) < LOOK_INTERVAL) {
            return;
        }
        *looked_at = Some(now);
        let file = self.file.clone();
        // Not on a thread that serves clients: a disk may be slow. It goes on if its client leaves.
        let look = move || {
            file.look_again();
            drop(looked_at);
        };
        // If that fails, the keys are those that were there before.
        let _ = spawn_blocking(look).await;
    }
}

impl File {
    fn key(&self, kid: &str) -> Option<Arc<DecodingKey>> {
        self.keys.load().get(kid).cloned()
    }

    fn only_key(&self) -> Option<Arc<DecodingKey>> {
        let keys = self.keys.load();
        keys.values().next().filter(|_| keys.len() == 1).cloned()
    }

    /// Takes over what is in the file now, if that is a set of keys.
    fn look_again(&self) {
        let path = &self.path;
        match (self.read)(path).and_then(|text| parse(&text)) {
            Ok(keys) => {
                let before = self.keys.swap(Arc::new(keys));
                let keys = self.keys.load();
                if keys.len() != before.len() || keys.keys().any(|kid| !before.contains_key(kid)) {
                    tracing::info!(%path, keys = keys.len(), "tokens are checked with other keys");
                }
            }
            Err(error) => tracing::warn!(%path, "tokens are checked with the keys as before: the file {error}"),
        }
    }
}

fn parse(text: &[u8]) -> Result<Keys, String> {
    let set: JwkSet = serde_json::from_slice(text).map_err(|error| format!("is no JSON Web Key Set: {error}"))?;
    let alone = set.keys.len() == 1;
    let mut keys = Keys::new();
    for (index, jwk) in set.keys.iter().enumerate() {
        let kid = match &jwk.common.key_id {
            Some(kid) => kid.clone(),
            None if alone => String::new(),
            None => return Err(format!("has no kid at /keys/{index}")),
        };
        let key = DecodingKey::from_jwk(jwk).map_err(|error| format!("has no usable key at /keys/{index}: {error}"))?;
        if keys.insert(kid, Arc::new(key)).is_some() {
            return Err(format!("has the kid of /keys/{index} twice"));
        }
    }
    if keys.is_empty() {
        return Err("has no keys".to_owned());
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures::future::join_all;
    use futures::poll;
    use parking_lot::Mutex;
    use serde_json::json;
    use tokio::runtime::Runtime;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(30);

    /// A set of keys with these names.
    fn set(kids: &[&str]) -> String {
        let key = |kid: &&str| json!({ "kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": kid });
        json!({ "keys": kids.iter().map(key).collect::<Vec<_>>() }).to_string()
    }

    /// A file that says how often it has been read.
    #[derive(Clone, Default)]
    struct Shown(Arc<Mutex<(Option<String>, usize)>>);

    impl Shown {
        fn new(kids: &[&str]) -> (Shown, KeySet) {
            let shown = Shown::default();
            shown.show(Some(set(kids)));
            let file = shown.clone();
            let read = move |_: &str| {
                let mut file = file.0.lock();
                file.1 += 1;
                file.0.clone().map(String::into_bytes).ok_or_else(|| "cannot be read".to_owned())
            };
            let first = read("keys.json").unwrap();
            (shown, KeySet::new("keys.json", &first, read).unwrap())
        }

        fn show(&self, text: Option<String>) {
            self.0.lock().0 = text;
        }

        fn reads(&self) -> usize {
            self.0.lock().1
        }
    }

    #[test]
    fn the_file_is_looked_at_now_and_then_whatever_tokens_come() {
        let (shown, keys) = Shown::new(&["one"]);
        let begun = Instant::now();
        let find_all = |at| {
            let kids: Vec<_> = (0..1_000).map(|number| format!("made up {number}")).collect();
            let found = kids.iter().map(|kid| keys.find(Some(kid), at));
            Runtime::new().unwrap().block_on(join_all(found)).into_iter().flatten().count()
        };
        for (at, reads) in [(0, 2), (1, 2), (4, 2), (5, 3), (9, 3), (10, 4)] {
            assert_eq!((find_all(begun + Duration::from_secs(at)), shown.reads()), (0, reads), "after {at} s");
        }
    }

    #[test]
    fn keys_come_and_go_and_stay_where_the_file_is_none() {
        let (shown, keys) = Shown::new(&["one"]);
        let (runtime, mut now) = (Runtime::new().unwrap(), Instant::now());
        let mut find = |kid| {
            now += LOOK_INTERVAL;
            runtime.block_on(keys.find(kid, now)).is_some()
        };
        assert!(find(Some("one")) && find(None) && !find(Some("two")));
        shown.show(Some(set(&["one", "two"])));
        assert!(find(Some("one")) && find(None), "nobody has asked for another one");
        assert!(find(Some("two")) && find(Some("one")) && !find(None));
        for broken in [None, Some(String::new()), Some(set(&[])), Some(set(&["three", "three"]))] {
            shown.show(broken);
            assert!(!find(Some("three")) && find(Some("two")) && find(Some("one")));
        }
        shown.show(Some(set(&["three"])));
        assert!(find(Some("three")) && !find(Some("two")) && !find(Some("one")) && find(None));
    }

    /// Be it that whoever wanted it has gone meanwhile.
    #[test]
    fn who_comes_while_the_file_is_read_waits_for_that() {
        let (begin, begun) = mpsc::channel();
        let (go_on, wait) = mpsc::channel::<()>();
        let wait = Mutex::new(wait);
        let read = move |_: &str| {
            begin.send(()).unwrap();
            let _ = wait.lock().recv_timeout(DEADLINE);
            Ok(set(&["two"]).into_bytes())
        };
        let keys = KeySet::new("keys.json", set(&["one"]).as_bytes(), read).unwrap();
        let now = Instant::now();
        Runtime::new().unwrap().block_on(async {
            assert!(poll!(Box::pin(keys.find(Some("two"), now))).is_pending());
            begun.recv_timeout(DEADLINE).unwrap();
            let mut next = Box::pin(keys.find(Some("two"), now));
            assert!(poll!(&mut next).is_pending());
            assert!(keys.find(Some("one"), now).await.is_some(), "who asks for a key that is there need not wait");
            drop(go_on);
            assert!(next.await.is_some());
        });
        assert_eq!(begun.try_iter().count(), 0, "it has been read once for both");
    }
}
