"""Programs between clients and broker, and clients that are programs."""

import socket
import subprocess
import time
from contextlib import contextmanager

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
