"""The command line clients of Mosquitto: a second implementation of the protocol."""

import queue
import subprocess
import threading

import pytest
from mqtt import DEADLINE, HOST

VERSIONS = {"3.1": "mqttv31", "3.1.1": "mqttv311", "5": "mqttv5"}


class Sub:
    """mosquitto_sub in debug mode, which tells when it is subscribed."""

    def __init__(self, port, version, *arguments, count=1, show="%t|%q|%r|%x"):
        command = ["stdbuf", "-oL", "mosquitto_sub", "-h", HOST, "-p", str(port), "-V", VERSIONS[version], "-d"]
        command += ["-C", str(count), "-W", str(DEADLINE), "-F", f"message {show}", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.messages = []
        self.lines = []
        self.subscribed = queue.Queue()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("message "):
                self.messages.append(tuple(line.removeprefix("message ").rstrip("\n").split("|")))
            elif line.startswith("Subscribed "):
                self.subscribed.put(True)
        self.subscribed.put(False)

    def ready(self):
        assert self.subscribed.get(timeout=DEADLINE), "".join(self.lines)
        return self

    def result(self):
        assert self.process.wait(2 * DEADLINE) == 0, "".join(self.lines)
        self.reader.join(DEADLINE)
        return self.messages

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(DEADLINE)
        self.process.stdout.close()


@pytest.fixture
def sub(start_broker):
    made = []

    def make(*args, ready=True, **options):
        made.append(Sub(*args, **options))
        return made[-1].ready() if ready else made[-1]

    yield make
    for one in made:
        one.close()


def pub(port, version, *arguments, stdin=b""):
    command = ["mosquitto_pub", "-h", HOST, "-p", str(port), "-V", VERSIONS[version], *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=DEADLINE)


def publish(*args, **options):
    ended = pub(*args, **options)
    assert ended.returncode == 0, ended.stderr.decode()


PAYLOADS = {"text": b"hello", "zero bytes inside": b"a\0b\0", "200 KB": bytes(range(256)) * 800}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
@pytest.mark.parametrize("qos", ["0", "1", "2"])
def test_payload_arrives_intact(broker, sub, every_version, qos, payload):
    subscriber = sub(broker.port, every_version, "-t", "a/+", "-q", qos)
    publish(broker.port, every_version, "-t", "a/b", "-q", qos, "-s", stdin=payload)
    assert subscriber.result() == [("a/b", qos, "0", payload.hex())]


def test_empty_payload(broker, sub, every_version):
    subscriber = sub(broker.port, every_version, "-t", "a")
    publish(broker.port, every_version, "-t", "a", "-n")
    assert subscriber.result() == [("a", "0", "0", "")]


@pytest.mark.parametrize("qos", ["1", "2"])
def test_lines_in_order(broker, sub, every_version, qos):
    subscriber = sub(broker.port, every_version, "-t", "a", "-q", qos, count=300, show="%p")
    publish(broker.port, every_version, "-t", "a", "-q", qos, "-l", stdin=b"".join(b"%d\n" % n for n in range(300)))
    assert [int(text) for (text,) in subscriber.result()] == list(range(300))


def test_retained(broker, sub, every_version):
    publish(broker.port, every_version, "-t", "a", "-m", "on", "-r", "-q", "1")
    subscriber = sub(broker.port, every_version, "-t", "a", "-q", "1")
    assert subscriber.result() == [("a", "1", "1", b"on".hex())]


def test_messages_wait(broker, sub, every_version):
    session = ["-c", "-i", "absent", "-t", "a", "-q", "1"]
    # -E: ends when subscribed.
    first = sub(broker.port, every_version, "-E", *session)
    first.result()
    publish(broker.port, every_version, "-t", "a", "-q", "1", "-m", "x")
    # The message may come before the answer to the subscription, and then the program ends.
    assert sub(broker.port, every_version, *session, ready=False).result() == [("a", "1", "0", b"x".hex())]


def test_will(broker, sub, client, every_version):
    watcher = client(broker, every_version)
    watcher.subscribe("gone", 1)
    will = ["--will-topic", "gone", "--will-payload", "bye", "--will-qos", "1"]
    sub(broker.port, every_version, "-t", "a", *will).process.kill()
    assert watcher.next().payload == b"bye"


def test_properties(broker, sub):
    subscriber = sub(broker.port, "5", "-t", "a", show="%C|%R|%D|%E|%P|%p")
    properties = ["content-type text/plain", "response-topic answers", "correlation-data 42", "user-property key value"]
    arguments = [word for one in properties for word in ["-D", "publish", *one.split()]]
    publish(broker.port, "5", "-t", "a", "-m", "x", *arguments, "-D", "publish", "message-expiry-interval", "100")
    ((kind, answer, correlation, expiry, user, text),) = subscriber.result()
    assert (kind, answer, correlation, user, text) == ("text/plain", "answers", "42", "key:value", "x")
    assert 90 <= int(expiry) <= 100


def test_anonymous_is_refused(start_broker, every_version):
    broker = start_broker(auth={"allow_anonymous": False})
    ended = pub(broker.port, every_version, "-t", "a", "-m", "x")
    # The CONNACK's own code: 5 before MQTT 5.
    assert ended.returncode == (0x87 if every_version == "5" else 5)
