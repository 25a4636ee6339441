"""The memory budget, as the system sees it: 200 subscribers that do not read, and publishers that do not stop."""

import socket
import threading
import time

import pytest
from mqtt import DEADLINE, HOST, Pair
from peers import Flood

MEGABYTE = 1024 * 1024
BUDGET = 64 * MEGABYTE
SLOW = 200
# How long the floods go on when the memory is used up.
SECONDS = 2


def deaf(port, count, topic):
    """Clients that subscribe and then do not read any more."""
    made = []
    for number in range(count):
        name = b"deaf-%d" % number
        body = b"\0\4MQTT\5\2\0\0\0" + len(name).to_bytes(2, "big") + name
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(DEADLINE)
        connection.connect((HOST, port))
        made.append(connection)
        connection.sendall(bytes([0x10, len(body)]) + body)
        # Nothing else comes before the packet that has been asked for.
        assert packet(connection)[0] == 0x20
        body = b"\0\1\0" + len(topic).to_bytes(2, "big") + topic + b"\0"
        connection.sendall(bytes([0x82, len(body)]) + body)
        assert packet(connection)[0] == 0x90
    return made


def packet(connection):
    """A packet of less than 128 bytes."""
    head = connection.recv(2, socket.MSG_WAITALL)
    return head + connection.recv(head[1], socket.MSG_WAITALL)


@pytest.mark.parametrize("payload", [100, 1000, 20_000])
def test_slow_subscribers(start_broker, client, payload, capsys):
    # Nothing but the budget is in the way.
    limits = {"memory_budget_bytes": BUDGET, "max_queued_messages": 0, "max_queued_bytes": 0}
    broker = start_broker(limits=limits)
    slow = deaf(broker.port, SLOW, b"flood")
    try:
        pair = Pair(client, broker)
        pair.round_trip()
        idle = most = broker.resident()
        over = threading.Event()

        def watch():
            nonlocal most
            while not over.wait(0.01):
                most = max(most, broker.resident())

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            with Flood(broker.port, "flood", payload, versions=("3.1.1", "5")):
                end = time.monotonic() + 2 * DEADLINE
                while most < idle + BUDGET // 2:
                    assert time.monotonic() < end, "the budget is never used up"
                    pair.round_trip()
                median, longest = pair.measure(SECONDS)
        finally:
            over.set()
            watcher.join()
        above = most - idle
        with capsys.disabled():
            print(
                f"\n{payload} bytes: {above / MEGABYTE:.0f} MB resident above {idle / MEGABYTE:.0f} MB with a budget of "
                f"{BUDGET // MEGABYTE} MB; others: {median * 1e3:.1f} ms, {longest * 1e3:.1f} ms at most"
            )
        assert above < 1.5 * BUDGET
        assert longest < 5
    finally:
        for one in slow:
            one.close()
    # And then there is room again, for those who come as well.
    subscriber = client(broker, "5", clean=False)
    assert subscriber.subscribe("after", 1) == 1
    publisher = client(broker, "3.1.1")
    for number in range(100):
        publisher.publish("after", bytes(10_000), retain=number == 0)
    assert len(subscriber.take(100)) == 100
