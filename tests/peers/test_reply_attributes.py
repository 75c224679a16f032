"""Attributes of an Access-Accept, as FreeRADIUS's own decoder reads them."""

import re
import shutil
import subprocess

import pytest
import yaml

from tests.docs.pages import blocks
from tests.support.radclient import SIGNED, radclient
from tests.support.radius_test_client import SECRET
from tests.support.requirements import require

pytestmark = pytest.mark.peer("radclient")

PAGE = "docs/attributes.md"
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0.2s}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
WITHOUT_CALL = "192.0.2.1"
SECRETS = {"tunnel-password": "correct horse", "wireless-passphrase": "battery staple"}


@pytest.fixture(scope="module")
def user(make_user):
    return make_user(groups=["vpn-admins"])


@pytest.fixture
def server(start_server, user, tmp_path):
    """A server with the reply rules of all examples of the page."""
    require("radclient", shutil.which("radclient"))
    for name, secret in SECRETS.items():
        (tmp_path / name).touch(0o600)
        (tmp_path / name).write_text(secret)
    rules = [
        rule
        for block in blocks(PAGE, "yaml")
        for rule in yaml.safe_load(block.replace("file: ", f"file: {tmp_path}/"))["policies"]["default"]["reply"]
    ]
    policy = {"exemptions": [{"networks": [WITHOUT_CALL], "reason": "needs no call here"}], "reply": rules}
    with start_server(CONFIGURATION + yaml.safe_dump({"policies": {"default": policy}}), [user]) as server:
        yield server


def lines_of_accept(server, *lines):
    """The attributes of an Access-Accept as radclient prints them, without those of every response."""
    ended = subprocess.run(
        ["radclient", "-x", "-r", "1", "-t", "10", f"127.0.0.1:{server.ports[0]}", "auth", SECRET.decode()],
        input="\n".join([*lines, SIGNED]) + "\n",
        capture_output=True,
        text=True,
        timeout=20,
    )
    received = ended.stdout.partition("Received Access-Accept")[2]
    assert received, ended.stdout + ended.stderr
    return [
        line
        for line in re.findall(r"^\t(.+)$", received, re.MULTILINE)
        if not line.startswith(("Message-Authenticator", "Reply-Message"))
    ]


EXPECTED = sorted(line for block in blocks(PAGE, "text") for line in block.splitlines())


def test_freeradius_reads_the_values_of_every_example(server, user):
    """Without a call, and after one: encrypted attributes are stored in two places."""
    name = f'User-Name = "{user.name}"'
    password = f'User-Password = "{user.password}"'
    assert EXPECTED == sorted(lines_of_accept(server, name, password, f'Calling-Station-Id = "{WITHOUT_CALL}"'))
    _, challenge = radclient(server, "auth", name, password, SIGNED)
    code = f'User-Password = "{server.simulator.code(user.phone)}"'
    assert EXPECTED == sorted(lines_of_accept(server, name, code, f"State = {challenge['State']}"))
