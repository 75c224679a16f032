"""What every import does: files, modes, and files that are no configuration."""

import os
import stat
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from radius_voice.config.errors import ConfigError
from radius_voice.config.init import new_secret
from radius_voice.importing import duo, freeradius, nps
from radius_voice.importing.plan import Entry, Plan
from radius_voice.importing.render import render
from radius_voice.importing.words import Names, profile_for
from tests.importing.imported import run
from tests.importing.test_duo import AD, AUTO
from tests.importing.test_freeradius import CLIENTS
from tests.importing.test_nps import GATEWAYS, export

UNTIMED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
KINDS = {"duo": AD + AUTO, "freeradius": CLIENTS, "nps": export(GATEWAYS)}
SECRETS = (
    "S3rvice;Account#1",
    "one-secret-of-a-gateway",
    "the-secret-key-of-duo",
    "single $quotes",
    "long-enough-secret",
    "a&b <secret> of 1",
)
PLANS = {"duo": duo.plan_from, "freeradius": freeradius.plan_from, "nps": nps.plan_from}


@pytest.mark.parametrize("kind", KINDS)
def test_no_secret_is_printed(tmp_path, kind):
    for options in ([], ["--output", str(tmp_path / "new")]):
        printed = run(kind, KINDS[kind], tmp_path, *options).output
        assert [] == [secret for secret in SECRETS if secret in printed]
    assert [] == [secret for secret in SECRETS if secret in (tmp_path / "new" / "radius-voice.yaml").read_text()]


@pytest.mark.parametrize("kind", KINDS)
def test_no_plan_shows_a_secret(tmp_path, kind):
    (tmp_path / "source").write_text(KINDS[kind])
    plan = PLANS[kind](tmp_path / "source")
    assert [] == [secret for secret in SECRETS if secret in repr(plan)]


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_owner_can_read_the_written_files(tmp_path, kind):
    run(kind, KINDS[kind], tmp_path, "--output", str(tmp_path / "new"))
    files = list((tmp_path / "new").iterdir())
    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in files}
    assert 4 <= len(files)


@pytest.mark.parametrize("kind", KINDS)
def test_without_output_the_configuration_is_printed_and_nothing_is_written(tmp_path, kind):
    done = run(kind, KINDS[kind], tmp_path)
    assert 0 == done.exit_code
    assert {"server", "clients", "delivery"} <= set(yaml.safe_load(done.stdout))
    assert "no file is written, and no secret is shown" in done.stderr
    assert ["source"] == [path.name for path in tmp_path.iterdir()]


@pytest.mark.parametrize("kind", KINDS)
def test_an_existing_file_is_not_overwritten(tmp_path, kind):
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "twilio-auth-token").write_text("mine\n")
    done = run(kind, KINDS[kind], tmp_path, "--output", str(tmp_path / "new"))
    assert 1 == done.exit_code
    assert "twilio-auth-token: exists and is not overwritten" in done.stderr
    assert ["twilio-auth-token"] == [path.name for path in (tmp_path / "new").iterdir()]


@pytest.mark.parametrize("kind", KINDS)
def test_the_steps_are_on_standard_error_and_in_the_file(tmp_path, kind):
    done = run(kind, KINDS[kind], tmp_path)
    steps = done.stderr.partition("Manual steps:\n")[2].splitlines()
    assert 3 <= len(steps)
    unwrapped = " ".join(line.removeprefix("#").strip() for line in done.stdout.splitlines())
    assert [] == [step for step in steps if step.strip() not in unwrapped]


def test_the_steps_name_the_directory_that_their_files_are_in(tmp_path):
    done = run("freeradius", KINDS["freeradius"], tmp_path, "--output", str(tmp_path / "new"))
    assert f"\nManual steps in {tmp_path / 'new'}:\n" in done.stderr
    assert "radius-voice check -c radius-voice.yaml" in done.stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_of_the_package_uses_the_directories_of_the_package(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("radius_voice.config.init.SYSTEM_DIRECTORY", tmp_path / "new")
    run(kind, KINDS[kind], tmp_path, "--output", str(tmp_path / "new"))
    read = yaml.safe_load((tmp_path / "new" / "radius-voice.yaml").read_text())
    assert "/var/lib/radius-voice" == read["server"]["state"]
    assert "/var/log/radius-voice/audit.jsonl" == read["audit"]["path"]


@pytest.mark.parametrize("kind", KINDS)
def test_windows_line_ends_and_a_byte_order_mark_change_nothing(tmp_path, kind):
    plain = run(kind, KINDS[kind], tmp_path).stdout
    windows = "\ufeff" + KINDS[kind].replace("\n", "\r\n")
    assert plain == run(kind, windows, tmp_path).stdout


@pytest.mark.parametrize("kind", ["duo", "freeradius"])
@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (b"# one\n# \xe9\n", "source:2: is not UTF-8 text; save the file as UTF-8"),
        ("# one".encode("utf-16"), "source:1: is UTF-16 text; save it as UTF-8"),
        (b"# one\n# \x00\n", "source:2: has a control character; remove it"),
        (b"#" * ((1 << 20) + 1), "source: is larger than 1048576 octets; name a configuration file"),
        (b"", "so nothing can be imported"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path, kind, octets, message):
    done = run(kind, octets, tmp_path)
    assert 1 == done.exit_code
    assert message in done.stderr


def test_a_huge_export_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(nps, "MAX_OCTETS", 100)
    assert "is larger than 100 octets" in run("nps", KINDS["nps"], tmp_path).stderr


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_cannot_be_read_is_named(tmp_path, kind):
    os.mkfifo(tmp_path / "fifo")
    for name in ("missing", "fifo"):
        with pytest.raises(ConfigError, match=f"{name}: cannot be read: "):
            PLANS[kind](tmp_path / name)


@pytest.mark.parametrize("kind", KINDS)
@UNTIMED
@given(data=st.data())
def test_a_damaged_file_is_imported_or_refused(tmp_path_factory, kind, data):
    octets = bytearray(KINDS[kind].encode())
    for _ in range(data.draw(st.integers(1, 5))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / f"damaged-{kind}"
    path.write_bytes(octets)
    try:
        plan = PLANS[kind](path)
    except ConfigError:
        return
    assert {"server", "clients"} <= set(yaml.safe_load(render(plan)))


@UNTIMED
@given(st.text(), st.text())
def test_no_text_of_the_imported_file_ends_a_comment(comment, step):
    plan = Plan(Path("source"), "test", listen=["udp://0.0.0.0:1812"], notes=[comment], steps={step: None})
    plan.clients.append(Entry("one", comment, {"address": "10.0.0.1"}, [comment]))
    assert {"server", "clients", "delivery", "audit"} == set(yaml.safe_load(render(plan)))


@UNTIMED
@given(st.lists(st.text(max_size=60), max_size=8))
def test_names_are_valid_and_differ(texts):
    names = Names()
    taken = [names.take(text) for text in [*texts, *texts]]
    assert len(taken) == len(set(taken))
    assert all(name[0].isalnum() and len(name) <= 63 and name.isascii() and name == name.lower() for name in taken)


def test_profiles_are_guessed_from_words_and_vendors():
    assert "fortigate" == profile_for("FG-FortiGate 50e")
    assert "windows-rras" == profile_for("anything", vendor=311)
    assert "cisco-asa" == profile_for("main asa")
    assert profile_for("NASA server") is None


def test_new_secrets_differ():
    assert new_secret() != new_secret()
