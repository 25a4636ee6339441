"""Wills."""

import pytest
from mqtt import Will, properties

DISCONNECT_WITH_WILL = 4


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_sent_when_the_connection_breaks(broker, client, every_version, qos):
    watcher = client(broker, every_version)
    watcher.subscribe("gone", 2)
    client(broker, every_version, will=Will("gone", b"by\0e", qos)).cut()
    message = watcher.next()
    assert (message.topic, message.payload, message.qos, message.retain) == ("gone", b"by\0e", qos, False)


def test_not_sent_after_disconnect(broker, client, version):
    watcher = client(broker, version)
    watcher.subscribe("gone", 1)
    client(broker, version, "leaver", will=Will("gone", b"bye")).disconnect()
    # The same name again: the broker is done with the first connection when it answers the second.
    client(broker, version, "leaver").publish("gone", b"end")
    assert watcher.until(b"end") == []


def test_retained_will(broker, client, version):
    watcher = client(broker, version)
    watcher.subscribe("gone", 1)
    client(broker, version, will=Will("gone", b"bye", retain=True)).cut()
    assert watcher.next().retain is False

    late = client(broker, version)
    late.subscribe("gone", 1)
    message = late.next()
    assert (message.payload, message.retain) == (b"bye", True)


def test_sent_on_takeover(broker, client, version):
    watcher = client(broker, version)
    watcher.subscribe("gone", 1)
    client(broker, version, "double", will=Will("gone", b"bye"))
    client(broker, version, "double")
    assert watcher.next().payload == b"bye"


def test_sent_when_the_keep_alive_runs_out(broker, client, version):
    watcher = client(broker, version)
    watcher.subscribe("gone", 1)
    silent = client(broker, version, keepalive=1, will=Will("gone", b"bye"))
    # Without its network loop the client sends no pings.
    silent.paho.loop_stop()
    assert watcher.next().payload == b"bye"


def test_will_properties_arrive(broker, client):
    watcher = client(broker, "5")
    watcher.subscribe("gone", 1)
    props = properties("WILLMESSAGE", ContentType="text/plain", UserProperty=[("why", "cut")])
    client(broker, "5", will=Will("gone", b"bye", properties=props)).cut()
    message = watcher.next()
    assert message.properties.ContentType == "text/plain"
    assert message.properties.UserProperty == [("why", "cut")]


def test_sent_after_disconnect_that_asks_for_it(broker, client):
    watcher = client(broker, "5")
    watcher.subscribe("gone", 1)
    leaver = client(broker, "5", "leaver", will=Will("gone", b"bye"))
    leaver.disconnect(DISCONNECT_WITH_WILL)
    # The same name again: the broker is done with the first connection when it answers the second.
    client(broker, "5", "leaver").publish("gone", b"end")
    assert [message.payload for message in watcher.until(b"end")] == [b"bye"]


def test_delayed_will_is_not_sent_when_the_client_is_back(broker, client):
    watcher = client(broker, "5")
    watcher.subscribe("gone", 1)
    will = Will("gone", b"bye", properties=properties("WILLMESSAGE", WillDelayInterval=1))
    client(broker, "5", "back", clean=False, will=will).cut()
    back = client(broker, "5", "back", clean=False)
    assert back.session_present
    # Another will with a longer delay is the clock: when it comes, the first one would have come.
    will = Will("gone", b"end", properties=properties("WILLMESSAGE", WillDelayInterval=2))
    client(broker, "5", clean=False, will=will).cut()
    assert watcher.until(b"end") == []


def test_delayed_will_is_sent_when_the_session_ends(broker, client):
    watcher = client(broker, "5")
    watcher.subscribe("gone", 1)
    will = Will("gone", b"bye", properties=properties("WILLMESSAGE", WillDelayInterval=3600))
    client(broker, "5", expiry=0, will=will).cut()
    assert watcher.next().payload == b"bye"
