"""SIGHUP: rmqtt-broker reads its configuration again, and the files that it names."""

import signal
import socket
import time

import pytest
from mqtt import DEADLINE, HOST
from test_tls import is_refused


def refuse(broker, *expected, **changes):
    """Has it read a configuration that is of no use; each of these must be said."""
    before = len(broker.stderr())
    broker.hang_up(**changes)
    end = time.monotonic() + DEADLINE
    while "the old configuration stays" not in (said := broker.stderr()[before:]):
        assert time.monotonic() < end, said
        time.sleep(0.02)
    for words in expected:
        assert words in said


@pytest.fixture
def live(pki, tmp_path):
    """The files that the broker is told of, to be replaced."""

    class Live:
        cert, key, crl = (tmp_path / name for name in ("live.crt", "live.key", "live.crl"))

        def show(self, issued):
            self.cert.write_bytes(issued.cert_file.read_bytes())
            self.key.write_bytes(issued.key_file.read_bytes())

        def listener(self, kind="tls", **more):
            tls = {"cert_file": str(self.cert), "key_file": str(self.key), **more}
            return {"name": kind, "type": kind, "address": f"{HOST}:0", "tls": tls}

    made = Live()
    made.show(pki.server)
    return made


@pytest.fixture
def running(start_broker):
    return lambda *listeners: start_broker("-c", listeners=list(listeners))


def shown(port, pki):
    """The serial number of the certificate that new clients see."""
    with socket.create_connection((HOST, port), DEADLINE) as plain:
        with pki.trusting().wrap_socket(plain, server_hostname=HOST) as secure:
            return int(secure.getpeercert()["serialNumber"], 16)


def test_certificates_are_exchanged_under_traffic(running, live, client, pki, version):
    broker = running(live.listener("tls"), live.listener("wss"))
    ports = broker.ports.copy()
    clients = [
        client(ports["tls"], version, tls=pki.trusting()),
        client(ports["wss"], version, tls=pki.trusting(), transport="websockets"),
    ]
    for number, each in enumerate(clients):
        each.subscribe(f"a/{number}", 1)
    sent = 0
    for turn in range(20):
        issued = pki.ca.issue("server", pki.here, file=f"turn-{turn}")
        live.show(issued)
        for number, each in enumerate(clients):
            for message in range(50):
                each.send(f"a/{number}", str(sent + message), 1)
        sent += 50
        report = broker.reload()
        assert report["applied"] == ["/listeners/0/tls", "/listeners/1/tls"]
        assert (report["needs_restart"], report["rejected"], report["closed"]) == ([], [], [])
        assert broker.ports == ports
        assert {shown(port, pki) for port in ports.values()} == {issued.certificate.serial_number}
    for each in clients:
        assert [int(message.payload) for message in each.take(sent)] == list(range(sent))
        assert not each.disconnected.is_set()


def test_material_of_no_use_changes_nothing(running, live, client, pki, version):
    broker = running(live.listener())
    port = broker.ports["tls"]
    stays = client(port, version, tls=pki.trusting())
    live.key.write_bytes(pki.client.key_file.read_bytes())
    refuse(broker, "/listeners/0/tls/key_file")
    live.cert.write_text("nonsense")
    refuse(broker, "/listeners/0/tls/cert_file")
    live.cert.unlink()
    refuse(broker, "/listeners/0/tls/cert_file")
    assert shown(port, pki) == pki.server.certificate.serial_number
    stays.publish("a", b"x")
    # And then it is of use again.
    live.show(pki.server)
    broker.reload()


def test_revocation(running, live, client, pki, version):
    pki.ca.revoke(live.crl)
    authority = {"client_ca_file": str(pki.ca.file), "client_auth": "required", "crl_file": str(live.crl)}
    broker = running(live.listener(**authority))
    port = broker.ports["tls"]
    stays = client(port, version, tls=pki.trusting(pki.client))
    pki.ca.revoke(live.crl, pki.client)
    assert broker.reload()["applied"] == ["/listeners/0/tls"]
    assert is_refused(port, pki.trusting(pki.client))
    # Who is connected has been let in.
    stays.publish("a", b"x")


def test_listeners_come_and_go(running, live, client, pki, version):
    plain = {"name": "plain", "type": "tcp", "address": f"{HOST}:0"}
    broker = running(plain)
    stays = client(broker.ports["plain"], version)
    stays.subscribe("a", 1)
    assert broker.reload(listeners=[plain, live.listener("wss")])["applied"] == ["/listeners/1"]
    late = client(broker.ports["wss"], version, tls=pki.trusting(), transport="websockets")
    late.publish("a", b"x")
    assert stays.next().payload == b"x"
    port = broker.ports["plain"]
    assert broker.reload(listeners=[live.listener("wss")])["closed"] == ["plain"]
    with pytest.raises(ConnectionError):
        client(port, version, connect=False).open()
    late.publish("a", b"y")
    assert stays.next().payload == b"y"


def test_faults_are_all_told(running, live, client, pki, version):
    broker = running(live.listener())
    faulty = [live.listener(min_version="1.1")]
    refuse(broker, "/listeners/0/tls/min_version", "/limits/max_qos", listeners=faulty, limits={"max_qos": 7})
    client(broker.ports["tls"], version, tls=pki.trusting()).publish("a", b"x", qos=2)
