use std::collections::HashMap;

use super::pattern::{is_level, Level, Pattern, Template};
use super::{Rule, Subject};
use crate::model::topic;

/// Rules by the topics that they are about, as a tree of levels. Nothing here recurses.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    /// Rules that forbid something and name their client: they are gone through for clients whose names are no levels.
    forbidding_templates: Vec<(usize, Pattern)>,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, usize>,
    any: Option<usize>,
    templates: Vec<(Template, usize)>,
    /// Rules whose topic ends here.
    here: Ends,
    /// Rules whose topic goes on with `#`.
    below: Ends,
}

/// Rules, each in ascending order, by whom they are for.
#[derive(Debug, Default)]
struct Ends {
    by_user: HashMap<Box<str>, Vec<usize>>,
    by_client: HashMap<Box<str>, Vec<usize>>,
    others: Vec<usize>,
}

const ROOT: usize = 0;

impl Default for Tree {
    fn default() -> Self {
        Tree { nodes: vec![Node::default()], forbidding_templates: Vec::new() }
    }
}

impl Tree {
    pub(super) fn insert(&mut self, pattern: &Pattern, index: usize, rule: &Rule) {
        if !rule.allow && pattern.has_template() {
            self.forbidding_templates.push((index, pattern.clone()));
        }
        let mut at = ROOT;
        for level in pattern.levels() {
            let new = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match level {
                Level::Rest => return node.below.insert(index, rule),
                Level::Any => *node.any.get_or_insert(new),
                Level::Literal(text) => *node.literals.entry(text.clone()).or_insert(new),
                Level::Template(template) => match node.templates.iter().find(|(known, _)| known == template) {
                    Some((_, node)) => *node,
                    None => {
                        node.templates.push((template.clone(), new));
                        new
                    }
                },
            };
            if at == new {
                self.nodes.push(Node::default());
            }
        }
        self.nodes[at].here.insert(index, rule);
    }

    /// The first rule that is about a topic and `fits`.
    pub(super) fn first(
        &self,
        name: &str,
        subject: &Subject<'_>,
        rules: &[Rule],
        fits: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let mut first = None;
        let mut reached = vec![ROOT];
        let mut next = Vec::new();
        for (depth, level) in name.split('/').enumerate() {
            // [MQTT-4.7.2-1]
            let wildcards = depth > 0 || !name.starts_with('$');
            for node in reached.drain(..).map(|node| &self.nodes[node]) {
                if wildcards {
                    node.below.first(subject, &fits, &mut first);
                    next.extend(node.any);
                }
                next.extend(node.literals.get(level));
                for (template, child) in &node.templates {
                    if template.value(subject).is_some_and(|value| is_level(&value) && value == level) {
                        next.push(*child);
                    }
                }
            }
            std::mem::swap(&mut reached, &mut next);
        }
        for node in reached.into_iter().map(|node| &self.nodes[node]) {
            node.here.first(subject, &fits, &mut first);
            node.below.first(subject, &fits, &mut first);
        }
        self.first_odd(name, subject, rules, &fits, &mut first);
        first
    }

    /// As above, for a client one of whose names is no level: what is forbidden to it is forbidden as the name reads.
    fn first_odd(
        &self,
        name: &str,
        subject: &Subject<'_>,
        rules: &[Rule],
        fits: &impl Fn(usize) -> bool,
        first: &mut Option<usize>,
    ) {
        if is_level(subject.client_id) && subject.username.is_none_or(is_level) {
            return;
        }
        for (index, pattern) in &self.forbidding_templates {
            if first.is_some_and(|first| first <= *index) {
                return;
            }
            let is_about = |filter: String| topic::matches(&filter, name);
            if fits(*index) && pattern.expand(subject, rules[*index].allow).is_some_and(is_about) {
                *first = Some(*index);
                return;
            }
        }
    }
}

impl Ends {
    fn insert(&mut self, index: usize, rule: &Rule) {
        let add = |place: &mut Vec<usize>| {
            if place.last() != Some(&index) {
                place.push(index);
            }
        };
        if let Some(users) = rule.users.all_exact() {
            users.iter().for_each(|user| add(self.by_user.entry(user.clone()).or_default()));
        } else if let Some(clients) = rule.client_ids.all_exact() {
            clients.iter().for_each(|client| add(self.by_client.entry(client.clone()).or_default()));
        } else {
            add(&mut self.others);
        }
    }

    /// Lowers `first` to the first rule that fits, if that comes before.
    fn first(&self, subject: &Subject<'_>, fits: &impl Fn(usize) -> bool, first: &mut Option<usize>) {
        let of_user = subject.username.and_then(|user| self.by_user.get(user));
        let lists = [of_user, self.by_client.get(subject.client_id), Some(&self.others)];
        for list in lists.into_iter().flatten() {
            let before = |index: &usize| first.is_none_or(|first| *index < first);
            if let Some(found) = list.iter().copied().take_while(before).find(|index| fits(*index)) {
                *first = Some(found);
            }
        }
    }
}
