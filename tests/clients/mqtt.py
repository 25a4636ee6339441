"""A client whose every step waits for its answer, with a deadline, and whose messages are taken from a queue."""

import itertools
import queue
import socket
import statistics
import threading
import time
from dataclasses import dataclass

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

DEADLINE = 15
HOST = "127.0.0.1"
PROTOCOLS = {"3.1": paho.MQTTv31, "3.1.1": paho.MQTTv311, "5": paho.MQTTv5}

# Reason codes of MQTT 5.
CLIENT_ID_NOT_VALID = 0x85
BAD_USER_NAME_OR_PASSWORD = 0x86
NOT_AUTHORIZED = 0x87
SERVER_UNAVAILABLE = 0x88
TOPIC_NAME_INVALID = 0x90
PACKET_TOO_LARGE = 0x95
MESSAGE_RATE_TOO_HIGH = 0x96
QUOTA_EXCEEDED = 0x97
QOS_NOT_SUPPORTED = 0x9B

# What a SUBACK says before MQTT 5, whatever the cause.
FAILURE = 0x80

_numbers = itertools.count(1)


def properties(packet, **values):
    made = Properties(getattr(PacketTypes, packet))
    for name, value in values.items():
        setattr(made, name, value)
    return made


@dataclass(frozen=True)
class Message:
    topic: str
    payload: bytes
    qos: int
    retain: bool
    dup: bool
    properties: object


@dataclass(frozen=True)
class Will:
    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    properties: object = None


class Client:
    def __init__(
        self,
        port,
        version,
        client_id=None,
        *,
        clean=True,
        expiry=None,
        keepalive=60,
        will=None,
        username=None,
        password=None,
        host=HOST,
        source="",
        transport="tcp",
        tls=None,
        headers=None,
        path="/mqtt",
    ):
        """`host` is the path of the socket with `transport="unix"`; `source` is an address of this machine."""
        self.host = host
        self.source = source
        self.port = port
        self.version = version
        self.v5 = version == "5"
        self.id = f"client-{next(_numbers)}" if client_id is None else client_id
        self.clean = clean
        # A session that is not clean is one to come back to; MQTT 5 says so with a time.
        self.expiry = (0 if clean else 300) if expiry is None else expiry
        self.keepalive = keepalive
        self.messages = queue.Queue()
        self.connack = queue.Queue()
        self.pings = queue.Queue()
        self.disconnected = threading.Event()
        self.acks = {}
        self.acked = threading.Condition()

        options = {} if self.v5 else {"clean_session": clean}
        self.paho = paho.Client(
            CallbackAPIVersion.VERSION2,
            self.id,
            protocol=PROTOCOLS[version],
            transport=transport,
            reconnect_on_failure=False,
            **options,
        )
        if tls is not None:
            self.paho.tls_set_context(tls)
        if transport == "websockets":
            self.paho.ws_set_options(path, headers)
        if username is not None:
            self.paho.username_pw_set(username, password)
        if will is not None:
            self.paho.will_set(will.topic, will.payload, will.qos, will.retain, will.properties)
        self.paho.on_connect = lambda _c, _u, flags, reason, props: self.connack.put((flags, reason, props))
        self.paho.on_disconnect = lambda _c, _u, _flags, reason, _p: self._end(reason)
        self.paho.on_message = lambda _c, _u, m: self.messages.put(
            Message(m.topic, bytes(m.payload), m.qos, bool(m.retain), bool(m.dup), getattr(m, "properties", None))
        )
        self.paho.on_subscribe = lambda _c, _u, mid, reasons, _p: self._ack("subscribe", mid, reasons)
        self.paho.on_unsubscribe = lambda _c, _u, mid, reasons, _p: self._ack("unsubscribe", mid, reasons)
        self.paho.on_publish = lambda _c, _u, mid, reason, _p: self._ack("publish", mid, reason)
        self.paho.on_log = lambda _c, _u, _level, text: "PINGRESP" in text and self.pings.put(text)

    def _end(self, reason):
        self.reason = reason
        self.disconnected.set()

    def _ack(self, kind, mid, answer):
        with self.acked:
            self.acks[kind, mid] = answer
            self.acked.notify_all()

    def _wait(self, kind, mid):
        with self.acked:
            assert self.acked.wait_for(lambda: (kind, mid) in self.acks, DEADLINE), f"no answer to {kind}"
            return self.acks.pop((kind, mid))

    def open(self):
        """Connects and tells how that was answered: flags, reason code, properties."""
        options = {}
        if self.v5:
            options["clean_start"] = self.clean
            options["properties"] = properties("CONNECT", SessionExpiryInterval=self.expiry)
        self.paho.connect(self.host, self.port, self.keepalive, self.source, **options)
        self.paho.loop_start()
        return self.connack.get(timeout=DEADLINE)

    def connect(self):
        flags, reason, props = self.open()
        assert not reason.is_failure, f"refused: {reason}"
        self.session_present = flags.session_present
        self.properties = props
        return self

    def subscribe(self, topic, qos=0, **options):
        """Subscribes and returns the reason code of the answer: the QoS granted, or 128 and more."""
        if self.v5:
            result, mid = self.paho.subscribe(topic, options=SubscribeOptions(qos=qos, **options))
        else:
            result, mid = self.paho.subscribe(topic, qos)
        assert result == paho.MQTT_ERR_SUCCESS
        (reason,) = self._wait("subscribe", mid)
        return reason.value

    def unsubscribe(self, topic):
        result, mid = self.paho.unsubscribe(topic)
        assert result == paho.MQTT_ERR_SUCCESS
        return self._wait("unsubscribe", mid)

    def send(self, topic, payload=b"", qos=0, retain=False, **props):
        """Publishes without waiting; `sent` waits."""
        info = self.paho.publish(topic, payload, qos, retain, properties("PUBLISH", **props) if props else None)
        assert info.rc == paho.MQTT_ERR_SUCCESS
        return info.mid

    def sent(self, mid):
        return self._wait("publish", mid)

    def publish(self, topic, payload=b"", qos=1, retain=False, **props):
        """Publishes and waits until the broker has taken the message (for QoS 0: until it is written)."""
        reason = self.sent(self.send(topic, payload, qos, retain, **props))
        assert not reason.is_failure, f"publish refused: {reason}"

    def take(self, count=1, seconds=DEADLINE):
        """The next messages, exactly so many."""
        taken = []
        while len(taken) < count:
            try:
                taken.append(self.messages.get(timeout=seconds))
            except queue.Empty:
                raise AssertionError(f"{self.id}: {len(taken)} of {count} messages came: {taken[-3:]}") from None
        return taken

    def next(self):
        return self.take()[0]

    def until(self, payload):
        """The messages before the one with this payload, which says that no more will come."""
        taken = []
        while (message := self.next()).payload != payload:
            taken.append(message)
        return taken

    def ended(self):
        """Waits until the broker ends the connection; the reason code of its DISCONNECT, which only MQTT 5 has."""
        assert self.disconnected.wait(DEADLINE), f"{self.id} is still connected"
        return self.reason.value

    def cut(self):
        """Ends the connection without a DISCONNECT, and does not wait for the broker to notice."""
        self.paho.socket().shutdown(socket.SHUT_RDWR)
        assert self.disconnected.wait(DEADLINE)

    def disconnect(self, reason=0):
        """Says goodbye and leaves the connection open: the broker is the one to close it."""
        self.paho.socket().sendall(b"\xe0\1" + bytes([reason]) if reason else b"\xe0\0")
        assert self.disconnected.wait(DEADLINE)

    def disconnect_at_once(self):
        """Says goodbye and closes, without waiting for the broker to notice."""
        self.paho.disconnect()
        assert self.disconnected.wait(DEADLINE)

    def close(self):
        self.paho.disconnect()
        self.paho.loop_stop()


def refusal(client, *args, **options):
    """The reason code of a CONNACK that refuses; the client library translates those of MQTT 3 into those of 5."""
    refused = client(*args, connect=False, **options)
    _, reason, _ = refused.open()
    assert reason.is_failure
    refused.ended()
    return reason.value


def knock(port, source="", connect=b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x"):
    """Connects with a bare socket; the code of the CONNACK, or None if the broker closes without a word."""
    try:
        with socket.create_connection((HOST, port), DEADLINE, (source, 0)) as connection:
            connection.sendall(connect)
            connack = connection.recv(4, socket.MSG_WAITALL)
    except ConnectionError:
        return None
    return connack[3] if connack else None


class Pair:
    """Two clients that have nothing to do with what goes on beside them, and how long their messages take."""

    def __init__(self, client, port):
        self.sender, self.receiver = client(port, "5"), client(port, "5")
        self.receiver.subscribe("pair", 1)
        self.took = []

    def round_trip(self):
        """From the publisher to the subscriber and back to the publisher: the PUBACK and the message have come."""
        began = time.perf_counter()
        self.sender.publish("pair", str(len(self.took)))
        assert self.receiver.next().payload == b"%d" % len(self.took)
        self.took.append(time.perf_counter() - began)

    def measure(self, seconds):
        """Round trips for so long: the median and the longest, in seconds."""
        self.took = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.round_trip()
            time.sleep(0.002)
        return statistics.median(self.took), max(self.took)
