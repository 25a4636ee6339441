use proptest::prelude::*;

use super::*;
use crate::config::AclRule;

fn rules(json: &str) -> Rules {
    rules_with(json, Effect::Deny)
}

fn rules_with(json: &str, default: Effect) -> Rules {
    let rules: Vec<AclRule> = serde_json::from_str(json).unwrap();
    Rules::new(&rules, default, default)
}

const PUMP: Subject<'_> = Subject { username: Some("pump"), client_id: "p-7", ip: None };

fn publishes(rules: &Rules, subject: &Subject<'_>, topic: &str) -> Option<usize> {
    let ruling = rules.publish(subject, topic, 0, false);
    assert_eq!(ruling.allowed, ruling.rule.is_some_and(|rule| rules.rules[rule].allow));
    ruling.rule
}

#[test]
fn the_first_rule_that_fits_decides() {
    let rules = rules(
        r##"[{"effect":"deny","topics":["plant/secret/#"]},
            {"effect":"allow","action":"publish","topics":["plant/+/state","plant/#"]},
            {"effect":"deny","topics":["plant/a/state"]},
            {"effect":"allow","action":"subscribe","topics":["#"]}]"##,
    );
    for (topic, rule) in [
        ("plant/secret/a", Some(0)),
        ("plant/secret", Some(0)),
        ("plant/a/state", Some(1)),
        ("plant/a/b/c", Some(1)),
        ("plant", Some(1)),
        ("other", None),
        ("$SYS/x", None),
    ] {
        assert_eq!(publishes(&rules, &PUMP, topic), rule, "{topic}");
    }
}

#[test]
fn names_of_the_client() {
    let rules = rules(r#"[{"effect":"allow","topics":["u/%u","c/%c/x","i/%i","mix/a-%u-%c","%u/own","100%%"]}]"#);
    let ip = Some("192.0.2.1".parse().unwrap());
    let subject = Subject { ip, ..PUMP };
    for topic in ["u/pump", "c/p-7/x", "i/192.0.2.1", "mix/a-pump-p-7", "pump/own", "100%"] {
        assert!(rules.publish(&subject, topic, 0, false).allowed, "{topic}");
        assert!(rules.subscribe(&subject, topic, 0).allowed, "{topic}");
    }
    for topic in ["u/other", "u/", "u", "c/pump/x", "i/192.0.2.2", "mix/a-pump-", "own", "100%%"] {
        assert!(!rules.publish(&subject, topic, 0, false).allowed, "{topic}");
        assert!(!rules.subscribe(&subject, topic, 0).allowed, "{topic}");
    }
    let nobody = Subject { username: None, ..PUMP };
    assert!(!rules.publish(&nobody, "u/", 0, false).allowed, "there is no name to stand in the topic");
    assert!(!rules.publish(&PUMP, "i/", 0, false).allowed);
}

/// Whoever can choose a name must not be able to choose what a rule means.
#[test]
fn names_that_are_no_level() {
    let allowing = rules(r#"[{"effect":"allow","topics":["home/%u/x"]}]"#);
    let forbidding = rules_with(
        r#"[{"effect":"deny","topics":["home/%u/x"]},{"effect":"allow","topics":["home/#"]}]"#,
        Effect::Allow,
    );
    for (name, topic) in [("+", "home/other/x"), ("#", "home/other/x"), ("a/b", "home/a/b/x"), ("", "home//x")] {
        let subject = Subject { username: Some(name), ..PUMP };
        assert!(!allowing.publish(&subject, topic, 0, false).allowed, "{name}");
        assert!(!allowing.subscribe(&subject, topic, 0).allowed, "{name}");
        assert!(!forbidding.publish(&subject, topic, 0, false).allowed || name == "#", "{name}");
        assert!(!forbidding.subscribe(&subject, topic, 0).allowed, "{name}");
    }
    let subject = Subject { username: Some("+"), ..PUMP };
    assert!(!allowing.subscribe(&subject, "home/+/x", 0).allowed, "a wildcard is no name");
}

#[test]
fn whom_a_rule_is_for() {
    let rules = rules(
        r#"[{"effect":"allow","topics":["u"],"users":["pump","eng*"]},
            {"effect":"allow","topics":["c"],"client_ids":["p-7","q*"]},
            {"effect":"allow","topics":["i"],"ips":["192.0.2.0/24","2001:db8::/32"]},
            {"effect":"allow","topics":["all"],"users":["pump"],"client_ids":["p-7"],"ips":["192.0.2.0/24"]}]"#,
    );
    let at = |ip: &str| Subject { ip: Some(ip.parse().unwrap()), ..PUMP };
    for (subject, topic, allowed) in [
        (PUMP, "u", true),
        (Subject { username: Some("engine"), ..PUMP }, "u", true),
        (Subject { username: Some("pump2"), ..PUMP }, "u", false),
        (Subject { username: None, ..PUMP }, "u", false),
        (PUMP, "c", true),
        (Subject { client_id: "q", ..PUMP }, "c", true),
        (Subject { client_id: "p-77", ..PUMP }, "c", false),
        (PUMP, "i", false),
        (at("192.0.2.9"), "i", true),
        (at("::ffff:192.0.2.9"), "i", true),
        (at("2001:db8::1"), "i", true),
        (at("198.51.100.1"), "i", false),
        (at("192.0.2.9"), "all", true),
        (PUMP, "all", false),
        (Subject { client_id: "x", ..at("192.0.2.9") }, "all", false),
    ] {
        assert_eq!(rules.publish(&subject, topic, 0, false).allowed, allowed, "{subject:?} {topic}");
        assert_eq!(rules.subscribe(&subject, topic, 0).allowed, allowed, "{subject:?} {topic}");
    }
}

#[test]
fn qos_and_the_retain_flag() {
    let rules = rules(
        r#"[{"effect":"deny","topics":["a"],"retain":true},{"effect":"allow","topics":["a"],"qos":[0,1]},
            {"effect":"allow","topics":["r"],"retain":true}]"#,
    );
    assert!(rules.publish(&PUMP, "a", 1, false).allowed);
    assert!(!rules.publish(&PUMP, "a", 2, false).allowed);
    assert!(!rules.publish(&PUMP, "a", 0, true).allowed);
    assert!(rules.subscribe(&PUMP, "a", 1).allowed, "who subscribes has no retain flag");
    assert!(!rules.subscribe(&PUMP, "a", 2).allowed);
    assert!(rules.publish(&PUMP, "r", 0, true).allowed && !rules.subscribe(&PUMP, "r", 0).allowed);
}

#[test]
fn a_filter_is_allowed_if_all_it_could_match_is() {
    let json = r#"[{"effect":"allow","topics":["a/b"]},{"effect":"deny","topics":["a/+","x/#"]},
                   {"effect":"allow","topics":["a/#","p/+"]},{"effect":"allow","topics":["x/#"]}]"#;
    for (filter, allowed) in [
        ("a/b", true),
        ("a/c", false),
        ("a/+", false),
        ("a/#", false),
        ("a/+/c", true),
        ("p/+", true),
        ("p/1", true),
        ("p/#", false),
        ("#", false),
        ("+/+", false),
        ("x", false),
        ("$share/g/p/+", true),
        ("$share/g/x/1", false),
    ] {
        assert_eq!(rules(json).subscribe(&PUMP, filter, 0).allowed, allowed, "{filter}");
    }
    let open =
        rules_with(r#"[{"effect":"allow","topics":["a/b"]},{"effect":"deny","topics":["a/b","s/#"]}]"#, Effect::Allow);
    assert!(open.subscribe(&PUMP, "a/#", 0).allowed, "what the second rule forbids, the first one has allowed");
    assert!(!open.subscribe(&PUMP, "#", 0).allowed);
    assert!(open.subscribe(&PUMP, "$SYS/#", 0).allowed, "no rule is about it");
}

/// What the rules mean, as simple as can be: one after the other, for one topic.
fn reference(rules: &[AclRule], default: bool, publishing: bool, topic: &str, qos: u8, retain: bool) -> bool {
    for rule in rules {
        let action = if publishing { AclAction::Publish } else { AclAction::Subscribe };
        let about = (rule.action == AclAction::All || rule.action == action)
            && (rule.users.is_empty() || rule.users.iter().any(|user| user == "pump"))
            && (rule.qos.is_empty() || rule.qos.contains(&qos))
            && rule.retain.is_none_or(|wanted| publishing && wanted == retain);
        let named = |filter: &String| filter.replace("%u", "pump").replace("%c", "p-7");
        if about && rule.topics.iter().any(|filter| topic::matches(&named(filter), topic)) {
            return rule.effect == Effect::Allow;
        }
    }
    default
}

fn filter() -> impl Strategy<Value = String> {
    let level = prop::sample::select(vec!["a", "b", "+", "%u", "pump"]);
    let last = prop::sample::select(vec!["a", "b", "+", "#", "%u", "pump"]);
    (prop::collection::vec(level, 0..3), last)
        .prop_map(|(levels, last)| levels.into_iter().chain([last]).collect::<Vec<_>>().join("/"))
}

fn any_rule() -> impl Strategy<Value = AclRule> {
    let effect = prop::sample::select(vec![Effect::Allow, Effect::Deny]);
    let action = prop::sample::select(vec![AclAction::Publish, AclAction::Subscribe, AclAction::All]);
    let users = prop::sample::select(vec![vec![], vec!["pump"], vec!["other"], vec!["other", "pump"]]);
    let qos = prop::sample::select(vec![vec![], vec![0], vec![1, 2]]);
    let retain = prop::sample::select(vec![None, None, Some(false), Some(true)]);
    (effect, action, prop::collection::vec(filter(), 1..3), users, qos, retain).prop_map(
        |(effect, action, topics, users, qos, retain)| AclRule {
            effect,
            action,
            topics,
            users: users.into_iter().map(str::to_owned).collect(),
            client_ids: Vec::new(),
            ips: Vec::new(),
            qos,
            retain,
        },
    )
}

fn names() -> Vec<String> {
    let levels = ["a", "b", "pump", "c"];
    let mut names: Vec<String> = Vec::new();
    let mut longest: Vec<String> = levels.iter().map(|level| level.to_string()).collect();
    for _ in 0..4 {
        names.extend(longest.iter().cloned());
        longest = longest.iter().flat_map(|name| levels.iter().map(move |level| format!("{name}/{level}"))).collect();
    }
    names
}

proptest! {
    #[test]
    fn publishing_is_as_simple_as_that(
        list in prop::collection::vec(any_rule(), 0..8), default: bool, qos in 0..3u8, retain: bool,
    ) {
        let effect = if default { Effect::Allow } else { Effect::Deny };
        let rules = Rules::new(&list, effect, Effect::Deny);
        for name in names() {
            let expected = reference(&list, default, true, &name, qos, retain);
            prop_assert_eq!(rules.publish(&PUMP, &name, qos, retain).allowed, expected, "{}", name);
        }
    }

    /// A filter that is allowed matches nothing that is forbidden. A filter without wildcards is what its topic is.
    #[test]
    fn subscribing_never_allows_too_much(
        list in prop::collection::vec(any_rule(), 0..8), default: bool, qos in 0..3u8, wanted in filter(),
    ) {
        let effect = if default { Effect::Allow } else { Effect::Deny };
        let rules = Rules::new(&list, Effect::Deny, effect);
        let wanted = wanted.replace("%u", "pump");
        let allowed = rules.subscribe(&PUMP, &wanted, qos).allowed;
        let each = names().into_iter().filter(|name| topic::matches(&wanted, name));
        let expected: Vec<bool> = each.map(|name| reference(&list, default, false, &name, qos, false)).collect();
        if allowed {
            prop_assert!(expected.iter().all(|allowed| *allowed), "{}", wanted);
        } else if !wanted.contains(['+', '#']) {
            prop_assert!(!expected[0], "{}", wanted);
        }
    }
}

/// With ten thousand rules, a message costs about what it costs with ten: the rules that are looked at are counted.
#[test]
fn a_message_does_not_look_at_all_rules() {
    let count = |many: usize| {
        let each = |n: usize| format!(r#"{{"effect":"allow","topics":["site/{n}/#","all/#"],"users":["user-{n}"]}}"#);
        let json = format!("[{}]", (0..many).map(each).collect::<Vec<_>>().join(","));
        let rules = rules(&json);
        let looked = std::cell::Cell::new(0);
        let user = format!("user-{}", many - 1);
        let subject = Subject { username: Some(&user), ..PUMP };
        let fits = |index: usize| {
            looked.set(looked.get() + 1);
            rules.rules[index].is_about(&subject, 0)
        };
        let found = rules.publishing.first("all/x/y", &subject, &rules.rules, fits);
        assert_eq!(found, Some(many - 1));
        looked.get()
    };
    assert_eq!(count(10_000), count(10));
}
