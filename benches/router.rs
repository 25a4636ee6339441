//! A million subscriptions: what they take, and what a look-up takes.
//!
//! `cargo bench --bench router`; it needs no more than 30 s.

use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rmqttc::model::SubscriptionOptions;
use rmqttc::router::{Router, Strategy, Subscriber};

const SITES: usize = 1_000;
const SUBSCRIPTIONS: usize = 1_000_000;
const SHARED: usize = 1_000;

#[derive(Clone)]
struct Client(Arc<u64>);

impl Subscriber for Client {
    fn key(&self) -> u64 {
        *self.0
    }

    fn is_online(&self) -> bool {
        true
    }

    fn load(&self) -> usize {
        0
    }
}

/// Resident memory.
fn resident_bytes() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.expect("a number of pages") * 4_096
}

fn filter(at: usize) -> String {
    let (site, device) = (at % SITES, at / SITES);
    match at % 10 {
        0..7 => format!("site/{site}/device/{device}/state"),
        7 => format!("site/{site}/+/{device}/state"),
        8 => format!("site/+/device/{at}/state"),
        _ => format!("site/{site}/device/{device}/#"),
    }
}

fn subscribe(router: &Router<Client>, clients: &[Client]) {
    let filters: Vec<String> = (0..SUBSCRIPTIONS).map(filter).collect();
    let before = resident_bytes();
    let begun = Instant::now();
    let mut longest = Duration::ZERO;
    for (filter, client) in filters.iter().zip(clients) {
        let begun = Instant::now();
        assert!(!router.subscribe(filter, client.clone(), SubscriptionOptions::default()).existed);
        longest = longest.max(begun.elapsed());
    }
    let each = begun.elapsed() / SUBSCRIPTIONS as u32;
    let bytes = resident_bytes().saturating_sub(before) / SUBSCRIPTIONS;
    println!("subscriptions      {:>9}, {} filters", router.subscription_count(), router.filter_count());
    println!("memory             {bytes:>9} bytes per subscription");
    println!("subscribe          {:>9} ns, the longest {} us", each.as_nanos(), longest.as_micros());
}

/// Matches topics for a while, and prints the time for one.
fn time(name: &str, router: &Router<Client>, topics: &[String]) {
    let (begun, mut count, mut receivers) = (Instant::now(), 0, 0);
    while begun.elapsed() < Duration::from_millis(500) {
        for topic in topics {
            let matched = black_box(router.matches(topic, None));
            receivers += matched.targets.len();
            count += 1;
        }
    }
    let each = begun.elapsed().as_nanos() / count;
    println!("{name:<18} {each:>9} ns, {:.1} receivers", receivers as f64 / count as f64);
}

/// Numbers in an order that no cache foresees.
fn scattered(count: usize) -> impl Iterator<Item = usize> {
    (1..=count).map(|at| at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24)
}

fn main() {
    let router = Router::new(Strategy::RoundRobin);
    let clients: Vec<Client> = (0..SUBSCRIPTIONS).map(|key| Client(Arc::new(key as u64))).collect();
    subscribe(&router, &clients);

    let hits = scattered(100_000).map(|at| filter(at % (SUBSCRIPTIONS / 10) * 10 + at % 7));
    time("hit, scattered", &router, &hits.collect::<Vec<_>>());
    time("hit, one topic", &router, &["site/0/device/0/state".to_owned()]);
    let misses = scattered(100_000).map(|at| format!("site/{}/device/{}/value", at % SITES, SITES + at % 1_000));
    time("miss, scattered", &router, &misses.collect::<Vec<_>>());
    time("miss, elsewhere", &router, &["elsewhere/1/device/1/state".to_owned()]);

    for client in &clients[..SHARED] {
        router.subscribe("$share/workers/job/#", client.clone(), SubscriptionOptions::default());
    }
    time("shared, match", &router, &["job/1".to_owned()]);
    let group = router.matches("job/1", None).groups.remove(0);
    let begun = Instant::now();
    for _ in 0..1_000_000 {
        black_box(group.pick("job/1", None, None));
    }
    println!("{:<18} {:>9} ns", "shared, pick", begun.elapsed().as_nanos() / 1_000_000);

    for client in &clients[..1_000] {
        router.subscribe("all/#", client.clone(), SubscriptionOptions::default());
    }
    time("1000 receivers", &router, &["all/x".to_owned()]);
    for client in &clients[500..1_500] {
        router.subscribe("all/+", client.clone(), SubscriptionOptions::default());
    }
    time("2 x 1000, half both", &router, &["all/x".to_owned()]);

    let begun = Instant::now();
    for (at, client) in clients.iter().enumerate() {
        assert!(router.unsubscribe(&filter(at), client.key()).existed);
    }
    println!("{:<18} {:>9} ns", "unsubscribe", begun.elapsed().as_nanos() / SUBSCRIPTIONS as u128);
}
