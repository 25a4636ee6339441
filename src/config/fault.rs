use std::fmt;

use serde::Serialize;

/// One thing that is wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where it is, as a JSON pointer (RFC 6901). Empty for the text as a whole.
    pub pointer: String,
    /// What is wrong, to be read behind the pointer.
    pub message: String,
}

impl Fault {
    pub fn new(pointer: &str, message: impl Into<String>) -> Self {
        Fault { pointer: pointer.to_owned(), message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The empty pointer is the whole document; a bare colon would puzzle.
        let place = if self.pointer.is_empty() { "(document)" } else { &self.pointer };
        write!(f, "{place}: {}", self.message)
    }
}

/// All that is wrong with a configuration: at least one fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        debug_assert!(!faults.is_empty());
        Faults(faults)
    }

    /// `None` if there are none.
    pub fn of(faults: Vec<Fault>) -> Option<Self> {
        (!faults.is_empty()).then_some(Faults(faults))
    }

    pub fn as_slice(&self) -> &[Fault] {
        &self.0
    }
}

impl fmt::Display for Faults {
    /// One line for each fault.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Faults {}
