"""docs/login-story.md shows the current behaviour: its producer runs again, and both texts are equal."""

import importlib.util
import json
import re
import shutil
import sys

import pytest

from tests.docs.pages import ROOT, text
from tests.support.requirements import require

PAGE = "docs/login-story.md"


@pytest.fixture(scope="module")
def producer():
    spec = importlib.util.spec_from_file_location("produce_login_story", ROOT / "docs" / "produce_login_story.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def outcomes(section):
    """The lines of a section, without values that differ from run to run."""
    lines = []
    for line in section.splitlines():
        if line.startswith("{"):
            lines.append(masked_record(json.loads(line)))
        elif not line.startswith(("Sent ", "    Cleartext-Password")):  # messages of radclient about itself
            lines.append(masked(line))
    return lines


def masked(line):
    line = re.sub(r"0x[0-9a-f]{32,}", "OCTETS", line)
    line = re.sub(r"^(Received Access-\w+) Id \d+ from .* length (\d+)$", r"\1 of \2 octets", line)
    line = re.sub(r"\b\d( \d){5}\b", "C O D E", line)
    return re.sub(r'"\d{6}"', '"CODE"', line)


def masked_record(record):
    """Keys, names, reasons and outcomes stay; times, references and identifiers go."""
    kept = ("kind", "client", "outcome", "reason", "user", "phone", "provider", "result")
    steps = [(step["name"], step.get("detail")) for step in record.get("steps", ())]
    return [sorted(record), {key: record[key] for key in kept if key in record}, steps]


def test_the_login_story_matches_the_servers_behaviour(producer):
    require("radclient", shutil.which("radclient"))
    shown = text(PAGE).split(producer.BEGIN)[1].split(producer.END)[0].lstrip("\n")

    assert outcomes(producer.produce()) == outcomes(shown), "run: make story"


def test_the_producer_replaces_only_the_text_between_the_markers(producer, tmp_path, monkeypatch):
    page = tmp_path / "page.md"
    page.write_text(f"before\n{producer.BEGIN}\nold\n{producer.END}\nafter\n")
    monkeypatch.setattr(producer, "produce", lambda: "new\n")

    producer.write(page)

    assert f"before\n{producer.BEGIN}\nnew\n{producer.END}\nafter\n" == page.read_text()


def test_every_file_in_the_login_story_exists():
    names = re.findall(r"`((?:[\w]+/)*[\w]+\.py)`", text(PAGE).split("## With radclient")[0])

    assert names
    assert [] == [name for name in names if not (ROOT / name).exists() and not (ROOT / "radius_voice" / name).exists()]


def test_the_login_story_has_every_outcome_once(producer):
    section = text(PAGE).split(producer.BEGIN)[1]

    assert ["Challenge", "Challenge", "Accept"] == re.findall(r"Received Access-(\w+)", section)


def test_the_login_story_has_the_records_of_all_requests_and_of_the_delivery(producer):
    section = text(PAGE).split(producer.BEGIN)[1]
    records = [json.loads(line) for line in section.splitlines() if line.startswith("{")]

    assert ["delivery", "request", "request", "request"] == [record["kind"] for record in records]
