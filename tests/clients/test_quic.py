"""QUIC, by aioquic, which is not what the broker is built on: MQTT over the one stream that a client opens."""

import asyncio

import pytest
from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.quic.configuration import QuicConfiguration
from mqtt import DEADLINE, HOST

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = 0x20, 0x30, 0x40, 0x90, 0xD0


def text(value):
    return len(value).to_bytes(2, "big") + value.encode()


def packet(first, *body):
    body = b"".join(body)
    length, rest = b"", len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length += bytes([digit | (0x80 if rest else 0)])
        if not rest:
            return bytes([first]) + length + body


def connect_packet(client_id):
    return packet(0x10, text("MQTT"), b"\x05\x02\x00\x3c\x00", text(client_id))


def subscribe_packet(topic):
    return packet(0x82, b"\x00\x01\x00", text(topic), b"\x01")


def publish_packet(topic, payload):
    return packet(0x32, text(topic), b"\x00\x07\x00", payload)


class Mqtt:
    """MQTT over a stream of QUIC."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    def send(self, octets):
        self.writer.write(octets)

    async def receive(self):
        """The next packet: its type, and what comes after its length."""
        async with asyncio.timeout(DEADLINE):
            first = (await self.reader.readexactly(1))[0]
            length = shift = 0
            while True:
                digit = (await self.reader.readexactly(1))[0]
                length |= (digit & 0x7F) << shift
                shift += 7
                if digit < 0x80:
                    return first & 0xF0, await self.reader.readexactly(length)

    async def enter(self, client_id):
        self.send(connect_packet(client_id))
        kind, body = await self.receive()
        assert (kind, body[1]) == (CONNACK, 0)

    async def exchange(self, payload):
        """Publishes to itself."""
        self.send(subscribe_packet("a/b"))
        kind, body = await self.receive()
        assert (kind, body[-1]) == (SUBACK, 1)
        self.send(publish_packet("a/b", payload))
        seen = {kind: body for kind, body in [await self.receive(), await self.receive()]}
        assert seen.keys() == {PUBLISH, PUBACK}
        assert seen[PUBLISH].endswith(payload)


class Protocol(QuicConnectionProtocol):
    """Notes what becomes of streams."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.events = []

    def quic_event_received(self, event):
        self.events.append(event)
        super().quic_event_received(event)


def reaching(broker, pki, client=None, alpn=("mqtt",)):
    """A connection to the broker."""
    configuration = QuicConfiguration(is_client=True, alpn_protocols=list(alpn), server_name="localhost")
    configuration.load_verify_locations(str(pki.ca.file))
    if client is not None:
        configuration.load_cert_chain(client.cert_file, client.key_file)
    return connect(HOST, broker.port, configuration=configuration, create_protocol=Protocol)


def run(test):
    asyncio.run(asyncio.wait_for(test, 4 * DEADLINE))


@pytest.fixture
def listen(start_facts, pki):
    def start(**tls):
        listener = {"name": "main", "type": "quic", "address": f"{HOST}:0", "tls": {**pki.server.files(), **tls}}
        return start_facts(listeners=[listener])

    return start


@pytest.mark.parametrize("size", [0, 100, 300_000])
def test_messages(listen, pki, size):
    broker = listen()

    async def test():
        async with reaching(broker, pki) as connection:
            mqtt = Mqtt(*await connection.create_stream())
            await mqtt.enter("one")
            await mqtt.exchange(bytes(number % 251 for number in range(size)))

    run(test())
    told = broker.told("authenticate", client_id="one")
    assert (told["transport"], told["tls_version"], told["alpn"]) == ("quic", "1.3", "mqtt")
    assert told["server_name"] == "localhost"
    assert told["address"].startswith("127.0.0.1:")


def test_hooks_see_the_certificate(listen, pki):
    broker = listen(client_ca_file=str(pki.ca.file), client_auth="required", username_from="cn")

    async def test():
        async with reaching(broker, pki, pki.client) as connection:
            await Mqtt(*await connection.create_stream()).enter("one")

    run(test())
    for told in (broker.told("pre_connect", stage="established"), broker.told("authenticate", client_id="one")):
        assert told["certificate"]["sha256"] == pki.client.sha256
    assert told["username"] == "pump-7"


@pytest.mark.parametrize("who", ["nobody", "unknown"])
def test_clients_without_a_valid_certificate(listen, pki, who):
    broker = listen(client_ca_file=str(pki.ca.file), client_auth="required")

    async def test():
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            async with reaching(broker, pki, getattr(pki, who, None)) as connection:
                # The client shakes hands first, and hears afterwards.
                await Mqtt(*await connection.create_stream()).enter("one")

    run(test())


def test_another_application_protocol_is_refused(listen, pki):
    broker = listen()

    async def test():
        with pytest.raises(ConnectionError):
            async with reaching(broker, pki, alpn=["h3"]):
                pass

    run(test())


def test_other_streams_are_not_served(listen, pki):
    broker = listen()

    async def test():
        async with reaching(broker, pki) as connection:
            mqtt = Mqtt(*await connection.create_stream())
            await mqtt.enter("one")
            # Beyond what the broker allows, a stream waits until it may begin, which is never.
            other = Mqtt(*await connection.create_stream())
            other.send(connect_packet("two"))
            await mqtt.exchange(b"x")
            assert other.reader.at_eof() is False
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(other.receive(), 0.5)
            # The first one goes on.
            mqtt.send(packet(0xC0))
            assert (await mqtt.receive())[0] == PINGRESP

    run(test())
    broker.told("authenticate", client_id="one")


def test_the_connection_ends_with_the_session(listen, pki):
    broker = listen()

    async def test():
        async with reaching(broker, pki) as connection:
            mqtt = Mqtt(*await connection.create_stream())
            await mqtt.enter("one")
            mqtt.send(packet(0xE0))
            assert await asyncio.wait_for(mqtt.reader.read(), DEADLINE) == b""
            await asyncio.wait_for(connection.wait_closed(), DEADLINE)

    run(test())


def test_a_client_that_stops_is_told(listen, pki):
    broker = listen()

    async def test():
        async with reaching(broker, pki) as connection:
            mqtt = Mqtt(*await connection.create_stream())
            await mqtt.enter("one")
            assert await asyncio.to_thread(broker.stop) == 0
            # DISCONNECT: the server shuts down.
            kind, body = await mqtt.receive()
            assert (kind, body[0]) == (0xE0, 0x8B)

    run(test())
