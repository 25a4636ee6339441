/// How much text a level holds without memory of its own: what makes it 16 bytes.
const SHORT: usize = 14;

/// The text of one level of a filter. A trie has very many, most of them short.
pub(super) enum Level {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Box<Long>),
}

/// Behind a thin pointer, so that the size of long levels is not paid for by short ones.
pub(super) struct Long(Box<[u8]>);

impl Level {
    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Level::Short { len, bytes } => &bytes[..usize::from(*len)],
            Level::Long(long) => &long.0,
        }
    }
}

impl Default for Level {
    fn default() -> Self {
        Level::Short { len: 0, bytes: [0; SHORT] }
    }
}

impl From<&str> for Level {
    fn from(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        match bytes.get_mut(..text.len()) {
            Some(place) => {
                place.copy_from_slice(text.as_bytes());
                Level::Short { len: text.len() as u8, bytes }
            }
            None => Level::Long(Box::new(Long(text.as_bytes().into()))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_any_text_in_16_bytes() {
        for text in ["", "a", "fourteen bytes", "fifteen bytes !", &"x".repeat(65_535)] {
            assert_eq!(Level::from(text).as_bytes(), text.as_bytes());
        }
        assert_eq!(size_of::<Level>(), 16);
    }
}
