"""Sessions that outlive a connection, and names that are taken over."""

import queue
import time

import pytest
from mqtt import DEADLINE


@pytest.mark.parametrize("qos", [1, 2])
def test_messages_wait_for_an_absent_client(broker, client, every_version, qos):
    first = client(broker, every_version, "absent", clean=False)
    assert not first.session_present
    first.subscribe("mail/#", qos)
    first.disconnect()

    publisher = client(broker, every_version)
    for number in range(20):
        publisher.publish(f"mail/{number}", str(number), qos)

    second = client(broker, every_version, "absent", clean=False)
    # MQTT 3.1 has no such flag.
    if every_version != "3.1":
        assert second.session_present
    got = second.take(20)
    # Sorted: the order is promised within one topic, and these are twenty.
    assert sorted((int(message.payload), message.qos) for message in got) == [(number, qos) for number in range(20)]
    publisher.publish("mail/end", b"end", qos)
    assert second.until(b"end") == []


def test_messages_wait_after_a_cut(broker, client, version):
    first = client(broker, version, "absent", clean=False)
    first.subscribe("mail", 1)
    first.cut()
    client(broker, version).publish("mail", b"x")
    second = client(broker, version, "absent", clean=False)
    assert second.session_present
    assert second.next().payload == b"x"


def lacks(wanted, *connections):
    """Which of these numbers came on none of the connections, duplicates and order left aside."""
    lacking = set(wanted)
    for one in connections[:-1]:
        # This connection is closed: what it has got is in its queue.
        lacking -= {int(message.payload) for message in list(one.messages.queue)}
    try:
        while lacking:
            lacking.discard(int(connections[-1].messages.get(timeout=5).payload))
    except queue.Empty:
        pass
    return lacking


# Both with QoS 1: a half done exchange of QoS 2 can be ended only by a client that remembers it.
def test_nothing_is_lost_right_after_disconnect(broker, client, version):
    """Messages that come while the broker still works off the DISCONNECT are for the next connection."""
    publisher = client(broker, version)
    for turn in range(20):
        name = f"absent-{turn}"
        first = client(broker, version, name, clean=False)
        first.subscribe(name, 1)
        # Nothing is waited for: the messages are to meet the DISCONNECT.
        first.paho.disconnect()
        sent = [publisher.send(name, str(number), 1) for number in range(5)]
        for mid in sent:
            publisher.sent(mid)
        assert first.disconnected.wait(DEADLINE)
        second = client(broker, version, name, clean=False)
        assert lacks(range(5), first, second) == set()


def test_nothing_is_lost_over_a_cut(broker, client, version):
    first = client(broker, version, "absent", clean=False)
    first.subscribe("mail", 1)
    publisher = client(broker, version)
    sent = [publisher.send("mail", str(number), 1) for number in range(200)]
    first.cut()
    for mid in sent:
        publisher.sent(mid)
    second = client(broker, version, "absent", clean=False)
    assert lacks(range(200), first, second) == set()


def test_coming_back_at_once(broker, client, version):
    refused = []
    for turn in range(50):
        one = client(broker, version, "restless", clean=False, connect=False)
        _, reason, _ = one.open()
        if reason.is_failure:
            refused.append((turn, str(reason)))
        one.cut() if turn % 2 else one.disconnect_at_once()
    assert refused == []


def test_subscriptions_last(broker, client, version):
    first = client(broker, version, "absent", clean=False)
    first.subscribe("a/+", 1)
    first.disconnect()
    second = client(broker, version, "absent", clean=False)
    client(broker, version).publish("a/b", b"x")
    assert second.next().payload == b"x"


def test_clean_start_discards(broker, client, version):
    first = client(broker, version, "absent", clean=False)
    first.subscribe("mail", 1)
    first.disconnect()
    publisher = client(broker, version)
    publisher.publish("mail", b"old")

    second = client(broker, version, "absent", clean=True)
    assert not second.session_present
    publisher.publish("mail", b"new")
    second.subscribe("mail", 1)
    publisher.publish("mail", b"end")
    assert second.until(b"end") == []


def test_clean_session_leaves_nothing(broker, client, version):
    client(broker, version, "passing", clean=True).disconnect_at_once()
    assert not client(broker, version, "passing", clean=False).session_present


def test_session_expires(broker, client):
    first = client(broker, "5", "absent", clean=False, expiry=1)
    first.subscribe("mail", 1)
    first.disconnect()
    # No client is told when a session ends, so its absence is asked for until it is true. Each question starts the
    # time anew, so it is asked at longer and longer intervals; the interval is what is under test.
    for seconds in (1.5, 3, 5):
        time.sleep(seconds)
        again = client(broker, "5", "absent", clean=False, expiry=1)
        present = again.session_present
        again.disconnect()
        if not present:
            return
    raise AssertionError("the session is still there")


def test_takeover(broker, client, version):
    first = client(broker, version, "double")
    first.subscribe("a", 1)
    second = client(broker, version, "double")
    assert first.disconnected.wait(DEADLINE)
    assert not second.session_present

    second.subscribe("b", 1)
    publisher = client(broker, version)
    publisher.publish("a", b"x")
    publisher.publish("b", b"end")
    assert second.until(b"end") == []


def test_takeover_keeps_the_session(broker, client, version):
    first = client(broker, version, "double", clean=False)
    first.subscribe("a", 1)
    second = client(broker, version, "double", clean=False)
    assert first.disconnected.wait(DEADLINE)
    assert second.session_present
    client(broker, version).publish("a", b"x")
    assert second.next().payload == b"x"


def test_takeover_again_and_again(broker, client, version):
    last = client(broker, version, "double", clean=False)
    last.subscribe("a", 1)
    publisher = client(broker, version)
    for number in range(20):
        last = client(broker, version, "double", clean=False)
        assert last.session_present
        publisher.publish("a", str(number))
        # The next connection may come before the acknowledgement of the last message is read: then it comes again.
        while (message := last.next()).payload != str(number).encode():
            assert message.dup


def test_the_broker_makes_up_a_client_id(broker, client, version):
    nameless = [client(broker, version, "") for _ in range(2)]
    if version == "5":
        names = [one.properties.AssignedClientIdentifier for one in nameless]
        assert all(names) and names[0] != names[1]
    for one in nameless:
        one.subscribe("a", 1)
    nameless[0].publish("a", b"x")
    assert [one.next().payload for one in nameless] == [b"x"] * 2
