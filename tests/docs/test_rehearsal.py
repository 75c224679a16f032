"""docs/rehearsal.md shows what its commands print: they run again, on free ports, and the output is compared."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import blocks
from tests.support.network import free_port, http_get
from tests.support.program_process import PROGRAM, TIMEOUT, ProgramProcess

PAGE = "docs/rehearsal.md"
PHONE = "+14155550123"


class Rehearsal:
    """Runs the commands of the page in a directory, with its ports replaced by free ones."""

    def __init__(self, directory):
        self.directory = directory
        self.ports = {port: str(free_port()) for port in ("4010", "1812", "9812")}
        self.running = {}

    def real(self, line):
        line = line.replace("login 127.0.0.1 ", "login 127.0.0.1:1812 ")
        return re.sub(r"\b(4010|1812|9812)\b", lambda found: self.ports[found[0]], line)

    def shown(self, output):
        for port, free in self.ports.items():
            output = re.sub(rf"\b{free}\b", port, output)
        return output.replace(f"{self.directory}/", "")

    def run(self, line):
        """What a command prints. The simulator and the server keep running."""
        words = self.real(line).split()
        if words[1] in ("simulate-twilio", "serve"):
            return self.shown(self.start(words[1:]))
        if "radius-voice login" in line:
            return self.shown(self.log_in())
        path = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-c", self.real(line)],
            cwd=self.directory,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        if " init " in line:
            self.use_free_ports()
        return self.shown(done.stdout)

    def start(self, words):
        process = ProgramProcess(*words, cwd=self.directory)
        self.running[words[0]] = process
        if words[0] == "serve":
            return "".join(process.stderr[: process.stderr.index(process.wait_for_line("started", process.stderr)) + 1])
        return process.wait_for_line("simulated", process.stdout)

    def use_free_ports(self):
        path = self.directory / "vpn" / "radius-voice.yaml"
        path.write_text(self.real(path.read_text()))

    def log_in(self):
        """The gateway's part; the code is typed once the phone has heard it."""
        secret = (self.directory / "vpn" / "this-machine.secret").read_text().strip()
        with subprocess.Popen(
            [*PROGRAM, "login", f"127.0.0.1:{self.ports['1812']}", "alice"],
            env={**os.environ, "RADIUS_SECRET": secret},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            assert process.stdin
            assert process.stdout
            process.stdin.write("the password\n")
            process.stdin.flush()
            printed = ""
            while "Access-" not in printed:
                printed += process.stdout.readline() or "Access-: the command has ended\n"
            if "Reject" not in printed:
                process.stdin.write(f"{self.code()}\n")
            process.stdin.close()
            return printed + process.stdout.read()

    def code(self):
        return json.loads(http_get(f"http://127.0.0.1:{self.ports['4010']}/simulator/calls")[1])[-1]["code"]

    def stop(self, *names):
        """Stop these commands, or all that run."""
        for name in names or list(self.running):
            self.running.pop(name).stop()


@pytest.fixture
def rehearsal(tmp_path):
    running = Rehearsal(tmp_path)
    yield running
    running.stop()


def masked(output):
    """The output without values that differ from run to run and from machine to machine."""
    output = re.sub(r"\d{4}-\d\d-\d\d[T ][\d:.]+(Z| UTC)", "TIME", output)
    output = re.sub(r"\b\d( \d){5}\b", "C O D E", output)
    output = re.sub(r"login [0-9a-f]{16}", "login ID", output)
    output = re.sub(r"\.yaml:\d+:", ".yaml:LINE:", output)
    output = re.sub(r"process +\d+", "process N", output)
    output = re.sub(r"\((\d+ \w+ ?)+\)|\d+ s ago", "AGE", output)
    output = re.sub(r"user \w+ has", "user USER has", output)
    return re.sub(r" +", " ", output)


def transcript(rehearsal):
    """Each console block of the page, as its commands print it now."""
    for block in blocks(PAGE, "console"):
        if "delivery_failed" in block:
            rehearsal.stop("simulate-twilio")
        lines = [line for line in block.splitlines() if line.startswith("$ ")]
        yield "".join(f"{line}\n{rehearsal.run(line[2:])}" for line in lines)


def test_the_page_shows_what_its_commands_print(rehearsal):
    for shown, printed in zip(blocks(PAGE, "console"), transcript(rehearsal), strict=True):
        assert masked(shown) == masked(printed)
