//! A callback that panics, as one written in Rust may, costs its own client an answer and nobody else anything.

#[path = "support/mqtt.rs"]
#[allow(dead_code, reason = "each test file uses a part of it")]
mod mqtt;

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Instant;

use mqtt::{Client, LONG};
use rmqttc::ffi::*;

static DROPS: AtomicU32 = AtomicU32::new(0);

unsafe extern "C-unwind" fn authenticate(
    event: *const rmqtt_authenticate_t,
    _: *mut rmqtt_verdict_t,
    _: *mut c_void,
) -> rmqtt_verdict_kind_t {
    // SAFETY: the library passes an event, with a client, with an identifier.
    let id = unsafe { text((*(*event).client).client_id) };
    assert_ne!(id, "panic", "on purpose");
    rmqtt_verdict_kind::RMQTT_VERDICT_ALLOW as i32
}

unsafe extern "C-unwind" fn connected(_: *const rmqtt_connected_t, _: *mut c_void) {
    panic!("on purpose");
}

unsafe extern "C-unwind" fn message(_: *const rmqtt_message_t, _: *mut c_void) {
    panic!("on purpose");
}

unsafe extern "C-unwind" fn count_drop(_: *mut c_void) {
    DROPS.fetch_add(1, SeqCst);
}

/// # Safety
/// The view is readable as far as it says.
unsafe fn text(view: rmqtt_str_t) -> String {
    // SAFETY: promised by the caller.
    let bytes = unsafe { std::slice::from_raw_parts(view.ptr.cast::<u8>(), view.len) };
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn view(text: &str) -> rmqtt_str_t {
    rmqtt_str_t { ptr: text.as_ptr().cast(), len: text.len() }
}

fn stats(broker: *const rmqtt_broker_t) -> rmqtt_stats_t {
    let mut stats = rmqtt_stats_t { struct_size: size_of::<rmqtt_stats_t>(), ..Default::default() };
    // SAFETY: a live broker and a struct of the size it says.
    assert_eq!(unsafe { rmqtt_broker_stats(broker, &mut stats) }, 0);
    stats
}

fn no_hooks() -> rmqtt_hooks_t {
    // SAFETY: zeroes are what C programs begin with: no pointer, no function.
    unsafe { std::mem::zeroed() }
}

#[test]
fn a_panic_in_a_callback_denies_or_is_counted_and_the_broker_goes_on() {
    let mut broker = ptr::null_mut();
    let config = view(r#"{"listeners":[{"address":"127.0.0.1:0"}]}"#);
    let hooks = rmqtt_hooks_t {
        struct_size: size_of::<rmqtt_hooks_t>(),
        user_data: ptr::null_mut(),
        drop: Some(count_drop),
        authenticate: Some(authenticate),
        connected: Some(connected),
        ..no_hooks()
    };
    let mut subscription = ptr::null_mut();
    // SAFETY: every pointer is live for the call, every struct has the size it says.
    let address = unsafe {
        assert_eq!(rmqtt_broker_new(config, &mut broker, ptr::null_mut()), 0);
        assert_eq!(rmqtt_broker_set_hooks(broker, &hooks, ptr::null_mut()), 0);
        assert_eq!(rmqtt_broker_start(broker, ptr::null_mut()), 0);
        let status = rmqtt_broker_subscribe(
            broker,
            view("#"),
            ptr::null(),
            Some(message),
            ptr::null_mut(),
            Some(count_drop),
            &mut subscription,
            ptr::null_mut(),
        );
        assert_eq!(status, 0);
        let mut info = std::mem::zeroed::<rmqtt_listener_info_t>();
        info.struct_size = size_of::<rmqtt_listener_info_t>();
        assert_eq!(rmqtt_broker_listener_info(broker, 0, &mut info), 0);
        text(info.address)
    };

    // Twice: the engine's own handshake must have survived the first.
    for _ in 0..2 {
        assert_eq!(Client::connect(&address, "panic").err(), Some(5));
    }
    let mut client = Client::connect(&address, "calm").unwrap();
    assert!(client.publish("topic", b"x", false));
    assert!(client.publish("topic", b"y", false));

    let begin = Instant::now();
    while stats(broker).callback_panics < 5 && begin.elapsed() < LONG {
        std::thread::yield_now();
    }
    let counted = stats(broker);
    assert_eq!((counted.callback_panics, counted.decisions_denied, counted.messages_delivered), (5, 2, 2));

    // SAFETY: both are live and not used any more.
    unsafe {
        rmqtt_broker_free(broker);
        rmqtt_subscription_free(subscription);
    }
    assert_eq!(DROPS.load(SeqCst), 2);
}
