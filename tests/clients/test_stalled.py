"""A thousand clients that begin a handshake and stop in the middle of it: others get in all the same."""

import socket
import statistics
import time

import pytest
from mqtt import DEADLINE, HOST

STALLED = 1000
SAMPLES = 15

# What a quiet machine does in a few milliseconds; the tests have to pass on a busy one.
BOUND = 0.5

CONNECT = b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x"
CONNACK = b"\x20\x02\x00\x00"
PROXY = b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 1883\r\n"
UPGRADE = (
    b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"
)
# The header of a record with a ClientHello, and the first bytes of it.
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"


def framed(packet):
    return bytes([0x82, 0x80 | len(packet), 0, 0, 0, 0]) + packet


def exactly(connection, count):
    received = b""
    while len(received) < count:
        more = connection.recv(count - len(received))
        assert more, f"closed after {received}"
        received += more
    return received


def over_tls(connection, pki):
    with pki.trusting().wrap_socket(connection, server_hostname=HOST) as secure:
        secure.sendall(CONNECT)
        assert exactly(secure, 4) == CONNACK


def behind_proxy(connection, _):
    connection.sendall(PROXY + CONNECT)
    assert exactly(connection, 4) == CONNACK


def over_websocket(connection, _):
    connection.sendall(UPGRADE)
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += exactly(connection, 1)
    assert answer.startswith(b"HTTP/1.1 101 ")
    connection.sendall(framed(CONNECT))
    assert exactly(connection, 6) == b"\x82\x04" + CONNACK


KINDS = {
    "tls": ({"type": "tls"}, HELLO, over_tls),
    "proxy": ({"type": "tcp", "proxy": {"protocol": "any", "timeout_ms": 60_000}}, PROXY[:20], behind_proxy),
    "ws": ({"type": "ws"}, UPGRADE[:60], over_websocket),
}


def listener(pki, kind):
    made = {"name": "main", "address": f"{HOST}:0", "connect_timeout_ms": 60_000, **KINDS[kind][0]}
    if kind == "tls":
        made["tls"] = pki.server.files()
    return made


def connects(port, kind, pki):
    """How long new clients of a listener take from connect to CONNACK, in seconds, the median of several."""
    took = []
    for _ in range(SAMPLES):
        began = time.perf_counter()
        with socket.create_connection((HOST, port), DEADLINE) as connection:
            KINDS[kind][2](connection, pki)
            took.append(time.perf_counter() - began)
    return statistics.median(took)


@pytest.mark.parametrize("kind", KINDS)
def test_stalled(start_broker, pki, kind, capsys):
    broker = start_broker(listeners=[listener(pki, kind)])
    alone = connects(broker.port, kind, pki)
    stalled = []
    try:
        for _ in range(STALLED):
            stalled.append(socket.create_connection((HOST, broker.port), DEADLINE))
            stalled[-1].sendall(KINDS[kind][1])
        # Behind all of them in the queue of the listener.
        beside = connects(broker.port, kind, pki)
        # They are not closed to make room.
        for one in stalled:
            one.setblocking(False)
            with pytest.raises(BlockingIOError):
                one.recv(1)
    finally:
        for one in stalled:
            one.close()
    with capsys.disabled():
        print(f"\n{kind}: connected in {alone * 1e3:.1f} ms, beside {STALLED} stalled clients in {beside * 1e3:.1f} ms")
    assert beside < BOUND
