use crate::model::Text;

/// What a packet tells besides its reason codes, for people to read and for programs that know each other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Diagnosis<'a> {
    pub reason_string: Option<&'a str>,
    pub user_properties: &'a [(Text, Text)],
}
