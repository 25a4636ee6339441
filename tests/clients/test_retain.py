"""Retained messages."""

import pytest


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_new_subscriber_gets_it(broker, client, version, qos):
    publisher = client(broker, version)
    publisher.publish("state", b"on", qos, retain=True)
    # The broker answers in order, so a message of QoS 0 is behind us as well.
    publisher.publish("other", b"")

    subscriber = client(broker, version)
    subscriber.subscribe("state", 2)
    message = subscriber.next()
    assert (message.topic, message.payload, message.qos, message.retain) == ("state", b"on", qos, True)


def test_present_subscriber_gets_it_as_a_fresh_message(broker, client, version):
    subscriber = client(broker, version)
    subscriber.subscribe("state", 1)
    client(broker, version).publish("state", b"on", retain=True)
    assert subscriber.next().retain is False


def test_the_last_one_counts(broker, client, version):
    publisher = client(broker, version)
    for payload in (b"1", b"2", b"3"):
        publisher.publish("state", payload, retain=True)
    subscriber = client(broker, version)
    subscriber.subscribe("state", 1)
    assert subscriber.next().payload == b"3"
    publisher.publish("state", b"end")
    assert subscriber.until(b"end") == []


def test_message_without_the_flag_leaves_it(broker, client, version):
    publisher = client(broker, version)
    publisher.publish("state", b"kept", retain=True)
    publisher.publish("state", b"passing")
    subscriber = client(broker, version)
    subscriber.subscribe("state", 1)
    assert subscriber.next().payload == b"kept"


def test_empty_payload_clears_it(broker, client, version):
    present = client(broker, version)
    present.subscribe("state", 1)
    publisher = client(broker, version)
    publisher.publish("state", b"on", retain=True)
    publisher.publish("state", b"", retain=True)
    # To those present the empty message is a message like any other.
    assert [message.payload for message in present.take(2)] == [b"on", b""]

    late = client(broker, version)
    late.subscribe("state", 1)
    publisher.publish("state", b"end")
    assert late.until(b"end") == []


def test_wildcard_finds_all_that_match(broker, client, version):
    publisher = client(broker, version)
    topics = [f"house/{room}/{thing}" for room in ("hall", "attic") for thing in ("light", "heat")]
    for topic in [*topics, "$house/hall/light", "garden/light"]:
        publisher.publish(topic, topic, retain=True)

    subscriber = client(broker, version)
    subscriber.subscribe("house/#", 1)
    assert sorted(message.topic for message in subscriber.take(4)) == sorted(topics)
    publisher.publish("house/end", b"end")
    assert subscriber.until(b"end") == []

    everything = client(broker, version)
    everything.subscribe("#", 1)
    assert sorted(message.topic for message in everything.take(5)) == sorted([*topics, "garden/light"])


def test_it_outlives_its_publisher(broker, client, version):
    publisher = client(broker, version)
    publisher.publish("state", b"on", retain=True)
    publisher.disconnect()
    subscriber = client(broker, version)
    subscriber.subscribe("state", 1)
    assert subscriber.next().payload == b"on"


def test_properties_are_kept(broker, client):
    publisher = client(broker, "5")
    publisher.publish("state", b"on", retain=True, ContentType="text/plain", UserProperty=[("a", "1"), ("a", "2")])
    subscriber = client(broker, "5")
    subscriber.subscribe("state", 1)
    message = subscriber.next()
    assert message.properties.ContentType == "text/plain"
    assert message.properties.UserProperty == [("a", "1"), ("a", "2")]


def test_retain_handling(broker, client):
    publisher = client(broker, "5")
    publisher.publish("state", b"on", retain=True)

    def replay(subscriber, handling):
        """What a subscription with this option brings, told by a message behind it."""
        subscriber.subscribe("state", 1, retainHandling=handling)
        publisher.publish("state", b"end")
        return [message.payload for message in subscriber.until(b"end")]

    always, once, never = (client(broker, "5") for _ in range(3))
    assert [replay(always, 0), replay(always, 0)] == [[b"on"], [b"on"]]
    assert [replay(once, 1), replay(once, 1)] == [[b"on"], []]
    assert [replay(never, 2), replay(never, 2)] == [[], []]


def test_shared_subscription_gets_no_retained_messages(broker, client):
    publisher = client(broker, "5")
    publisher.publish("state", b"on", retain=True)
    subscriber = client(broker, "5")
    subscriber.subscribe("$share/group/state", 1)
    publisher.publish("state", b"end")
    assert subscriber.until(b"end") == []


def test_retain_can_be_turned_off(start_broker, client):
    broker = start_broker(retain={"enabled": False})
    assert client(broker, "5").properties.RetainAvailable == 0
