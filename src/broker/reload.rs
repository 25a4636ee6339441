//! Another configuration for a broker that runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::listening::{bind, load, Closing, Loaded, Open};
use super::{Broker, Error, Run};
use crate::access::Access;
use crate::config::{differences, gone, succession, Config, EventOverflow, Fault};
use crate::hooks::{Event, Hook, Key};
use crate::model::{ListenerInfo, Text};
use crate::transport::{Descriptors, Door, Listener};

/// What has become of a new configuration. Pointers are those of the new one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What has changed and holds from now on.
    pub applied: Vec<String>,
    /// What differs from what holds, and does from the next start on.
    pub needs_restart: Vec<String>,
    /// Why nothing has changed.
    pub rejected: Vec<Fault>,
    /// The names of the listeners that have been closed.
    pub closed: Vec<Text>,
}

impl Report {
    /// What there is to report when a configuration has been refused; `None` if that has nothing to do with what it says.
    pub fn of_refusal(error: &Error) -> Option<Report> {
        let rejected = match error {
            Error::InvalidConfig(faults) => faults.as_slice().to_vec(),
            Error::Bind(fault) => vec![fault.clone()],
            _ => return None,
        };
        Some(Report { rejected, ..Report::default() })
    }
}

/// What is to become of a listener of the new configuration.
enum Prepared {
    /// It goes on with the socket of an open one.
    Goes {
        on: usize,
        door: Door,
    },
    Comes(Listener),
}

/// What the host program is told of listeners.
#[derive(Default)]
struct Told {
    down: Vec<ListenerInfo>,
    up: Vec<ListenerInfo>,
}

impl Broker {
    /// Puts another configuration in the place of the one that there is: at once, as far as a broker that runs can change,
    /// and the rest at the next start. Files are read again. Clients stay connected, with what has been agreed on with them.
    /// If anything is wrong, nothing changes.
    pub fn reload(&self, config_json: &str) -> Result<Report, Error> {
        let _lifecycle = self.inner.lifecycle()?;
        let config = Config::parse(config_json).map_err(Error::InvalidConfig)?;
        let report = match self.inner.run().as_ref() {
            Some(run) => run.adopt(&config, self.inner.descriptors)?,
            None => {
                load(&config, |_| None)?;
                Report::of_change(&self.inner.config.load(), &config)
            }
        };
        self.inner.config.store(Arc::new(config));
        let Report { applied, needs_restart, .. } = &report;
        tracing::info!(applied = applied.len(), needs_restart = needs_restart.len(), "another configuration");
        Ok(report)
    }
}

impl Report {
    /// For a broker that does not run.
    fn of_change(before: &Config, after: &Config) -> Report {
        let succession = succession(before, &[], after);
        Report {
            applied: differences(before, after, &succession),
            closed: closed(before, &succession),
            ..Self::default()
        }
    }
}

fn closed(before: &Config, succession: &[Option<usize>]) -> Vec<Text> {
    let name = |index: usize| before.listeners.get(index).map(|listener| Text::from(listener.display_name(index)));
    gone(before, succession).into_iter().filter_map(name).collect()
}

impl Run {
    /// Has a new configuration hold as far as it can. Only one call at a time.
    fn adopt(&self, new: &Config, descriptors: Descriptors) -> Result<Report, Error> {
        let _inside = self.runtime.enter();
        let (before, bound) = {
            let in_force = self.in_force.lock();
            let bound: Vec<Option<SocketAddr>> = in_force.open.iter().map(|open| open.listener.bound()).collect();
            (in_force.config.clone(), bound)
        };
        let succession = succession(&before, &bound, new);
        let config = new.without_restart(&before, &succession);
        let (prepared, access) = self.prepare(&config, &succession, descriptors)?;

        let mut applied = differences(&before, &config, &succession);
        applied.extend(self.renewed(&prepared));
        // Another file with another content is told of already.
        let renewed = self.hub.renewed(&access).into_iter().filter(|pointer| !applied.contains(pointer));
        applied.extend(renewed.collect::<Vec<_>>());
        let unchanged: Vec<_> = (0..new.listeners.len()).map(Some).collect();
        let needs_restart = differences(&config, new, &unchanged);
        let closed = closed(&before, &succession);

        self.apply(&before, &config, access);
        self.change_listeners(config, prepared);
        Ok(Report { applied, needs_restart, rejected: Vec::new(), closed })
    }

    /// Does all that can fail.
    fn prepare(
        &self,
        config: &Config,
        succession: &[Option<usize>],
        descriptors: Descriptors,
    ) -> Result<(Vec<Prepared>, Access), Error> {
        let door_of = |open: usize| self.in_force.lock().open.get(open).map(|open| open.listener.door());
        let Loaded { doors, access } = load(config, |index| succession[index].and_then(door_of))?;
        let mut prepared = Vec::with_capacity(doors.len());
        for (index, door) in doors.into_iter().enumerate() {
            prepared.push(match succession[index] {
                Some(on) => Prepared::Goes { on, door },
                None => Prepared::Comes(bind(config, index, door, descriptors, &self.places)?),
            });
        }
        Ok((prepared, access))
    }

    /// The pointers of certificates, keys and the like that are others than before, whatever the configuration says of them.
    fn renewed(&self, prepared: &[Prepared]) -> Vec<String> {
        let in_force = self.in_force.lock();
        let is_other = |one: &Prepared| match one {
            Prepared::Goes { on, door } => {
                in_force.open.get(*on).is_some_and(|open| open.listener.door().has_other_material_than(door))
            }
            Prepared::Comes(_) => false,
        };
        let renewed = prepared.iter().enumerate().filter(|(_, one)| is_other(one));
        renewed.map(|(index, _)| format!("/listeners/{index}/tls")).collect()
    }

    /// Has everything hold that is no matter of a listener.
    fn apply(&self, before: &Config, config: &Config, access: Access) {
        let callbacks = &config.callbacks;
        self.callbacks.change(Duration::from_millis(callbacks.timeout_ms), callbacks.max_pending as usize);
        self.callbacks.be_patient(callbacks.event_overflow == EventOverflow::Wait);
        self.places.set_max(config.limits.max_connections as usize);
        self.hub.adopt(config, access);
        self.hub.connection_closed(self.places.taken());
        let heartbeat = &config.sys_topics.heartbeat;
        if before.sys_topics.heartbeat != *heartbeat {
            self.beat(heartbeat, &Text::from(config.broker_id()));
        }
    }

    /// Opens, changes and closes listeners, and tells of it.
    fn change_listeners(&self, config: Config, prepared: Vec<Prepared>) {
        let mut told = Told::default();
        let closing = {
            let mut in_force = self.in_force.lock();
            let mut before: Vec<Option<Open>> = std::mem::take(&mut in_force.open).into_iter().map(Some).collect();
            for (listener, prepared) in config.listeners.iter().zip(prepared) {
                let open = match prepared {
                    Prepared::Comes(listener) => {
                        let open = Open::begin(listener, &self.hub, &self.places);
                        told.up.push(open.listener.info());
                        open
                    }
                    Prepared::Goes { on, door } => {
                        let Some(open) = before.get_mut(on).and_then(Option::take) else { continue };
                        let info = open.listener.info();
                        door.places.set_max(listener.max_connections as usize);
                        open.listener.exchange(door);
                        if open.listener.info() != info {
                            told.down.push(info);
                            told.up.push(open.listener.info());
                        }
                        open
                    }
                };
                in_force.open.push(open);
            }
            in_force.config = Arc::new(config);
            let closing = before.into_iter().flatten().map(|open| {
                told.down.push(open.listener.info());
                open.close()
            });
            closing.collect::<Vec<_>>()
        };
        closing.into_iter().for_each(Closing::wait);
        self.tell_of_listeners(told);
    }

    fn tell_of_listeners(&self, Told { down, up }: Told) {
        for listener in down {
            tracing::info!(listener = %listener.name, address = %listener.address, "no longer listening");
            self.callbacks.tell(Hook::ListenerDown, || Key::Broker, || Event::ListenerDown(listener));
        }
        for listener in up {
            tracing::info!(listener = %listener.name, address = %listener.address, "listening");
            self.callbacks.tell(Hook::ListenerUp, || Key::Broker, || Event::ListenerUp(listener));
        }
    }
}
