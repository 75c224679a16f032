"""Real shells complete commands, options, and names from files, by the scripts that `completion` prints."""

import os
import select
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner

from radius_voice.cli import completions, default_config
from radius_voice.cli.completion import SHELLS
from radius_voice.cli.main import COMMANDS, main
from tests.support.program_process import TIMEOUT
from tests.support.requirements import require

CONFIGURATION = """\
clients:
  hq-vpn: {address: 192.0.2.1, secret: a shared secret of the tests}
  lab: {address: 192.0.2.2, secret: a shared secret of the tests}
identity:
  people: {type: users_file, path: users.yaml}
  partners: {type: users_file, path: partners.yaml}
  corp: {type: ldap, base: dc=example}
"""
# Each script prints what the shell would insert for the command line in $LINE, one completion a line.
ASK = {
    "bash": """\
eval "$(radius-voice completion bash)"
read -ra COMP_WORDS <<< "$LINE"
[[ $LINE == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_radius_voice_completion radius-voice 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
""",
    "fish": 'radius-voice completion fish | source; complete --do-complete "$LINE" | cut -f1',
}


@pytest.fixture
def folder(tmp_path):
    """A folder with a configuration and its users files."""
    (tmp_path / "rv.yaml").write_text(CONFIGURATION)
    (tmp_path / "users.yaml").write_text("alice: {}\nalbert: {}\nbob: {}\n'$(touch x)': {}\n")
    (tmp_path / "partners.yaml").write_text("alina: {}\n")
    return tmp_path


@pytest.fixture
def program(folder):
    """An environment in which the program can be found."""
    programs = folder / "bin"
    programs.mkdir()
    program = programs / "radius-voice"
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom radius_voice.cli.main import main\nsys.exit(main())\n")
    program.chmod(0o755)
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}


@pytest.fixture
def complete(program, folder):
    """Completes a command line in a real shell; the words that it would insert."""

    def complete(shell, line):
        script = ASK[shell]
        ended = subprocess.run(
            [shutil.which(shell), "-c", script],
            env={**program, "LINE": line, "HOME": str(folder)},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=3 * TIMEOUT,
        )
        assert 0 == ended.returncode, ended.stderr
        return ended.stdout.split()

    return complete


@pytest.mark.peer("bash, fish")
@pytest.mark.parametrize("shell", list(ASK))
def test_a_shell_completes_commands_options_and_names(complete, folder, shell):
    require(shell, shutil.which(shell))
    assert ["call", "check", "clients", "completion"] == sorted(complete(shell, "radius-voice c"))
    assert ["set-language", "set-password", "set-phone"] == sorted(complete(shell, "radius-voice users set-"))
    assert ["--connect"] == complete(shell, "radius-voice check --conn")
    assert ["albert", "alice", "alina"] == sorted(complete(shell, "radius-voice users show -c rv.yaml al"))
    assert ["hq-vpn", "lab"] == sorted(complete(shell, "radius-voice explain --config rv.yaml --client "))
    assert not (folder / "x").exists()


@pytest.mark.peer("zsh")
@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("radius-voice hash-", "hash-password"),
        ("radius-voice check --conn", "--connect"),
        ("radius-voice users show -c rv.yaml bo", "bob"),
    ],
)
def test_zsh_completes_by_a_script_in_its_function_path(program, folder, line, word):
    require("zsh", shutil.which("zsh"))
    script = CliRunner().invoke(main, ["completion", "zsh"]).stdout
    (folder / "functions").mkdir()
    (folder / "functions" / "_radius-voice").write_text(script)
    ours, terminal = os.openpty()
    environment = {**program, "HOME": str(folder), "TERM": "dumb"}
    with subprocess.Popen(
        ["zsh", "-f", "-i"],
        cwd=folder,
        env=environment,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    ) as zsh:
        try:
            os.close(terminal)
            start = "fpath=($PWD/functions $fpath); autoload -U compinit; compinit -u -D; print -r loaded:$((6 * 7))\n"
            typed_and_seen(ours, start, "loaded:42")
            typed_and_seen(ours, f"{line}\t", word)
        finally:
            zsh.kill()
            os.close(ours)


def typed_and_seen(terminal, typed, text):
    """Type on the terminal, and wait until it shows the text."""
    os.write(terminal, typed.encode())
    seen = ""
    while text not in seen:
        assert select.select([terminal], [], [], TIMEOUT)[0], f"no {text!r} in {seen!r}"
        seen += os.read(terminal, 1024).decode(errors="replace")


def completed(*words):
    """The completions of the last word, as the scripts of all shells ask for them."""
    *before, last = words
    environment = {"_RADIUS_VOICE_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(["radius-voice", *before, last])}
    position = {"COMP_CWORD": str(len(words))}
    shown = CliRunner().invoke(main, [], prog_name="radius-voice", env={**environment, **position}).stdout
    return [line.removeprefix("plain,") for line in shown.splitlines() if line]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script(shell):
    ended = CliRunner().invoke(main, ["completion", shell])
    assert (0, True) == (ended.exit_code, "_RADIUS_VOICE_COMPLETE" in ended.stdout)


def test_an_unknown_shell_is_wrong_usage():
    ended = CliRunner().invoke(main, ["completion", "tcsh"])
    assert (2, True) == (ended.exit_code, "'bash', 'zsh', 'fish'" in ended.stderr)


def test_all_commands_are_completed():
    assert list(COMMANDS) == completed("")


@pytest.mark.parametrize("option", ["--config", "-c", "--file"])
def test_the_names_of_files_are_completed_by_the_shell(option):
    assert ["file,us"] == completed("users", "list", option, "us")


def test_users_are_those_of_the_files_that_the_options_name(folder, monkeypatch):
    path = folder / "rv.yaml"
    assert ["bob"] == completed("users", "show", "--file", str(folder / "users.yaml"), "b")
    assert ["alina"] == completed("users", "show", "-c", str(path), "--source", "partners", "al")
    assert ["corp", "partners", "people"] == completed("users", "unlock", "-c", str(path), "--source", "")
    assert ["albert", "alice", "alina"] == completed("limits", "-c", str(path), "--user", "al")
    monkeypatch.setattr(default_config, "DEFAULT_CONFIG", path)
    assert ["albert", "alice", "alina"] == completed("users", "unlock", "al")
    assert ["hq-vpn"] == completed("explain", "--client", "hq")


def test_a_name_that_a_shell_would_execute_is_not_completed(folder):
    assert ["albert", "alice", "alina", "bob"] == completed("users", "show", "-c", str(folder / "rv.yaml"), "")


@pytest.mark.parametrize(
    "text", ["", "- a\n", "identity: [", "identity: 7\n", "identity: {a: 1, b: {type: users_file}}\n"]
)
def test_a_file_that_is_no_configuration_has_no_names(tmp_path, text):
    (tmp_path / "rv.yaml").write_text(text)
    for path in (tmp_path / "rv.yaml", tmp_path / "none.yaml", tmp_path):
        assert [] == completed("users", "show", "-c", str(path), "")


def test_a_large_file_is_not_read(folder, monkeypatch):
    monkeypatch.setattr(completions, "MAX_FILE_OCTETS", 10)
    assert [] == completed("users", "show", "-c", str(folder / "rv.yaml"), "")
