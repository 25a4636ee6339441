"""TLS and mutual TLS, with the TLS of Python, of Mosquitto's clients, and of the command openssl, which are all OpenSSL's."""

import socket
import ssl
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from mqtt import DEADLINE, HOST
from test_mosquitto import VERSIONS

TLS_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def tls(pki, **more):
    return {"name": "main", "type": "tls", "address": "127.0.0.1:0", "tls": {**pki.server.files(), **more}}


def mutual(pki, auth="required", **more):
    return tls(pki, client_ca_file=str(pki.ca.file), client_auth=auth, **more)


@pytest.fixture
def listen(start_facts):
    return lambda *listeners: start_facts(listeners=list(listeners))


def is_refused(port, context):
    """Whether the broker ends a connection before there can be MQTT. With TLS 1.3, the client shakes hands first."""
    try:
        with socket.create_connection((HOST, port), DEADLINE) as plain:
            with context.wrap_socket(plain, server_hostname=HOST) as secure:
                secure.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x")
                return secure.recv(4) == b""
    except (ssl.SSLError, ConnectionError):
        return True


@pytest.mark.parametrize("tls_version", TLS_VERSIONS)
def test_messages(listen, client, pki, every_version, tls_version):
    broker = listen(tls(pki))
    context = pki.trusting(version=TLS_VERSIONS[tls_version], alpn=["mqtt"])
    one = client(broker, every_version, "one", tls=context)
    payload = bytes(range(256)) * 2000
    for qos in (0, 1, 2):
        one.subscribe(f"a/{qos}", qos)
        one.publish(f"a/{qos}", payload, qos)
        message = one.next()
        assert (message.topic, message.payload, message.qos) == (f"a/{qos}", payload, qos)
    told = broker.told("authenticate", client_id="one")
    assert (told["transport"], told["tls_version"], told["alpn"]) == ("tls", tls_version, "mqtt")
    assert told["cipher_suite"].startswith("TLS_AES_" if tls_version == "1.3" else "TLS_ECDHE_")
    assert told["certificate"] is None


def test_oldest_version(listen, client, pki, version):
    broker = listen(tls(pki, min_version="1.3"))
    assert is_refused(broker.port, pki.trusting(version=ssl.TLSVersion.TLSv1_2))
    client(broker, version, tls=pki.trusting())


def test_another_application_protocol_is_refused(listen, pki):
    broker = listen(tls(pki))
    assert is_refused(broker.port, pki.trusting(alpn=["h2"]))
    assert not is_refused(broker.port, pki.trusting(alpn=["h2", "mqtt"]))


def test_hooks_see_the_certificate(listen, client, pki, version):
    broker = listen(mutual(pki, username_from="cn"))
    client(broker, version, "one", username="somebody else", tls=pki.trusting(pki.client))
    before = broker.told("pre_connect", stage="accepted")
    assert before["certificate"] is None
    for told in (broker.told("pre_connect", stage="established"), broker.told("authenticate", client_id="one")):
        shown = told["certificate"]
        certificate = pki.client.certificate
        assert shown["subject"] == certificate.subject.rfc4514_string() == "CN=pump-7,O=Plant"
        assert shown["issuer"] == certificate.issuer.rfc4514_string()
        assert shown["common_name"] == "pump-7"
        assert shown["alternative_names"] == ["DNS:pump-7.example", "URI:urn:pump:7"]
        assert shown["serial"] == pki.client.serial
        assert shown["sha256"] == pki.client.sha256
        assert bytes.fromhex(shown["der"]) == pki.client.der
        assert shown["not_before_s"] == certificate.not_valid_before_utc.timestamp()
        assert shown["not_after_s"] == certificate.not_valid_after_utc.timestamp()
    assert told["username"] == "pump-7"


def test_subject_as_user_name(listen, client, pki, version):
    broker = listen(mutual(pki, username_from="subject"))
    client(broker, version, "one", tls=pki.trusting(pki.client))
    assert broker.told("authenticate", client_id="one")["username"] == "CN=pump-7,O=Plant"


@pytest.mark.parametrize("tls_version", TLS_VERSIONS.values(), ids=TLS_VERSIONS)
@pytest.mark.parametrize("who", ["nobody", "unknown", "revoked"])
def test_clients_without_a_valid_certificate(listen, pki, who, tls_version):
    broker = listen(mutual(pki, crl_file=str(pki.crl_file)))
    certificate = getattr(pki, who, None)
    assert is_refused(broker.port, pki.trusting(certificate, tls_version))
    assert not is_refused(broker.port, pki.trusting(pki.client, tls_version))


def test_certificates_that_are_optional(listen, client, pki, version):
    broker = listen(mutual(pki, "optional", username_from="cn"))
    client(broker, version, "one", username="alice", tls=pki.trusting())
    told = broker.told("authenticate", client_id="one")
    assert (told["certificate"], told["username"]) == (None, "alice")
    client(broker, version, "two", tls=pki.trusting(pki.client))
    assert broker.told("authenticate", client_id="two")["username"] == "pump-7"
    assert is_refused(broker.port, pki.trusting(pki.unknown))


def test_a_certificate_lets_in_where_nobody_is_anonymous(start_broker, client, pki, version):
    listener = mutual(pki, "optional", username_from="cn")
    broker = start_broker(listeners=[listener], auth={"allow_anonymous": False})
    client(broker, version, tls=pki.trusting(pki.client))
    _, reason, _ = client(broker, version, connect=False, tls=pki.trusting()).open()
    assert reason.is_failure


def test_several_certificates(listen, client, pki, version):
    other = pki.ca.issue("other", [x509.DNSName("other.example"), x509.DNSName("*.plant.example")])
    broker = listen(tls(pki, certificates=[other.files()]))
    served = {"other.example": other, "a.plant.example": other, "localhost": pki.server, "else.example": pki.server}
    for name, expected in served.items():
        context = pki.trusting()
        context.check_hostname = False
        with socket.create_connection((HOST, broker.port), DEADLINE) as plain:
            with context.wrap_socket(plain, server_hostname=name) as secure:
                assert secure.getpeercert(binary_form=True) == expected.der, name
        assert broker.told("pre_connect", stage="established")["server_name"] == name
    client(broker, version, "one", host="localhost", tls=pki.trusting())
    assert broker.told("authenticate", client_id="one")["server_name"] == "localhost"


def test_certificates_in_the_configuration(listen, client, pki, version):
    text = {
        "cert_pem": pki.server.cert_file.read_text(),
        "key_pem": pki.server.key_file.read_text(),
        "client_ca_pem": Path(pki.ca.file).read_text(),
        "crl_pem": pki.crl_file.read_text(),
        "client_auth": "required",
    }
    broker = listen({"name": "main", "type": "tls", "address": "127.0.0.1:0", "tls": text})
    client(broker, version, tls=pki.trusting(pki.client)).publish("a", b"x")
    assert is_refused(broker.port, pki.trusting(pki.revoked))


def test_plain_mqtt_is_no_tls(listen, client, pki, version):
    broker = listen(tls(pki))
    with socket.create_connection((HOST, broker.port), DEADLINE) as plain:
        plain.settimeout(DEADLINE)
        plain.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01x")
        try:
            answer = plain.recv(100)
        except ConnectionError:
            answer = b""
    # An alert of TLS at most, and no CONNACK.
    assert answer[:1] in (b"", b"\x15")
    client(broker, version, tls=pki.trusting())


@pytest.mark.parametrize("option, tls_version", [("-tls1_2", "1.2"), ("-tls1_3", "1.3")])
def test_openssl(listen, pki, option, tls_version):
    broker = listen(mutual(pki, username_from="cn"))
    command = ["openssl", "s_client", "-connect", f"{HOST}:{broker.port}", "-servername", "localhost", option]
    command += ["-CAfile", str(pki.ca.file), "-verify_return_error", "-alpn", "mqtt", "-quiet", "-no_ign_eof"]
    command += ["-cert", str(pki.client.cert_file), "-key", str(pki.client.key_file)]
    connect, disconnect = b"\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03one", b"\xe0\x00"
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            process.stdin.write(connect)
            process.stdin.flush()
            assert process.stdout.read(4) == b"\x20\x02\x00\x00", process.stderr.read()
            process.stdin.write(disconnect)
            process.stdin.flush()
            # The broker closes.
            assert process.stdout.read() == b""
        finally:
            process.kill()
    told = broker.told("authenticate", client_id="one")
    assert (told["tls_version"], told["server_name"], told["alpn"]) == (tls_version, "localhost", "mqtt")
    assert told["username"] == "pump-7"


def test_mosquitto(listen, pki, client, every_version):
    broker = listen(mutual(pki))
    watcher = client(broker, every_version, tls=pki.trusting(pki.client))
    watcher.subscribe("a", 1)
    command = ["mosquitto_pub", "-h", HOST, "-p", str(broker.port), "-V", VERSIONS[every_version], "-t", "a", "-m", "x"]
    command += ["-q", "1", "--cafile", str(pki.ca.file)]
    identity = ["--cert", str(pki.client.cert_file), "--key", str(pki.client.key_file)]
    published = subprocess.run(command + identity, capture_output=True, timeout=DEADLINE)
    assert published.returncode == 0, published.stderr.decode()
    assert watcher.next().payload == b"x"
    assert subprocess.run(command, capture_output=True, timeout=2 * DEADLINE).returncode != 0
