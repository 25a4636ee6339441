//! Those who get a message that goes to many, and those who have nothing to do with it.

use tokio::runtime::Builder;

use super::in_memory::{packet, string, Caller, Place};
use super::wire::Sent;

const MANY: usize = 500;

async fn client(place: &Place, id: &str) -> Caller {
    let connect = packet(0x10, &[b"\0\x04MQTT\x05\x02\0\0\0", &string(id)]);
    place.client(&connect).await.0
}

async fn receiver(place: &Place, id: &str, topic: &str) -> Caller {
    let mut caller = client(place, id).await;
    caller.write(&packet(0x82, &[&[0, 1, 0], &string(topic), &[0]])).await;
    assert!(matches!(caller.read().await, Some(Sent::SubAck(..))));
    caller
}

async fn expect_message(caller: &mut Caller) {
    let sent = caller.read().await;
    assert!(matches!(sent, Some(Sent::Publish(_))), "{sent:?}");
}

/// With one thread, the order in which everyone gets a turn depends on nothing else.
#[test]
fn others_get_their_message_before_all_receivers_of_another_one_have_theirs() {
    Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
        let place = Place::new();
        let mut crowd = Vec::new();
        for number in 0..MANY {
            crowd.push(receiver(&place, &format!("crowd-{number}"), "all").await);
        }
        let (mut speaker, mut sender) = (client(&place, "speaker").await, client(&place, "sender").await);
        let mut friend = receiver(&place, "friend", "one").await;

        speaker.write(&packet(0x30, &[&string("all"), b"\0x"])).await;
        sender.write(&packet(0x30, &[&string("one"), b"\0x"])).await;
        expect_message(&mut friend).await;
        let reached = crowd.iter_mut().map(Caller::has_something).filter(|has| *has).count();
        assert!(0 < reached && reached < MANY / 2, "{reached} of {MANY} came first");
        for caller in &mut crowd {
            expect_message(caller).await;
        }
    });
}
