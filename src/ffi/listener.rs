use super::versioned::Versioned;
use super::view::rmqtt_str_t;
use crate::model::ListenerInfo;

/// A listener of a broker. From `rmqtt_broker_listener_info`, its text lives as long as the broker; in a hook, as long as the
/// hook runs.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct rmqtt_listener_info_t {
    /// `sizeof(rmqtt_listener_info_t)`, set by the caller; in a hook, what the library fills.
    pub struct_size: usize,
    /// The name.
    pub name: rmqtt_str_t,
    /// The transport, such as "tcp".
    pub r#type: rmqtt_str_t,
    /// Where it is bound, such as "127.0.0.1:1883", or the path of a Unix socket; as configured while the broker does not run.
    pub address: rmqtt_str_t,
    /// The port of that address: the real one while the broker runs, also where port 0 is configured. 0 for Unix sockets.
    pub port: u16,
    /// Zero.
    pub reserved: [u8; 6],
}

// SAFETY: `repr(C)`, size first; pointers and integers, which any bits make.
unsafe impl Versioned for rmqtt_listener_info_t {
    const NAME: &'static str = "the listener info";
    const FIRST_SIZE: usize = 64;
}

impl rmqtt_listener_info_t {
    /// A view of `listener`, which must outlive it.
    pub(super) fn of(listener: &ListenerInfo) -> Self {
        rmqtt_listener_info_t {
            struct_size: size_of::<rmqtt_listener_info_t>(),
            name: rmqtt_str_t::of(&listener.name),
            r#type: rmqtt_str_t::of(&listener.kind),
            address: rmqtt_str_t::of(&listener.address),
            port: listener.port,
            reserved: [0; 6],
        }
    }
}
