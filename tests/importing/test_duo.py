"""authproxy.cfg of the Duo Authentication Proxy becomes a configuration that works."""

import pytest

from radius_voice.config.secrets import PLACEHOLDER
from tests.importing.imported import loaded, run, secret_of, written

AD = """\
[ad_client]
host=dc1.example.org
host_2=dc2.example.org
service_account_username=duosvc
service_account_password=S3rvice;Account#1
search_dn=DC=example,DC=org
"""
AUTO = """\
[radius_server_auto]
ikey=DIXXXXXXXXXXXXXXXXXX
skey=the-secret-key-of-duo
api_host=api-1.duosecurity.com
radius_ip_1=10.1.0.1
radius_secret_1=one-secret-of-a-gateway
failmode=secure
client=ad_client
"""
RADIUS = """\
[radius_client]
host=10.0.0.5
host_2=10.0.0.6
port_2=18120
secret=secret-of-the-upstream
"""
CONCAT = """\
[radius_server_concat]
radius_ip_1=10.3.0.0/24
radius_secret_1=another-secret-of-a-gateway
client=radius_client
port=18120
"""


def test_a_directory_and_its_gateways_are_imported(tmp_path):
    configuration = loaded("duo", f"; comment\n{AD}\n# comment\n{AUTO}", tmp_path)
    settings = configuration.settings
    source = settings.identity["ad-client"]
    assert [("dc1.example.org", 636, True), ("dc2.example.org", 636, True)] == [
        (each.host, each.port, each.tls) for each in source.servers
    ]
    assert ("duosvc@example.org", "S3rvice;Account#1") == (source.bind_dn, source.bind_password.get_secret_value())
    assert "DC=example,DC=org" == source.base
    policy = settings.policies["default"]
    assert ("ad-client", "ad-client") == (policy.first_factor, policy.directory)
    assert "challenge" == settings.clients["auto-1"].second_factor
    assert "one-secret-of-a-gateway" == secret_of(configuration, "auto-1")


def test_an_upstream_and_concatenated_passwords_are_imported(tmp_path):
    settings = loaded(
        "duo", RADIUS + CONCAT + "delimiter=+\npass_through_attr_names=Class, Nothing-Known\n", tmp_path
    ).settings
    upstream = settings.identity["radius-client"]
    assert [("10.0.0.5", 1812), ("10.0.0.6", 18120)] == [(each.host, each.port) for each in upstream.servers]
    assert "secret-of-the-upstream" == upstream.secret.get_secret_value()
    assert ("Class",) == upstream.reply
    client = settings.clients["concat-1"]
    assert ("two_pass", "+") == (client.second_factor, client.delimiter)
    assert "users" == settings.policies["default"].directory
    assert ["0.0.0.0:18120"] == [str(each) for each in settings.server.listen]


def test_each_section_of_a_server_has_a_policy_of_its_own(tmp_path):
    settings = loaded("duo", AD + RADIUS + AUTO + CONCAT, tmp_path).settings
    assert {"auto-1": "auto", "concat-1": "concat"} == {name: each.policy for name, each in settings.clients.items()}
    assert "radius-client" == settings.policies["concat"].first_factor
    assert "ad-client" == settings.policies["concat"].directory


def test_a_gateway_that_verifies_passwords_itself_has_no_first_factor(tmp_path):
    only = (
        "[duo_only_client]\n[radius_server_duo_only]\nradius_ip_1=10.1.0.1\nradius_secret_1=one-secret-of-a-gateway\n"
    )
    settings = loaded("duo", only + "exempt_username_1=svc\n", tmp_path).settings
    assert ("none", "users") == (settings.policies["default"].first_factor, settings.policies["default"].directory)
    assert "yes" == settings.clients["duo-only-1"].require_message_authenticator
    assert () == settings.policies["default"].exemptions


def test_exempt_users_are_exempt(tmp_path):
    settings = loaded(
        "duo", AD + AUTO + "exempt_username_1=svc-backup\nexempt_username_2=svc-scan\n", tmp_path
    ).settings
    (rule,) = settings.policies["default"].exemptions
    assert ("svc-backup", "svc-scan") == rule.users


def test_a_security_group_limits_who_is_found(tmp_path):
    extra = "security_group_dn=CN=VPN (all),DC=example,DC=org\nldap_filter=(department=it)\nusername_attribute=cn\n"
    source = loaded("duo", AD + extra + AUTO, tmp_path).settings.identity["ad-client"]
    expected = (
        "(&(objectCategory=person)(objectClass=user)(|(cn={user})(userPrincipalName={user}))(department=it)"
        r"(memberOf=CN=VPN \28all\29,DC=example,DC=org))"
    )
    assert expected == source.user_filter


@pytest.mark.parametrize(
    ("lines", "server"),
    [
        ("transport=ldaps\n", "ldaps://dc1.example.org"),
        ("transport=ldaps\nport=3269\n", "ldaps://dc1.example.org:3269"),
        ("transport=starttls\n", "ldap://dc1.example.org"),
        ("port=389\n", "ldaps://dc1.example.org"),
        ("port=3268\n", "ldaps://dc1.example.org:3269"),
    ],
)
def test_passwords_reach_a_directory_over_tls_only(tmp_path, lines, server):
    path = written("duo", AD + lines + AUTO, tmp_path)
    assert f"servers: ['{server}'" in path.read_text()
    assert ("\n    start_tls: true" in path.read_text()) is ("starttls" in lines)


def test_encrypted_secrets_are_replaced_and_a_step_says_so(tmp_path):
    text = AD.replace("password=S3rvice;Account#1", "password_protected=AQAA") + AUTO.replace(
        "radius_secret_1=one-secret-of-a-gateway", "radius_secret_protected_1=AQAA"
    )
    done = run("duo", text, tmp_path, "--output", str(tmp_path / "new"))
    assert 0 == done.exit_code, done.output
    assert (
        "auto-1: the secret is encrypted in authproxy.cfg and cannot be read; auto-1.secret has a new secret"
        in done.stderr
    )
    assert f"{PLACEHOLDER}\n" == (tmp_path / "new" / "ad-client.password").read_text()
    assert 33 == len((tmp_path / "new" / "auto-1.secret").read_text())


def test_the_proxy_to_duo_becomes_the_proxy_to_twilio(tmp_path):
    text = f"[main]\nhttp_proxy_host=proxy.example.org\nhttp_proxy_port=3128\n{AD}{AUTO}"
    provider = loaded("duo", text, tmp_path).settings.delivery.providers["twilio"]
    assert "http://proxy.example.org:3128" == provider.proxy


def test_what_has_no_equal_is_a_comment_and_its_value_is_not_shown(tmp_path):
    text = AD + AUTO.replace("failmode=secure", "failmode=safe") + "pasword=hunter2\nfactors=push\n[cloud]\nikey=DI\n"
    path = written("duo", text, tmp_path)
    shown = path.read_text()
    assert "# source:14 failmode" not in shown
    assert "# failmode=safe has no equivalent: while no provider can place calls, users are rejected." in shown
    assert "# source:15 pasword: is not known, and was not imported." in shown
    assert "# source:16 factors: has no equivalent: `methods` of the policy has voice and sms." in shown
    assert "# source:17 [cloud]: has no equivalent" in shown
    assert "hunter2" not in shown


def test_an_address_that_two_servers_share_has_one_client(tmp_path):
    second = AUTO.replace("_auto]", "_auto2]") + "port=1813\n"
    done = run("duo", AD + AUTO + second, tmp_path)
    assert (
        "auto2-1 (source:19): 10.1.0.1 already belongs to client auto-1, and an address has one client." in done.stderr
    )
    assert "  # auto2-1:" in done.stdout


def test_a_range_of_addresses_becomes_networks(tmp_path):
    settings = loaded("duo", AD + AUTO.replace("10.1.0.1", "10.2.0.1-10.2.0.3"), tmp_path).settings
    assert ["10.2.0.1/32", "10.2.0.2/31"] == [str(each) for each in settings.clients["auto-1"].address]


def test_an_upstream_with_a_host_name_gets_a_placeholder(tmp_path):
    done = run("duo", RADIUS.replace("10.0.0.5", "nps.example.org") + CONCAT, tmp_path)
    assert (
        "nps.example.org (source:2) is a name, and servers are addresses; write its address in place of" in done.stderr
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("host=dc1\n", "source:1: is before the first [section]"),
        ("[main]\nnonsense\n", "source:2: is neither KEY=VALUE nor a [section] nor a comment"),
        ("[main]\n[MAIN]\n", "source:2: the section begins in line 1 already"),
        ("[main]\na=1\nA=2\n", "source:3: the key is in line 2 already; remove one"),
        ("[main]\na=1\n  and more\n", "source:3: continues the line above; write the value in one line"),
        ("[cloud]\nikey=1\n", "has no section [radius_server_...]"),
        (AUTO, "source:8: [radius_server_auto] names no section that verifies passwords; set client"),
        (
            AD.replace("dc1.example.org", "").replace("host_2=dc2.example.org\n", "") + AUTO,
            "source:2: [ad_client] has no host",
        ),
        (AD.replace("DC=example,DC=org", "") + AUTO, "source:6: [ad_client] has no search_dn"),
        (AD.replace("dc1.example.org", "bad host") + AUTO, "source:2: the host is not a name or an address"),
        (AD + "port=99999\n" + AUTO, "source:7: the port is not a number of a port"),
        (AD + AUTO + "port=none\n", "source:15: port or interface of [radius_server_auto] is not valid"),
        (AD + AUTO.replace("10.1.0.1", ""), "source:11: radius_ip_1 is empty; write the gateway's address"),
        (AD + AUTO.replace("radius_ip_1=10.1.0.1\n", ""), "no client can be imported"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path, text, message):
    done = run("duo", text, tmp_path)
    assert 1 == done.exit_code
    assert message in done.stderr
