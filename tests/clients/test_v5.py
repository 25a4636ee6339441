"""What only MQTT 5 has."""

import time

import pytest


def test_message_properties_arrive(broker, client):
    subscriber = client(broker, "5")
    subscriber.subscribe("a", 1)
    client(broker, "5").publish(
        "a",
        b"{}",
        PayloadFormatIndicator=1,
        ContentType="application/json",
        ResponseTopic="answers/to/me",
        CorrelationData=b"\0\1\xff",
        UserProperty=[("first", "1"), ("second", "2"), ("first", "ä")],
    )
    got = subscriber.next().properties
    assert got.PayloadFormatIndicator == 1
    assert got.ContentType == "application/json"
    assert got.ResponseTopic == "answers/to/me"
    assert got.CorrelationData == b"\0\1\xff"
    assert got.UserProperty == [("first", "1"), ("second", "2"), ("first", "ä")]


def test_message_expiry_arrives(broker, client):
    subscriber = client(broker, "5")
    subscriber.subscribe("a", 1)
    client(broker, "5").publish("a", b"x", MessageExpiryInterval=100)
    # Less the time the message has been with the broker.
    assert 90 <= subscriber.next().properties.MessageExpiryInterval <= 100


def test_no_expiry_is_made_up(broker, client):
    subscriber = client(broker, "5")
    subscriber.subscribe("a", 1)
    publisher = client(broker, "5")
    publisher.publish("a", b"x")
    publisher.publish("a", b"x", ContentType="text/plain")
    assert not any(hasattr(message.properties, "MessageExpiryInterval") for message in subscriber.take(2))


def test_expired_message_is_not_delivered(broker, client):
    absent = client(broker, "5", "absent", clean=False)
    absent.subscribe("a", 1)
    absent.disconnect()

    publisher = client(broker, "5")
    publisher.publish("a", b"short", MessageExpiryInterval=1)
    publisher.publish("a", b"long", MessageExpiryInterval=100)
    # The interval is what is under test, and nothing tells its end.
    time.sleep(2.1)
    publisher.publish("a", b"end")

    back = client(broker, "5", "absent", clean=False)
    got = back.until(b"end")
    assert [message.payload for message in got] == [b"long"]
    assert 90 <= got[0].properties.MessageExpiryInterval < 100


def test_request_and_answer(broker, client):
    server, asker = client(broker, "5"), client(broker, "5")
    server.subscribe("service", 1)
    asker.subscribe("answers", 1)
    asker.publish("service", b"2+2", ResponseTopic="answers", CorrelationData=b"7")
    question = server.next()
    server.publish(question.properties.ResponseTopic, b"4", CorrelationData=question.properties.CorrelationData)
    answer = asker.next()
    assert (answer.payload, answer.properties.CorrelationData) == (b"4", b"7")


def test_old_clients_get_the_message_without_properties(broker, client):
    subscriber = client(broker, "3.1.1")
    subscriber.subscribe("a", 1)
    client(broker, "5").publish("a", b"x", ContentType="text/plain", UserProperty=[("a", "b")])
    assert subscriber.next().payload == b"x"


def test_no_local(broker, client):
    own, other = client(broker, "5"), client(broker, "5")
    own.subscribe("a", 1, noLocal=True)
    own.publish("a", b"mine")
    other.publish("a", b"end")
    assert own.until(b"end") == []


@pytest.mark.parametrize("keep", [False, True])
def test_retain_as_published(broker, client, keep):
    subscriber = client(broker, "5")
    subscriber.subscribe("a", 1, retainAsPublished=keep)
    publisher = client(broker, "5")
    publisher.publish("a", b"x", retain=True)
    publisher.publish("a", b"x", retain=False)
    assert [message.retain for message in subscriber.take(2)] == [keep, False]


def test_connack_tells_what_the_broker_can_do(broker, client):
    got = client(broker, "5").properties
    # Absent means the highest, or yes.
    assert getattr(got, "MaximumQoS", 2) == 2
    for name in ("RetainAvailable", "WildcardSubscriptionAvailable", "SharedSubscriptionAvailable"):
        assert getattr(got, name, 1) == 1
