"""Who may connect and what clients may do, as the configuration says: passwords, tokens, a service, and access rules."""

import base64
import hashlib
import hmac
import json
import os
import subprocess
import threading
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from mqtt import (
    BAD_USER_NAME_OR_PASSWORD,
    DEADLINE,
    FAILURE,
    HOST,
    NOT_AUTHORIZED,
    SERVER_UNAVAILABLE,
    Pair,
    Will,
    refusal,
)
from peers import Service, free_ports
from test_mosquitto import VERSIONS, pub
from test_websocket import mqtt_js

ALLOW = {"result": "allow"}


# ---- Password files


def passwd(*arguments):
    subprocess.run(["mosquitto_passwd", *map(str, arguments)], check=True, capture_output=True, timeout=DEADLINE)


@pytest.fixture
def passwords(tmp_path):
    """A file that mosquitto_passwd has begun, with a line of Argon2 behind."""
    file = tmp_path / "passwords"
    passwd("-c", "-b", file, "pump", "secret")
    passwd("-b", file, "valve", "pässwörd")
    argon2 = Argon2id(salt=os.urandom(16), length=32, iterations=2, lanes=1, memory_cost=8192)
    # Which mosquitto_passwd does not know: it changes nothing any more.
    with file.open("a") as lines:
        lines.write(f"# by hand\nrobot:{argon2.derive_phc_encoded(b'other')}\n")
    return file


def test_passwords(start_broker, client, passwords, every_version):
    broker = start_broker(auth={"password_file": str(passwords)})
    for name, password in (("pump", "secret"), ("valve", "pässwörd"), ("robot", "other")):
        client(broker, every_version, username=name, password=password).publish("a", b"x")
        for wrong in ("", "Secret", password + " ", password[:-1]):
            assert refusal(client, broker, every_version, username=name, password=wrong) == BAD_USER_NAME_OR_PASSWORD
    assert refusal(client, broker, every_version, username="nobody", password="secret") == BAD_USER_NAME_OR_PASSWORD
    assert refusal(client, broker, every_version, username="pump") == BAD_USER_NAME_OR_PASSWORD
    assert refusal(client, broker, every_version) == NOT_AUTHORIZED


def test_passwords_of_mosquitto_pub(start_broker, passwords, every_version):
    broker = start_broker(auth={"password_file": str(passwords)})
    for name, password, is_right in (("pump", "secret", True), ("robot", "other", True), ("robot", "secret", False)):
        ended = pub(broker.port, every_version, "-t", "a", "-m", "x", "-u", name, "-P", password)
        # The CONNACK's own code: 4 before MQTT 5.
        refused = BAD_USER_NAME_OR_PASSWORD if every_version == "5" else 4
        assert ended.returncode == (0 if is_right else refused)


def test_passwords_are_read_again(start_broker, client, tmp_path, version):
    passwords = tmp_path / "passwords"
    passwd("-c", "-b", passwords, "pump", "secret")
    passwd("-b", passwords, "valve", "pässwörd")
    broker = start_broker("-c", auth={"password_file": str(passwords)})
    stays = client(broker, version, username="pump", password="secret")
    passwd("-D", passwords, "pump")
    passwd("-b", passwords, "valve", "new")
    assert broker.reload()["applied"] == ["/auth/password_file"]
    assert refusal(client, broker, version, username="pump", password="secret") == BAD_USER_NAME_OR_PASSWORD
    assert refusal(client, broker, version, username="valve", password="pässwörd") == BAD_USER_NAME_OR_PASSWORD
    client(broker, version, username="valve", password="new")
    # Who is connected has been let in.
    stays.publish("a", b"x")


# ---- Tokens

SECRET = "a secret of thirty-two bytes or more"


def encoded(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def with_secret(octets, secret=SECRET):
    return hmac.new(secret.encode(), octets, hashlib.sha256).digest()


def token(claims, sign=with_secret, **header):
    """A JSON Web Token; `claims` holds for a minute unless it says something else."""
    header = {"alg": "HS256", "typ": "JWT", **header}
    claims = {"exp": int(time.time()) + 60, **claims}
    signed = ".".join(encoded(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{encoded(sign(signed.encode()))}"


def nothing(_):
    return b""


def good(**other):
    return {"aud": "plant", "client": "me", **other}


# Each of them good but for that.
FORGED = {
    "expired": lambda: token(good(exp=int(time.time()) - 1)),
    "without a time": lambda: token(good(exp=None)),
    "not valid yet": lambda: token(good(nbf=int(time.time()) + 60)),
    "another audience": lambda: token(good(aud="other")),
    "no audience": lambda: token({"client": "me"}),
    "another key": lambda: token(good(), lambda octets: with_secret(octets, "guessed" * 6)),
    "alg none": lambda: token(good(), nothing, alg="none"),
    "alg None": lambda: token(good(), nothing, alg="None"),
    "alg none, signed": lambda: token(good(), alg="none"),
    "another algorithm": lambda: token(good(), alg="HS512"),
    "no signature": lambda: token(good(), nothing),
    "half a token": lambda: token(good()).rpartition(".")[0],
    "other claims": lambda: changed(token(good(sub="pump")), b"pump", b"root"),
    "rules that are none": lambda: token(good(acl=[{"effect": "allow", "topics": ["a#"]}])),
    "another client": lambda: token(good(client="other")),
}


def changed(made, before, after):
    header, claims, signature = made.split(".")
    claims = base64.urlsafe_b64decode(claims + "==").replace(before, after)
    return f"{header}.{encoded(claims)}.{signature}"


def test_tokens(start_broker, client, version):
    jwt = {"secret": SECRET, "audience": "plant", "client_id_claim": "client"}
    broker = start_broker(auth={"allow_anonymous": True, "jwt": jwt})
    for audience in ("plant", ["other", "plant"]):
        client(broker, version, "me", username="whoever", password=token(good(aud=audience))).publish("a", b"x")
    for what, forge in FORGED.items():
        reason = refusal(client, broker, version, "me", username="whoever", password=forge())
        assert reason in (BAD_USER_NAME_OR_PASSWORD, NOT_AUTHORIZED), what


def test_tokens_of_mqtt_js(start_broker, pki, version):
    broker = start_broker(auth={"jwt": {"secret": SECRET}})
    for sent, ends in ((token({}), 0), (token({}, nothing, alg="none"), 1)):
        ended = mqtt_js(pki, "mqtt", broker.port, version, path="", username="whoever", password=sent)
        assert ended.returncode == ends, ended.stderr


def ed25519_jwk(key, kid):
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return {"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": kid, "x": encoded(public)}


def test_keys_of_tokens_are_exchanged(start_broker, client, tmp_path, version):
    file = tmp_path / "keys.json"
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()

    def publish(**keys):
        file.write_text(json.dumps({"keys": [ed25519_jwk(key, kid) for kid, key in keys.items()]}))

    def signed(key, kid, **header):
        return {"username": "x", "password": token({"sub": "pump"}, key.sign, **{"alg": "EdDSA", "kid": kid, **header})}

    publish(old=old)
    broker = start_broker("-c", auth={"jwt": {"jwks_file": str(file), "algorithm": "EdDSA"}})
    client(broker, version, **signed(old, "old"))
    assert refusal(client, broker, version, **signed(new, "new")) == BAD_USER_NAME_OR_PASSWORD
    assert refusal(client, broker, version, **signed(new, "old")) == BAD_USER_NAME_OR_PASSWORD
    # The public key, which everybody knows, taken for a secret.
    public = ed25519_jwk(old, "old")["x"]
    for secret in (public, base64.urlsafe_b64decode(public + "=").decode("latin-1")):
        forged = token({"sub": "pump"}, lambda octets: hmac.new(secret.encode("latin-1"), octets, "sha256").digest(), kid="old")
        assert refusal(client, broker, version, username="x", password=forged) == BAD_USER_NAME_OR_PASSWORD

    publish(old=old, new=new)
    assert broker.reload()["applied"] == ["/auth/jwt/jwks_file"]
    for kid, key in (("old", old), ("new", new)):
        client(broker, version, **signed(key, kid))
    publish(new=new)
    broker.reload()
    assert refusal(client, broker, version, **signed(old, "old")) == BAD_USER_NAME_OR_PASSWORD
    client(broker, version, **signed(new, "new"))


def test_client_goes_when_its_token_expires(start_broker, client, version):
    broker = start_broker(auth={"jwt": {"secret": SECRET}})
    watcher = client(broker, version, username="x", password=token({}))
    watcher.subscribe("gone", 1)
    expires = int(time.time()) + 2
    short = token({"exp": expires})
    brief = client(broker, version, username="x", password=short, will=Will("gone", b"bye"))
    brief.publish("a", b"x")
    reason = brief.ended()
    assert expires <= time.time() < expires + DEADLINE / 2
    assert version != "5" or reason == NOT_AUTHORIZED
    assert watcher.next().payload == b"bye"
    assert refusal(client, broker, version, username="x", password=short) == BAD_USER_NAME_OR_PASSWORD
    assert not watcher.disconnected.is_set()


def test_client_stays_when_its_token_expires(start_broker, client, version):
    broker = start_broker(auth={"jwt": {"secret": SECRET, "disconnect_on_expiry": False}})
    expires = int(time.time()) + 1
    stays = client(broker, version, username="x", password=token({"exp": expires}))
    # The time is what is under test, and nothing tells its end.
    time.sleep(expires + 1 - time.time())
    stays.publish("a", b"x")


def test_rules_of_a_token(start_broker, client, version):
    broker = start_broker(
        auth={"jwt": {"secret": SECRET}},
        acl={
            "default_publish": "deny",
            "default_subscribe": "deny",
            "rules": [
                {"effect": "allow", "action": "publish", "topics": ["by-name/%u", "own/secret"]},
                {"effect": "allow", "action": "subscribe", "topics": ["#"]},
            ],
        },
    )
    watcher = client(broker, version, username="x", password=token({}))
    watcher.subscribe("#", 1)
    own = [
        {"effect": "deny", "topics": ["own/secret"]},
        {"effect": "allow", "topics": ["own/%c/#"]},
    ]
    claims = token({"sub": "pump", "acl": own})
    bearer = client(broker, version, "me", username="whoever", password=claims)
    expect(bearer, {"own/me": True, "own/me/x": True, "own/other": False, "own/secret": False, "by-name/pump": True})
    # It is the token that says who somebody is, and not the CONNECT.
    expect(bearer, {"by-name/whoever": False})
    client(broker, version, username="x", password=claims).disconnect()
    assert [message.topic for message in watcher.take(3)] == ["own/me", "own/me/x", "by-name/pump"]


# ---- A service


@pytest.fixture
def service(brokers):
    """Makes services, which are gone before the brokers are."""
    made = []

    def make(answer):
        made.append(Service(answer))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def by_name(**answers):
    """Answers with a status and a body, or as a function does, by the name of the user."""

    def answer(handler, question):
        said = answers[question["username"]]
        said(handler) if callable(said) else handler.reply(*said)

    return answer


def test_service_decides(start_broker, client, service, version):
    asked = service(
        by_name(pump=(200, {**ALLOW, "username": "pump-7"}), eve=(200, {"result": "deny"}), old=(401, {}), bad=(403, {}))
    )
    broker = start_broker(
        auth={"http": {"url": asked.url}},
        acl={"default_publish": "deny", "rules": [{"effect": "allow", "topics": ["plant/%u"]}]},
    )
    pump = client(broker, version, "me", username="pump", password="secret")
    expect(pump, {"plant/pump-7": True, "plant/pump": False})
    ((path, question),) = asked.asked
    address = question.pop("address")
    assert address.startswith(f"{HOST}:") and path == "/auth"
    assert question == {"client_id": "me", "username": "pump", "password": "secret", "listener": "main"}
    for name in ("eve", "old", "bad"):
        assert refusal(client, broker, version, username=name, password="secret") == BAD_USER_NAME_OR_PASSWORD


def test_service_knows_superusers(start_broker, client, service, version):
    asked = service(by_name(root=(200, {**ALLOW, "superuser": True}), pump=(200, ALLOW)))
    broker = start_broker(
        auth={"http": {"url": asked.url}},
        acl={"default_publish": "deny", "default_subscribe": "deny", "rules": [{"effect": "deny", "topics": ["#"]}]},
    )
    root = client(broker, version, username="root", password="x")
    assert root.subscribe("#", 1) == 1
    pump = client(broker, version, username="pump", password="x")
    assert pump.subscribe("a", 1) == (NOT_AUTHORIZED if version == "5" else FAILURE)
    expect(pump, {"a": False})
    expect(root, {"b": True})
    assert root.next().topic == "b"


def test_service_says_until_when(start_broker, client, service, version):
    """An answer is not kept any longer than it holds."""
    expires = int(time.time()) + 2
    answers = [{**ALLOW, "expires_at": expires}, ALLOW]
    asked = service(lambda handler, _: handler.reply(200, answers[len(asked.asked) - 1]))
    broker = start_broker(auth={"http": {"url": asked.url, "cache_ttl_ms": 60_000}})
    credentials = {"username": "x", "password": "y"}
    brief = client(broker, version, "me", **credentials)
    reason = brief.ended()
    assert time.time() >= expires
    assert version != "5" or reason == NOT_AUTHORIZED
    client(broker, version, "me", **credentials).publish("a", b"x")
    assert len(asked.asked) == 2
    # That one is kept.
    client(broker, version, "me", **credentials).publish("a", b"x")
    assert len(asked.asked) == 2


def endless(handler):
    """More than anybody wants to know, of a length that is not told."""
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    handler.wfile.write(b'{"result":"allow","pad":"')
    for _ in range(10_000):
        handler.wfile.write(bytes(64 * 1024))


def cut_off(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(json.dumps(ALLOW).encode())
    handler.close_connection = True


def hang_up(handler):
    handler.close_connection = True


def not_http(handler):
    handler.wfile.write(b"220 mail.example.com ESMTP\r\n")
    handler.close_connection = True


def huge(handler):
    handler.reply(200, {**ALLOW, "pad": "x" * 1_000_000})


def redirect(status):
    return lambda handler: handler.reply(status, ALLOW, Location="/elsewhere")


LIES = {
    "not JSON": (200, b"yes"),
    "nothing": (200, b""),
    "no object": (200, ["allow"]),
    "no result": (200, {"superuser": True}),
    "another result": (200, {"result": "Allow"}),
    "result of another type": (200, {"result": True}),
    "two documents": (200, b'{"result":"allow"}{"result":"allow"}'),
    "superuser of another type": (200, {**ALLOW, "superuser": "no"}),
    "rules that are none": (200, {**ALLOW, "acl": [{"effect": "allow", "topics": ["a#"]}]}),
    "user name with NUL": (200, {**ALLOW, "username": "a\0b"}),
    "created": (201, ALLOW),
    "no content": (204, b""),
    "error": (500, ALLOW),
    "unavailable": (503, ALLOW),
    "redirect": redirect(302),
    "redirect that keeps the method": redirect(307),
    "huge": huge,
    "endless": endless,
    "cut off": cut_off,
    "hung up": hang_up,
    "not HTTP": not_http,
}


def test_service_that_lies(start_broker, client, service, version):
    liar = service(by_name(**LIES, honest=(200, ALLOW)))
    broker = start_broker(auth={"allow_anonymous": True, "http": {"url": liar.url, "timeout_ms": 10_000}})
    bystander = client(broker, version)
    before = broker.resident()
    for lie in LIES:
        reason = refusal(client, broker, version, username=lie, password="x")
        assert reason == SERVER_UNAVAILABLE, lie
        bystander.publish("a", b"x")
    assert {path for path, _ in liar.asked} == {"/auth"}, "a redirect was followed"
    assert broker.resident() < before + 32 * 1024 * 1024
    client(broker, version, username="honest", password="x").publish("a", b"x")


def test_service_that_is_down(start_broker, client, version):
    with free_ports(1) as (port,):
        # Bound, but in the end nobody is there.
        pass
    http = {"url": f"http://{HOST}:{port}/auth", "cache_ttl_ms": 60_000}
    broker = start_broker(auth={"allow_anonymous": True, "http": http})
    assert refusal(client, broker, version, username="x", password="y") == SERVER_UNAVAILABLE
    client(broker, version).publish("a", b"x")


def test_service_that_is_slow(start_broker, client, service, version, capsys):
    """Late answers, and those of which a byte comes now and then, let nobody in; others do not wait."""
    over = threading.Event()

    def late(handler):
        over.wait(DEADLINE)
        handler.reply(200, ALLOW)

    def drip(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not over.wait(0.1):
            handler.wfile.write(b" ")

    slow = service(by_name(late=late, drip=drip, honest=(200, ALLOW)))
    http = {"url": slow.url, "timeout_ms": 1000, "max_concurrent": 4}
    broker = start_broker(auth={"allow_anonymous": True, "http": http})
    pair = Pair(client, broker)
    waiting = [
        client(broker, version, username=name, password="x", connect=False) for name in ("late", "drip") for _ in range(10)
    ]
    answers = []

    def ask(one):
        began = time.monotonic()
        reason = one.open()[1]
        answers.append((reason.value, time.monotonic() - began))

    threads = [threading.Thread(target=ask, args=(one,)) for one in waiting]
    for thread in threads:
        thread.start()
    median, most = pair.measure(0.8)
    for thread in threads:
        thread.join(2 * DEADLINE)
    over.set()
    with capsys.disabled():
        last = max(took for _, took in answers)
        print(f"\n20 clients wait for a slow service, {last:.1f} s; others: {median * 1e3:.1f} ms, {most * 1e3:.1f} ms at most")
    assert [reason for reason, _ in answers] == [SERVER_UNAVAILABLE] * len(waiting)
    # The time for a place is within that of the answer.
    assert all(0.9 < took < 5 for _, took in answers)
    assert most < 0.5
    client(broker, version, username="honest", password="x").publish("a", b"x")


# ---- Access rules


def expect(client, topics, qos=1, retain=False):
    """Publishes to each of the topics. MQTT 5 tells whether that is allowed; before, only who gets it can tell."""
    for topic, allowed in topics.items():
        reason = client.sent(client.send(topic, topic.encode(), qos, retain)).value
        if client.v5:
            # 0x10: nobody gets it.
            assert reason in ((0, 0x10) if allowed else (NOT_AUTHORIZED,)), topic


RULES = [
    {"effect": "deny", "topics": ["plant/+/secret", "hidden/#"]},
    {"effect": "allow", "action": "subscribe", "topics": ["plant/#"], "users": ["boss"]},
    {"effect": "allow", "action": "publish", "topics": ["plant/%u/%c/#"], "users": ["pump-*"]},
    {"effect": "allow", "action": "subscribe", "topics": ["answers/%c/#"]},
    {"effect": "allow", "action": "subscribe", "topics": ["plant/+/state", "news/#"], "qos": [0, 1]},
    {"effect": "allow", "action": "publish", "topics": ["low"], "qos": [0]},
    {"effect": "allow", "action": "publish", "topics": ["kept"], "retain": True},
    {"effect": "allow", "action": "publish", "topics": ["elsewhere"], "ips": ["10.0.0.0/8"]},
    {"effect": "allow", "action": "publish", "topics": ["%i/here"], "ips": ["127.0.0.0/8"], "client_ids": ["c-*", "c1"]},
]

PASSWORDS = {"pump-1": "a", "boss": "b"}


@pytest.fixture
def ruled(start_broker, tmp_path):
    """A broker with those rules, in a file, and users with passwords. Nothing else is allowed."""
    passwords, rules = tmp_path / "passwords", tmp_path / "rules.json"
    passwords.touch()
    for name, password in PASSWORDS.items():
        passwd("-b", passwords, name, password)
    rules.write_text(json.dumps(RULES))
    broker = start_broker(
        "-c",
        auth={"password_file": str(passwords), "allow_anonymous": True},
        acl={"default_publish": "deny", "default_subscribe": "deny", "file": str(rules)},
    )
    broker.rules = rules
    return broker


def user(client, broker, version, name, *args, **more):
    return client(broker, version, *args, username=name, password=PASSWORDS[name], **more)


def test_rules_for_subscribing(ruled, client, every_version):
    nobody = client(ruled, every_version)
    refused = NOT_AUTHORIZED if every_version == "5" else FAILURE
    granted = {
        "plant/+/state": 1,
        "plant/pump-1/state": 1,
        "news/#": 1,
        "news": 1,
        "news/+": 1,
        # More than what is allowed, if only a little.
        "plant/#": refused,
        "plant/+/+": refused,
        "+/+/state": refused,
        "+/#": refused,
        "#": refused,
        # Forbidden, or partly.
        "plant/pump-1/secret": refused,
        "plant/+/secret": refused,
        "hidden": refused,
        "$SYS/#": refused,
    }
    if every_version == "5":
        granted |= {"$share/group/news/#": 1, "$share/group/plant/#": refused, "$share/group/#": refused}
    assert {topic: nobody.subscribe(topic, 1) for topic in granted} == granted
    # A client identifier that is a wildcard makes no rule allow more.
    assert nobody.subscribe(f"answers/{nobody.id}/#", 1) == 1
    for name in ("+", "#"):
        wild = client(ruled, every_version, name)
        assert [wild.subscribe(topic, 1) for topic in ("answers/+/#", "answers/#", "answers/a/#")] == [refused] * 3
    # Not with QoS 2.
    assert nobody.subscribe("news/#", 2) == refused
    # One rule before forbids some of what the next one allows.
    boss = user(client, ruled, every_version, "boss")
    assert boss.subscribe("plant/#", 2) == refused
    assert boss.subscribe("plant/+", 2) == 2
    assert boss.subscribe("plant/pump-1/c1/#", 2) == 2
    assert boss.subscribe("plant/pump-1/#", 2) == refused


def test_rules_for_publishing(ruled, client, version):
    boss = user(client, ruled, version, "boss")
    for topic in ("plant/+/+/+", "plant/+/c1"):
        assert boss.subscribe(topic, 1) == 1
    nobody = client(ruled, version, "c1")
    nobody.subscribe("news/#", 1)
    pump = user(client, ruled, version, "pump-1", "c1", clean=True)
    # The same client identifier: the one before is gone.
    assert nobody.disconnected.wait(DEADLINE)
    own = {"plant/pump-1/c1": True, "plant/pump-1/c1/x": True}
    others = {"plant/pump-1/c2/x": False, "plant/pump-2/c1/x": False, "plant/pump-1/secret": False, "news/x": False}
    # Twice: what is remembered is the same.
    for _ in range(2):
        expect(pump, own | others)
    expect(pump, {"127.0.0.1/here": True, "elsewhere": False, "10.0.0.1/here": False, "$SYS/x": False})
    got = [message.topic for message in boss.take(4)]
    assert got == 2 * list(own)


def test_rules_about_qos_and_retain(ruled, client, version):
    boss, nobody = user(client, ruled, version, "boss"), client(ruled, version, "c1")
    ruled.rules.write_text(json.dumps(RULES + [{"effect": "allow", "action": "subscribe", "topics": ["low", "kept"]}]))
    ruled.reload()
    for topic in ("low", "kept"):
        assert boss.subscribe(topic, 2) == 2
    for qos in (2, 1, 0):
        nobody.sent(nobody.send("low", str(qos), qos))
    for retain in (False, True):
        expect(nobody, {"kept": retain}, retain=retain)
    assert [(message.topic, message.payload) for message in boss.take(2)] == [("low", b"0"), ("kept", b"kept")]
    # And it is kept, once and as it was.
    late = user(client, ruled, version, "boss")
    late.subscribe("kept", 1)
    assert late.next().retain


def test_rules_about_wills(ruled, client, version):
    boss = user(client, ruled, version, "boss")
    boss.subscribe("plant/+/c1/will", 1)
    options = {"username": "pump-1", "password": PASSWORDS["pump-1"]}
    assert refusal(client, ruled, version, "c1", will=Will("plant/pump-2/c1/will", b"forged"), **options) == NOT_AUTHORIZED
    client(ruled, version, "c1", will=Will("plant/pump-1/c1/will", b"bye"), **options).cut()
    assert boss.next().payload == b"bye"


def test_rules_are_exchanged(ruled, client, version):
    boss, pump = user(client, ruled, version, "boss"), user(client, ruled, version, "pump-1", "c1")
    boss.subscribe("plant/pump-1/c1/x", 1)
    expect(pump, {"plant/pump-1/c1/x": True, "open": False})
    ruled.rules.write_text(json.dumps([{"effect": "allow", "topics": ["open"]}]))
    assert ruled.reload()["applied"] == ["/acl/file"]
    assert boss.subscribe("open", 1) == 1
    expect(pump, {"plant/pump-1/c1/x": False, "open": True})
    assert [message.topic for message in boss.take(2)] == ["plant/pump-1/c1/x", "open"]
    assert not boss.disconnected.is_set() and not pump.disconnected.is_set()


@pytest.mark.parametrize("topic, allowed", [("news/today", True), ("plant/#", False)])
def test_rules_and_mosquitto_sub(ruled, version, topic, allowed):
    command = ["mosquitto_sub", "-h", HOST, "-p", str(ruled.port), "-V", VERSIONS[version], "-t", topic, "-E"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)
    assert ("denied" in ended.stderr) != allowed
