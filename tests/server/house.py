"""The program as people run it: `simulate-twilio` and `serve` as processes, and gateways that speak to them by sockets."""

import itertools
import json
import re
import secrets
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from functools import cached_property

from prometheus_client.parser import text_string_to_metric_families

from radius_voice.identity.passwords import hash_password
from radius_voice.radius import packet as radius
from radius_voice.radius.password import hide

PROGRAM = (sys.executable, "-m", "radius_voice.cli.main")
PATIENCE = 10.0  # how long anything may take on a busy machine before a test fails
SECRET = b"a shared secret of the tests"
TOKEN = "simulated-token"

FOUNDATION = f"""\
development: true
identity:
  people: {{type: users_file, path: users.yaml}}
delivery:
  friendly_name: ACME VPN
  providers:
    twilio:
      type: twilio-voice
      account_sid: AC00000000000000000000000000000000
      auth_token: {TOKEN}
      from: "+15005550006"
      base_url: PHONES
      timeout: 3s
admin: {{listen: "127.0.0.1:0"}}
"""


class Program:
    """A command of radius-voice as a process. Both its streams are read as they come.

    `more` are arguments of subprocess.Popen, like another environment.
    """

    def __init__(self, *arguments, stdin=subprocess.DEVNULL, **more):
        self.process = subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            **more,
        )
        self.stdout, self.stderr = [], []
        self._news = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.stdout), (self.process.stderr, self.stderr))
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, lines):
        for line in stream:
            with self._news:
                lines.append(line)
                self._news.notify_all()
        with self._news:
            lines.append("")  # the end
            self._news.notify_all()

    def line(self, text, lines, times=1):
        """The line of `lines` that holds `text`, the `times`th of them, as soon as it is there."""

        def found():
            return [line for line in lines if text in line]

        with self._news:
            self._news.wait_for(lambda: len(found()) >= times or "" in lines, PATIENCE)
            if len(found()) >= times:
                return found()[times - 1]
        self.kill()
        raise AssertionError(f"no {text!r} in:\n{''.join(lines)}")

    def send_signal(self, number):
        self.process.send_signal(number)

    def stop(self):
        """End it as systemd does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self):
        self.process.kill()
        self.wait()

    def wait(self):
        """Its exit code, once it has ended and all it said is read."""
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()
            self.process.wait()
            for reader in self._readers:
                reader.join()
            for stream in (self.process.stdout, self.process.stderr, self.process.stdin):
                if stream is not None:
                    stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Phones(Program):
    """A simulated Twilio, and what its phones heard."""

    def __init__(self, *options):
        super().__init__("simulate-twilio", "--listen", "127.0.0.1:0", *options)
        self.url = re.search(r"on (http://\S+);", self.line("simulated Twilio", self.stdout))[1]

    def calls(self, phone=None):
        query = f"?{urllib.parse.urlencode({'to': phone})}" if phone else ""
        return json.loads(get(f"{self.url}/simulator/calls{query}")[1])

    def code(self, phone):
        """What was heard last."""
        return self.calls(phone)[-1]["code"]


@dataclass(frozen=True)
class Person:
    name: str
    phone: str
    password: str = "correct horse"
    groups: tuple = ()

    @cached_property
    def hashed(self):
        """At full cost: the server would make a cheaper hash anew after its owner's first login."""
        return hash_password(self.password)

    @property
    def entry(self):
        return {"password": self.hashed, "phones": [self.phone], "groups": list(self.groups)}


def furnish(folder, phones, configuration, people):
    """Write a configuration and its users file into `folder`; the configuration's path.

    `phones` may be a URL where nobody is, too.
    """
    url = phones.url if isinstance(phones, Phones) else phones
    path, users = folder / "radius-voice.yaml", folder / "users.yaml"
    path.write_text(FOUNDATION.replace("PHONES", url) + configuration)
    users.write_text(json.dumps({person.name: person.entry for person in people}))
    users.chmod(0o600)
    return path


class House(Program):
    """`serve` with a configuration of FOUNDATION and what a test writes, and the people it may let in."""

    def __init__(self, folder, phones, configuration, people, *options, **more):
        self.folder, self.phones, self.people = folder, phones, tuple(people)
        self.path = furnish(folder, phones, configuration, people)
        self._gateways = []
        super().__init__("serve", "--config", self.path, *options, **more)
        started = self.line("started", self.stderr)
        self.ports = [int(port) for port in re.findall(r"udp \S+ port (\d+)", started)]
        self.admin = self.find_admin(started)

    def find_admin(self, started):
        """Where metrics are, by the line that told that the server has started."""
        return re.search(r"http://[\d.]+:\d+", started)[0]

    def write(self, configuration):
        """Another configuration in place of the present one."""
        furnish(self.folder, self.phones, configuration, self.people)

    def gateway(self, source="127.0.0.1", **more):
        gateway = Gateway(self.ports[0], source, **more)
        self._gateways.append(gateway)
        return gateway

    def settled(self):
        """Every datagram that was sent before this has been looked at."""
        gateway = Gateway(self.ports[0])
        try:
            assert radius.ACCESS_ACCEPT == gateway.status().code
        finally:
            gateway.close()

    def audit(self, **wanted):
        """The audit records that have these values."""
        records = [json.loads(line) for line in (self.folder / "audit.jsonl").read_text().splitlines()]
        return [record for record in records if wanted.items() <= record.items()]

    def reasons(self, person):
        return [record["reason"] for record in self.audit(kind="request", user=person.name)]

    def samples(self, name):
        """A metric's samples."""
        families = text_string_to_metric_families(get(f"{self.admin}/metrics")[1])
        return [sample for family in families for sample in family.samples if sample.name == name]

    def metric(self, name, **labels):
        """The sum of a metric's samples that have these labels."""
        return sum(sample.value for sample in self.samples(name) if labels.items() <= sample.labels.items())

    def stop(self):
        """End it; nothing it wrote may hold a secret."""
        if self.process.poll() is None:
            try:
                self._page = get(f"{self.admin}/metrics")[1]
            except OSError:
                self.kill()
                raise
        for gateway in self._gateways:
            gateway.close()
        code = super().stop()
        assert [] == self.leaks(), "a secret was written down"
        return code

    def kill(self):
        """End it as a power cut does."""
        for gateway in self._gateways:
            gateway.close()
        super().kill()

    def leaks(self):
        """What was written anywhere and must not be: secrets, passwords, whole phone numbers, codes."""
        written = "".join([*self.stdout, *self.stderr, self._page, (self.folder / "audit.jsonl").read_text()])
        hidden = {TOKEN, SECRET.decode()}
        for person in self.people:
            hidden |= {person.password, person.hashed, person.phone, person.phone.lstrip("+")}
        codes = set()
        if isinstance(self.phones, Phones):
            codes = {call["code"] for person in self.people for call in self.phones.calls(person.phone)}
        found = [secret for secret in hidden if secret in written]
        return found + [code for code in codes if code and re.search(rf"(?<![\w.]){code}(?!\w)", written)]

    _page = ""


class Gateway:
    """A RADIUS client on a socket of its own. Every reply it takes is authentic, its Message-Authenticator first."""

    def __init__(self, port, source="127.0.0.1", secret=SECRET, server=None):
        self.secret = secret
        self.server = (server or ("::1" if ":" in source else "127.0.0.1"), port)
        self.sock = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((source, 0))
        self.sock.settimeout(PATIENCE)
        self._identifiers = itertools.count(secrets.randbelow(256))
        self.sent = {}

    def close(self):
        self.sock.close()

    def request(self, attributes, password=None, *, code=radius.ACCESS_REQUEST, signed=True, authenticator=None):
        """A request's octets, with an identifier and an authenticator of its own."""
        identifier = next(self._identifiers) % 256
        authenticator = authenticator or secrets.token_bytes(16)
        attributes = list(attributes)
        if password is not None:
            octets = password if isinstance(password, bytes) else password.encode()
            attributes.append((radius.USER_PASSWORD, hide(octets, self.secret, authenticator)))
        self.sent[identifier] = authenticator
        if signed:
            return radius.encode_request(code, identifier, authenticator, attributes, self.secret)
        body = b"".join(bytes((kind, len(value) + 2)) + value for kind, value in attributes)
        return bytes((code, identifier)) + (20 + len(body)).to_bytes(2) + authenticator + body

    def send(self, datagram):
        self.sock.sendto(datagram, self.server)

    def receive(self):
        """The next reply."""
        octets, server = self.sock.recvfrom(8192)
        assert self.server == server[:2], "a reply from an address that was not asked"
        reply = radius.decode(octets)
        assert radius.verify_reply(reply, self.sent[reply.identifier], self.secret)
        assert 20 == reply.message_authenticator
        return reply

    def ask(self, *arguments, **more):
        self.send(self.request(*arguments, **more))
        return self.receive()

    def status(self):
        return self.ask([], code=radius.STATUS_SERVER)

    def first(self, person, *more, **how):
        """A login's first packet, as octets."""
        return self.request([(radius.USER_NAME, person.name.encode()), *more], person.password, **how)

    def second(self, person, challenge, typed, *more):
        """An answer to a challenge, as octets."""
        state = (radius.STATE, challenge.first(radius.STATE))
        return self.request([(radius.USER_NAME, person.name.encode()), state, *more], typed)

    def begin(self, person, *more, **how):
        self.send(self.first(person, *more, **how))
        return self.receive()

    def answer(self, person, challenge, typed, *more):
        self.send(self.second(person, challenge, typed, *more))
        return self.receive()

    def silent(self):
        """Whether nothing waits to be received. Ask it of a server that has `settled`."""
        self.sock.setblocking(False)
        try:
            self.sock.recv(8192)
        except BlockingIOError:
            return True
        finally:
            self.sock.settimeout(PATIENCE)
        return False


def get(url):
    """Status and text of a page."""
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read().decode()
