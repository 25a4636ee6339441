"""Who is let in, and what the limits refuse without harm to others."""

import socket
import time

import pytest
from mqtt import (
    CLIENT_ID_NOT_VALID,
    DEADLINE,
    FAILURE,
    HOST,
    NOT_AUTHORIZED,
    PACKET_TOO_LARGE,
    QOS_NOT_SUPPORTED,
    QUOTA_EXCEEDED,
    SERVER_UNAVAILABLE,
    TOPIC_NAME_INVALID,
    Will,
    refusal,
)


def test_anonymous_is_refused_by_default(start_broker, client, every_version):
    broker = start_broker(auth={})
    assert refusal(client, broker, every_version) == NOT_AUTHORIZED


def test_anonymous_is_refused(start_broker, client, version):
    broker = start_broker(auth={"allow_anonymous": False})
    assert refusal(client, broker, version) == NOT_AUTHORIZED
    # Nobody checks passwords here, so none is good.
    assert refusal(client, broker, version, username="me", password="secret") == NOT_AUTHORIZED
    assert refusal(client, broker, version, username="", password="") == NOT_AUTHORIZED


def test_two_listeners_one_anonymous(start_broker, client, version):
    broker = start_broker(
        auth={"allow_anonymous": False},
        listeners=[
            {"name": "closed", "type": "tcp", "address": "127.0.0.1:0"},
            {"name": "open", "type": "tcp", "address": "127.0.0.1:0", "allow_anonymous": True},
        ],
    )
    assert broker.ports["closed"] != broker.ports["open"]
    assert refusal(client, broker.ports["closed"], version) == NOT_AUTHORIZED
    inside = client(broker.ports["open"], version)
    inside.subscribe("a", 1)
    inside.publish("a", b"x")
    assert inside.next().payload == b"x"


def test_listeners_share_one_broker(start_broker, client, version):
    broker = start_broker(
        listeners=[{"name": name, "type": "tcp", "address": "127.0.0.1:0"} for name in ("left", "right")]
    )
    subscriber = client(broker.ports["left"], version)
    subscriber.subscribe("a", 1)
    client(broker.ports["right"], version).publish("a", b"x")
    assert subscriber.next().payload == b"x"


def test_client_id_too_long(start_broker, client, version):
    broker = start_broker(limits={"max_client_id_length": 10})
    client(broker, version, "x" * 10)
    assert refusal(client, broker, version, "x" * 11) == CLIENT_ID_NOT_VALID


def test_connack_tells_the_limits(start_broker, client):
    limits = {"max_qos": 1, "max_packet_bytes": 5000, "max_inflight": 7, "max_keepalive_s": 10}
    broker = start_broker(limits=limits, session={"max_expiry_s": 100}, retain={"enabled": False})
    told = client(broker, "5", clean=False, keepalive=60).properties
    assert (told.MaximumQoS, told.MaximumPacketSize, told.ReceiveMaximum, told.ServerKeepAlive) == (1, 5000, 7, 10)
    assert (told.SessionExpiryInterval, told.RetainAvailable) == (100, 0)


def test_above_max_qos(start_broker, client, version):
    broker = start_broker(limits={"max_qos": 1})
    # The client library minds what it is told; a broker must not rely on that.
    above = client(broker, version)
    above.paho.publish("a", b"x", 2)
    reason = above.ended()
    assert version != "5" or reason == QOS_NOT_SUPPORTED


@pytest.mark.parametrize("limit", [0, 1])
def test_max_qos_caps_subscriptions(start_broker, client, version, limit):
    broker = start_broker(limits={"max_qos": limit})
    subscriber = client(broker, version)
    assert subscriber.subscribe("a", 2) == limit
    client(broker, version).publish("a", b"x", limit)
    assert subscriber.next().qos == limit


LEVELS = 8
GOOD = "/".join("a" * LEVELS)
DEEP = {"one too many": "/".join("a" * (LEVELS + 1)), "thousands": "/".join("a" * 30_000)}


@pytest.mark.parametrize("topic", DEEP.values(), ids=DEEP.keys())
def test_too_many_levels_in_subscribe(start_broker, client, version, topic):
    broker = start_broker(limits={"max_topic_levels": LEVELS})
    bystander = client(broker, version)
    bystander.subscribe(GOOD, 1)
    deep = client(broker, version)
    for topic_filter in (topic, topic[:-1] + "#"):
        assert deep.subscribe(topic_filter, 1) >= 0x80

    bystander.publish(GOOD, b"x")
    assert bystander.next().payload == b"x"


@pytest.mark.parametrize("qos", [0, 1, 2])
@pytest.mark.parametrize("retain", [False, True], ids=["passing", "retained"])
@pytest.mark.parametrize("topic", DEEP.values(), ids=DEEP.keys())
def test_too_many_levels_in_publish(start_broker, client, version, topic, retain, qos):
    broker = start_broker(limits={"max_topic_levels": LEVELS})
    bystander = client(broker, version)
    bystander.subscribe("#", 1)
    deep = client(broker, version)
    mid = deep.send(topic, b"deep", qos, retain)
    # MQTT 3 has no way to say no. With QoS 2 the client library does not tell what the first answer says.
    if version == "5" and qos == 1:
        assert deep.sent(mid).value == TOPIC_NAME_INVALID

    bystander.publish(GOOD, b"end")
    assert bystander.until(b"end") == []
    client(broker, version).publish(GOOD, b"again")
    assert bystander.next().payload == b"again"


def test_too_many_levels_are_told_at_once(start_broker):
    """QoS 2 is refused in the first answer, so that nothing of the message is kept."""
    broker = start_broker(limits={"max_topic_levels": LEVELS})
    topic = DEEP["one too many"].encode()
    body = len(topic).to_bytes(2, "big") + topic + b"\0\7" + b"\0" + b"deep"
    with socket.create_connection((HOST, broker.port), DEADLINE) as connection:
        connection.sendall(CONNECTS["5"])
        assert connection.recv(4096)[0] == 0x20
        connection.sendall(bytes([0x34, len(body)]) + body)
        answer = connection.recv(4096)
    assert (answer[0], answer[2:5]) == (0x50, bytes([0, 7, TOPIC_NAME_INVALID]))


def test_too_many_levels_in_a_will(start_broker, client, version):
    broker = start_broker(limits={"max_topic_levels": LEVELS})
    bystander = client(broker, version)
    bystander.subscribe("#", 1)
    deep = client(broker, version, "deep", connect=False, will=Will(DEEP["thousands"], b"deep", retain=True))
    _, reason, _ = deep.open()
    if not reason.is_failure:
        deep.cut()
    # The same name again: the broker is done with the first connection when it answers.
    client(broker, version, "deep").publish(GOOD, b"end")
    assert bystander.until(b"end") == []


def test_packet_too_large(start_broker, client, version):
    broker = start_broker(limits={"max_packet_bytes": 1000})
    bystander = client(broker, version)
    bystander.subscribe("a", 1)
    large = client(broker, version)
    if version == "5":
        assert large.properties.MaximumPacketSize == 1000
    # The broker closes as soon as it has read the length: whether the client has written all of it by then is open.
    large.paho.publish("a", bytes(2000), 1)
    reason = large.ended()
    assert version != "5" or reason == PACKET_TOO_LARGE
    bystander.publish("a", bytes(900))
    assert bystander.next().payload == bytes(900)


def test_max_subscriptions(start_broker, client, version):
    broker = start_broker(limits={"max_subscriptions": 2})
    subscriber = client(broker, version)
    assert [subscriber.subscribe(topic, 1) for topic in ("a", "b")] == [1, 1]
    assert subscriber.subscribe("c", 1) == (QUOTA_EXCEEDED if version == "5" else FAILURE)
    subscriber.publish("b", b"x")
    assert subscriber.next().payload == b"x"


def test_max_sessions(start_broker, client, version):
    broker = start_broker(limits={"max_sessions": 2})
    first, _ = client(broker, version), client(broker, version)
    assert refusal(client, broker, version) == (QUOTA_EXCEEDED if version == "5" else SERVER_UNAVAILABLE)
    first.subscribe("a", 1)
    first.publish("a", b"x")
    assert first.next().payload == b"x"


def test_max_connections(start_broker, client, version):
    listeners = [{"name": "main", "address": "127.0.0.1:0", "max_connections": 1}, {"name": "b", "address": "127.0.0.1:0"}]
    broker = start_broker(listeners=listeners, limits={"max_connections": 2})
    full = QUOTA_EXCEEDED if version == "5" else SERVER_UNAVAILABLE
    first = client(broker, version)
    assert refusal(client, broker, version) == full
    client(broker.ports["b"], version)
    assert refusal(client, broker.ports["b"], version) == full
    # Who goes makes room.
    first.disconnect()
    client(broker.ports["b"], version)


def test_keep_alive_pings(broker, client, every_version):
    idle = client(broker, every_version, keepalive=1)
    for _ in range(2):
        assert idle.pings.get(timeout=DEADLINE)
    assert not idle.disconnected.is_set()


CONNECTS = {
    "3.1.1": b"\x10\x11\0\4MQTT\4\2\0\1\0\5quiet",
    "5": b"\x10\x12\0\4MQTT\5\2\0\1\0\0\5quiet",
}


@pytest.mark.parametrize("bare", ["3.1.1", "5"])
def test_silent_client_is_cut_off(broker, bare):
    with socket.create_connection((HOST, broker.port), DEADLINE) as connection:
        connection.sendall(CONNECTS[bare])
        assert connection.recv(4096)[0] == 0x20
        since = time.monotonic()
        while connection.recv(4096):
            pass
        # Not before the time the client asked for.
        assert time.monotonic() - since >= 1


def test_max_keep_alive(start_broker, client):
    broker = start_broker(limits={"max_keepalive_s": 10})
    assert client(broker, "5", keepalive=60).properties.ServerKeepAlive == 10
    client(broker, "3.1.1", keepalive=10)
    refusal(client, broker, "3.1.1", keepalive=60)


NOISE = {
    "not MQTT": b"GET / HTTP/1.1\r\nHost: here\r\n\r\n",
    "no CONNECT first": b"\xc0\0" * 8,
    "unknown version": b"\x10\x11\0\4MQTT\x63\2\0\1\0\5noise",
    "endless length": b"\x10\xff\xff\xff\xff\xff\xff\xff\xff",
}


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE.keys())
def test_noise_is_cut_off(broker, client, version, noise):
    with socket.create_connection((HOST, broker.port), DEADLINE) as connection:
        connection.sendall(noise)
        try:
            while connection.recv(4096):
                pass
        except ConnectionResetError:
            pass
    client(broker, version).publish("a", b"x")
