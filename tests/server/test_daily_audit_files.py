"""`audit.keep` with a running service: the file of an earlier day is renamed once, and old files are deleted."""

import os

import pytest

from radius_voice.radius import packet as radius
from tests.support.server_process import ServerProcess, WorkersProcess

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
audit: {path: audit.jsonl, keep: 30d}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
EARLIER = '{"kind":"service","at":"2026-01-01T12:00:00.000Z","event":"stopped"}\n'


@pytest.mark.parametrize(
    ("configuration", "kind"),
    [
        (CONFIGURATION, ServerProcess),
        (CONFIGURATION.replace("reject_delay", "workers: 2, reject_delay"), WorkersProcess),
    ],
    ids=["one process", "workers"],
)
def test_the_service_renames_the_file_of_an_earlier_day_and_deletes_old_ones(
    simulator, tmp_path, make_user, configuration, kind
):
    user = make_user()
    (tmp_path / "audit.jsonl").write_text(EARLIER)
    old = tmp_path / "audit.jsonl.2020-01-01"
    old.write_text(EARLIER)
    os.utime(old, (0, 0))
    server = kind(tmp_path, simulator, configuration, [user])
    gateway = server.client()
    challenge = gateway.start_login(user)
    assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, server.simulator.code(user.phone)).code
    assert ["call_placed", "code_correct"] == server.reasons(user)
    assert 0 == server.stop()
    assert EARLIER == (tmp_path / "audit.jsonl.2026-01-01").read_text()
    names = sorted(file.name for file in tmp_path.iterdir() if file.name.startswith("audit"))
    assert ["audit.jsonl", "audit.jsonl.2026-01-01"] == names
