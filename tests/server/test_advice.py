"""A server warns at start and at reload of users that do not fit to its configuration."""

import signal

from tests.support.server_process import WorkersProcess

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"]}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
CANNOT = "policies.default: users without a phone that this policy calls cannot log in: alice (premium number)"
GROUP = "policies.default.reply[0].when.group: no user of people is in this group"
REPLY = "policies: {default: {reply: [{when: {group: staff}, set: {Class: x}}]}}\n"


def test_a_server_warns_at_start_and_at_reload(start_server, make_user):
    with start_server(CONFIGURATION, [make_user("alice", phone="+19001550123")]) as server:
        server.wait_for_line(CANNOT, server.stderr)
        server.write(CONFIGURATION + REPLY)
        server.send_signal(signal.SIGHUP)
        server.wait_for_line(CANNOT, server.stderr, times=2)
        server.wait_for_line(GROUP, server.stderr)


def test_only_one_of_several_workers_warns(simulator, tmp_path, make_user):
    two = CONFIGURATION.replace("]}", "], workers: 2}", 1)
    with WorkersProcess(tmp_path, simulator, two, [make_user("alice", phone="+19001550123")]) as workers:
        workers.wait_for_line(CANNOT, workers.stderr)
    assert 1 == len([line for line in workers.stderr if CANNOT in line])
