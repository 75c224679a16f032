"""The Prometheus rules that are shipped: each alert fires when it must, and not on a working day."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.support.requirements import require

pytestmark = [
    pytest.mark.peer("promtool"),
    pytest.mark.skipif(not os.environ.get("RADIUS_VOICE_LONG"), reason="Prometheus is large: RADIUS_VOICE_LONG=1"),
]
ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "radius-voice.rules.yaml"
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
DAY = 60 * 24
FIRING = {
    "RadiusVoiceDown": {'up{job="radius-voice"}': "0x20"},
    "RadiusVoiceProviderAlarm": {'radius_voice_provider_alarms_total{provider="twilio"}': "0x12 1x3"},
    "RadiusVoiceCallsFail": {
        'radius_voice_deliveries_total{result="placed"}': "0+1x20",
        'radius_voice_deliveries_total{result="not_placed"}': "0+2x20",
    },
    "RadiusVoiceNoResponse": {'radius_voice_requests_total{client="vpn",outcome="no_response"}': "0+2x20"},
    "RadiusVoiceUsersFileInvalid": {'radius_voice_users_file_invalid{identity="people"}': "1x20"},
    "RadiusVoiceAuditRecordsLost": {"radius_voice_audit_failures_total": "0x12 3x3"},
    "RadiusVoiceBypass": {"radius_voice_bypass_active": "1x20"},
    "RadiusVoiceDevelopment": {"radius_voice_development": "1x20"},
    "RadiusVoiceAlarm": {'radius_voice_alarms_total{alarm="phone_changed"}': "0x12 1x3"},
    "RadiusVoiceProviderSkipped": {'radius_voice_provider_skipped{provider="twilio"}': "1x20"},
    "RadiusVoiceRejectSurge": {'radius_voice_requests_total{outcome="reject"}': f"0+1x{DAY} {DAY}+60x60"},
    "RadiusVoiceFewCorrectCodes": {
        'radius_voice_reasons_total{reason="code_correct"}': "0x90",
        'radius_voice_deliveries_total{result="placed"}': "0+1x90",
    },
    "RadiusVoiceWrongSecret": {
        'radius_voice_discards_total{client="vpn",reason="bad_message_authenticator"}': "0+1x20"
    },
    "RadiusVoiceRetransmissions": {
        'radius_voice_duplicates_total{client="vpn"}': "0+3x60",
        'radius_voice_requests_total{client="vpn",outcome="challenge"}': "0+6x60",
    },
    "RadiusVoiceUpstreamDead": {'radius_voice_upstream_events_total{identity="nps",event="dead"}': "0x12 1x3"},
    "RadiusVoiceReloadFailed": {'radius_voice_reloads_total{result="failed"}': "0x12 1x3"},
    "RadiusVoiceWorkerDied": {"radius_voice_worker_deaths_total": "0x12 1x3"},
    "RadiusVoiceReportMode": {'radius_voice_report_mode{policy="default"}': "1x90"},
}
"""For each alert, series with a value a minute that make it fire at their end."""
WORKING_DAY = {
    'up{job="radius-voice"}': "1x1500",
    'radius_voice_provider_alarms_total{provider="twilio"}': "0x1500",
    'radius_voice_deliveries_total{result="placed"}': "0+10x1500",
    'radius_voice_deliveries_total{result="not_placed"}': "0+1x1500",
    'radius_voice_requests_total{client="vpn",outcome="challenge"}': "0+10x1500",
    'radius_voice_requests_total{client="vpn",outcome="reject"}': "0+1x1500",
    'radius_voice_requests_total{client="vpn",outcome="no_response"}': "0x1500",
    'radius_voice_reasons_total{reason="code_correct"}': "0+9x1500",
    'radius_voice_duplicates_total{client="vpn"}': "0+1x1500",
    'radius_voice_discards_total{client="vpn",reason="bad_message_authenticator"}': "0x1500",
    'radius_voice_users_file_invalid{identity="people"}': "0x1500",
    'radius_voice_provider_skipped{provider="twilio"}': "0x1500",
    'radius_voice_report_mode{policy="default"}': "0x1500",
    'radius_voice_reloads_total{result="ok"}': "0+1x1500",
    'radius_voice_reloads_total{result="failed"}': "0x1500",
    "radius_voice_audit_failures_total": "0x1500",
    "radius_voice_worker_deaths_total": "0x1500",
    "radius_voice_bypass_active": "0x1500",
    "radius_voice_development": "0x1500",
}


def minutes_of(values):
    return sum(int(repeated) + 1 for repeated in re.findall(r"x(\d+)", values)) - 1


def firing_alerts(series, path):
    """The names of the alerts that fire at the end of the series."""
    end = f"{max(minutes_of(values) for values in series.values())}m"
    given = [{"series": name, "values": values} for name, values in series.items()]
    expected = {"alert_rule_test": [{"eval_time": end, "alertname": name, "exp_alerts": []} for name in ALERTS]}
    tests = [{"interval": "1m", "input_series": given, **expected}]
    path.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    tested = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, check=False)
    return set(re.findall(r"alertname: (\w+),", tested.stdout + tested.stderr))


@pytest.fixture(autouse=True)
def _promtool():
    require("promtool", shutil.which("promtool"))


def test_every_alert_has_a_case():
    assert list(ALERTS) == list(FIRING)


@pytest.mark.parametrize("name", FIRING)
def test_an_alert_fires(name, tmp_path):
    assert name in firing_alerts(FIRING[name], tmp_path / "test.yaml")


def test_no_alert_fires_on_a_working_day(tmp_path):
    assert set() == firing_alerts(WORKING_DAY, tmp_path / "test.yaml")


def test_promtool_accepts_the_rules():
    subprocess.run(["promtool", "check", "rules", RULES], check=True, capture_output=True)
