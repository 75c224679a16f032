"""Standard output and standard error that no process reads: logins and SIGTERM work, and losses are counted."""

import os
import re
import select
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, suppress

import pytest
from prometheus_client.parser import text_string_to_metric_families

from radius_voice.observe.stream import NonBlockingWriter
from radius_voice.radius import packet as radius
from tests.support.network import http_get
from tests.support.program_process import PROGRAM, TIMEOUT
from tests.support.radius_test_client import RadiusTestClient
from tests.support.server_process import write_configuration

CONFIGURATION = """\
server: {{listen: ["udp://127.0.0.1:0"], workers: {workers}}}
clients:
  gateway: {{address: 127.0.0.1, secret: a shared secret of the tests}}
audit: {{path: "-"}}
log: {{level: debug}}
"""


class Output:
    """A pipe or a pair of sockets, for a standard stream of a process."""

    def __init__(self, kind, stack):
        if kind == "socket":
            self.reader, self.writer = (end.detach() for end in socket.socketpair())
        else:
            self.reader, self.writer = os.pipe()
        self.text = ""
        for end in (self.reader, self.writer):
            stack.callback(os.close, end)

    def wait_for(self, pattern):
        """Read until `pattern` is there; returns the match."""
        deadline = time.monotonic() + TIMEOUT
        while not (found := re.search(pattern, self.text, re.DOTALL)):
            ready, _, _ = select.select([self.reader], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {pattern!r} in:\n{self.text}"
            self.text += os.read(self.reader, 65536).decode()
        return found

    def fill(self):
        """Fill it. The process's own end stays blocking: O_NONBLOCK would apply to it too."""
        writer = NonBlockingWriter(self.writer)
        with suppress(BlockingIOError):
            while True:
                writer.write(b"x" * 4096)
        writer.close()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_a_stuck_reader_stops_neither_logins_nor_sigterm(simulator, tmp_path, make_user, kind, workers):
    user = make_user()
    path = write_configuration(tmp_path, simulator, CONFIGURATION.format(workers=workers), [user])
    with ExitStack() as stack:
        output, errors = Output(kind, stack), Output(kind, stack)
        process = subprocess.Popen(
            [*PROGRAM, "serve", "--config", str(path), "--debug"],
            stdin=subprocess.DEVNULL,
            stdout=output.writer,
            stderr=errors.writer,
        )
        stack.callback(process.wait)
        stack.callback(process.kill)
        port = int(errors.wait_for(".*".join([r"udp \S+ port (\d+)"] * workers))[1])
        admin = errors.wait_for(r"(http://[\d.]+:\d+)/metrics")[1]
        output.fill()
        errors.fill()

        gateway = RadiusTestClient(port)
        stack.callback(gateway.close)
        challenge = gateway.start_login(user)
        assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, simulator.code(user.phone)).code
        families = text_string_to_metric_families(http_get(f"{admin}/metrics")[1])
        samples = {sample.name: sample.value for family in families for sample in family.samples}
        assert samples["radius_voice_log_lines_lost_total"]
        assert samples["radius_voice_audit_failures_total"]

        process.send_signal(signal.SIGTERM)
        assert 0 == process.wait(TIMEOUT)
