"""A server warns at start and at reload of users that do not fit to its configuration."""

import signal

from tests.server.test_workers import Workers

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"]}
clients:
  gateway: {address: 127.0.0.1, secret: a shared secret of the tests}
"""
CANNOT = "policies.default: users without a phone that this policy calls cannot log in: alice (premium number)"
GROUP = "policies.default.reply[0].when.group: no user of people is in this group"
REPLY = "policies: {default: {reply: [{when: {group: staff}, set: {Class: x}}]}}\n"


def test_a_server_warns_at_start_and_at_reload(start, make_person):
    with start(CONFIGURATION, [make_person("alice", phone="+19001550123")]) as house:
        house.line(CANNOT, house.stderr)
        house.write(CONFIGURATION + REPLY)
        house.send_signal(signal.SIGHUP)
        house.line(CANNOT, house.stderr, times=2)
        house.line(GROUP, house.stderr)


def test_of_several_workers_one_warns(phones, tmp_path, make_person):
    two = CONFIGURATION.replace("]}", "], workers: 2}", 1)
    with Workers(tmp_path, phones, two, [make_person("alice", phone="+19001550123")]) as workers:
        workers.line(CANNOT, workers.stderr)
    assert 1 == len([line for line in workers.stderr if CANNOT in line])
