"""clients.conf of FreeRADIUS becomes a configuration that works."""

import shutil
import subprocess

import pytest

from tests.importing.imported import loaded, run, secret_of, written
from tests.support.requirements import require

CLIENTS = """\
# the gateways
client hq-vpn {
\tipaddr = 10.1.0.0/24   # the data centre
\tsecret = "with \\"quotes\\" \\101\\102 #1"
\tnas_type = cisco
\trequire_message_authenticator = yes
\tlimit_proxy_state = no
\tlimit {
\t\tmax_connections = 16
\t}
}
client 10.2.0.1 {
\tsecret = 'single $quotes'
\tshortname = Branch_Office
\tvirtual_server = branch
}
client any6 { ipv6addr = 2001:db8:1::/48, secret = long-enough-secret-6 }
clients per_socket {
\tclient inner {
\t\tipv4addr = 10.3.0.1/255.255.255.255
\t\tsecret = long-enough-secret-7
\t\trequire_message_authenticator = no
\t}
}
client tcp-only {
\tipaddr = 10.4.0.1
\tproto = tcp
\tsecret = long-enough-secret-8
}
"""


def one(body):
    return f"client only {{\nipaddr = 10.0.0.1\n{body}\n}}\n"


def test_clients_keep_their_addresses_secrets_and_signatures(tmp_path):
    configuration = loaded("freeradius", CLIENTS, tmp_path)
    clients = configuration.settings.clients
    assert ["any6", "branch-office", "hq-vpn", "inner"] == sorted(clients)
    assert "10.1.0.0/24" == str(clients["hq-vpn"].address[0])
    assert "10.2.0.1/32" == str(clients["branch-office"].address[0])
    assert "10.3.0.1/32" == str(clients["inner"].address[0])
    assert 'with "quotes" AB #1' == secret_of(configuration, "hq-vpn")
    assert "single $quotes" == secret_of(configuration, "branch-office")
    assert ("yes", "no") == (clients["hq-vpn"].require_message_authenticator, clients["hq-vpn"].limit_proxy_state)
    assert "auto" == clients["branch-office"].require_message_authenticator
    assert "auto" == clients["inner"].require_message_authenticator


def test_a_client_with_an_ipv6_address_makes_the_server_listen_on_ipv6(tmp_path):
    listen = loaded("freeradius", CLIENTS, tmp_path).settings.server.listen
    assert ["0.0.0.0:1812", "[::]:1812"] == [str(each) for each in listen]


def test_what_has_no_equal_is_a_comment_with_its_line(tmp_path):
    text = written("freeradius", CLIENTS, tmp_path).read_text()
    assert "# source:8 limit { }: has no equivalent." in text
    assert "# source:15 virtual_server: has no equivalent: policy says which users a gateway serves." in text
    assert "# profile: cisco-asa   # a guess: compare docs/gateways/cisco-asa.md" in text
    assert "  # tcp-only:   # source:25 client tcp-only" in text
    assert "# proto = tcp: this server receives RADIUS over UDP only." in text


def test_a_repeated_name_is_numbered_and_a_repeated_address_is_a_step(tmp_path):
    done = run("freeradius", one("secret = long-enough-secret-1") * 2, tmp_path)
    assert 0 == done.exit_code
    assert "# only-2:" in done.stdout
    assert "10.0.0.1 already belongs to client only" in done.stderr


@pytest.mark.parametrize(
    ("address", "expected"),
    [("ipaddr = *", "0.0.0.0/0"), ("ipv6addr = *", "::/0"), ("ipaddr = 10.0.0.9/8", "10.0.0.0/8")],
)
def test_addresses_may_be_networks(tmp_path, address, expected):
    text = f"client one {{\n{address}\nsecret = long-enough-secret-1\n}}"
    assert expected == str(loaded("freeradius", text, tmp_path).settings.clients["one"].address[0])


def test_a_client_with_a_host_name_is_written_as_a_comment(tmp_path):
    text = CLIENTS + "client named {\nipaddr = radius.example.org\nsecret = long-enough-secret-9\n}\n"
    done = run("freeradius", text, tmp_path)
    assert "radius.example.org is not an address; write the address of the host" in done.stderr
    assert "  # named:" in done.stdout


def test_a_secret_of_the_environment_stays_one(tmp_path):
    path = written("freeradius", one("secret = $ENV{OFFICE_SECRET}"), tmp_path)
    assert "secret: {env: OFFICE_SECRET}" in path.read_text()
    assert not (path.parent / "only.secret").exists()


@pytest.mark.parametrize("secret", ["secret = ${other}", "", "secret = ", 'secret = " spaces "'])
def test_a_secret_that_cannot_be_kept_is_replaced_and_a_step_says_so(tmp_path, secret):
    done = run("freeradius", one(secret), tmp_path, "--output", str(tmp_path / "new"))
    assert "only.secret has a new secret: enter it at the other end." in done.stderr
    assert 33 == len((tmp_path / "new" / "only.secret").read_text())


def test_an_included_file_is_named_and_not_read(tmp_path):
    done = run("freeradius", one("secret = long-enough-secret-1") + "$INCLUDE more.conf\n", tmp_path)
    assert "source:5 includes more.conf, which was not read" in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("client a {\nipaddr = 10.0.0.1\n", "source:1: the section client is not closed; add }"),
        ("}\n", "source:1: } closes no section; remove it"),
        ('client a {\nsecret = "open\n}\n', "source:2: a quote is not closed in this line; add the closing quote"),
        ("client a {\njust words here\n}\n", "source:2: is neither KEY = VALUE nor a section"),
        ("\n{\n}\n", "source:2: { follows no name of a section"),
        ("client a {\n" * 50, "source:17: sections are nested more than 16 deep"),
        ("modules {\n}\n", "has no section client NAME { ... }"),
        ("client a {\nipaddr = host.example.org\n}\n", "no client can be imported"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, text, message):
    done = run("freeradius", text, tmp_path)
    assert 1 == done.exit_code
    assert message in done.stderr


@pytest.mark.peer
def test_freeradius_reads_the_same_file_in_the_same_way(tmp_path):
    server = shutil.which("freeradius")
    require("freeradius", server)
    (tmp_path / "clients.conf").write_text(CLIENTS.replace("virtual_server = branch", ""))
    (tmp_path / "radiusd.conf").write_text(f"$INCLUDE {tmp_path}/clients.conf\nmodules {{\n}}\n")
    command = [str(server), "-XC", "-d", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert "Syntax error" not in done.stdout, done.stdout
    for name in ("hq-vpn", "10.2.0.1", "any6", "tcp-only"):  # `inner` is for one listener only
        assert f"client {name} {{" in done.stdout, done.stdout
