//! What is measured, as data: the work, the figures it gives, and the goals.

use std::net::SocketAddrV4;
use std::time::Duration;

use crate::flow::{self, Shape};
use crate::packet::Version;
use crate::transport::Transport;
use crate::{dial, latency, Result};

/// A broker that runs.
pub struct Target {
    pub addresses: Vec<(Transport, SocketAddrV4)>,
    /// For MQTT 5 over TCP, where that has a listener of its own.
    pub v5: Option<SocketAddrV4>,
    /// Without it, neither processor time nor memory is measured.
    pub pid: Option<u32>,
}

impl Target {
    pub fn address(&self, transport: Transport, version: Version) -> Result<SocketAddrV4> {
        if let (Some(address), Transport::Tcp, Version::V5) = (self.v5, transport, version) {
            return Ok(address);
        }
        let found = self.addresses.iter().find(|(known, _)| *known == transport);
        found.map(|(_, address)| *address).ok_or_else(|| format!("the broker has no listener for {}", transport.name()))
    }
}

/// How much of everything.
pub struct Timing {
    pub warm_up: Duration,
    pub measured: Duration,
    /// How long memory may take to come to rest.
    pub settle: Duration,
    pub connects: usize,
    pub idle_clients: usize,
}

impl Timing {
    pub fn full(seconds: f64) -> Self {
        Self {
            warm_up: Duration::from_millis(500),
            measured: Duration::from_secs_f64(seconds),
            settle: Duration::from_secs(1),
            connects: 5_000,
            idle_clients: 10_000,
        }
    }

    pub fn quick(seconds: f64) -> Self {
        Self {
            warm_up: Duration::from_millis(200),
            settle: Duration::from_millis(300),
            idle_clients: 2_000,
            ..Self::full(seconds)
        }
    }
}

/// What one run of a scenario has given.
#[derive(Default)]
pub struct Sample {
    /// In the order of the scenario's figures, without that for the processor.
    pub values: Vec<f64>,
    /// Processor time of the broker for each delivered message, in microseconds.
    pub cpu: Option<f64>,
    /// What the broker did wrong although the run came to its end.
    pub fault: Option<String>,
    /// What the reader should know besides.
    pub remark: Option<String>,
}

pub struct Scenario {
    pub name: &'static str,
    pub work: Work,
    pub figures: &'static [Figure],
}

pub enum Work {
    Flow(Shape),
    Latency { per_second: u32 },
    ConnectRate { transport: Transport, at_once: usize },
    IdleMemory,
}

/// A line of the table.
pub struct Figure {
    pub title: &'static str,
    pub unit: &'static str,
    pub value: Value,
    pub goal: Goal,
}

#[derive(Clone, Copy)]
pub enum Value {
    /// Of `Sample::values`.
    At(usize),
    Cpu,
}

#[derive(Clone, Copy)]
pub enum Goal {
    /// At least so many times the figure of the first peer.
    Times(f64),
    /// At most this, in the unit of the figure.
    AtMost(f64),
    /// At least this.
    AtLeast(f64),
    None,
}

impl Scenario {
    pub fn run(&self, target: &Target, timing: &Timing) -> Result<Sample> {
        match self.work {
            Work::Flow(shape) => flow::run(target, timing, shape),
            Work::Latency { per_second } => latency::run(target, timing, per_second),
            Work::ConnectRate { transport, at_once } => dial::rate(target, transport, timing.connects, at_once),
            Work::IdleMemory => dial::memory(target, timing, timing.idle_clients),
        }
    }

    /// Whether processor time for each message means anything here.
    pub fn has_cpu(&self) -> bool {
        matches!(self.work, Work::Flow(_))
    }
}

impl Figure {
    pub fn of(&self, sample: &Sample) -> Option<f64> {
        match self.value {
            Value::At(index) => sample.values.get(index).copied(),
            Value::Cpu => sample.cpu,
        }
    }
}

pub const ONE_TO_ONE: Shape = Shape {
    transport: Transport::Tcp,
    version: Version::V3,
    qos: 0,
    topics: 1,
    subtopics: 1,
    publishers: 1,
    receivers: 1,
    outstanding: 20_000,
    window: 100,
    gather: None,
};

const QOS1: Shape = Shape { qos: 1, ..ONE_TO_ONE };

const QOS2: Shape = Shape { qos: 2, window: 20, ..ONE_TO_ONE };

const OVER_TLS: Shape = Shape { transport: Transport::Tls, ..ONE_TO_ONE };

const OVER_WEBSOCKET: Shape = Shape { transport: Transport::WebSocket, ..ONE_TO_ONE };

/// With fifty receivers, this is as many deliveries as elsewhere.
const FAN_OUT: Shape = Shape { receivers: 50, outstanding: 400, ..ONE_TO_ONE };

const fn messages(title: &'static str, times: f64) -> Figure {
    Figure { goal: Goal::Times(times), ..throughput(title) }
}

const fn throughput(title: &'static str) -> Figure {
    Figure { title, unit: "k msg/s", value: Value::At(0), goal: Goal::None }
}

/// What an inline `authorize_publish` hook costs: a broker with one against the same broker without.
pub const HOOK_SCENARIOS: &[Scenario] = &[
    Scenario { name: "hook-qos0", work: Work::Flow(ONE_TO_ONE), figures: &[messages("QoS 0, 1→1", HOOK_GOAL)] },
    Scenario { name: "hook-qos1", work: Work::Flow(QOS1), figures: &[messages("QoS 1, 1→1, window 100", HOOK_GOAL)] },
    Scenario {
        name: "hook-pairs",
        work: Work::Flow(Shape { qos: 1, topics: 20, ..ONE_TO_ONE }),
        figures: &[messages("20 pairs, QoS 1", HOOK_GOAL)],
    },
];

const HOOK_GOAL: f64 = 0.95;

/// What it gives to stay awake: where clients wait for an answer before they say more, it is waking that takes the time.
pub const AWAKE_SCENARIOS: &[Scenario] = &[
    Scenario { name: "awake-qos1", work: Work::Flow(QOS1), figures: &[messages("QoS 1, 1→1, window 100", 15.0)] },
    Scenario { name: "awake-qos2", work: Work::Flow(QOS2), figures: &[messages("QoS 2, 1→1, window 20", 10.0)] },
];

/// Messages that need no network, beside those that cross one to the first peer and back.
pub const IN_PROCESS_SCENARIOS: &[Scenario] = &[Scenario {
    name: "in-process",
    work: Work::Flow(ONE_TO_ONE),
    figures: &[Figure {
        title: "publish → callback in-process, QoS 0, batches",
        unit: "k msg/s",
        value: Value::At(0),
        goal: Goal::AtLeast(5000.0),
    }],
}];

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "qos0", work: Work::Flow(ONE_TO_ONE), figures: &[messages("QoS 0, 1→1", 30.0)] },
    Scenario {
        name: "qos1",
        work: Work::Flow(QOS1),
        figures: &[
            messages("QoS 1, 1→1, window 100", 15.0),
            Figure { title: "broker CPU per QoS 1 message", unit: "µs", value: Value::Cpu, goal: Goal::AtMost(1.5) },
        ],
    },
    Scenario { name: "qos2", work: Work::Flow(QOS2), figures: &[messages("QoS 2, 1→1, window 20", 10.0)] },
    Scenario { name: "fanout-qos0", work: Work::Flow(FAN_OUT), figures: &[messages("fan-out 1→50, QoS 0", 50.0)] },
    Scenario {
        name: "fanout-qos1",
        work: Work::Flow(Shape { qos: 1, ..FAN_OUT }),
        figures: &[messages("fan-out 1→50, QoS 1", 15.0)],
    },
    Scenario {
        name: "fanin-qos0",
        work: Work::Flow(Shape { publishers: 50, ..ONE_TO_ONE }),
        figures: &[messages("fan-in 50→1, QoS 0", 25.0)],
    },
    Scenario {
        name: "v5-qos0",
        work: Work::Flow(Shape { version: Version::V5, ..ONE_TO_ONE }),
        figures: &[messages("MQTT 5, QoS 0, 1→1", 25.0)],
    },
    Scenario {
        name: "pairs-qos1",
        work: Work::Flow(Shape { qos: 1, topics: 20, ..ONE_TO_ONE }),
        figures: &[messages("20 pairs, QoS 1", 18.0)],
    },
    Scenario {
        name: "latency",
        work: Work::Latency { per_second: 20_000 },
        figures: &[
            Figure { title: "p50 latency at 20 000 msg/s", unit: "ms", value: Value::At(0), goal: Goal::None },
            Figure { title: "p99 latency at 20 000 msg/s", unit: "ms", value: Value::At(1), goal: Goal::AtMost(0.15) },
        ],
    },
    Scenario {
        name: "connect",
        work: Work::ConnectRate { transport: Transport::Tcp, at_once: 50 },
        figures: &[Figure { title: "connects, 50 at once", unit: "k/s", value: Value::At(0), goal: Goal::None }],
    },
    // More than fit into the backlog of many brokers: what does not fit comes again a second later.
    Scenario {
        name: "storm",
        work: Work::ConnectRate { transport: Transport::Tcp, at_once: 500 },
        figures: &[Figure {
            title: "connects, 500 at once",
            unit: "k/s",
            value: Value::At(0),
            goal: Goal::Times(11.0),
        }],
    },
    Scenario {
        name: "idle",
        work: Work::IdleMemory,
        figures: &[Figure {
            title: "memory per idle client",
            unit: "KiB",
            value: Value::At(0),
            goal: Goal::AtMost(2.5),
        }],
    },
    Scenario { name: "tls-qos0", work: Work::Flow(OVER_TLS), figures: &[throughput("TLS, QoS 0, 1→1")] },
    Scenario {
        name: "tls-qos1",
        work: Work::Flow(Shape { qos: 1, ..OVER_TLS }),
        figures: &[throughput("TLS, QoS 1, 1→1, window 100")],
    },
    Scenario {
        name: "tls-connect",
        work: Work::ConnectRate { transport: Transport::Tls, at_once: 50 },
        figures: &[Figure { title: "TLS connects, 50 at once", unit: "k/s", value: Value::At(0), goal: Goal::None }],
    },
    Scenario { name: "ws-qos0", work: Work::Flow(OVER_WEBSOCKET), figures: &[throughput("WebSocket, QoS 0, 1→1")] },
    Scenario {
        name: "ws-qos1",
        work: Work::Flow(Shape { qos: 1, ..OVER_WEBSOCKET }),
        figures: &[throughput("WebSocket, QoS 1, 1→1, window 100")],
    },
];
