"""WebSocket, plain and in TLS: paho, and mqtt.js on the package ws."""

import json
import subprocess
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from mqtt import DEADLINE, HOST

CLIENT = Path(__file__).with_name("node") / "client.js"
JS_VERSIONS = {"3.1": "3", "3.1.1": "4", "5": "5"}


def listener(pki, kind, **more):
    secured = {"tls": pki.server.files()} if kind == "wss" else {}
    return {"name": "main", "type": kind, "address": "127.0.0.1:0", **secured, **more}


@pytest.fixture(params=["ws", "wss"])
def kind(request):
    return request.param


@pytest.fixture
def listen(start_facts, pki, kind):
    return lambda **more: start_facts(listeners=[listener(pki, kind, **more)])


@pytest.fixture
def over(client, pki, kind):
    """Makes clients over WebSocket."""
    options = {"transport": "websockets", "tls": pki.trusting() if kind == "wss" else None}
    return lambda *args, **more: client(*args, **options, **more)


def mqtt_js(pki, kind, port, version, path="/mqtt", **options):
    options = {"clientId": "js", "caFile": str(pki.ca.file), **options}
    if version == "3.1":
        options["protocolId"] = "MQIsdp"
    command = ["node", str(CLIENT), f"{kind}://{HOST}:{port}{path}", JS_VERSIONS[version], json.dumps(options)]
    return subprocess.run(command, capture_output=True, text=True, timeout=4 * DEADLINE)


def test_messages(listen, over, every_version, kind):
    broker = listen()
    one = over(broker, every_version, "one")
    for qos in (0, 1, 2):
        one.subscribe(f"a/{qos}", qos)
        for size in (0, 1, 110, 300, 70_000, 500_000):
            payload = bytes(number % 251 for number in range(size))
            one.publish(f"a/{qos}", payload, qos)
            message = one.next()
            assert (message.topic, message.payload, message.qos) == (f"a/{qos}", payload, qos)
    told = broker.told("authenticate", client_id="one")
    assert told["transport"] == kind
    assert told["address"].startswith("127.0.0.1:")
    assert (told["tls_version"] is None) == (kind == "ws")


def test_many_messages(listen, over, version):
    broker = listen()
    publisher, subscriber = over(broker, version), over(broker, version)
    subscriber.subscribe("a", 1)
    for number in range(2000):
        publisher.send("a", str(number), 1)
    assert [int(message.payload) for message in subscriber.take(2000)] == list(range(2000))


def test_beside_tcp(start_broker, client, over, pki, kind, version):
    broker = start_broker(listeners=[listener(pki, kind), {"name": "tcp", "address": "127.0.0.1:0"}])
    web, plain = over(broker, version), client(broker.ports["tcp"], version)
    for here, there in ((web, plain), (plain, web)):
        there.subscribe("a", 1)
        here.publish("a", b"x")
        assert there.next().payload == b"x"
        there.unsubscribe("a")


def test_pings(listen, over, version):
    broker = listen()
    one = over(broker, version, keepalive=1)
    for _ in range(3):
        one.pings.get(timeout=DEADLINE)


def test_another_path(listen, over, version):
    broker = listen(path="/elsewhere")
    over(broker, version, path="/elsewhere").publish("a", b"x")
    with pytest.raises(paho.WebsocketConnectionError):
        over(broker, version, connect=False, path="/mqtt").open()


def test_origins(listen, over, version):
    broker = listen(websocket={"origins": ["https://plant.example"]})
    over(broker, version, headers=lambda given: {**given, "Origin": "https://plant.example"})
    # paho names the server as the origin if nothing else is said.
    with pytest.raises(paho.WebsocketConnectionError):
        over(broker, version, connect=False).open()


def test_mqtt_js(listen, pki, kind, every_version):
    broker = listen()
    ended = mqtt_js(pki, kind, broker.port, every_version)
    assert ended.returncode == 0, ended.stderr
    assert broker.told("authenticate", client_id="js")["transport"] == kind


def test_mqtt_js_from_a_web_page(listen, pki, kind, version):
    broker = listen(websocket={"origins": ["https://plant.example"]})
    for origin, status in (("https://plant.example", 0), ("https://evil.example", 1)):
        ended = mqtt_js(pki, kind, broker.port, version, wsOptions={"origin": origin})
        assert ended.returncode == status, ended.stderr
    # Without one, it is no web page.
    assert mqtt_js(pki, kind, broker.port, version).returncode == 0


def test_mqtt_js_elsewhere(listen, pki, kind, version):
    broker = listen()
    assert mqtt_js(pki, kind, broker.port, version, path="/other").returncode == 1
