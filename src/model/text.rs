use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Shared, immutable UTF-8 text that is followed by a NUL byte in memory.
///
/// MQTT text never contains U+0000 `[MQTT-1.5.4-2]`, so the same bytes serve Rust (a `&str`) and C (a `char *`)
/// without another copy. Cloning counts a reference.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(Arc<str>);

impl Text {
    /// The text without its terminator.
    pub fn as_str(&self) -> &str {
        &self.0[..self.0.len() - 1]
    }

    /// How many bytes the text has.
    #[allow(clippy::len_without_is_empty, reason = "that of str will do")]
    pub fn len(&self) -> usize {
        self.0.len() - 1
    }

    /// The bytes of the text with the NUL behind them.
    pub fn as_bytes_with_nul(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Default for Text {
    fn default() -> Self {
        Text::from("")
    }
}

/// Up to here, a text is put together on the stack: whatever is shared is copied to its place once more.
const SHORT: usize = 128;

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let mut room = [0; SHORT];
        if let Some(place) = room.get_mut(..=text.len()) {
            place[..text.len()].copy_from_slice(text.as_bytes());
            if let Ok(terminated) = std::str::from_utf8(place) {
                return Text(terminated.into());
            }
        }
        Text::from(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(mut text: String) -> Self {
        text.push('\0');
        Text(text.into())
    }
}

/// As `str` does, so that a map of texts can be asked for a `str`.
impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

/// As above.
impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminator_is_in_memory_but_not_in_the_text() {
        for text in [Text::from(""), Text::from(String::new())] {
            assert_eq!(text.as_str(), "");
            assert_eq!(text.as_bytes_with_nul(), b"\0");
        }
        let text = Text::from("a/é");
        assert_eq!(&*text, "a/é");
        assert_eq!(text.as_bytes_with_nul(), "a/é\0".as_bytes());
        assert_eq!(format!("{text} {text:?}"), "a/é \"a/é\"");
    }
}
