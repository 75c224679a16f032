"""The section of an identity source of type `sql`."""

import pytest

from radius_voice.cli.main import main
from radius_voice.config.errors import ConfigError
from radius_voice.wiring.adapters import load

CONFIGURATION = """\
clients: {gateway: {address: 10.0.0.1, secret: a-secret-of-twenty-characters}}
delivery: {friendly_name: ACME VPN, providers: {fixed: {type: fixed, code: "123456"}}}
development: true
server: {listen: ["udp://127.0.0.1:0"]}
admin: {listen: "127.0.0.1:0"}
identity:
  staff: {type: sqlSETTINGS}
"""


USER = "user: 'SELECT :name', user_by_id: 'SELECT :id'"


@pytest.fixture
def section(tmp_path):
    """The section with these settings, and the warnings about the configuration."""

    def load_section(settings=""):
        path = tmp_path / "radius-voice.yaml"
        path.write_text(
            CONFIGURATION.replace("SETTINGS", settings and f", {settings}").replace("10.0.0.1", "127.0.0.1")
        )
        path.chmod(0o600)
        loaded = load(path, {})
        return loaded.settings.identity["staff"], loaded.warnings

    return load_section


def test_the_default_is_a_file_beside_the_configuration(section, tmp_path):
    settings, _ = section()
    assert (tmp_path / "users.db", True) == (settings.url.path, settings.url.is_local)
    assert {} == settings.files()
    (tmp_path / "users.db").touch()
    assert {"url": tmp_path / "users.db"} == settings.files()
    assert str(tmp_path / "users.db") == settings.location


def test_an_absolute_path_has_four_slashes(section):
    settings, _ = section('url: "sqlite:////var/lib/users.db"')
    assert "/var/lib/users.db" == str(settings.url.path)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ("url: mysql://db/users", "url: not a database; write it like sqlite:///users.db or postgresql://"),
        ("url: postgresql://db.example.org", "url: not a database"),
        ("url: postgresql://db.example.org:0/users", "url: not a database"),
        ("url: postgresql://db.example.org:port/users", "url: not a database"),
        ("url: 'postgresql://db.example.org/the users'", "url: not a database"),
        ("url: 'sqlite:///'", "url: not a path"),
        (
            "url: postgresql://me:hush@db.example.org/users",
            "url: holds a password; remove it, and write it as password: {file",
        ),
        ("url: 'postgresql://db.example.org/users?options=x'", "url: has an unknown option; known are host, sslmode"),
        ("password: hush", "password: is for PostgreSQL; remove it"),
        ("timeout: 0.5s", "timeout: must be between 1s and 30s"),
        ("connections: 0", "connections: must be at least 1"),
        ("default_region: US", "default_region: is for queries; phones in the program's own tables"),
        ("default_region: UK", "default_region: not a country; write an ISO 3166 code of two capital letters"),
        ("queries: {}", "queries.user: is missing; add it"),
        (f"queries: {{{USER}, phones: SELECT 1}}", "queries.phones: does not use :id; write it without quotes"),
        (f"queries: {{{USER}, phones: 'SELECT :name'}}", "queries.phones: uses :name; only :id has a value here"),
        (f"queries: {{{USER}, phones: 'SELECT :id, :x'}}", "queries.phones: uses :x; only :id has a value here"),
        (f"queries: {{{USER}, phones: 'SELECT :id::int'}}", "queries.phones: write CAST(:id AS type) instead of"),
        (f"queries: {{{USER}, phones: ' ; '}}", "queries.phones: is empty; write a SELECT"),
        (f"queries: {{{USER}, hashes: 'SELECT :id', password: 'SELECT :id'}}", "queries.hashes: uses :id; it has no"),
        (f"queries: {{{USER}, password: 'SELECT :id'}}", "queries.password: needs hashes too; write both or none"),
        (f"queries: {{{USER}, hashes: SELECT 1}}", "queries.hashes: needs password too; write both or none"),
    ],
)
def test_an_error_names_the_key_and_the_fix(section, settings, error):
    with pytest.raises(ConfigError) as raised:
        section(settings)
    assert f"identity.staff.{error}" in str(raised.value)
    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("postgresql://db.example.org/users", True),
        ("postgresql://db.example.org/users?sslmode=require", True),
        ("postgresql://db.example.org/users?sslmode=verify-full", False),
        ("postgresql://localhost/users", False),
        ("postgresql://127.0.0.1:5433/users", False),
        ("postgresql:///users?host=/run/postgresql", False),
        ("postgresql:///users?host=127.0.0.1:5432&host=db.example.org:5432", True),
    ],
)
def test_a_remote_server_without_a_verified_certificate_is_a_warning(section, url, warned):
    _, warnings = section(f"url: '{url}'")
    texts = [warning for warning in warnings if "without a verified certificate" in warning]
    assert warned is bool(texts)


def test_a_query_may_have_casts_percent_signs_and_a_final_semicolon(section):
    text = "SELECT e164::text FROM phone WHERE account = :id AND e164 NOT LIKE '%x%'"
    settings, _ = section(f'queries: {{{USER}, phones: "{text} ; "}}')
    assert text == settings.queries.phones


def test_an_exposed_file_is_an_error_of_check(section, tmp_path):
    from click.testing import CliRunner

    section()
    (tmp_path / "users.db").touch(mode=0o644)
    (tmp_path / "users.db").chmod(0o644)
    ended = CliRunner().invoke(main, ["check", "--config", str(tmp_path / "radius-voice.yaml")])
    assert 1 == ended.exit_code
    assert "identity.staff.url:" in ended.stderr
    assert "run: chmod o-rwx" in ended.stderr


def test_check_connect_asks_the_database(section, tmp_path):
    from click.testing import CliRunner

    section("url: 'postgresql://127.0.0.1:1/users'")
    ended = CliRunner().invoke(main, ["check", "--config", str(tmp_path / "radius-voice.yaml"), "--connect"])
    assert 1 == ended.exit_code
    assert "identity staff: BAD: " in ended.stdout
    assert "Connection refused" in ended.stdout


def test_check_connect_does_not_try_a_database_whose_password_only_the_service_can_read(section, tmp_path):
    from click.testing import CliRunner

    with pytest.raises(ConfigError):
        section("url: 'postgresql://127.0.0.1:1/users', password: {env: DATABASE_PASSWORD}")
    ended = CliRunner().invoke(main, ["check", "--config", str(tmp_path / "radius-voice.yaml"), "--connect"])
    assert "identity.staff.password: the environment variable DATABASE_PASSWORD is not set" in ended.stderr
