"""Unix sockets: paho and Mosquitto's clients."""

import json
import os
import signal
import stat
import subprocess

import pytest
from mqtt import DEADLINE
from test_mosquitto import VERSIONS
from test_process import run


@pytest.fixture
def path(tmp_path_factory):
    # A short one: 107 bytes are the most.
    return tmp_path_factory.mktemp("s") / "mqtt.sock"


def unix(path, **more):
    return {"name": "main", "type": "unix", "path": str(path), **more}


@pytest.fixture
def over(client, path):
    """Makes clients over the socket."""
    return lambda *args, **more: client(1883, *args, transport="unix", host=str(path), **more)


def test_messages(start_facts, over, path, every_version):
    broker = start_facts(listeners=[unix(path)])
    one = over(every_version, "one")
    payload = bytes(range(256)) * 2000
    for qos in (0, 1, 2):
        one.subscribe(f"a/{qos}", qos)
        one.publish(f"a/{qos}", payload, qos)
        assert one.next().payload == payload
    told = broker.told("authenticate", client_id="one")
    assert (told["transport"], told["address"]) == ("unix", "unix")
    assert (told["pid"], told["uid"], told["gid"]) == (os.getpid(), os.getuid(), os.getgid())


def test_listening_line(start_broker, path):
    assert start_broker(listeners=[unix(path)]).addresses == {"main": str(path)}


def test_mosquitto(start_broker, over, path, every_version):
    start_broker(listeners=[unix(path)])
    watcher = over(every_version)
    watcher.subscribe("a", 1)
    command = ["mosquitto_pub", "--unix", str(path), "-V", VERSIONS[every_version], "-t", "a", "-q", "1", "-m", "x"]
    published = subprocess.run(command, capture_output=True, timeout=DEADLINE)
    assert published.returncode == 0, published.stderr.decode()
    assert watcher.next().payload == b"x"


@pytest.mark.parametrize("mode", ["0600", "0666"])
def test_permissions(start_broker, path, mode):
    start_broker(listeners=[unix(path, mode=mode)])
    assert stat.S_IMODE(path.stat().st_mode) == int(mode, 8)


def test_the_file_is_gone_after_a_stop(start_broker, path):
    assert start_broker(listeners=[unix(path)]).stop() == 0
    assert not path.exists()


def test_what_a_crash_has_left_is_no_hindrance(start_broker, brokers, over, path, version):
    crashed = start_broker(listeners=[unix(path)])
    crashed.process.send_signal(signal.SIGKILL)
    crashed.process.wait(DEADLINE)
    crashed.kill()
    brokers.remove(crashed)
    assert path.exists()
    start_broker(listeners=[unix(path)])
    over(version).publish("a", b"x")


def test_other_files_are_left_alone(path):
    path.write_text("precious")
    ended = run("-j", json.dumps({"listeners": [unix(path)]}))
    assert ended.returncode == 1
    assert str(path) in ended.stderr
    assert path.read_text() == "precious"
