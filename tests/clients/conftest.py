"""The broker under test, as a process of its own, and the clients that are closed before it."""

import json
import os
import queue
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from mqtt import DEADLINE, Client

REPO = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("RMQTT_BROKER", REPO / "build" / "bin" / "rmqtt-broker"))


class Broker:
    """One broker process."""

    def __init__(self, config, log, option="-j"):
        self.config = config
        self.file = log.with_suffix(".json") if option == "-c" else None
        text = json.dumps(config)
        if self.file:
            self.file.write_text(text)
            text = str(self.file)
        self.log = log
        # A file and not a pipe: nobody has to read it for the broker to go on.
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [str(BINARY), option, text], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr
            )
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.ports = {}

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def listen(self):
        try:
            line = self.lines.get(timeout=DEADLINE)
        except queue.Empty:
            pytest.fail(f"the broker did not say within {DEADLINE} s that it listens")
        if line is None:
            pytest.fail(f"the broker ended with {self.process.wait(DEADLINE)} before it listened:\n{self.stderr()}")
        event = json.loads(line)
        assert event["event"] == "listening"
        for listener in event["listeners"]:
            self.ports[listener["name"]] = int(listener["address"].rpartition(":")[2])
        return event

    def reload(self, **changes):
        """Has a broker with a file take over another configuration, and returns when it has."""
        self.config = {**self.config, **changes}
        self.file.write_text(json.dumps(self.config))
        self.process.send_signal(signal.SIGHUP)
        self.ports = {}
        return self.listen()

    @property
    def port(self):
        return self.ports["main"]

    def stderr(self):
        return self.log.read_text(errors="replace")

    def stop(self):
        """Ends the process in order and returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DEADLINE)
        finally:
            self.kill()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.reader.join(DEADLINE)
        self.process.stdout.close()


def pytest_configure(config):
    for needed in (BINARY, "mosquitto_pub", "mosquitto_sub"):
        if shutil.which(needed) is None:
            raise pytest.UsageError(f"{needed} is not there or cannot be run")


@pytest.fixture
def start_broker(request, tmp_path):
    """Starts brokers. Each has the listener `main` with a port of its own, and lets everyone in, unless told not to."""
    brokers = []

    def start(option="-j", **config):
        config = {
            "listeners": [{"name": "main", "type": "tcp", "address": "127.0.0.1:0"}],
            "auth": {"allow_anonymous": True},
            **config,
        }
        broker = Broker(config, tmp_path / f"broker-{len(brokers)}.log", option)
        brokers.append(broker)
        request.node.brokers = brokers
        broker.listen()
        return broker

    yield start
    try:
        # A broker that died during the test, or does not stop, is a fault whatever the test looked at.
        assert [broker.stop() for broker in brokers] == [0] * len(brokers)
    finally:
        for broker in brokers:
            broker.kill()


@pytest.fixture
def broker(start_broker):
    """A broker with the defaults."""
    return start_broker()


@pytest.fixture
def client(start_broker):
    """Makes clients, which are gone before the broker is: it asks for `start_broker` only for that order."""
    clients = []

    def make(port, version, *args, connect=True, **options):
        made = Client(getattr(port, "port", port), version, *args, **options)
        clients.append(made)
        if connect:
            made.connect()
        return made

    yield make
    for made in clients:
        made.close()


@pytest.fixture(params=["3.1.1", "5"])
def version(request):
    return request.param


@pytest.fixture(params=["3.1", "3.1.1", "5"])
def every_version(request):
    return request.param


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for index, broker in enumerate(getattr(item, "brokers", [])):
            report.sections.append((f"broker {index}, stderr", broker.stderr()))
    return report
