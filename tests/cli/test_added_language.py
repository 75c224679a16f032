"""Users may have a language that the administrator's own texts add."""

import msgspec
import pytest
import yaml
from click.testing import CliRunner

from radius_voice.cli.main import main
from radius_voice.config.messages_file import SECTIONS
from radius_voice.messages import SHIPPED

POLISH = {section: msgspec.structs.asdict(getattr(SHIPPED.default, section)) for section in SECTIONS}
TREE = {
    "development": True,
    "clients": {"gateway": {"address": "127.0.0.1", "secret": "a-secret-of-twenty-characters"}},
    "identity": {"people": {"type": "users_file", "path": "users.yaml"}},
    "delivery": {
        "friendly_name": "ACME VPN",
        "messages": "messages.yaml",
        "providers": {"fixed": {"type": "fixed", "code": "123456"}},
    },
}


@pytest.fixture
def run(tmp_path):
    """Run a command in which CONFIG, USERS and TABLE are files; returns its exit code and output."""
    files = {"CONFIG": "radius-voice.yaml", "USERS": "users.yaml", "TABLE": "table.csv"}

    def run(line):
        words = [str(tmp_path / files[word]) if word in files else word for word in line.split()]
        ended = CliRunner().invoke(main, words, input="correct horse\n")
        return ended.exit_code, ended.output

    for name, text in {
        "radius-voice.yaml": yaml.safe_dump(TREE),
        "messages.yaml": yaml.safe_dump({"pl": POLISH}),
        "users.yaml": "{}\n",
        "table.csv": "name,language\ncarol,pl\n",
    }.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o600)
    return run


def test_commands_with_the_configuration_know_the_language(run):
    assert 0 == run("users add --config CONFIG bob --phone +14155550199 --language pl")[0]
    assert 0 == run("users import --config CONFIG TABLE")[0]
    assert 0 == run("users set-language --config CONFIG bob pl-PL")[0]
    code, output = run("check --config CONFIG")
    assert (0, True) == (code, "identity people: 2 users" in output), output


def test_commands_with_a_users_file_change_a_user_who_has_the_language_and_give_it_to_no_other(run):
    run("users add --config CONFIG bob --phone +14155550199 --language pl")
    code, output = run("users set-phone --file USERS bob --phone +14155550198 --yes")
    assert 0 == code, output
    for line in (
        "users set-language --file USERS bob pl",
        "users add --file USERS alice --phone +14155550197 --language pl",
        "users import --file USERS TABLE",
    ):
        code, output = run(line)
        assert (True, True) == (code > 0, "not a known language; known are de, " in output)


def test_a_language_that_the_file_does_not_have_any_longer_is_an_error_of_its_users(run, tmp_path):
    run("users add --config CONFIG bob --phone +14155550199 --language pl")
    (tmp_path / "messages.yaml").write_text("en: {}\n")
    code, output = run("check --config CONFIG")
    assert (1, True) == (code, "users.yaml:" in output and "bob.language: not a known language" in output)
