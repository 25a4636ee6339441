//! Clients and their sessions: who is there, what it may, and what the host program does to it.

use serde::Serialize;

use super::{Broker, Error};
use crate::model::{topic, ReasonCode, SubscriptionOptions};
use crate::session::Missing;

pub use crate::session::{Action, ClientInfo, ClientPage, ClientQuery, Explanation, Presence};

/// Clients of a page if the query does not say.
const DEFAULT_LIMIT: usize = 100;

/// Clients of a page at most.
const MAX_LIMIT: usize = 1000;

/// The largest subscription identifier `[MQTT-5 3.8.2.1.2]`.
const MAX_IDENTIFIER: u32 = 268_435_455;

impl Broker {
    /// A page of the clients that have a session, connected or not, in the order of their client identifiers.
    pub fn clients(&self, query: &ClientQuery) -> Result<ClientPage, Error> {
        let limit = match query.limit {
            0 => DEFAULT_LIMIT,
            limit if limit > MAX_LIMIT => {
                return Err(Error::InvalidArgument(format!("the limit of the query is {limit}, above {MAX_LIMIT}")));
            }
            limit => limit,
        };
        self.inner.with_hub(|hub| Ok(hub.clients(&ClientQuery { limit, ..query.clone() })))
    }

    /// One client that has a session.
    pub fn client(&self, client_id: &str) -> Result<ClientInfo, Error> {
        self.inner.with_hub(|hub| hub.client(client_id).ok_or_else(|| no_client(client_id)))
    }

    /// Asks the connection of a client to close, with a reason code that an MQTT 5 client is told. With `discard_session`,
    /// its session ends as well, also if it is not connected.
    pub fn disconnect(&self, client_id: &str, reason_code: u8, discard_session: bool) -> Result<(), Error> {
        let reason = ReasonCode(reason_code);
        if !reason.is_for_server_disconnect() {
            let text = format!("the reason code 0x{reason_code:02X} is none that a server may send in DISCONNECT");
            return Err(Error::InvalidArgument(text));
        }
        let found = self.inner.with_hub(|hub| Ok(hub.disconnect_client(client_id, reason, discard_session)))?;
        match (found, discard_session) {
            (true, _) => Ok(()),
            (false, true) => Err(no_client(client_id)),
            (false, false) => Err(Error::NotFound(format!("no client \"{client_id}\" is connected"))),
        }
    }

    /// Subscribes a client, connected or not, to a filter. Nobody is asked whether it may.
    pub fn subscribe_client(&self, client_id: &str, filter: &str, options: SubscriptionOptions) -> Result<(), Error> {
        let config = self.inner.config.load();
        self.check_filter(filter)?;
        let invalid = |text: &str| Err(Error::InvalidArgument(text.to_owned()));
        if options.qos as u8 > config.limits.max_qos {
            return Err(Error::InvalidArgument(format!("the QoS is above limits.max_qos, {}", config.limits.max_qos)));
        }
        if options.identifier.is_some_and(|identifier| identifier.get() > MAX_IDENTIFIER) {
            return Err(Error::InvalidArgument(format!("the identifier is above {MAX_IDENTIFIER}")));
        }
        if topic::is_shared(filter) && options.no_local {
            return invalid("a shared subscription cannot have no local"); // [MQTT-3.8.3-4]
        }
        if topic::is_shared(filter) && !config.shared_subscriptions.enabled {
            return invalid("shared subscriptions are turned off by shared_subscriptions.enabled");
        }
        self.inner.with_hub(|hub| {
            hub.subscribe_client(client_id, filter, options).map_err(|missing| not_found(missing, client_id, filter))
        })
    }

    /// Ends a subscription of a client, connected or not. Nobody is asked whether it may.
    pub fn unsubscribe_client(&self, client_id: &str, filter: &str) -> Result<(), Error> {
        self.check_filter(filter)?;
        self.inner.with_hub(|hub| {
            hub.unsubscribe_client(client_id, filter).map_err(|missing| not_found(missing, client_id, filter))
        })
    }

    /// How many sessions and subscriptions of the host program would get a message, one for each shared group.
    pub fn subscriber_count(&self, topic: &str) -> Result<u64, Error> {
        topic::check_name(topic, self.inner.config.load().limits.max_topic_levels as usize)
            .map_err(|error| Error::InvalidArgument(format!("the topic {error}")))?;
        self.inner.with_hub(|hub| Ok(hub.subscribers(topic)))
    }

    /// What would become of something that a client might do, and who decides it.
    pub fn explain(&self, client_id: &str, action: Action, topic: &str) -> Result<Explanation, Error> {
        self.inner.with_hub(|hub| hub.explain(client_id, action, topic).ok_or_else(|| no_client(client_id)))
    }

    fn check_filter(&self, filter: &str) -> Result<(), Error> {
        topic::check_filter(filter, self.inner.config.load().limits.max_topic_levels as usize)
            .map_err(|error| Error::InvalidArgument(format!("the filter {error}")))
    }
}

/// An answer as JSON.
pub fn to_json(answer: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(answer).map_err(|error| Error::Internal(format!("an answer cannot be written: {error}")))
}

fn no_client(client_id: &str) -> Error {
    Error::NotFound(format!("there is no session of a client \"{client_id}\""))
}

fn not_found(missing: Missing, client_id: &str, filter: &str) -> Error {
    match missing {
        Missing::Client => no_client(client_id),
        Missing::Subscription => Error::NotFound(format!("\"{client_id}\" is not subscribed to \"{filter}\"")),
    }
}
