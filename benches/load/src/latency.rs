//! Latency of a broker that is not busy: messages at a fixed rate, each with the time it was sent.

use std::time::{Duration, Instant};

use crate::connection::{Connection, Scratch};
use crate::packet::{self, Version};
use crate::scenario::{Sample, Target, Timing};
use crate::sys::{Epoll, Timer};
use crate::transport::Transport;
use crate::Result;

const TOPIC: &str = "bench/00";
const PAYLOAD: usize = 64;

/// The pace: as many messages as are due leave together. With a finer one, two processors that generator and broker
/// share spend their time on waking up threads, and the latency is that of the scheduler.
const TICK: Duration = Duration::from_millis(1);

/// A tick that is served later than this shows that the generator was not run in time.
const LATE: Duration = Duration::from_micros(200);

/// How long the last messages may take.
const DRAIN: Duration = Duration::from_secs(2);

const RECEIVER: usize = 0;
const PUBLISHER: usize = 1;
const TIMER: usize = 2;

pub fn run(target: &Target, timing: &Timing, per_second: u32) -> Result<Sample> {
    let mut epoll = Epoll::new().map_err(|error| format!("epoll: {error}"))?;
    let mut scratch = Scratch::new();
    let mut receiver = Connection::open(target, Transport::Tcp, Version::V3, "receiver")?;
    receiver.subscribe(TOPIC, 0)?;
    receiver.hand_over(&epoll, RECEIVER)?;
    let mut publisher = Connection::open(target, Transport::Tcp, Version::V3, "publisher")?;
    publisher.hand_over(&epoll, PUBLISHER)?;
    let timer = Timer::new(TICK).map_err(|error| format!("timer: {error}"))?;
    epoll.add(&timer, TIMER).map_err(|error| format!("timer: {error}"))?;

    let mut message = packet::publish(Version::V3, TOPIC, 0, 0, &[0; PAYLOAD]);
    let stamp_at = message.len() - PAYLOAD;
    let per_tick = (TICK.as_secs_f64() * f64::from(per_second)).round() as u32;
    let (warm_up, duration) = (timing.warm_up.as_nanos() as u64, timing.warm_up + timing.measured);
    let (mut ticks, mut late, mut sent, mut received) = (0u32, 0u32, 0u32, 0u32);
    let mut latencies = Vec::with_capacity((duration.as_secs_f64() * f64::from(per_second)) as usize);
    let began = Instant::now();

    while began.elapsed() < duration || (received < sent && began.elapsed() < duration + DRAIN) {
        // The clock sets the pace, not the count of wake-ups, so that one that comes late does not lower the rate.
        let mut now = began.elapsed();
        while now < duration && TICK * ticks <= now {
            late += u32::from(now - TICK * ticks > LATE);
            message[stamp_at..stamp_at + 8].copy_from_slice(&(now.as_nanos() as u64).to_be_bytes());
            for _ in 0..per_tick {
                publisher.output().push(&message);
            }
            publisher.flush()?;
            ticks += 1;
            sent += per_tick;
            now = began.elapsed();
        }
        for event in epoll.wait(Duration::from_millis(10))? {
            match event.token {
                RECEIVER => {
                    receiver.receive(&event, &mut scratch, |packet, _| {
                        if packet.kind() != packet::PUBLISH {
                            return Err(format!("the broker sent packet {} to a receiver", packet.kind()));
                        }
                        let stamp = packet.tail::<PAYLOAD>()?.first_chunk().copied();
                        let stamp = u64::from_be_bytes(stamp.unwrap_or_default());
                        received += 1;
                        if stamp >= warm_up {
                            latencies.push((began.elapsed().as_nanos() as u64).saturating_sub(stamp));
                        }
                        Ok(())
                    })?;
                }
                PUBLISHER => {
                    publisher.note(&event);
                    publisher.receive(&event, &mut scratch, |packet, _| {
                        Err(format!("the broker sent packet {} to a publisher", packet.kind()))
                    })?;
                    publisher.flush()?;
                }
                _ => timer.clear(),
            }
        }
    }

    latencies.sort_unstable();
    let millis = |share: f64| latencies.get((latencies.len() as f64 * share) as usize).map(|&nanos| nanos as f64 / 1e6);
    let (Some(median), Some(p99)) = (millis(0.5), millis(0.99)) else {
        return Err("no message arrived".to_owned());
    };
    let fault = (received != sent).then(|| format!("{received} messages arrived of {sent}"));
    let remark = (late > ticks / 100).then(|| {
        let share = f64::from(late) / f64::from(ticks) * 100.0;
        format!("{share:.0} % of the messages were sent late, as the machine was busy: read the latency with care")
    });
    Ok(Sample { values: vec![median, p99], fault, remark, ..Sample::default() })
}
