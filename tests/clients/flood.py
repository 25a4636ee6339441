"""A client that publishes as fast as it can write: `flood.py PORT TOPIC PAYLOAD VERSION`, with PAYLOAD in bytes.

Says `begun` when it has been let in. Connects again when the broker ends the connection; runs until it is killed.
"""

import socket
import sys

BATCH_BYTES = 256 * 1024


def packet(kind, body):
    length, size = len(body), b""
    while True:
        length, digit = divmod(length, 128)
        size += bytes([digit | (0x80 if length else 0)])
        if not length:
            return bytes([kind]) + size + body


def text(value):
    return len(value).to_bytes(2, "big") + value.encode()


def main(port, topic, payload, version):
    is_v5 = version == "5"
    none = b"\0" if is_v5 else b""
    # Without keep alive and with a client identifier of the broker's choice.
    connect = packet(0x10, text("MQTT") + bytes([5 if is_v5 else 4, 2, 0, 0]) + none + text(""))
    publish = packet(0x30, text(topic) + none + b"x" * int(payload))
    batch = publish * max(1, BATCH_BYTES // len(publish))
    while True:
        with socket.create_connection(("127.0.0.1", int(port))) as connection:
            connection.sendall(connect)
            assert connection.recv(4, socket.MSG_WAITALL)[3] == 0
            print("begun", flush=True)
            try:
                while True:
                    connection.sendall(batch)
            except ConnectionError:
                pass


main(*sys.argv[1:])
