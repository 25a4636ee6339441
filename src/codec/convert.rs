//! From the structs of RMQTT's codec to packets of our own.

use bytes::Bytes;
use bytestring::ByteString;
use rmqtt::codec::types::QoS as CodecQoS;
use rmqtt::codec::v3;
use rmqtt::codec::v5;

use crate::model::{Protocol, QoS, ReasonCode, RetainHandling, SubscriptionOptions};

use super::{Auth, Connect, Disconnect, Subscribe, Unsubscribe, Will};

pub(super) fn connect_v3(connect: v3::Connect, protocol: Protocol) -> Connect {
    Connect {
        protocol,
        clean_start: connect.clean_session,
        keep_alive_s: connect.keep_alive,
        client_id: connect.client_id,
        username: connect.username,
        password: connect.password,
        will: connect.last_will.map(|will| Will {
            topic: will.topic,
            payload: will.message,
            qos: qos(will.qos),
            retain: will.retain,
            delay_s: 0,
            message_expiry_s: None,
            properties: Bytes::new(),
        }),
        session_expiry_s: if connect.clean_session { 0 } else { u32::MAX },
        receive_maximum: u16::MAX,
        maximum_packet_size: None,
        topic_alias_maximum: 0,
        request_response_information: false,
        request_problem_information: true,
        user_properties: Vec::new(),
        authentication_method: None,
        authentication_data: None,
    }
}

/// The will is still without the properties that are passed on.
pub(super) fn connect_v5(connect: v5::Connect) -> Connect {
    Connect {
        protocol: Protocol::V5,
        clean_start: connect.clean_start,
        keep_alive_s: connect.keep_alive,
        client_id: connect.client_id,
        username: connect.username,
        password: connect.password,
        will: connect.last_will.map(|will| Will {
            topic: will.topic,
            payload: will.message,
            qos: qos(will.qos),
            retain: will.retain,
            delay_s: will.will_delay_interval_sec.unwrap_or(0),
            message_expiry_s: will.message_expiry_interval.map(u32::from),
            properties: Bytes::new(),
        }),
        session_expiry_s: connect.session_expiry_interval_secs,
        receive_maximum: connect.receive_max.map_or(u16::MAX, u16::from),
        maximum_packet_size: connect.max_packet_size.map(u32::from),
        topic_alias_maximum: connect.topic_alias_max,
        request_response_information: connect.request_response_info,
        request_problem_information: connect.request_problem_info,
        user_properties: connect.user_properties,
        authentication_method: connect.auth_method,
        authentication_data: connect.auth_data,
    }
}

pub(super) fn subscribe_v3(packet_id: u16, filters: Vec<(ByteString, CodecQoS)>) -> Subscribe {
    let with_options = |(filter, wanted)| (filter, SubscriptionOptions { qos: qos(wanted), ..Default::default() });
    Subscribe { packet_id, filters: filters.into_iter().map(with_options).collect() }
}

pub(super) fn subscribe_v5(subscribe: v5::Subscribe) -> Subscribe {
    let with_options = |(filter, options): (ByteString, v5::SubscriptionOptions)| {
        let options = SubscriptionOptions {
            qos: qos(options.qos),
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
            retain_handling: match options.retain_handling {
                v5::RetainHandling::AtSubscribe => RetainHandling::SendAtSubscribe,
                v5::RetainHandling::AtSubscribeNew => RetainHandling::SendIfNew,
                v5::RetainHandling::NoAtSubscribe => RetainHandling::DoNotSend,
            },
            identifier: subscribe.id,
        };
        (filter, options)
    };
    Subscribe {
        packet_id: subscribe.packet_id.get(),
        filters: subscribe.topic_filters.into_iter().map(with_options).collect(),
    }
}

pub(super) fn unsubscribe_v5(unsubscribe: v5::Unsubscribe) -> Unsubscribe {
    Unsubscribe { packet_id: unsubscribe.packet_id.get(), filters: unsubscribe.topic_filters }
}

pub(super) fn disconnect_v5(disconnect: v5::Disconnect) -> Disconnect {
    Disconnect {
        reason: ReasonCode(disconnect.reason_code.into()),
        session_expiry_s: disconnect.session_expiry_interval_secs,
        reason_string: disconnect.reason_string,
    }
}

pub(super) fn auth(auth: v5::Auth) -> Auth {
    Auth { reason: ReasonCode(auth.reason_code.into()), method: auth.auth_method, data: auth.auth_data }
}

fn qos(qos: CodecQoS) -> QoS {
    match qos {
        CodecQoS::AtMostOnce => QoS::AtMostOnce,
        CodecQoS::AtLeastOnce => QoS::AtLeastOnce,
        CodecQoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}
