//! What decision hooks are asked.

use std::sync::Arc;

use bytes::Bytes;

use crate::model::{Client, ConnectionInfo, Message, MessageRef, QoS, SubscriptionOptions, Text, UserProperties};

/// A question, as a hook sees it.
#[derive(Clone, Copy, Debug)]
pub enum Question<'a> {
    PreConnect(&'a PreConnect),
    Authenticate(&'a Authenticate),
    /// May the message be published? Its origin says whether it is a client's message, a will, or the host program's.
    AuthorizePublish(MessageRef<'a>),
    AuthorizeSubscribe(&'a AuthorizeSubscribe),
    AuthorizeUnsubscribe(&'a AuthorizeUnsubscribe),
    AuthorizeForward(&'a AuthorizeForward),
    AuthExchange(&'a AuthExchange),
}

/// A question that waits for a callback thread.
#[derive(Clone, Debug)]
pub enum OwnedQuestion {
    PreConnect(PreConnect),
    Authenticate(Box<Authenticate>),
    AuthorizePublish(Arc<Message>),
    AuthorizeSubscribe(AuthorizeSubscribe),
    AuthorizeUnsubscribe(AuthorizeUnsubscribe),
    AuthorizeForward(AuthorizeForward),
    AuthExchange(AuthExchange),
}

impl OwnedQuestion {
    pub(super) fn borrow(&self) -> Question<'_> {
        match self {
            OwnedQuestion::PreConnect(question) => Question::PreConnect(question),
            OwnedQuestion::Authenticate(question) => Question::Authenticate(question),
            OwnedQuestion::AuthorizePublish(message) => Question::AuthorizePublish(message.view()),
            OwnedQuestion::AuthorizeSubscribe(question) => Question::AuthorizeSubscribe(question),
            OwnedQuestion::AuthorizeUnsubscribe(question) => Question::AuthorizeUnsubscribe(question),
            OwnedQuestion::AuthorizeForward(question) => Question::AuthorizeForward(question),
            OwnedQuestion::AuthExchange(question) => Question::AuthExchange(question),
        }
    }
}

/// A connection whose client has said nothing yet in MQTT.
#[derive(Clone, Debug)]
pub struct PreConnect {
    pub stage: Stage,
    /// Where it comes from, `host:port`.
    pub address: Text,
    /// The name of the listener that accepted it.
    pub listener: Text,
    pub connection: Arc<ConnectionInfo>,
}

/// How far a connection has come. The numbers are part of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum Stage {
    /// It has been accepted. Nothing has been read but the header of the PROXY protocol.
    Accepted = 1,
    /// The handshakes below MQTT are over: TLS, WebSocket, QUIC.
    Established = 2,
}

/// A client wants to connect.
#[derive(Clone, Debug)]
pub struct Authenticate {
    pub client: Arc<Client>,
    pub connection: Arc<ConnectionInfo>,
    pub password: Option<Bytes>,
    pub keep_alive_s: u16,
    pub clean_start: bool,
    pub will: Option<Arc<Message>>,
    pub properties: ConnectProperties,
}

/// What an MQTT 5 CONNECT says besides; the defaults of the protocol for older clients.
#[derive(Clone, Debug)]
pub struct ConnectProperties {
    pub session_expiry_s: u32,
    pub receive_maximum: u16,
    /// `None` for no limit.
    pub maximum_packet_size: Option<u32>,
    pub topic_alias_maximum: u16,
    pub request_response_information: bool,
    pub request_problem_information: bool,
    pub user_properties: UserProperties,
}

/// A client authenticates in a way of its own `[MQTT-5 4.12]`, round by round.
#[derive(Clone, Debug)]
pub struct AuthExchange {
    pub client: Arc<Client>,
    /// `None` if the client is connected, and authenticates again.
    pub connection: Option<Arc<ConnectionInfo>>,
    pub method: Text,
    /// What CONNECT or AUTH has brought.
    pub data: Option<Bytes>,
    /// From 1 on.
    pub round: u32,
    /// The client is connected, and authenticates again.
    pub again: bool,
}

/// A client wants to subscribe.
#[derive(Clone, Debug)]
pub struct AuthorizeSubscribe {
    pub client: Arc<Client>,
    /// As in SUBSCRIBE, `$share/{group}/` included.
    pub filter: Text,
    pub options: SubscriptionOptions,
}

/// A client wants to give a subscription up.
#[derive(Clone, Debug)]
pub struct AuthorizeUnsubscribe {
    pub client: Arc<Client>,
    pub filter: Text,
}

/// A message is to be sent to a client, for the first time.
#[derive(Clone, Debug)]
pub struct AuthorizeForward {
    /// Who is to get it.
    pub client: Arc<Client>,
    pub message: Arc<Message>,
    /// With which QoS and retain flag.
    pub qos: QoS,
    pub retain: bool,
}
