"""HAProxy and nginx in front, with the files of examples/proxies. Only ports and paths are put in.

Clients come from other addresses of the loopback interface than the proxies do, which is how they are told apart.
"""

import json
import ssl

import pytest
from conftest import REPO
from mqtt import HOST
from peers import accepts, free_ports
from test_websocket import mqtt_js

EXAMPLES = REPO / "examples" / "proxies"

# All of the network 127.0.0.0/8 is this machine.
FAR = "127.0.0.2"


def filled(name, values):
    """A file of the examples. What is put in something's place must be there."""
    text = (EXAMPLES / name).read_text()
    for old, new in values.items():
        assert old in text, f"{name} has no {old}"
        text = text.replace(old, str(new))
    return text


@pytest.fixture
def behind(start_facts):
    """A broker behind proxies: its listeners are `balanced` and `web`."""
    config = json.loads(filled("broker.json", {"127.0.0.1:11883": "127.0.0.1:0", "127.0.0.1:18083": "127.0.0.1:0"}))
    return start_facts(**config)


@pytest.fixture
def haproxy(behind, start_process, pki, tmp_path):
    """The ports of HAProxy: for MQTT, for MQTT in TLS."""
    config = tmp_path / "haproxy.cfg"
    with free_ports(2) as (plain, secured):
        text = filled(
            "haproxy.cfg",
            {
                "bind :1883": f"bind {HOST}:{plain}",
                "bind :8883": f"bind {HOST}:{secured}",
                "127.0.0.1:11883": f"127.0.0.1:{behind.ports['balanced']}",
                "/etc/haproxy/server.pem": pki.server.both_file,
                "/etc/haproxy/clients.pem": pki.ca.file,
                "maxconn 50000": "maxconn 500",
            },
        )
    config.write_text(text)
    start_process(["haproxy", "-db", "-f", str(config)], lambda: accepts(plain) and accepts(secured))
    return plain, secured


@pytest.fixture
def nginx(behind, start_process, pki, tmp_path):
    """The port of nginx, which passes MQTT over WebSocket and TLS on."""
    site, config = tmp_path / "site.conf", tmp_path / "nginx.conf"
    with free_ports(1) as (port,):
        text = filled(
            "nginx.conf",
            {
                "listen 443": f"listen {HOST}:{port}",
                "127.0.0.1:18083": f"127.0.0.1:{behind.ports['web']}",
                "/etc/nginx/server.crt": pki.server.cert_file,
                "/etc/nginx/server.key": pki.server.key_file,
            },
        )
    site.write_text(text)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"    {kind}_temp_path {tmp_path / kind};\n" for kind in kinds)
    # Without workers of its own, it runs as whoever runs the tests, who may not be root.
    config.write_text(
        f"daemon off;\nmaster_process off;\npid {tmp_path / 'nginx.pid'};\nerror_log stderr;\n"
        f"events {{}}\nhttp {{\n    access_log off;\n{paths}    include {site};\n}}\n"
    )
    start_process(["nginx", "-c", str(config), "-p", str(tmp_path)], lambda: accepts(port))
    return port


def host_of(address):
    return address.rpartition(":")[0]


def test_version_1(behind, haproxy, client, every_version):
    port, _ = haproxy
    one = client(port, every_version, "one", source=FAR)
    one.subscribe("a", 1)
    one.publish("a", bytes(range(256)) * 1000)
    assert one.next().payload == bytes(range(256)) * 1000
    told = behind.told("authenticate", client_id="one")
    host, _, port = told["address"].rpartition(":")
    assert (host, int(port)) == one.paho.socket().getsockname() and host == FAR
    assert host_of(told["proxy_address"]) == HOST
    assert told["transport"] == "tcp"
    assert told["proxy_tls_version"] is None and told["proxy_common_name"] is None


def test_the_first_question_knows_the_client(behind, haproxy, client, version):
    # Those of HAProxy's own checks have an address of their own.
    client(haproxy[0], version, source="127.0.0.3")
    while host_of((told := behind.told("pre_connect"))["address"]) != "127.0.0.3":
        pass
    assert (told["stage"], host_of(told["proxy_address"])) == ("accepted", HOST)


def test_version_2_with_tls(behind, haproxy, client, pki, every_version):
    _, port = haproxy
    context = pki.trusting(pki.client, alpn=["mqtt"], version=ssl.TLSVersion.TLSv1_3)
    one = client(port, every_version, "one", host="localhost", tls=context, source=FAR)
    one.subscribe("a", 1)
    one.publish("a", bytes(range(256)) * 1000)
    assert one.next().payload == bytes(range(256)) * 1000
    told = behind.told("authenticate", client_id="one")
    host, _, port = told["address"].rpartition(":")
    assert (host, int(port)) == one.paho.socket().getsockname() and host == FAR
    assert host_of(told["proxy_address"]) == HOST
    assert told["proxy_common_name"] == "pump-7"
    assert told["proxy_tls_version"] == "TLSv1.3"
    assert told["proxy_authority"] == "localhost"
    assert told["proxy_alpn"] == "mqtt"
    # TLS has ended before the broker.
    assert (told["transport"], told["tls_version"], told["certificate"]) == ("tcp", None, None)


def test_version_2_without_a_certificate(behind, haproxy, client, pki, version):
    _, port = haproxy
    client(port, version, "one", tls=pki.trusting(), source=FAR)
    told = behind.told("authenticate", client_id="one")
    assert host_of(told["address"]) == FAR
    assert told["proxy_common_name"] is None
    assert told["proxy_tls_version"].startswith("TLSv1.")


def test_who_is_not_trusted_is_closed(behind, client, version):
    """The network of the example has one address, 127.0.0.1."""
    one = client(behind.ports["balanced"], version, connect=False, source=FAR)
    one.paho.connect(HOST, one.port, bind_address=FAR)
    one.paho.loop_start()
    assert one.disconnected.wait(15)


def test_forwarded_for(behind, nginx, client, pki, every_version):
    one = client(nginx, every_version, "one", transport="websockets", tls=pki.trusting(), source=FAR)
    one.subscribe("a", 1)
    one.publish("a", bytes(range(256)) * 1000)
    assert one.next().payload == bytes(range(256)) * 1000
    told = behind.told("authenticate", client_id="one")
    assert told["address"] == FAR
    assert host_of(told["proxy_address"]) == HOST
    assert told["transport"] == "ws"


def test_forged_headers(behind, nginx, client, pki, version):
    forged = {"X-Forwarded-For": "192.0.2.66", "X-Real-IP": "192.0.2.66", "Forwarded": "for=192.0.2.66"}
    options = {"transport": "websockets", "headers": lambda given: {**given, **forged}}
    client(nginx, version, "through nginx", tls=pki.trusting(), source=FAR, **options)
    assert behind.told("authenticate", client_id="through nginx")["address"] == FAR
    # Whom nobody trusts may say what it wants.
    client(behind.ports["web"], version, "beside nginx", source=FAR, **options)
    told = behind.told("authenticate", client_id="beside nginx")
    assert host_of(told["address"]) == FAR
    assert told["proxy_address"] is None


def test_mqtt_js_through_nginx(behind, nginx, pki, every_version):
    ended = mqtt_js(pki, "wss", nginx, every_version)
    assert ended.returncode == 0, ended.stderr
    # It comes from where nginx does, and nobody else is said to be behind it.
    assert behind.told("authenticate", client_id="js")["address"] == HOST
