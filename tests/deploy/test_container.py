"""The image of the Containerfile, built and run as docs/containers.md describes: one container, and two nodes."""

import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from radius_voice import __version__
from radius_voice.radius import packet as radius
from tests.deploy.test_compose import COMPOSE, CONFIGURATION, NODES, SERVICES
from tests.docs.pages import NOT_OURS, ROOT, commands, text
from tests.support.matching import search
from tests.support.network import free_port
from tests.support.network_namespace import RemoteNetwork, network_of, own_network
from tests.support.podman import BASE, Podman, require_podman, run
from tests.support.polling import wait_until
from tests.support.radius_test_client import SECRET, RadiusTestClient
from tests.support.server_process import TOKEN, ConfiguredUser
from tests.support.simulator_process import SimulatorProcess

pytestmark = pytest.mark.skipif(not os.environ.get("RADIUS_VOICE_LONG"), reason="takes minutes: RADIUS_VOICE_LONG=1")
IMAGE = "localhost/radius-voice"
REDIS = "localhost/redis"
UID = int(search(r"^USER (\d+):", text("deploy/Containerfile"), re.MULTILINE)[1])
RETRANSMISSION_SECONDS = 3
MAX_RETRANSMISSIONS = 20
PLANTED = "a secret of this checkout"
REDIS_CONTAINERFILE = f"""\
FROM {BASE}
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server
RUN install --directory --owner redis --group redis /data
WORKDIR /data
"""


@pytest.fixture(scope="module")
def podman(tmp_path_factory):
    """Podman with the images of the server and of Redis. All processes that run tests share them."""
    require_podman()
    folder = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        folder = folder.parent
    podman = Podman(folder / "podman")
    with (folder / "podman.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if podman.exit_code("image", "exists", REDIS):
            podman.create_base()
            build_server(podman, folder)
            podman.build("--tag", REDIS, folder, containerfile=REDIS_CONTAINERFILE)
    return podman


def build_server(podman, folder):
    """Build the image by the page's command, in a copy of this checkout that has secrets too."""
    checkout, wheels = folder / "checkout", folder / "wheels"
    shutil.copytree(
        ROOT, checkout, ignore=shutil.ignore_patterns(*NOT_OURS, ".git", ".*_cache", ".coverage*", "__pycache__")
    )
    for directory in (checkout, checkout / "vpn"):
        directory.mkdir(exist_ok=True)
        (directory / "office-vpn.secret").write_text(PLANTED)
    run("/usr/bin/python3", "-m", "venv", folder / "venv")
    wheel = folder / "venv" / "bin" / "pip", "wheel", "--quiet", "--wheel-dir", wheels
    run(*wheel, f"{checkout}[ldap,redis,sql]", "hatchling")
    # The build downloads nothing from a package index, of whose certificates and mirrors the image knows nothing.
    (folder / "pip.conf").write_text("[global]\nno-index = true\nfind-links = /wheels\n")
    mounts = f"--volume={wheels}:/wheels:ro", f"--volume={folder / 'pip.conf'}:/etc/pip.conf:ro"
    (line,) = [line for line in commands("docs/containers.md") if line.startswith("podman build")]
    options = [*shlex.split(line)[2:-1], "--build-arg", f"BASE={BASE}", *mounts]
    options[options.index("deploy/Containerfile")] = str(checkout / "deploy" / "Containerfile")
    podman.build(*options, checkout)
    shutil.rmtree(checkout)
    shutil.rmtree(wheels)
    shutil.rmtree(folder / "venv")


@pytest.fixture
def names(podman):
    """Names of containers, which are removed at the end."""
    created: list[str] = []
    yield created
    podman.remove(created)


def test_the_image_has_the_size_of_the_page_and_nothing_else_of_the_checkout(podman):
    megabytes = podman.inspect(IMAGE)["Size"] / 1e6
    documented = float(search(r"The image has about (\d+) MB", text("docs/containers.md"))[1])
    assert documented == pytest.approx(megabytes, rel=0.1)
    mounted = podman("image", "mount", IMAGE).strip()
    try:
        assert files_with(f'__version__ = "{__version__}"', f"{mounted}/opt")
        assert "" == files_with(PLANTED, mounted)
    finally:
        podman("image", "unmount", IMAGE)


def files_with(words, directory):
    command = ["grep", "--recursive", "--files-with-matches", "--fixed-strings", "--no-messages", words, directory]
    return subprocess.run(command, capture_output=True, text=True).stdout


class Page:
    """The commands `podman run` of docs/containers.md, for a container `name` and a directory on this machine."""

    def __init__(self, podman, name, directory):
        self._podman, self._name, self._directory = podman, name, directory

    def run(self, part, input_text=""):
        """The output of the command that contains `part`."""
        (line,) = [line for line in commands("docs/containers.md") if line.startswith("podman run ") and part in line]
        for old, new in {
            "--volume /etc/radius-voice:": f"--volume {self._directory}:",
            "--volume radius-voice:": f"--volume {self._name}:",
            "--name radius-voice": f"--name {self._name}",
        }.items():
            line = line.replace(old, new)
        return self._podman.run(*shlex.split(line)[2:], input_text=input_text)


def configure(directory, simulator):
    """What an administrator edits after `init`; Twilio is simulated, and ports are free. The port for RADIUS."""
    path = directory / "radius-voice.yaml"
    content, port = path.read_text(), free_port()
    for old, new in {
        "# development: false": "development: true",
        '"udp://0.0.0.0:1812"': f'"udp://127.0.0.1:{port}"',
        "# calls_per_second: 1": "calls_per_second: off",
        "# base_url: https://twilio.example.org ": f"base_url: {simulator.url} ",
        '"127.0.0.1:9812"': f'"127.0.0.1:{free_port()}"',
        "  path: /var/log/radius-voice/audit.jsonl\n": '  path: "-"\n',
        "  keep: 365d\n": "",
    }.items():
        assert old in content
        content = content.replace(old, new)
    path.write_text(content)
    (directory / "twilio-auth-token").write_text(f"{TOKEN}\n")
    return port


def test_a_container_serves_logins_and_keeps_them_over_a_restart(podman, names, simulator, public_directory):
    # The user of the page, alice, and her phone.
    phone, password = "+14155550123", "correct horse"
    alice = ConfiguredUser("alice", phone, password)
    name = f"alone-{os.getpid()}"
    names.append(name)
    page = Page(podman, name, public_directory)
    with pytest.raises(AssertionError, match=f"{UID}|cannot be written"):
        page.run("radius-voice init")
    os.chown(public_directory, UID, UID)
    public_directory.chmod(0o750)
    page.run("radius-voice init")
    port = configure(public_directory, simulator)
    assert "alice added" in page.run("users add", f"{password}\n")
    assert page.run("radius-voice check").endswith("/etc/radius-voice/radius-voice.yaml: good\n")

    check_with_a_secret_of_podman(podman, public_directory)
    with pytest.raises(AssertionError, match="Read-only file system"):
        podman.run("--rm", "--read-only", f"--volume={public_directory}:/etc/radius-voice:ro", IMAGE)

    page.run("--detach")
    wait_until_started(podman, name)
    host = podman.inspect(name)["HostConfig"]
    assert host["ReadonlyRootfs"]
    status = Path(f"/proc/{podman.pid(name)}/status").read_text()
    assert [f"{UID}"] * 4 == search(r"^Uid:\s+(.+)$", status, re.MULTILINE)[1].split()
    assert {"0000000000000000"} == set(re.findall(r"^Cap(?:Prm|Eff|Bnd):\s+(\w+)$", status, re.MULTILINE))
    assert "1" == search(r"^NoNewPrivs:\s+(\d)$", status, re.MULTILINE)[1]
    assert 0 == podman.exit_code("healthcheck", "run", name)
    assert "in effect as generation 2" in podman("exec", name, "radius-voice", "reload")

    secret = (public_directory / "this-machine.secret").read_bytes().strip()
    gateway = RadiusTestClient(port, secret=secret)
    challenge = gateway.start_login(alice)
    assert radius.ACCESS_CHALLENGE == challenge.code
    podman("stop", name)
    assert 0 == podman.inspect(name)["State"]["ExitCode"]
    podman("rm", name)
    page.run("--detach")
    wait_until_started(podman, name)
    reply = gateway.respond(alice, challenge, simulator.code(phone))
    gateway.close()
    assert radius.ACCESS_ACCEPT == reply.code
    assert 1 == len(simulator.calls(phone))
    assert '"reason":"code_correct"' in podman.logs(name)

    # A server that does not respond is unhealthy.
    os.kill(podman.pid(name), signal.SIGSTOP)
    assert 1 == podman.exit_code("healthcheck", "run", name)
    os.kill(podman.pid(name), signal.SIGCONT)
    assert 0 == podman.exit_code("healthcheck", "run", name)


def wait_until_started(podman, name):
    wait_until(
        lambda: re.search(r"\bstarted\b", podman.logs(name)), f"{name} serves; podman logs:\n{podman.logs(name)}"
    )


def check_with_a_secret_of_podman(podman, directory):
    """Check the configuration with the auth token in a secret, by the option of the page."""
    path, name = directory / "radius-voice.yaml", "twilio-auth-token"
    option = search(r"`(--secret [^`]+)`", text("docs/containers.md"))[1].split()
    content = path.read_text()
    path.write_text(content.replace(f"{{file: {name}}}", f"{{credential: {name}}}"))
    podman("secret", "create", name, directory / name)
    volume = f"--volume={directory}:/etc/radius-voice:ro"
    assert podman.run("--rm", *option, volume, IMAGE, "check").endswith(": good\n")
    with pytest.raises(AssertionError, match=name):
        podman.run("--rm", volume, IMAGE, "check")
    path.write_text(content)


class ComposedServices:
    """The services of the compose file, started by Podman, with names of their own and in this network namespace."""

    def __init__(self, podman, directory):
        self._podman, self._directory = podman, directory
        self._prefix = f"composed-{os.getpid()}-"
        for name, network in COMPOSE["networks"].items():
            internal = ["--internal"] if network.get("internal") else []
            podman("network", "create", "--disable-dns", *internal, self._prefix + name)

    def remove(self):
        """Remove the services and their networks, having written their logs for the report of a failure."""
        for service in NODES:
            sys.stdout.write(f"{service}:\n{self._podman.logs(self.name(service))}\n")
        self._podman.remove(map(self.name, SERVICES))
        self._podman("network", "rm", *map(self.name, COMPOSE["networks"]))

    def name(self, service):
        return self._prefix + service

    def start(self, service):
        """Start a service as Compose does, except that names are resolved by a file instead of a DNS server."""
        values = SERVICES[service]
        hosts = [f"--add-host={each}:{self._address(each)}" for each in values.get("depends_on", [])]
        options = [
            *hosts,
            f"--network={','.join(self._prefix + network for network in values['networks'])}",
            *(f"--publish={port}" for port in values.get("ports", [])),
            *(f"--volume={self._source(volume)}" for volume in values["volumes"]),
            *(f"--volume={self._secret(secret)}:/run/secrets/{secret}:ro" for secret in values.get("secrets", [])),
            *(f"--cap-drop={capability.lower()}" for capability in values["cap_drop"]),
            *(f"--security-opt={option.removesuffix(':true')}" for option in values["security_opt"]),
            *([f"--user={values['user']}"] if "user" in values else []),
            *(["--read-only"] if values["read_only"] else []),
        ]
        image = f"localhost/{values['image'].partition(':')[0]}"
        command = shlex.split(values.get("command", ""))
        self._podman.run("--detach", "--name", self.name(service), *options, image, *command)

    def replace(self, service):
        """Stop a service, and start it in a new container. The exit code of the old one."""
        self._podman("stop", "--time", 60, self.name(service))
        code = self._podman.inspect(self.name(service))["State"]["ExitCode"]
        self._podman("rm", self.name(service))
        self.start(service)
        return code

    def _address(self, service):
        networks = self._podman.inspect(self.name(service))["NetworkSettings"]["Networks"]
        return networks[f"{self._prefix}store"]["IPAddress"]

    def _source(self, volume):
        source, _, rest = volume.partition(":")
        here = self._directory / source if source.startswith("./") else self._prefix + source
        return f"{here}:{rest}"

    def _secret(self, name):
        return self._directory / COMPOSE["secrets"][name]["file"]


def write_compose_files(directory, simulator_port, user):
    """The directories beside the compose file, with the configuration of the page; Twilio is simulated."""
    configuration = yaml.safe_load(CONFIGURATION)
    configuration["development"] = True
    configuration["clients"]["office-vpn"]["address"] = RemoteNetwork.address
    twilio = configuration["delivery"]["providers"]["twilio"]
    twilio |= {"base_url": f"http://127.0.0.1:{simulator_port}"}
    files = {
        "radius-voice/radius-voice.yaml": yaml.safe_dump(configuration),
        "radius-voice/users.yaml": yaml.safe_dump({user.name: user.entry}),
        "secrets/server.key": "0123456789abcdef" * 4,
        "secrets/office-vpn": SECRET.decode(),
        "secrets/twilio-auth-token": TOKEN,
    }
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True, mode=0o750)
        path.write_text(content)
        path.chmod(0o400)
        for each in (path, path.parent):
            os.chown(each, UID, UID)


def exchange(gateway, octets):
    """The reply to a request, which is sent again until it is answered: a busy Redis may not respond in time."""
    gateway.sock.settimeout(RETRANSMISSION_SECONDS)
    for _ in range(MAX_RETRANSMISSIONS):
        gateway.send(octets)
        try:
            reply = gateway.receive()
        except TimeoutError:
            continue
        if reply.identifier == octets[1]:
            return reply
    raise AssertionError("no response")


def published_port(service):
    return int(NODES[service]["ports"][0].partition(":")[0])


def test_a_login_begins_at_one_node_and_ends_at_the_other(podman, public_directory, make_user):
    user = make_user()
    simulator_port = free_port()
    write_compose_files(public_directory, simulator_port, user)
    with own_network(), ExitStack() as stack:
        remote = RemoteNetwork()
        stack.callback(remote.close)
        services = ComposedServices(podman, public_directory)
        stack.callback(services.remove)
        for service in ("redis", "node-1", "node-2"):
            services.start(service)
        for service in NODES:
            wait_until_started(podman, services.name(service))
        node = podman.pid(services.name("node-1"))
        with network_of(node):
            simulator = stack.enter_context(SimulatorProcess("--listen", f"127.0.0.1:{simulator_port}"))
        gateways = {}
        with network_of(remote.process):
            for service in NODES:
                gateways[service] = RadiusTestClient(
                    published_port(service), remote.address, server=remote.gateway_address
                )
                stack.callback(gateways[service].close)

        challenge = exchange(gateways["node-1"], gateways["node-1"].initial_request(user))
        assert radius.ACCESS_CHALLENGE == challenge.code, podman.logs(services.name("node-1"))
        with network_of(node):
            code = simulator.code(user.phone)
        assert 0 == services.replace("node-1")
        response = gateways["node-2"].challenge_response(user, challenge, code)
        assert radius.ACCESS_ACCEPT == exchange(gateways["node-2"], response).code
        assert f'"client_address":"{remote.address}"' in podman.logs(services.name("node-2"))

        # Packets from the machine itself have the address of a bridge, as the page says.
        local = RadiusTestClient(published_port("node-2"))
        stack.callback(local.close)
        local.send(local.initial_request(user))
        unknown = re.compile(r'"client_address":"10\.89\.\d+\.1","reason":"unknown_client"')
        wait_until(lambda: unknown.search(podman.logs(services.name("node-2"))), "the packet is discarded")

        # The new container of the first node.
        wait_until_started(podman, services.name("node-1"))
        for service in NODES:
            assert 0 == podman.exit_code("healthcheck", "run", services.name(service))
            status = gateways[service].request([], code=radius.STATUS_SERVER)
            assert radius.ACCESS_ACCEPT == exchange(gateways[service], status).code
