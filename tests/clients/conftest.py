"""The broker under test, as a process of its own, the peers in front of it, and the clients that are closed before it."""

import json
import os
import queue
import resource
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from certificates import Pki
from mqtt import DEADLINE, Client
from peers import Process

REPO = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("RMQTT_BROKER", REPO / "build" / "bin" / "rmqtt-broker"))
# Tells what its hooks see; built beside the broker.
FACTS = BINARY.with_name("facts")

# For a thousand clients at once, in this process and in the broker, which inherits it.
DESCRIPTORS = 8192


class Broker:
    """One broker process."""

    def __init__(self, command, log):
        self.log = log
        # A file and not a pipe: nobody has to read it for the broker to go on.
        with log.open("wb") as stderr:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr
            )
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        self.addresses = {}
        self.ports = {}

    @classmethod
    def of(cls, config, log, option="-j"):
        """rmqtt-broker, with its configuration on the command line or in a file."""
        file = log.with_suffix(".json") if option == "-c" else None
        text = json.dumps(config)
        if file:
            file.write_text(text)
            text = str(file)
        broker = cls([str(BINARY), option, text], log)
        broker.config, broker.file = config, file
        return broker

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
            self.addresses[listener["name"]] = listener["address"]
            if listener["type"] != "unix":
                self.ports[listener["name"]] = int(listener["address"].rpartition(":")[2])
        return event

    def told(self, event, **values):
        """Of the program that tells what its hooks see, the next such event; those before it are dropped."""
        seen = []
        while True:
            try:
                line = self.lines.get(timeout=DEADLINE)
            except queue.Empty:
                line = None
            assert line is not None, f"no {event} with {values} was told, but {seen}"
            told = json.loads(line)
            if told["event"] == event and all(told[key] == value for key, value in values.items()):
                return told
            seen.append(told)

    def hang_up(self, **changes):
        """Changes the configuration of a broker with a file, and has it read that again."""
        self.config = {**self.config, **changes}
        self.file.write_text(json.dumps(self.config))
        self.process.send_signal(signal.SIGHUP)

    def reload(self, **changes):
        """Has a broker with a file take over another configuration; its report, when it has."""
        self.hang_up(**changes)
        self.addresses, self.ports = {}, {}
        self.listen()
        reports = [line for line in self.stderr().splitlines() if line.startswith('{"event":"reloaded"')]
        return json.loads(reports[-1])

    @property
    def port(self):
        return self.ports["main"]

    def resident(self):
        """Bytes of memory that the process has in use, and those that its allocator keeps for later."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    def refusals(self, address):
        """How many lines of the log tell that somebody from there is not let in; all are there after a stop."""
        return sum("not let in" in line and f"address={address}" in line for line in self.stderr().splitlines())

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
    # Servers lie where the path of an ordinary user does not always lead.
    os.environ["PATH"] += ":/usr/local/sbin:/usr/sbin"
    programs = ("mosquitto_pub", "mosquitto_sub", "mosquitto_passwd", "openssl", "haproxy", "nginx", "node")
    for needed in (BINARY, FACTS, *programs):
        if shutil.which(needed) is None:
            raise pytest.UsageError(f"{needed} is not there or cannot be run")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= DESCRIPTORS:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, DESCRIPTORS), hard))


def configured(config):
    return {
        "listeners": [{"name": "main", "type": "tcp", "address": "127.0.0.1:0"}],
        "auth": {"allow_anonymous": True},
        **config,
    }


@pytest.fixture
def brokers(request):
    """Those of a test."""
    brokers = request.node.brokers = []
    yield brokers
    try:
        # A broker that died during the test, or does not stop, is a fault whatever the test looked at.
        assert [broker.stop() for broker in brokers] == [0] * len(brokers)
    finally:
        for broker in brokers:
            broker.kill()


@pytest.fixture
def start_broker(brokers, tmp_path):
    """Starts brokers. Each has the listener `main` with a port of its own, and lets everyone in, unless told not to."""

    def start(option="-j", **config):
        brokers.append(Broker.of(configured(config), tmp_path / f"broker-{len(brokers)}.log", option))
        brokers[-1].listen()
        return brokers[-1]

    return start


@pytest.fixture
def start_facts(brokers, tmp_path):
    """Starts brokers that tell what their hooks see, as above."""

    def start(**config):
        command = [str(FACTS), json.dumps(configured(config))]
        brokers.append(Broker(command, tmp_path / f"broker-{len(brokers)}.log"))
        brokers[-1].listen()
        return brokers[-1]

    return start


@pytest.fixture
def broker(start_broker):
    """A broker with the defaults."""
    return start_broker()


@pytest.fixture
def client(brokers):
    """Makes clients, which are gone before the brokers are: it asks for `brokers` only for that order."""
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


@pytest.fixture
def start_process(brokers, tmp_path):
    """Starts other peers, such as load balancers, which are gone before the brokers are."""
    processes = []

    def start(command, ready):
        processes.append(Process(command, tmp_path / f"process-{len(processes)}.log"))
        processes[-1].wait_until(ready)
        return processes[-1]

    yield start
    for process in processes:
        process.stop()


@pytest.fixture(scope="session")
def pki(tmp_path_factory):
    return Pki(tmp_path_factory.mktemp("pki"))


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
