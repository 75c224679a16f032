"""docs/migrating.md shows what the commands write."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from radius_voice.cli.main import main
from tests.docs.pages import blocks, text

PAGE = "docs/migrating.md"
SOURCES = {
    "duo": ("authproxy.cfg", "ini", 0),
    "freeradius": ("clients.conf", "text", 0),
}


@pytest.mark.parametrize("kind", SOURCES)
def test_the_page_shows_the_output_of_the_command(tmp_path, monkeypatch, kind):
    name, language, number = SOURCES[kind]
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(blocks(PAGE, language)[number])
    shown = text(PAGE).split(f"<!-- the output of import {kind} -->\n```yaml\n")[1].split("```")[0]
    done = CliRunner().invoke(main, ["import", kind, name, "--output", "vpn"])
    assert 0 == done.exit_code, done.output
    assert shown == Path("vpn/radius-voice.yaml").read_text()
