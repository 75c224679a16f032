"""docs/alerts.md lists the shipped alerts, and rules and dashboard use metrics that exist."""

import json
import re

import pytest
import yaml

from tests.docs.pages import ROOT, text

RULES = yaml.safe_load((ROOT / "deploy/prometheus/radius-voice.rules.yaml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((ROOT / "deploy/grafana/radius-voice.json").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
METRICS = re.findall(r"^\| `(radius_voice_\w+)` \| (\w+) \| ([^|]*)\|", text("docs/observing.md"), re.MULTILINE)
SUFFIXES = {"histogram": ("_bucket", "_sum", "_count")}
LABELS = {
    name + suffix: {*re.findall(r"`(\w+)`", labels), "le", "job", "instance"}
    for name, kind, labels in METRICS
    for suffix in SUFFIXES.get(kind, ("",))
}


def test_the_page_lists_every_alert_with_its_severity():
    rows = re.findall(r"^\| `(RadiusVoice\w+)` \| (\w+) \| \S", text("docs/alerts.md"), re.MULTILINE)
    assert [(rule["alert"], rule["labels"]["severity"]) for rule in RULES] == rows


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alert_has_a_summary_and_a_description(rule):
    assert all(rule["annotations"][name] for name in ("summary", "description"))


@pytest.mark.parametrize("query", [*(rule["expr"] for rule in RULES), *QUERIES])
def test_every_query_uses_documented_metrics_and_labels(query):
    for name, matchers in re.findall(r"(radius_voice_\w+)(?:\{([^}]*)\})?", query):
        assert name in LABELS
        assert set(re.findall(r"(\w+)!?=~?\"", matchers)) <= LABELS[name]


def test_panels_do_not_overlap():
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert all(x < 24 for x, _ in cells)
