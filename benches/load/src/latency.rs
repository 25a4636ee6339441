//! Latency at a fixed rate: messages that each carry the time they were sent.

use std::time::{Duration, Instant};

use crate::connection::{Connection, Scratch};
use crate::histogram::Histogram;
use crate::packet::{self, Version};
use crate::scenario::{Sample, Target, Timing};
use crate::sys::{Epoll, Timer};
use crate::transport::Transport;
use crate::Result;

const PAYLOAD: usize = 64;

/// The pace: as many messages as are due leave together. With a finer one, two processors that generator and broker
/// share spend their time on waking up threads, and the latency is that of the scheduler.
const TICK: Duration = Duration::from_millis(1);

/// A tick that is served later than this shows that the generator was not run in time.
const LATE: Duration = Duration::from_micros(200);

/// How long the last messages may take.
const DRAIN: Duration = Duration::from_secs(2);

/// A broker that takes so much less than it is sent, or is so far behind when the last message is sent, does not hold the
/// rate.
const BEHIND_BYTES: usize = 16 * 1024 * 1024;
const BEHIND: Duration = Duration::from_millis(100);

/// Of messages that come together, so many share a look at the clock, which costs as much as the rest.
const SHARING: u64 = 16;

const RECEIVER: usize = 0;
const PUBLISHER: usize = 1;
const TIMER: usize = 2;

/// From one publisher to one receiver.
#[derive(Clone, Copy)]
pub struct Pace<'a> {
    pub topic: &'a str,
    pub qos: u8,
    pub per_second: u64,
}

/// What came of it.
pub struct Paced {
    pub latencies: Histogram,
    pub sent: u64,
    pub received: u64,
    /// Messages a second that arrived while there was something to send.
    pub per_second: f64,
    /// Whether the broker was as fast as the publisher.
    pub held: bool,
    /// By how much each tick was served late.
    pub lateness: Histogram,
    /// The share of ticks that were served noticeably late.
    pub late: f64,
}

impl Paced {
    pub fn remark(&self) -> Option<String> {
        (self.late > 0.01).then(|| {
            let share = self.late * 100.0;
            format!("{share:.0} % of the messages were sent late, as the machine was busy: read the latency with care")
        })
    }
}

pub fn run(target: &Target, timing: &Timing, per_second: u32) -> Result<Sample> {
    let pace = Pace { topic: "bench/00", qos: 0, per_second: per_second.into() };
    let paced = measure(target, timing.warm_up, timing.measured, pace)?;
    let (Some(median), Some(p99)) = (paced.latencies.millis(0.5), paced.latencies.millis(0.99)) else {
        return Err("no message arrived".to_owned());
    };
    let fault =
        (paced.received != paced.sent).then(|| format!("{} messages arrived of {}", paced.received, paced.sent));
    Ok(Sample { values: vec![median, p99], fault, remark: paced.remark(), ..Sample::default() })
}

pub fn measure(target: &Target, warm_up: Duration, measured: Duration, pace: Pace) -> Result<Paced> {
    let mut epoll = Epoll::new().map_err(|error| format!("epoll: {error}"))?;
    let mut scratch = Scratch::new();
    let mut receiver = Connection::open(target, Transport::Tcp, Version::V3, "paced-receiver")?;
    receiver.subscribe(pace.topic, pace.qos)?;
    receiver.hand_over(&epoll, RECEIVER)?;
    let mut publisher = Connection::open(target, Transport::Tcp, Version::V3, "paced-publisher")?;
    publisher.hand_over(&epoll, PUBLISHER)?;
    let timer = Timer::new(TICK).map_err(|error| format!("timer: {error}"))?;
    epoll.add(&timer, TIMER).map_err(|error| format!("timer: {error}"))?;

    let mut message = Message::new(&pace);
    let (duration, warm_up) = (warm_up + measured, warm_up.as_nanos() as u64);
    let (mut ticks, mut late, mut sent, mut received) = (0u32, 0u32, 0, 0);
    let (mut latencies, mut lateness) = (Histogram::new(), Histogram::new());
    let mut held = true;
    let mut while_sending: Option<f64> = None;
    let began = Instant::now();

    while began.elapsed() < duration || (received < sent && began.elapsed() < duration + DRAIN) {
        // The clock sets the pace, not the count of wake-ups, so that one that comes late does not lower the rate.
        let mut now = began.elapsed();
        while now < duration && TICK * ticks <= now {
            let delay = now - TICK * ticks;
            late += u32::from(delay > LATE);
            lateness.add(delay.as_nanos() as u64);
            ticks += 1;
            let due = pace.per_second * u64::from(ticks) * TICK.as_micros() as u64 / 1_000_000;
            message.stamp(now);
            for _ in sent..due {
                publisher.output().push(message.next());
            }
            publisher.flush()?;
            sent = due;
            now = began.elapsed();
        }
        if while_sending.is_none() && (now >= duration || publisher.waiting() > BEHIND_BYTES) {
            while_sending = Some(received as f64 / now.as_secs_f64());
            let behind = (sent - received) as f64 > pace.per_second as f64 * BEHIND.as_secs_f64();
            held = !behind && publisher.waiting() <= BEHIND_BYTES;
            if !held {
                break;
            }
        }
        for event in epoll.wait(Duration::from_millis(10))? {
            match event.token {
                RECEIVER => {
                    receiver.note(&event);
                    let (mut arrived, mut shared) = (0, 0);
                    receiver.receive(&event, &mut scratch, |packet, out| {
                        if packet.kind() != packet::PUBLISH {
                            return Err(format!("the broker sent packet {} to a receiver", packet.kind()));
                        }
                        if packet.qos() > 0 {
                            out.push(&packet::acknowledge(packet::PUBACK, packet.publish_id()?));
                        }
                        let stamp = packet.tail::<PAYLOAD>()?.first_chunk().copied();
                        let stamp = u64::from_be_bytes(stamp.unwrap_or_default());
                        if shared % SHARING == 0 {
                            arrived = began.elapsed().as_nanos() as u64;
                        }
                        shared += 1;
                        received += 1;
                        if stamp >= warm_up {
                            latencies.add(arrived.saturating_sub(stamp));
                        }
                        Ok(())
                    })?;
                    receiver.flush()?;
                }
                PUBLISHER => {
                    publisher.note(&event);
                    publisher.receive(&event, &mut scratch, |packet, _| match packet.kind() {
                        packet::PUBACK => Ok(()),
                        kind => Err(format!("the broker sent packet {kind} to a publisher")),
                    })?;
                    publisher.flush()?;
                }
                _ => timer.clear(),
            }
        }
    }
    let late = f64::from(late) / f64::from(ticks.max(1));
    // Nothing where all had arrived by the time that the last message was due.
    let per_second = while_sending.unwrap_or(received as f64 / duration.as_secs_f64());
    Ok(Paced { latencies, sent, received, per_second, held, lateness, late })
}

/// A message that is sent again and again, with another time and another packet identifier.
struct Message {
    bytes: Vec<u8>,
    stamp_at: usize,
    /// With QoS 1.
    id_at: Option<usize>,
    id: u16,
}

impl Message {
    fn new(pace: &Pace) -> Self {
        let bytes = packet::publish(Version::V3, pace.topic, pace.qos, 1, &[0; PAYLOAD]);
        let stamp_at = bytes.len() - PAYLOAD;
        let id_at = (pace.qos > 0).then(|| stamp_at - 2);
        Self { bytes, stamp_at, id_at, id: 0 }
    }

    fn stamp(&mut self, now: Duration) {
        self.bytes[self.stamp_at..self.stamp_at + 8].copy_from_slice(&(now.as_nanos() as u64).to_be_bytes());
    }

    fn next(&mut self) -> &[u8] {
        if let Some(at) = self.id_at {
            self.id = self.id.checked_add(1).unwrap_or(1);
            self.bytes[at..at + 2].copy_from_slice(&self.id.to_be_bytes());
        }
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_differ_in_time_and_identifier_only() {
        let pace = Pace { topic: "a", qos: 1, per_second: 1 };
        let mut message = Message::new(&pace);
        message.stamp(Duration::from_nanos(7));
        for id in [1, 2] {
            let mut payload = [0; PAYLOAD];
            payload[7] = 7;
            assert_eq!(message.next(), packet::publish(Version::V3, "a", 1, id, &payload));
        }
        message.id = u16::MAX;
        let used = packet::walk(message.next(), |packet| {
            assert_eq!(packet.publish_id()?, [0, 1]);
            Ok(())
        });
        assert!(used.is_ok());
    }
}
