"""SIGHUP: rmqtt-broker reads its configuration again, and the files that it names."""

import json
import signal
import socket
import time

import pytest
from mqtt import DEADLINE, HOST


class Running:
    """A broker whose configuration is a file, which is changed while it runs."""

    def __init__(self, start_broker, config):
        self.broker = start_broker("-c", **config)
        self.path = self.broker.log.with_suffix(".json")
        self.config = json.loads(self.path.read_text())

    def reload(self):
        """Has it read its configuration; the report, once all of it holds."""
        self.path.write_text(json.dumps(self.config))
        told = self.broker.stderr().count('{"event":"reloaded"')
        self.broker.process.send_signal(signal.SIGHUP)
        self.broker.listen()
        reports = [line for line in self.broker.stderr().splitlines() if line.startswith('{"event":"reloaded"')]
        assert len(reports) == told + 1
        return json.loads(reports[-1])

    def refuse(self, *expected):
        """Has it read a configuration that is of no use; each of these must be said."""
        before = len(self.broker.stderr())
        self.path.write_text(json.dumps(self.config))
        self.broker.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + DEADLINE
        while "the old configuration stays" not in (said := self.broker.stderr()[before:]):
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
    return lambda *listeners, **config: Running(start_broker, {"listeners": list(listeners), **config})


def shown(port, pki):
    """The serial number of the certificate that new clients see."""
    with socket.create_connection((HOST, port), DEADLINE) as plain:
        with pki.trusting().wrap_socket(plain, server_hostname=HOST) as secure:
            return int(secure.getpeercert()["serialNumber"], 16)


def test_certificates_are_exchanged_under_traffic(running, live, client, pki, version):
    one = running(live.listener("tls"), live.listener("wss"))
    ports = one.broker.ports.copy()
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
        report = one.reload()
        assert report["applied"] == ["/listeners/0/tls", "/listeners/1/tls"]
        assert (report["needs_restart"], report["rejected"], report["closed"]) == ([], [], [])
        assert one.broker.ports == ports
        assert {shown(port, pki) for port in ports.values()} == {issued.certificate.serial_number}
    for each in clients:
        assert [int(message.payload) for message in each.take(sent)] == list(range(sent))
        assert not each.disconnected.is_set()


def test_material_of_no_use_changes_nothing(running, live, client, pki, version):
    one = running(live.listener())
    port = one.broker.ports["tls"]
    stays = client(port, version, tls=pki.trusting())
    live.key.write_bytes(pki.client.key_file.read_bytes())
    one.refuse("/listeners/0/tls/key_file")
    live.cert.write_text("nonsense")
    one.refuse("/listeners/0/tls/cert_file")
    live.cert.unlink()
    one.refuse("/listeners/0/tls/cert_file")
    assert shown(port, pki) == pki.server.certificate.serial_number
    stays.publish("a", b"x")
    # And then it is of use again.
    live.show(pki.server)
    one.reload()


def test_revocation(running, live, client, pki, version):
    live.crl.write_bytes(pki.ca.revoke().read_bytes())
    authority = {"client_ca_file": str(pki.ca.file), "client_auth": "required", "crl_file": str(live.crl)}
    one = running(live.listener(**authority))
    port = one.broker.ports["tls"]
    stays = client(port, version, tls=pki.trusting(pki.client))
    live.crl.write_bytes(pki.ca.revoke(pki.client).read_bytes())
    assert one.reload()["applied"] == ["/listeners/0/tls"]
    late = client(port, version, connect=False, tls=pki.trusting(pki.client))
    with pytest.raises((OSError, AssertionError)):
        late.connect()
    # Who is connected has been let in.
    stays.publish("a", b"x")


def test_listeners_come_and_go(running, live, client, pki, version):
    plain = {"name": "plain", "type": "tcp", "address": f"{HOST}:0"}
    one = running(plain)
    stays = client(one.broker.ports["plain"], version)
    stays.subscribe("a", 1)
    one.config["listeners"].append(live.listener("wss"))
    assert one.reload()["applied"] == ["/listeners/1"]
    late = client(one.broker.ports["wss"], version, tls=pki.trusting(), transport="websockets")
    late.publish("a", b"x")
    assert stays.next().payload == b"x"
    del one.config["listeners"][0]
    assert one.reload()["closed"] == ["plain"]
    with pytest.raises(ConnectionError):
        client(one.broker.ports["plain"], version, connect=False).open()
    late.publish("a", b"y")
    assert stays.next().payload == b"y"


def test_faults_are_all_told(running, live, client, pki, version):
    one = running(live.listener())
    one.config["listeners"][0]["tls"]["min_version"] = "1.1"
    one.config["limits"] = {"max_qos": 7}
    one.refuse("/listeners/0/tls/min_version", "/limits/max_qos")
    client(one.broker.ports["tls"], version, tls=pki.trusting()).publish("a", b"x", qos=2)
