"""Messages from one client to another."""

import pytest

PAYLOADS = {
    "text": b"hello",
    "empty": b"",
    "zero bytes inside": b"a\0b\0\0c\0",
    "all bytes": bytes(range(256)),
    "200 KB": bytes(range(256)) * 800,
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_payload_arrives_intact(broker, client, every_version, qos, payload):
    subscriber = client(broker, every_version)
    assert subscriber.subscribe("a/b", qos) == qos
    publisher = client(broker, every_version)
    publisher.publish("a/b", payload, qos)

    message = subscriber.next()
    assert message.topic == "a/b"
    assert message.payload == payload
    assert (message.qos, message.retain, message.dup) == (qos, False, False)


@pytest.mark.parametrize("published", [0, 1, 2])
@pytest.mark.parametrize("subscribed", [0, 1, 2])
def test_qos_is_the_lower_of_the_two(broker, client, version, published, subscribed):
    subscriber = client(broker, version)
    subscriber.subscribe("t", subscribed)
    client(broker, version).publish("t", b"x", published)
    assert subscriber.next().qos == min(published, subscribed)


@pytest.mark.parametrize("old, new", [("3.1", "5"), ("5", "3.1.1"), ("3.1.1", "5")])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_versions_meet(broker, client, old, new, qos):
    subscriber = client(broker, new)
    subscriber.subscribe("t", qos)
    client(broker, old).publish("t", b"x", qos)
    message = subscriber.next()
    assert (message.payload, message.qos) == (b"x", qos)


# Fewer than `limits.max_queued_messages`: none may be lost, however slow the subscriber is.
MANY = 600


@pytest.mark.parametrize("qos", [1, 2])
def test_many_messages_in_order(broker, client, version, qos):
    subscriber = client(broker, version)
    subscriber.subscribe("many", qos)
    publisher = client(broker, version)
    sent = [publisher.send("many", str(number), qos) for number in range(MANY)]
    for mid in sent:
        publisher.sent(mid)
    publisher.publish("many", b"end", qos)

    got = [int(message.payload) for message in subscriber.until(b"end")]
    assert got == list(range(MANY))


@pytest.mark.parametrize("qos", [1, 2])
def test_each_publisher_keeps_its_order(broker, client, version, qos):
    subscriber = client(broker, version)
    subscriber.subscribe("from/+", qos)
    publishers = [client(broker, version) for _ in range(4)]
    sent = [
        (publisher, publisher.send(f"from/{index}", str(number), qos))
        for number in range(100)
        for index, publisher in enumerate(publishers)
    ]
    for publisher, mid in sent:
        publisher.sent(mid)

    got = {f"from/{index}": [] for index in range(4)}
    for message in subscriber.take(400):
        got[message.topic].append(int(message.payload))
    assert got == {topic: list(range(100)) for topic in got}


def test_one_message_for_every_subscriber(broker, client, version):
    subscribers = [client(broker, version) for _ in range(5)]
    for subscriber in subscribers:
        subscriber.subscribe("news", 1)
    client(broker, version).publish("news", b"x")
    assert [subscriber.next().payload for subscriber in subscribers] == [b"x"] * 5


def test_publisher_receives_its_own_message(broker, client, version):
    both = client(broker, version)
    both.subscribe("echo", 1)
    both.publish("echo", b"x")
    assert both.next().payload == b"x"


def test_fifty_clients_at_once(broker, client, version):
    clients = [client(broker, version) for _ in range(50)]
    for index, one in enumerate(clients):
        one.subscribe(f"ring/{index}", 1)
        one.subscribe("all", 1)
    sent = [(one, one.send(f"ring/{(index + 1) % 50}", str(index), 1)) for index, one in enumerate(clients)]
    sent += [(one, one.send("all", str(index), 1)) for index, one in enumerate(clients)]
    for one, mid in sent:
        one.sent(mid)

    for index, one in enumerate(clients):
        got = one.take(51)
        assert [int(m.payload) for m in got if m.topic != "all"] == [(index - 1) % 50]
        assert sorted(int(m.payload) for m in got if m.topic == "all") == list(range(50))
