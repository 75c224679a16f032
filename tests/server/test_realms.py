r"""Logins as `CORP\bob` and `bob@corp.example`, through the real program with two users files and an LDAP directory."""

import dataclasses
import json

import pytest

from radius_voice.radius import packet as radius
from tests.support.slapd_server import BASE, READER, READER_PASSWORD

CONFIGURATION = """\
server: {{listen: ["udp://127.0.0.1:0"], reject_delay: 0s}}
clients:
  office:
    address: 127.0.0.1
    secret: a shared secret of the tests
    response_timeout: 8s
    policy: staff
    realms:
      CORP: {{}}
      corp.example: {{}}
      partner.example: {{policy: partners}}
      ldap.example: {{policy: directory}}
      upn.example: {{policy: directory, strip: false}}
  anything: {{address: 127.0.0.2, secret: a shared secret of the tests, response_timeout: 8s, policy: staff}}
identity:
  people: {{type: users_file, path: users.yaml}}
  partners: {{type: users_file, path: "{partners}"}}
  corp:
    type: ldap
    servers: ["{url}"]
    bind_dn: {reader}
    bind_password: {password}
    base: {base}
    user_filter: (|(uid={{user}})(mail={{user}}))
policies:
  staff: {{first_factor: people, directory: people}}
  partners: {{first_factor: partners, directory: partners}}
  directory: {{first_factor: corp, directory: corp}}
limits: {{wrong_passwords: {{user: 3 per 10m, client: off, calling_station: off}}, calls: {{client: off}}}}
"""


@pytest.fixture(scope="module")
def users(make_user):
    return [make_user() for _ in range(6)]


@pytest.fixture(scope="module")
def partners(make_user, users):
    """The users of the other file: one has the name of a user of the first file, and another password."""
    return [make_user(users[0].name, password="of the partner"), make_user(password="of the partner")]


@pytest.fixture(scope="module")
def server(start_server, slapd, users, partners, tmp_path_factory):
    path = tmp_path_factory.mktemp("partners") / "partners.yaml"
    path.write_text(json.dumps({user.name: user.entry for user in partners}))
    path.chmod(0o600)
    configuration = CONFIGURATION.format(
        partners=path, url=slapd.url, reader=READER, password=READER_PASSWORD, base=BASE
    )
    with start_server(configuration, users) as server:
        yield server


def named(user, form):
    """The user as they type their name: `form` has {} in place of the name."""
    return dataclasses.replace(user, name=form.format(user.name))


def log_in(server, typed, source="127.0.0.1"):
    """The response to the code of a whole login."""
    gateway = server.client(source)
    challenge = gateway.start_login(typed)
    assert radius.ACCESS_CHALLENGE == challenge.code
    return gateway.respond(typed, challenge, server.simulator.code(typed.phone))


@pytest.mark.parametrize(("index", "form"), [(1, "CORP\\{}"), (2, "{}@Corp.Example"), (3, "{}")])
def test_a_listed_realm_is_stripped_and_the_audit_log_has_both_names(server, users, index, form):
    typed = named(users[index], form)
    assert radius.ACCESS_ACCEPT == log_in(server, typed).code
    records = server.audit(kind="request", user=users[index].name)
    assert ["call_placed", "code_correct"] == [record["reason"] for record in records]
    assert {typed.name if form != "{}" else None} == {record.get("typed_user") for record in records}


def test_an_unlisted_realm_is_an_unknown_user_whose_name_is_not_recorded(server, users):
    for form in ("OTHER\\{}", "{}@other.example", "CORP\\{}@other.example", "{}@corp.example@corp.example"):
        typed = named(users[1], form)
        assert radius.ACCESS_REJECT == server.client().start_login(typed).code
        record = server.audit(kind="request")[-1]
        assert "unknown_user" == record["reason"]
        assert {"user", "typed_user"}.isdisjoint(record)
        assert ["realm", "password"] == [step["name"] for step in record["steps"]]
        assert typed.name not in (server.directory / "audit.jsonl").read_text()


def test_a_realm_leads_to_the_source_of_its_policy(server, users, partners):
    namesake, partner = partners
    assert radius.ACCESS_ACCEPT == log_in(server, named(partner, "{}@partner.example")).code
    assert radius.ACCESS_REJECT == server.client().start_login(partner).code, "the client's own policy has no such user"
    mine, theirs = users[0], named(namesake, "{}@partner.example")
    gateway = server.client()
    challenge = gateway.start_login(theirs)
    code = server.simulator.code(namesake.phone)
    assert radius.ACCESS_REJECT == gateway.respond(mine, challenge, code).code, (
        "the namesake's State under another source"
    )
    assert radius.ACCESS_ACCEPT == gateway.respond(theirs, challenge, code).code


def test_all_spellings_share_one_login_and_one_count_of_wrong_passwords(server, users):
    user = users[4]
    gateway = server.client()
    challenges = [gateway.start_login(named(user, form)) for form in ("{}", "CORP\\{}", "{}@corp.example")]
    assert [radius.ACCESS_CHALLENGE] * 3 == [challenge.code for challenge in challenges]
    assert ["call_placed", "joined", "joined"] == server.reasons(user)
    assert 1 == len(server.simulator.calls(user.phone))
    other = users[5]
    for form in ("{}", "CORP\\{}", "{}@corp.example", "corp\\{}"):
        gateway.start_login(dataclasses.replace(named(other, form), password="wrong"))
    assert [*["wrong_password"] * 3, "wrong_password_limit"] == server.reasons(other)


def test_a_client_without_realms_leaves_names_as_typed(server, users):
    assert radius.ACCESS_REJECT == server.client("127.0.0.2").start_login(named(users[1], "CORP\\{}")).code
    record = server.audit(kind="request", client="anything")[-1]
    assert ("unknown_user", ["password"]) == (record["reason"], [step["name"] for step in record["steps"]])


@pytest.mark.parametrize("form", ["{}@ldap.example", "{}@upn.example"])
def test_a_directory_gets_the_name_without_or_with_the_realm(server, slapd, make_user, form):
    user = make_user()
    slapd.add_user(user.name, user.password, mobile=user.phone)
    slapd.modify(f"uid={user.name},ou=users,{BASE}", mail=[f"{user.name}@upn.example"])
    assert radius.ACCESS_ACCEPT == log_in(server, named(user, form)).code
    assert {named(user, form).name} == {record["typed_user"] for record in server.audit(kind="request", user=user.name)}
    assert radius.ACCESS_REJECT == server.client().start_login(named(user, "{}@other.example")).code
