"""The program: its configuration, what it prints, and how it ends."""

import json
import subprocess

import pytest
from conftest import BINARY
from mqtt import DEADLINE


def run(*arguments):
    return subprocess.run([str(BINARY), *arguments], capture_output=True, text=True, timeout=DEADLINE)


def pointers(text):
    return sorted(line.partition(":")[0].split()[0] for line in text.splitlines())


FAULTS = {
    "several at once": (
        '{"listeners":[{"type":"tcp","address":"nonsense","colour":1}],"limits":{"max_qos":7}}',
        ["/limits/max_qos", "/listeners/0/address", "/listeners/0/colour"],
    ),
    "wrong type": ('{"auth":{"allow_anonymous":"yes"}}', ["/auth/allow_anonymous"]),
    "unknown key": ('{"listener":[]}', ["/listener"]),
    "out of range": ('{"limits":{"max_topic_levels":0}}', ["/limits/max_topic_levels"]),
    "unknown transport": ('{"listeners":[{"type":"pigeon","address":"127.0.0.1:0"}]}', ["/listeners/0/type"]),
    "no address": ('{"listeners":[{"type":"tcp"}]}', ["/listeners/0/address"]),
    "one name twice": (
        '{"listeners":[{"name":"a","address":"127.0.0.1:0"},{"name":"a","address":"127.0.0.1:0"}]}',
        ["/listeners/1/name"],
    ),
}


@pytest.mark.parametrize("option", ["-j", "-c"])
@pytest.mark.parametrize("text, expected", FAULTS.values(), ids=FAULTS.keys())
def test_configuration_faults(tmp_path, option, text, expected):
    argument = text
    if option == "-c":
        path = tmp_path / "config.json"
        path.write_text(text)
        argument = str(path)
    ended = run(option, argument)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert pointers(ended.stderr) == expected


@pytest.mark.parametrize("text", ["", "{", "[]", "nonsense", '{"auth":{}} more'])
def test_text_that_is_no_configuration(text):
    ended = run("-j", text)
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert ended.stderr != ""


def test_address_in_use(start_broker):
    broker = start_broker()
    config = {"listeners": [{"address": f"127.0.0.1:{broker.port}"}]}
    ended = run("-j", json.dumps(config))
    # The configuration is a good one, so this is not 2.
    assert ended.returncode not in (0, 2)
    assert ended.stdout == ""
    assert str(broker.port) in ended.stderr


def test_configuration_from_a_file(start_broker, client, version):
    broker = start_broker("-c")
    client(broker, version).publish("a", b"x")


def test_listening_line(start_broker):
    broker = start_broker(
        listeners=[
            {"name": "first", "type": "tcp", "address": "127.0.0.1:0"},
            {"type": "tcp", "address": "[::1]:0"},
        ]
    )
    assert list(broker.ports) == ["first", "tcp-1"]
    assert all(broker.ports.values())


def test_ends_in_order_with_clients(start_broker, client, version):
    broker = start_broker()
    clients = [client(broker, version) for _ in range(10)]
    for one in clients:
        one.subscribe("a", 1)
    assert broker.stop() == 0
    for one in clients:
        assert one.disconnected.wait(DEADLINE)


def test_clients_survive_another_configuration(start_broker, client, version):
    listeners = [{"name": "main", "address": "127.0.0.1:0"}, {"name": "side", "address": "127.0.0.1:0"}]
    broker = start_broker("-c", listeners=listeners)
    publisher = client(broker, version)
    subscriber = client(broker.ports["side"], version)
    subscriber.subscribe("a", 1)
    ports = dict(broker.ports)
    broker.reload(listeners=listeners[:1], limits={"max_qos": 1})
    assert broker.ports == {"main": ports["main"]}
    publisher.publish("a", b"x", 1)
    assert subscriber.next().payload == b"x"
    assert not publisher.disconnected.is_set() and not subscriber.disconnected.is_set()


def test_ends_in_order_without_clients(broker):
    assert broker.stop() == 0


def test_ends_in_order_under_load(start_broker, client, version):
    broker = start_broker()
    subscriber, publisher = client(broker, version), client(broker, version)
    subscriber.subscribe("a", 1)
    for number in range(200):
        publisher.send("a", str(number), 1)
    subscriber.next()
    assert broker.stop() == 0


def test_port_is_free_at_once(start_broker, client, version):
    first = start_broker()
    client(first, version)
    assert first.stop() == 0
    listener = {"name": "main", "type": "tcp", "address": f"127.0.0.1:{first.port}"}
    # A port that was this test's own; if another program has taken it since, the test cannot tell.
    second = start_broker(listeners=[listener])
    client(second, version).publish("a", b"x")
