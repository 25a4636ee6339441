"""Who fails or comes too often is kept out, and whoever is on a list; others are let in."""

import itertools
import subprocess
import time

import pytest
from mqtt import BAD_USER_NAME_OR_PASSWORD, DEADLINE, HOST, NOT_AUTHORIZED, knock, refusal
from test_access import passwd
from test_mosquitto import VERSIONS

ATTACKER, OTHER = "127.0.0.2", "127.0.0.3"

BANNED = 0x8A


@pytest.fixture
def passwords(tmp_path):
    file = tmp_path / "passwords"
    passwd("-c", "-b", file, "pump", "secret")
    return {"password_file": str(file)}


def test_password_attack(start_broker, client, passwords, version, capsys):
    """Each guess takes longer, and then there are no more; the right password is of no use then, and others get in."""
    failures = 5
    ban = {"failures": failures, "ban_ms": 2000}
    broker = start_broker(auth=passwords, limits={"ban": ban})
    pump = {"username": "pump", "password": "secret"}
    stays = client(broker, version, "stays", source=ATTACKER, **pump)
    took = []
    for guess in range(failures):
        began = time.monotonic()
        reason = refusal(client, broker, version, source=ATTACKER, username="pump", password=f"guess {guess}")
        took.append(time.monotonic() - began)
        assert reason == BAD_USER_NAME_OR_PASSWORD
    with capsys.disabled():
        print(f"\nguesses: {', '.join(f'{one * 1e3:.0f}' for one in took)} ms")
    assert all(one >= 0.1 * 2**number for number, one in enumerate(took[1:]))
    # Nobody is told anything any more, until the ban is over, which has begun before the last answer.
    while knock(broker.port, ATTACKER) is None:
        assert time.monotonic() < began + DEADLINE
        time.sleep(0.05)
    assert time.monotonic() - began > 2
    client(broker, version, source=ATTACKER, **pump).publish("a", b"x")
    # Who was there is still there.
    stays.publish("a", b"x")
    assert not stays.disconnected.is_set()


def test_banned_is_closed_without_a_word(start_broker, client, passwords, every_version):
    broker = start_broker(auth=passwords, limits={"ban": {"failures": 1}})
    pump = {"username": "pump", "password": "secret"}
    assert refusal(client, broker, every_version, source=ATTACKER, username="pump", password="x") == BAD_USER_NAME_OR_PASSWORD
    command = ["mosquitto_pub", "-h", HOST, "-p", str(broker.port), "-V", VERSIONS[every_version], "-A", ATTACKER]
    command += ["-t", "a", "-m", "x", "-u", "pump", "-P", "secret"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert ended.returncode != 0, ended
    for _ in range(20):
        assert knock(broker.port, ATTACKER) is None
    client(broker, every_version, source=OTHER, **pump).publish("a", b"x")
    assert broker.stop() == 0
    assert broker.refusals(ATTACKER) == 2, "one for each cause"


def test_bans_by_user_and_client(start_broker, client, passwords, version):
    """The next one with that name is refused, wherever it comes from."""
    broker = start_broker(auth=passwords, limits={"ban": {"failures": 2, "by": ["user", "client_id"]}})
    pump = {"username": "pump", "password": "secret"}
    sources = itertools.cycle((ATTACKER, OTHER))
    for number in range(2):
        wrong = {"username": "pump", "password": "x", "source": next(sources)}
        assert refusal(client, broker, version, f"any-{number}", **wrong) == BAD_USER_NAME_OR_PASSWORD
        wrong = {"username": f"any-{number}", "password": "x", "source": next(sources)}
        assert refusal(client, broker, version, "eve", **wrong) == BAD_USER_NAME_OR_PASSWORD
    refused = BANNED if version == "5" else NOT_AUTHORIZED
    for banned in ("me", "eve"):
        assert refusal(client, broker, version, banned, **pump) == refused


def test_lists_of_networks_are_exchanged(start_broker, client, version):
    broker = start_broker("-c", limits={"ip_deny": ["127.0.0.4/32"]})
    stays, concerned = client(broker, version), client(broker, version, source=ATTACKER)
    assert knock(broker.port, "127.0.0.4") is None
    assert broker.reload(limits={"ip_deny": ["127.0.0.2/31"]})["applied"] == ["/limits/ip_deny"]
    assert [knock(broker.port, f"127.0.0.{host}") for host in (1, 2, 3, 4)] == [0, None, None, 0]
    assert broker.reload(limits={"ip_allow": ["127.0.0.0/30"], "ip_deny": ["127.0.0.3/32"]})["applied"]
    assert [knock(broker.port, f"127.0.0.{host}") for host in (1, 2, 3, 4)] == [0, 0, None, None]
    broker.reload(limits={})
    assert [knock(broker.port, f"127.0.0.{host}") for host in (1, 2, 3, 4)] == [0, 0, 0, 0]
    # Who is connected has been let in.
    stays.subscribe("a", 1)
    concerned.publish("a", b"x")
    assert stays.next().payload == b"x"


def test_who_comes_and_goes_is_kept_out(start_broker, client, version):
    broker = start_broker(limits={"ban": {"flaps": 10, "ban_ms": 1000}})
    other = client(broker, version)
    let_in = sum(knock(broker.port, ATTACKER) == 0 for _ in range(30))
    banned = time.monotonic()
    assert let_in == 10
    other.publish("a", b"x")
    client(broker, version, source=OTHER)
    while knock(broker.port, ATTACKER) is None:
        assert time.monotonic() < banned + DEADLINE
        time.sleep(0.05)
