use super::Subject;

/// A topic filter of a rule, in which some of the client's names may stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Level>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Level {
    Literal(Box<str>),
    /// `+`
    Any,
    /// `#`
    Rest,
    Template(Template),
}

/// A level that is not the same for all clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Part {
    Text(Box<str>),
    Username,
    ClientId,
    Address,
}

impl Pattern {
    pub(super) fn parse(topic: &str) -> Self {
        Pattern(topic.split('/').map(Level::parse).collect())
    }

    pub(super) fn levels(&self) -> &[Level] {
        &self.0
    }

    /// The first level, if it is the same for all clients and no wildcard.
    pub(super) fn first_literal(&self) -> Option<&str> {
        match self.0.first() {
            Some(Level::Literal(level)) => Some(level),
            _ => None,
        }
    }

    pub(super) fn has_template(&self) -> bool {
        self.0.iter().any(|level| matches!(level, Level::Template(_)))
    }

    /// The filter for one client; `None` if it has no such name, or one that must not become a part of what it is allowed.
    ///
    /// A name with `/`, `+` or `#` in it would change what the rule is about. Such a client is allowed nothing by it; what is
    /// forbidden by it is forbidden level by level, as the name reads.
    pub(super) fn expand(&self, subject: &Subject<'_>, allow: bool) -> Option<String> {
        let mut filter = String::new();
        for (index, level) in self.0.iter().enumerate() {
            if index > 0 {
                filter.push('/');
            }
            match level {
                Level::Literal(text) => filter.push_str(text),
                Level::Any => filter.push('+'),
                Level::Rest => filter.push('#'),
                Level::Template(template) => {
                    let value = template.value(subject)?;
                    if allow && !is_level(&value) {
                        return None;
                    }
                    filter.push_str(&value);
                }
            }
        }
        Some(filter)
    }
}

impl Level {
    fn parse(level: &str) -> Self {
        match level {
            "+" => return Level::Any,
            "#" => return Level::Rest,
            literal if !literal.contains('%') => return Level::Literal(literal.into()),
            _ => {}
        }
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = level.chars();
        while let Some(next) = rest.next() {
            let name = match (next == '%').then(|| rest.next()).flatten() {
                Some('u') => Part::Username,
                Some('c') => Part::ClientId,
                Some('i') => Part::Address,
                // What has been checked has nothing else behind a percent sign but another one.
                _ => {
                    text.push(next);
                    continue;
                }
            };
            if !text.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut text).into()));
            }
            parts.push(name);
        }
        if parts.is_empty() {
            return Level::Literal(text.into());
        }
        if !text.is_empty() {
            parts.push(Part::Text(text.into()));
        }
        Level::Template(Template(parts))
    }
}

impl Template {
    /// `None` if the client has no such name.
    pub(super) fn value(&self, subject: &Subject<'_>) -> Option<String> {
        let mut value = String::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => value.push_str(text),
                Part::Username => value.push_str(subject.username?),
                Part::ClientId => value.push_str(subject.client_id),
                Part::Address => value.push_str(&subject.ip?.to_canonical().to_string()),
            }
        }
        Some(value)
    }
}

/// Whether a name can stand for one level.
pub(super) fn is_level(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '+', '#'])
}
