"""The Debian package: built, checked, and in a new Debian installed, started, upgraded, removed and purged."""

import fcntl
import os
import re
import shutil
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from radius_voice import __version__
from radius_voice.radius import packet as radius
from tests.docs.pages import ROOT, text
from tests.support.debian_root import DebianRoot, Unit, UnitProcess, create_archive, run
from tests.support.matching import search
from tests.support.network import free_port, http_get
from tests.support.notify_socket import NotifySocket
from tests.support.radius_test_client import RadiusTestClient
from tests.support.requirements import require

pytestmark = pytest.mark.skipif(not os.environ.get("RADIUS_VOICE_LONG"), reason="takes minutes: RADIUS_VOICE_LONG=1")
UNIT = ROOT / "deploy" / "radius-voice.service"
HIGHER = f"{__version__}.99"
DIRECTORIES = ("/etc/radius-voice", "/var/lib/radius-voice", "/var/log/radius-voice")
PASSWORD = "correct horse"
RETRANSMISSION_SECONDS = 0.5
MAX_RETRANSMISSIONS = 60
USERS = 12


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
    root = DebianRoot(archive, tmp_path / "debian")
    yield root
    shutil.rmtree(root.path)


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


def test_systemd_accepts_the_unit(package, debian):
    require("systemd-analyze", shutil.which("systemd-analyze"))
    debian.install(package)
    assert "" == run("systemd-analyze", "verify", "--man=no", f"--root={debian.path}", "radius-voice.service")


def test_the_documentation_has_the_exposure_that_systemd_finds():
    require("systemd-analyze", shutil.which("systemd-analyze"))
    rated = run("systemd-analyze", "security", "--offline=true", "--no-pager", UNIT)
    exposure = search(r"Overall exposure level for radius-voice.service: ([\d.]+)", rated)[1]
    assert f"rates its exposure {exposure} " in text("docs/install.md")


class Gateway:
    """Sends a request again until it is answered, as gateways do."""

    def __init__(self, port, secret):
        self._port, self._secret = port, secret

    def exchange(self, make_request):
        """The reply, and the client that got it."""
        client = RadiusTestClient(self._port, secret=self._secret)
        client.sock.settimeout(RETRANSMISSION_SECONDS)
        octets = make_request(client)
        try:
            for _ in range(MAX_RETRANSMISSIONS):
                client.send(octets)
                try:
                    return client.receive()
                except (TimeoutError, ConnectionRefusedError):
                    continue
            raise AssertionError("no response")
        finally:
            client.close()

    def start_login(self, user):
        return self.exchange(lambda client: client.initial_request(user))

    def start_login_after(self, event, user):
        event.wait()
        return self.start_login(user)

    def respond(self, user, challenge, typed):
        return self.exchange(lambda client: client.challenge_response(user, challenge, typed))


def configure(debian, simulator, users):
    """What an administrator does after the installation; Twilio is simulated, and ports are free. The ports."""
    debian.run("radius-voice", "init", "/etc/radius-voice")
    path = debian.file("/etc/radius-voice/radius-voice.yaml")
    ports = free_port(), free_port()
    for old, new in {
        "# development: false": "development: true",
        '"udp://0.0.0.0:1812"': f'"udp://127.0.0.1:{ports[0]}"',
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
    return ports


def access(path):
    status = path.stat()
    return status.st_uid, status.st_gid, f"{stat.S_IMODE(status.st_mode):o}"


def test_the_package_is_installed_upgraded_under_load_removed_and_purged(package, higher, debian, simulator, make_user):
    # Installed: a user, directories, and a service that does not start before it is configured.
    debian.install(package)
    uid, gid = map(int, debian.run("sh", "-c", "id -u radius-voice; id -g radius-voice").split())
    assert [(0, gid, "2750"), (uid, gid, "700"), (uid, gid, "750")] == [
        access(debian.file(path)) for path in DIRECTORIES
    ]
    assert not debian.file("/etc/systemd/system/multi-user.target.wants/radius-voice.service").is_symlink()
    assert f"radius-voice, version {__version__}\n" == debian.run("radius-voice", "--version")
    assert "" == debian.run("sh", "-c", "PYTHONPATH=/nonexistent radius-voice --help >/dev/null")

    # Configured and started.
    users = [make_user() for _ in range(USERS)]
    port, admin = configure(debian, simulator, users)
    assert debian.run("radius-voice", "check").endswith("/etc/radius-voice/radius-voice.yaml: good\n")
    secret = debian.file("/etc/radius-voice/this-machine.secret").read_bytes().strip()
    gateway = Gateway(port, secret)
    unit = Unit(debian.file("/lib/systemd/system/radius-voice.service"))
    stopped = threading.Event()
    with (
        NotifySocket(f"@radius-voice-{os.getpid()}") as notify,
        ThreadPoolExecutor(USERS) as pool,
        ExitStack() as stack,
    ):
        stack.callback(stopped.set)
        with UnitProcess(debian, unit, notify) as service:
            assert "in effect as generation" in service.reload()
            challenges = [gateway.start_login(user) for user in users[:4]]

            # Upgraded: the new files are put in place while the service runs, and then it is restarted.
            arriving = [pool.submit(gateway.start_login, user) for user in users[4:8]]
            arriving += [pool.submit(gateway.start_login_after, stopped, user) for user in users[8:]]
            debian.install(higher)
            service.stop()
            stopped.set()
        with UnitProcess(debian, unit, notify) as service:
            challenges += [reply.result() for reply in arriving]
            assert {radius.ACCESS_CHALLENGE} == {reply.code for reply in challenges}
            for user, challenge in zip(users, challenges, strict=True):
                assert 1 == len(simulator.calls(user.phone))
                assert radius.ACCESS_ACCEPT == gateway.respond(user, challenge, simulator.code(user.phone)).code
            assert f'version="{HIGHER}"' in http_get(f"http://127.0.0.1:{admin}/metrics")[1]
            service.stop()
    audit = debian.file("/var/log/radius-voice/audit.jsonl")
    assert USERS == audit.read_text().count('"reason":"code_correct"')

    # Removed: configuration, state and audit log stay. Purged: they do not.
    kept = {path: listing(debian, path) for path in DIRECTORIES}
    assert all(kept.values())
    debian.run("dpkg", "--remove", "radius-voice")
    assert kept == {path: listing(debian, path) for path in DIRECTORIES}
    assert not debian.file("/usr/lib/radius-voice").exists()
    debian.install(higher)
    assert debian.run("radius-voice", "check").endswith(": good\n")
    debian.run("dpkg", "--purge", "radius-voice")
    left = debian.run("find", "/", "-xdev", "-name", "*radius-voice*", "-not", "-path", "/proc/*")
    assert [] == [line for line in left.splitlines() if not re.fullmatch(r"/tmp/.*\.deb", line)]


def listing(debian: DebianRoot, path: str) -> set[Path]:
    return set(debian.file(path).iterdir())
