"""Each procedure of docs/operating.md, with its own commands, at a real server while users log in."""

import re
import shutil
import sqlite3
import subprocess
from dataclasses import replace

import pytest

from radius_voice.radius import packet as radius
from tests.docs.pages import text
from tests.support import server_process
from tests.support.network import http_get
from tests.support.program_process import PROGRAM, TIMEOUT
from tests.support.redis_server import RedisServer
from tests.support.requirements import require
from tests.support.server_process import TOKEN, ServerProcess
from tests.support.two_tokens import two_tokens

CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], reject_delay: 0s}
clients:
  office-vpn: {address: 127.0.0.1, secret: a shared secret of the tests, response_timeout: 8s}
policies: {default: {remember: 12h}}
limits: {wrong_passwords: {user_at_station: 2 per 1h}}
"""
STATION = (radius.CALLING_STATION_ID, b"203.0.113.5")
SINGLE = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
REPLACED = "nothing depends on the second key of server.key any longer"


def shown(heading, language):
    """The blocks of code in that section of the page."""
    section = text("docs/operating.md").split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [code for found, code in SINGLE.findall(section) if found == language]


class Node:
    """A machine with the package: a configuration directory, a state directory in it, and a service."""

    def __init__(self, directory, backup, simulator, users):
        self.directory, self.backup, self.simulator, self.users = directory, backup, simulator, users
        self.configuration = CONFIGURATION
        self.services = []
        self.directory.mkdir()

    @property
    def service(self):
        return self.services[-1]

    def start(self):
        self.services.append(ServerProcess(self.directory, self.simulator, self.configuration, self.users))

    def write(self, configuration):
        self.configuration = configuration
        self.service.write(configuration)

    def run(self, block):
        """Run the commands of a block in this node. What they print."""
        return "".join(self._command(line.removeprefix("$ ")) for line in block.splitlines())

    def _command(self, line):
        verb = re.match(r"systemctl (\w+) radius-voice$", line)
        if verb and verb[1] in ("stop", "restart"):
            assert 0 == self.service.stop()
        if verb and verb[1] in ("start", "restart"):
            self.start()
        return "" if verb else self._shell(line)

    def _shell(self, line):
        """A command, with the paths and the user of this machine."""
        line = line.replace("runuser -u radius-voice -- ", "")
        line = re.sub(r"-[og] radius-voice ", "", line)
        line = line.replace("/var/lib/radius-voice", str(self.directory / "state"))
        line = line.replace("/var/backups/radius-voice", str(self.backup))
        line = line.replace("/etc/radius-voice", str(self.directory))
        line = line.replace("http://127.0.0.1:9812", self.service.admin)
        if line.startswith("radius-voice "):
            line = f"{' '.join(PROGRAM)} {line.removeprefix('radius-voice ')} -c {self.service.path}"
        done = subprocess.run(
            ["bash", "-c", line], capture_output=True, text=True, timeout=TIMEOUT, check=False, umask=0o022
        )
        assert 0 == done.returncode, f"{line}: {done.stdout}{done.stderr}"
        return done.stdout

    def log_in(self, user, *attributes):
        gateway = self.service.client()
        challenge = gateway.start_login(user, *attributes)
        return gateway.respond(user, challenge, self.simulator.code(user.phone), *attributes).code


@pytest.fixture
def users(make_user):
    return [make_user() for _ in range(4)]


@pytest.fixture
def machine(tmp_path, simulator, users):
    """A node that is started: `machine(name)`. Its service ends with the test, and with exit code 0."""
    nodes = []

    def added(name="one", started=True):
        nodes.append(Node(tmp_path / name, tmp_path / "backup", simulator, users))
        if started:
            nodes[-1].start()
        return nodes[-1]

    yield added
    for node in nodes:
        for service in node.services[:-1]:
            service.kill()
        assert 0 == node.service.stop()


@pytest.fixture
def node(machine):
    return machine()


def prepare(node):
    """One user is remembered, one locked, and one has a pinned phone; of the last one, the open login's challenge."""
    remembered, locked, pinned, logging_in = node.users
    assert [radius.ACCESS_ACCEPT] * 2 == [node.log_in(user, STATION) for user in (remembered, pinned)]
    wrong = replace(locked, password="wrong")
    assert {radius.ACCESS_REJECT} == {node.service.client().start_login(wrong, STATION).code for _ in range(2)}
    return node.service.client().start_login(logging_in, STATION)


def assert_all_there(node, challenge):
    """Another phone is refused, the lock holds, the remembered login is accepted, and the open login goes on."""
    remembered, locked, pinned, logging_in = node.users
    respond = node.service.client().respond
    code = node.simulator.code(logging_in.phone)
    assert radius.ACCESS_ACCEPT == respond(logging_in, challenge, code, STATION).code
    for user in (remembered, locked, pinned):
        node.service.client().start_login(user, STATION if user is not pinned else (STATION[0], b"198.51.100.9"))
    reasons = {user.name: node.service.reasons(user)[-1] for user in node.users}
    assert {
        remembered.name: "remembered",
        locked.name: "wrong_password_limit",
        pinned.name: "phone_not_confirmed",
        logging_in.name: "code_correct",
    } == reasons


def with_another_phone(node):
    """The users with a phone of the third that was changed in the directory, which its pin refuses."""
    return [replace(user, phone="+12025550199") if number == 2 else user for number, user in enumerate(node.users)]


@pytest.mark.parametrize("machine_is_lost", [False, True])
def test_back_up_and_restore(node, machine_is_lost):
    require("sqlite3", shutil.which("sqlite3"))
    challenge = prepare(node)
    (back_up,), (restore,) = shown("Back up", "console"), shown("Restore", "console")
    node.run(back_up)
    assert 0o700 == node.backup.stat().st_mode & 0o777
    user = node.users[3]  # whose login ends after the backup, and is open again when it is restored
    code = node.simulator.code(user.phone)
    assert radius.ACCESS_ACCEPT == node.service.client().respond(user, challenge, code, STATION).code
    state = node.directory / "state"
    log = (state / "state.db-wal").read_bytes()
    stop, *rest = restore.splitlines()
    node.run(stop)
    if machine_is_lost:
        shutil.rmtree(node.directory)
        state.mkdir(mode=0o700, parents=True)
    else:
        (state / "state.db-wal").touch(0o600)
        (state / "state.db-wal").write_bytes(log)  # as a service that was killed leaves it
    shutil.rmtree(node.backup / "etc" / "state")  # elsewhere than /etc in the package
    node.users = with_another_phone(node)
    assert "healthy" in node.run("\n".join(rest))
    assert_all_there(node, challenge)


def downgrade(state):
    """Leave the state directory as the release before left it: without a data key, and with its tables."""
    (state / "data.key").unlink()
    base = sqlite3.connect(state / "state.db", isolation_level=None)
    base.executescript("DROP TABLE durable; PRAGMA user_version = 3")
    base.close()


def test_an_upgrade_keeps_the_state_of_the_release_before(node):
    state = node.directory / "state"
    assert 0 == node.service.stop()
    downgrade(state)
    node.start()  # its values are made with server.key, as those of the release before
    remembered, locked, _, logging_in = node.users
    challenge = prepare(node)
    assert 0 == node.service.stop()
    downgrade(state)
    node.start()
    code = node.simulator.code(logging_in.phone)
    assert radius.ACCESS_ACCEPT == node.service.client().respond(logging_in, challenge, code, STATION).code
    assert radius.ACCESS_REJECT == node.service.client().start_login(locked, STATION).code
    assert radius.ACCESS_ACCEPT == node.log_in(remembered)
    assert "healthy" in node.run("$ radius-voice status")


def test_add_a_second_node(machine, tmp_path):
    require("openssl", shutil.which("openssl"))
    redis = RedisServer(tmp_path / "redis")
    try:
        one, two = machine("one"), machine("two", started=False)
        create, apply = shown("Add a second node", "console")
        (configuration,) = shown("Add a second node", "yaml")
        one.run(create)
        assert "redis.example.org:6379" in configuration
        shared = configuration.replace("redis.example.org:6379", f"127.0.0.1:{redis.port}")
        shared = shared.replace("server:\n", 'server:\n  listen: ["udp://127.0.0.1:0"]\n')
        one.write(shared + CONFIGURATION.partition("\n")[2])
        one.run(apply)
        one.run("$ radius-voice users pin --all --yes")
        for file in one.directory.iterdir():
            if file.is_file() and file.name != "audit.jsonl":
                shutil.copy2(file, two.directory)
        two.configuration = one.configuration
        two.start()
        user, other = one.users[:2]
        challenge = one.service.client().start_login(user)
        code = one.simulator.code(user.phone)
        assert radius.ACCESS_ACCEPT == two.service.client().respond(user, challenge, code).code
        challenge = one.service.client().start_login(other)
        assert 0 == one.service.stop()
        code = one.simulator.code(other.phone)
        assert radius.ACCESS_ACCEPT == two.service.client().respond(other, challenge, code).code
    finally:
        redis.close()


def test_rotate_a_shared_secret(node):
    require("openssl", shutil.which("openssl"))
    old = node.directory / "office-vpn.secret"
    old.touch(0o600)
    old.write_text("a shared secret of the tests\n")
    create, reload, count = shown("Rotate a shared secret", "console")
    (both,) = shown("Rotate a shared secret", "yaml")
    without_clients = CONFIGURATION.replace(re.findall(r"clients:\n.*\n", CONFIGURATION)[0], "")
    user, other = node.users[:2]
    challenge = node.service.client().start_login(user)
    node.run(create)
    new = (node.directory / "office-vpn-new.secret").read_text().strip()
    node.write(without_clients + both.replace("192.0.2.10", "127.0.0.1"))
    assert "clients.office-vpn.secret" in node.run(reload)
    assert radius.ACCESS_CHALLENGE == node.service.client().start_login(other).code
    changed = node.service.client(secret=new.encode())
    assert radius.ACCESS_ACCEPT == changed.respond(user, challenge, node.simulator.code(user.phone)).code
    assert ["1.0", "1.0"] == re.findall(r'secret="[12]"} (\S+)', node.run(count))
    only = both.replace("[{file: office-vpn.secret}, {file: office-vpn-new.secret}]", "{file: office-vpn-new.secret}")
    node.write(without_clients + only.replace("192.0.2.10", "127.0.0.1"))
    node.run(reload)
    old.unlink()
    assert radius.ACCESS_CHALLENGE == node.service.client(secret=new.encode()).start_login(node.users[2]).code
    assert new not in http_get(f"{node.service.admin}/metrics")[1] + "".join(node.service.stderr)


def test_rotate_a_twilio_token(machine, simulator, monkeypatch):
    base = server_process.BASE_CONFIGURATION
    from_file = base.replace(f"auth_token: {TOKEN}", "auth_token: {file: twilio-auth-token}")
    monkeypatch.setattr(server_process, "BASE_CONFIGURATION", from_file)
    (commands,) = shown("Rotate a Twilio token", "console")
    with two_tokens(simulator, "the first token") as account:
        node = machine(started=False)
        token = node.directory / "twilio-auth-token"
        token.touch(0o600)
        token.write_text("the first token")
        monkeypatch.setattr(server_process, "BASE_CONFIGURATION", from_file.replace("SIMULATOR", account.url))
        node.start()
        user, other, third, _ = node.users
        challenge = node.service.client().start_login(user)
        account.valid.add("the secondary token")
        token.write_text("the secondary token")
        assert "delivery.providers.twilio.auth_token" in node.run(commands)
        again = node.service.client().respond(user, challenge, "phone")
        assert ["the first token", "the secondary token"] == list(dict.fromkeys(account.used))
        account.used.clear()
        assert radius.ACCESS_ACCEPT == node.log_in(other)
        assert radius.ACCESS_ACCEPT == node.service.client().respond(user, again, simulator.code(user.phone)).code
        account.valid.discard("the first token")
        assert radius.ACCESS_ACCEPT == node.log_in(third)
        assert ["call_placed", "redial", "code_correct"] == node.service.reasons(user)
        assert 0 == node.service.stop()


def test_another_server_key(node):
    require("openssl", shutil.which("openssl"))
    challenge = prepare(node)
    create, apply = shown("Another `server.key`", "console")
    (both,) = shown("Another `server.key`", "yaml")
    rest = CONFIGURATION.partition("\n")[2]

    def written(section):
        return section.replace("server:\n", 'server:\n  listen: ["udp://127.0.0.1:0"]\n  reject_delay: 0s\n') + rest

    node.users = with_another_phone(node)
    node.service.users = tuple(node.users)
    node.run(shown("Add a second node", "console")[0])
    node.write(written("server:\n  key: {file: server.key}\n"))
    status = node.run(apply)
    assert f"nothing depends on {node.directory / 'state' / 'server.key'} any longer" in status
    (node.directory / "state" / "server.key").unlink()
    node.run(create)
    node.write(written(both))
    assert REPLACED in node.run(apply)
    node.write(written("server:\n  key: {file: server-new.key}\n"))
    assert "nothing depends" not in node.run(apply)
    (node.directory / "server.key").unlink()
    assert 0 == node.service.stop()
    node.start()
    assert_all_there(node, challenge)
