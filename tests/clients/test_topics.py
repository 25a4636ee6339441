"""Which messages a subscription gets."""

import pytest

TOPICS = ["a", "a/b", "a/c", "a/b/c", "a//c", "/a", "b", "b/b/c", "A/b", "a/b/", "ä/ö", "a b/c"]

MATCHES = {
    "a": ["a"],
    "a/+": ["a/b", "a/c"],
    "a/#": ["a", "a/b", "a/c", "a/b/c", "a//c", "a/b/"],
    "+": ["a", "b"],
    "+/b": ["a/b", "A/b"],
    "+/b/c": ["a/b/c", "b/b/c"],
    "a/+/c": ["a/b/c", "a//c"],
    "+/+": ["a/b", "a/c", "/a", "A/b", "ä/ö", "a b/c"],
    "/+": ["/a"],
    "a/b/+": ["a/b/c", "a/b/"],
    "+/+/#": ["a/b", "a/c", "a/b/c", "a//c", "/a", "b/b/c", "A/b", "a/b/", "ä/ö", "a b/c"],
    "ä/#": ["ä/ö"],
    "#": TOPICS,
}


@pytest.mark.parametrize("topic_filter", MATCHES)
def test_wildcards(broker, client, version, topic_filter):
    subscriber = client(broker, version)
    subscriber.subscribe("the-end", 1)
    subscriber.subscribe(topic_filter, 1)
    publisher = client(broker, version)
    for topic in TOPICS:
        publisher.publish(topic, b"x")
    publisher.publish("the-end", b"end")
    assert [message.topic for message in subscriber.until(b"end")] == MATCHES[topic_filter]


def test_wildcards_do_not_match_dollar_topics(broker, client, version):
    subscriber = client(broker, version)
    for topic_filter in ("#", "+/inside"):
        subscriber.subscribe(topic_filter, 1)
    explicit = client(broker, version)
    explicit.subscribe("$own/#", 1)
    publisher = client(broker, version)
    publisher.publish("$own/inside", b"x")
    publisher.publish("end", b"end")

    assert explicit.next().topic == "$own/inside"
    assert subscriber.until(b"end") == []


def test_unsubscribe(broker, client, version):
    subscriber = client(broker, version)
    subscriber.subscribe("a", 1)
    subscriber.subscribe("b", 1)
    publisher = client(broker, version)
    publisher.publish("a", b"1")
    assert subscriber.next().payload == b"1"

    subscriber.unsubscribe("a")
    publisher.publish("a", b"2")
    publisher.publish("b", b"end")
    assert subscriber.until(b"end") == []


def test_subscribing_again_replaces(broker, client, version):
    subscriber = client(broker, version)
    assert subscriber.subscribe("a", 0) == 0
    assert subscriber.subscribe("a", 1) == 1
    publisher = client(broker, version)
    publisher.publish("a", b"x")
    publisher.publish("a", b"end")
    assert [(message.payload, message.qos) for message in subscriber.until(b"end")] == [(b"x", 1)]


def test_shared_subscription_splits(broker, client, version):
    members = [client(broker, version) for _ in range(3)]
    for member in members:
        assert member.subscribe("$share/group/work/#", 1) == 1
    plain = client(broker, version)
    plain.subscribe("work/#", 1)
    publisher = client(broker, version)
    for number in range(60):
        publisher.publish(f"work/{number}", str(number))

    assert [int(message.payload) for message in plain.take(60)] == list(range(60))

    # The messages have been handed out when the plain subscription has had all of them, but some may still be under
    # way: each member is asked by name whether it has got its share.
    shares = []
    for index, member in enumerate(members):
        member.subscribe(f"end/{index}", 1)
        publisher.publish(f"end/{index}", b"end")
        shares.append([int(message.payload) for message in member.until(b"end")])
    assert sorted(sum(shares, [])) == list(range(60))
    assert all(share == sorted(share) for share in shares)
    # Which member gets a message is the broker's choice, but it is a choice among all.
    assert all(shares)


def test_two_groups_get_all_each(broker, client, version):
    groups = {}
    for group in ("one", "two"):
        groups[group] = client(broker, version)
        groups[group].subscribe(f"$share/{group}/work", 1)
    publisher = client(broker, version)
    for number in range(20):
        publisher.publish("work", str(number))
    for member in groups.values():
        assert [int(message.payload) for message in member.take(20)] == list(range(20))


def test_group_goes_on_when_a_member_leaves(broker, client, version):
    stays, leaves = client(broker, version), client(broker, version)
    for member in (stays, leaves):
        member.subscribe("$share/group/work", 1)
    leaves.unsubscribe("$share/group/work")
    publisher = client(broker, version)
    for number in range(20):
        publisher.publish("work", str(number))
    assert [int(message.payload) for message in stays.take(20)] == list(range(20))
