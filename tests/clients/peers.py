"""Programs between clients and broker, clients that are programs, and a service that the broker asks."""

import json
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from mqtt import DEADLINE, HOST


class Process:
    """One program that runs until it is stopped."""

    def __init__(self, command, log):
        self.command = command
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def wait_until(self, ready):
        end = time.monotonic() + DEADLINE
        while not ready():
            assert self.process.poll() is None, f"{self.command[0]} ended:\n{self.log.read_text(errors='replace')}"
            assert time.monotonic() < end, f"{self.command[0]} is not ready:\n{self.log.read_text(errors='replace')}"
            time.sleep(0.02)

    def stop(self):
        """Ends it, and whatever it has started, at once."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def accepts(port):
    """Whether somebody listens."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


@contextmanager
def free_ports(count):
    """Ports that nobody else has, held until the end of the block."""
    held = [socket.create_server((HOST, 0)) for _ in range(count)]
    try:
        yield [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


class Flood:
    """Clients that publish as fast as they can write, with QoS 0; in processes of their own, not to be waited for here."""

    SCRIPT = Path(__file__).with_name("flood.py")

    def __init__(self, port, topic, payload, versions):
        command = [sys.executable, "-B", str(self.SCRIPT), str(port), topic, str(payload)]
        self.processes = [
            subprocess.Popen([*command, version], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            for version in versions
        ]

    def __enter__(self):
        for process in self.processes:
            # Says that it has been let in.
            assert process.stdout.readline() == b"begun\n"
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()
            process.stdout.close()

    def is_going_on(self):
        return all(process.poll() is None for process in self.processes)


class Service:
    """An HTTP service on a port of its own. `answer` gets the handler of a request, and what was posted."""

    def __init__(self, answer):
        self.asked = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.asked.append((self.path, question))
                try:
                    answer(self, question)
                except ConnectionError:
                    # Who has asked does not want to know any more.
                    self.close_connection = True

            def do_GET(self):
                service.asked.append((self.path, None))
                self.reply(200, {"result": "allow"})

            def reply(self, status, body, **headers):
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Length": len(body), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer((HOST, 0), Handler)
        self.url = f"http://{HOST}:{self.server.server_port}/auth"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.thread.join()
        # Threads of requests that are not done yet end with this process.
        self.server.socket.close()
