"""The Debian package: built, checked, and in a new Debian installed, started, upgraded, removed and purged."""

import fcntl
import itertools
import os
import re
import shutil
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from radius_voice import __version__
from radius_voice.radius import packet as radius
from tests.docs.pages import ROOT, blocks, text
from tests.support.debian_system import DebianSystem, cgroup_directory, create_archive, run
from tests.support.matching import search
from tests.support.network import free_port, http_get
from tests.support.polling import wait_until
from tests.support.radius_test_client import RadiusTestClient
from tests.support.requirements import require

pytestmark = pytest.mark.skipif(not os.environ.get("RADIUS_VOICE_LONG"), reason="takes minutes: RADIUS_VOICE_LONG=1")
UNIT = ROOT / "deploy" / "radius-voice.service"
HIGHER = f"{__version__}.99"
FROM_FILE, FROM_CREDENTIAL = "auth_token: {file: twilio-auth-token}", "auth_token: {credential: twilio-auth-token}"
DIRECTORIES = ("/etc/radius-voice", "/var/lib/radius-voice", "/var/log/radius-voice")
PASSWORD = "correct horse"
RETRANSMISSION_SECONDS = 0.5
MAX_RETRANSMISSIONS = 60
PAUSE_SECONDS = 0.2
USERS = 12
CALL_LIMITS = (
    "{user: 5 per 10m, phone: 5 per 10m, calling_station: 30 per 10m, client: 30 per 1m, country: 40 per 1m, total: 40 per 1m}",
    "{user: 30 per 24h, country: 1000 per 24h, total: 2000 per 24h}",
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Creates a file once for all processes that run tests."""
    folder = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        folder = folder.parent

    def created(name, create):
        path = folder / name
        with (folder / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                create(path)
        return path

    return created


@pytest.fixture(scope="module")
def package(shared):
    """The package of this checkout."""
    require("debhelper", shutil.which("dh"))

    def build(path):
        built = search(r"built (dist/\S+)", run("make", "--no-print-directory", "deb", cwd=ROOT))[1]
        shutil.copy(ROOT / built, path)

    return shared("radius-voice.deb", build)


@pytest.fixture(scope="module")
def archive(shared):
    """An archive of a minimal Debian."""
    require("debootstrap, as root", shutil.which("debootstrap") and os.geteuid() == 0)
    return shared("debian.tar.gz", create_archive)


@pytest.fixture
def debian(archive, tmp_path):
    require("a cgroup 2 hierarchy", cgroup_directory())
    with DebianSystem(archive, tmp_path / "debian") as system:
        yield system


@pytest.fixture
def higher(package, tmp_path):
    """The same package with a higher version, of the program too."""
    folder = tmp_path / "higher"
    run("dpkg-deb", "--raw-extract", package, folder)
    replace(folder / "DEBIAN" / "control", f"Version: {__version__}\n", f"Version: {HIGHER}\n")
    (program,) = (folder / "usr" / "lib" / "radius-voice").rglob("radius_voice/__init__.py")
    replace(program, f'"{__version__}"', f'"{HIGHER}"')
    run("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", folder, tmp_path / "higher.deb")
    return tmp_path / "higher.deb"


def replace(path, old, new):
    content = path.read_text()
    assert old in content
    path.write_text(content.replace(old, new))


def test_lintian_finds_nothing(package):
    require("lintian", shutil.which("lintian"))
    assert "" == run("lintian", "--allow-root", "--fail-on", "error,warning", "--display-level", ">=warning", package)


def test_piuparts_finds_no_file_that_a_purge_leaves(package, archive):
    require("piuparts", shutil.which("piuparts"))
    run("piuparts", "--basetgz", archive, "--distribution", "bookworm", "--no-upgrade-test", package)


def test_the_package_has_manual_pages_completions_and_examples(package):
    paths = {line.split(" ./")[-1] for line in run("dpkg-deb", "--contents", package).splitlines()}
    assert {
        "usr/share/man/man1/radius-voice.1.gz",
        "usr/share/man/man1/radius-voice-audit-search.1.gz",
        "usr/share/bash-completion/completions/radius-voice",
        "usr/share/zsh/vendor-completions/_radius-voice",
        "usr/share/fish/vendor_completions.d/radius-voice.fish",
        "usr/share/doc/radius-voice/examples/prometheus/radius-voice.rules.yaml",
        "usr/share/doc/radius-voice/examples/grafana/radius-voice.json",
    } <= paths
    assert not [path for path in paths if "/data/docs/" in path and path.endswith(".py")]


def test_the_documentation_has_the_exposure_that_systemd_finds():
    require("systemd-analyze", shutil.which("systemd-analyze"))
    rated = run("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT)
    exposure = search(r"Overall exposure level for radius-voice.service: ([\d.]+)", rated)[1]
    assert f"rates its exposure {exposure} " in text("docs/install.md")


class Gateway:
    """Sends a request again until it is answered, as gateways do."""

    def __init__(self, port, secret, simulator):
        self._port, self._secret, self._simulator = port, secret, simulator

    def _exchange(self, make_request):
        with closing(RadiusTestClient(self._port, secret=self._secret)) as client:
            client.sock.settimeout(RETRANSMISSION_SECONDS)
            octets = make_request(client)
            for _ in range(MAX_RETRANSMISSIONS):
                client.send(octets)
                try:
                    return client.receive()
                except (TimeoutError, ConnectionRefusedError):
                    continue
        raise AssertionError("no response")

    def start_login(self, user):
        return self._exchange(lambda client: client.initial_request(user))

    def finish_login(self, user, challenge):
        """The code of the reply to the code that the user heard."""
        code = self._simulator.code(user.phone)
        return self._exchange(lambda client: client.challenge_response(user, challenge, code)).code

    def log_in_until(self, ended, users):
        """Log the users in by turns until `ended`, at least once each. The codes of all replies."""
        replies: list[int] = []
        turns = itertools.cycle(users)
        while not ended.wait(PAUSE_SECONDS) or len(replies) < 2 * len(users):
            user = next(turns)
            challenge = self.start_login(user)
            replies += [challenge.code, self.finish_login(user, challenge)]
        return replies


def configure(debian, simulator, users):
    """Write a configuration as an administrator does; Twilio is simulated, and ports are free. The client, and the port
    of the metrics.
    """
    debian.run("radius-voice", "init", "/etc/radius-voice")
    path = debian.file("/etc/radius-voice/radius-voice.yaml")
    ports = free_port(), free_port()
    for old, new in {
        "# development: false": "development: true",
        '"udp://0.0.0.0:1812"': f'"udp://127.0.0.1:{ports[0]}"',
        **{limits: re.sub(r"\d+ per \d+[mh]", "off", limits) for limits in CALL_LIMITS},
        "# calls_per_second: 1": "calls_per_second: off",
        "# base_url: https://twilio.example.org ": f"base_url: {simulator.url} ",
        '"127.0.0.1:9812"': f'"127.0.0.1:{ports[1]}"',
    }.items():
        replace(path, old, new)
    debian.file("/etc/radius-voice/twilio-auth-token").write_text("simulated-token\n")
    for user in users:
        debian.run(
            *("radius-voice", "users", "add", "--file", "/etc/radius-voice/users.yaml", user.name),
            *("--phone", user.phone),
            input=f"{user.password}\n",
        )
    secret = debian.file("/etc/radius-voice/this-machine.secret").read_bytes().strip()
    return Gateway(ports[0], secret, simulator), ports[1]


def access(path):
    status = path.stat()
    return status.st_uid, status.st_gid, f"{stat.S_IMODE(status.st_mode):o}"


def shown(debian, name):
    """A property of the service, as systemd has it."""
    return debian.run("systemctl", "show", "--property", name, "--value", "radius-voice").strip()


@pytest.fixture
def users(make_user):
    return [make_user() for _ in range(USERS)]


@pytest.fixture
def installed(debian, package):
    debian.install(package)
    return debian


@pytest.fixture
def serving(installed, simulator, users):
    """A configured system whose service runs, its gateway, and the port of the metrics."""
    gateway, admin = configure(installed, simulator, users)
    assert installed.run("radius-voice", "check").endswith("/etc/radius-voice/radius-voice.yaml: good\n")
    installed.run("systemctl", "enable", "--now", "radius-voice")
    return installed, gateway, admin


def test_systemd_accepts_the_unit(installed):
    assert "" == installed.run("systemd-analyze", "verify", "--man=no", "radius-voice.service")


def test_an_installed_service_does_not_start_before_it_is_configured(installed):
    uid, gid = map(int, installed.run("sh", "-c", "id -u radius-voice; id -g radius-voice").split())
    assert [(0, gid, "2750"), (uid, gid, "700"), (uid, gid, "750")] == [
        access(installed.file(path)) for path in DIRECTORIES
    ]
    assert ["inactive", "disabled"] == [shown(installed, name) for name in ("ActiveState", "UnitFileState")]
    assert f"radius-voice, version {__version__}\n" == installed.run("radius-voice", "--version")
    assert "" == installed.run("sh", "-c", "PYTHONPATH=/nonexistent radius-voice --help >/dev/null")


def test_the_service_notices_a_restart_of_the_machine(serving):
    debian, _, _ = serving
    boot = debian.run("cat", "/proc/sys/kernel/random/boot_id").strip()
    with closing(sqlite3.connect(debian.file("/var/lib/radius-voice/state.db"))) as store:
        assert [(boot,)] == store.execute("SELECT id FROM boot").fetchall()


def test_systemd_reloads_the_service_and_restarts_it_when_it_hangs(serving):
    debian, _, _ = serving
    path = debian.file("/etc/radius-voice/radius-voice.yaml")
    debian.run("systemctl", "reload", "radius-voice")
    good = path.read_text()
    path.write_text("nonsense: 1\n")
    with pytest.raises(AssertionError, match="failed"):
        debian.run("systemctl", "reload", "radius-voice")
    path.write_text(good.replace("  # workers: 1\n", "  workers: 2\n").replace(FROM_FILE, FROM_CREDENTIAL))
    debian.file("/etc/radius-voice/twilio-auth-token").chmod(0o600)
    override = debian.file("/etc/systemd/system/radius-voice.service.d/override.conf")
    override.parent.mkdir()
    override.write_text(f"{blocks('docs/install.md', 'ini')[0]}WatchdogSec=4\n")
    debian.run("systemctl", "daemon-reload")
    debian.run("systemctl", "restart", "radius-voice")
    main = shown(debian, "MainPID")
    *_, worker = debian.run("cat", f"/proc/{main}/task/{main}/children").split()
    debian.run("sh", "-c", f"kill -STOP {worker}")
    wait_until(lambda: shown(debian, "NRestarts") == "1", "systemd has restarted the service")


def test_an_upgrade_loses_no_login(serving, higher, simulator, users):
    debian, gateway, admin = serving
    waiting, during = users[:4], users[4:]
    challenges = [gateway.start_login(user) for user in waiting]
    upgraded = threading.Event()
    with ThreadPoolExecutor(4) as pool:
        loads = [pool.submit(gateway.log_in_until, upgraded, during[number::4]) for number in range(4)]
        try:
            debian.install(higher)
        finally:
            upgraded.set()
        replies = list(itertools.chain.from_iterable(load.result() for load in loads))
    assert {radius.ACCESS_CHALLENGE, radius.ACCESS_ACCEPT} == set(replies)
    assert replies.count(radius.ACCESS_CHALLENGE) == replies.count(radius.ACCESS_ACCEPT)
    pairs = zip(waiting, challenges, strict=True)
    assert {radius.ACCESS_ACCEPT} == {gateway.finish_login(user, challenge) for user, challenge in pairs}
    assert len(replies) // 2 == sum(len(simulator.calls(user.phone)) for user in during)
    assert f'version="{HIGHER}"' in http_get(f"http://127.0.0.1:{admin}/metrics")[1]


def test_removing_keeps_what_purging_deletes(serving, package):
    debian, _, _ = serving
    debian.run("systemctl", "stop", "radius-voice")
    kept = {path: set(debian.file(path).iterdir()) for path in DIRECTORIES}
    assert all(kept.values())
    debian.run("systemctl", "start", "radius-voice")
    debian.run("dpkg", "--remove", "radius-voice")
    assert kept == {path: set(debian.file(path).iterdir()) for path in DIRECTORIES}
    assert not debian.file("/usr/lib/radius-voice").exists()
    debian.install(package)
    assert debian.run("radius-voice", "check").endswith(": good\n")
    debian.run("dpkg", "--purge", "radius-voice")
    assert "" == debian.run("find", "/", "-xdev", "-name", "*radius-voice*")
