from __future__ import annotations

from itertools import product

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from radius_voice import __version__
from radius_voice.events import (
    CallStatusRecord,
    DeliveryOutcome,
    Discard,
    ExpiryRecord,
    Outcome,
    PlacementRecord,
    Reason,
    RequestRecord,
    ServiceRecord,
    SharedStationRecord,
)
from radius_voice.login.model import Method
from radius_voice.observe.metrics import Metrics, ProviderEvents, Readings
from tests.observe import records

PROVIDERS = {"twilio": ProviderEvents([Method.VOICE], call_statuses=True, callbacks=True)}


class Service:
    """The service whose values the gauges read."""

    def __init__(self):
        self.open = 0
        self.flying = 0
        self.bypass = False
        self.reporting = False
        self.skipping = False
        self.development = False
        self.lost = 0
        self.invalid = False


@pytest.fixture
def service():
    return Service()


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def metrics(registry, service):
    counted = Metrics(
        registry,
        Readings(
            open_sessions=lambda: service.open,
            requests_in_progress=lambda: service.flying,
            requests_held=lambda: 6,
            bypass_active=lambda: service.bypass,
            development=lambda: service.development,
            audit_failures=lambda: service.lost,
            worker_deaths=lambda: 7,
            syslog_dropped=lambda: 8,
            log_lines_lost=lambda: 9,
            users_files_invalid=lambda: {"people": service.invalid},
            report_modes=lambda: {"staff": service.reporting, "guests": False},
            providers_skipped=lambda: {"twilio": service.skipping},
        ),
    )
    counted.expect(["hq-vpn", "branch-vpn"], PROVIDERS, rotating=["hq-vpn"])
    return counted


@pytest.fixture
def value(registry):
    return lambda name, **labels: registry.get_sample_value(f"radius_voice_{name}", labels)


def test_a_request_is_counted_by_client_outcome_and_reason(metrics, value):
    metrics(records.REQUEST)
    metrics(records.BARE_REQUEST)
    metrics(records.BARE_REQUEST)

    assert 1 == value("requests_total", client="hq-vpn", outcome="accept")
    assert 2 == value("requests_total", client="hq-vpn", outcome="reject")
    assert 1 == value("reasons_total", reason="code_correct")
    assert 2 == value("reasons_total", reason="unknown_user")
    assert 3 == value("decision_seconds_count")
    assert 1.0123456789 == pytest.approx(value("decision_seconds_sum"))


def test_the_secret_that_a_client_used_is_counted(metrics, value):
    metrics(replace(records.REQUEST, secret=1))
    metrics(replace(records.BARE_REQUEST, secret=1))
    metrics(replace(records.BARE_REQUEST, secret=0))

    assert 2 == value("secret_uses_total", client="hq-vpn", secret="1")
    assert 0 == value("secret_uses_total", client="hq-vpn", secret="2"), "from zero, so that a first use is seen"
    assert value("secret_uses_total", client="branch-vpn", secret="1") is None


def test_the_time_of_a_login_is_measured_when_it_is_accepted_with_a_code(metrics, value):
    metrics(records.REQUEST)
    metrics(replace(records.REQUEST, outcome=Outcome.REJECT))
    metrics(replace(records.REQUEST, reason=Reason.BYPASS, login_seconds=0.0))

    assert 1 == value("login_seconds_count")
    assert 21.5 == value("login_seconds_sum")


def test_discards_are_counted_by_client_and_unknown_clients_share_the_empty_label(metrics, value):
    metrics(records.DISCARDED)
    metrics(records.UNKNOWN_CLIENT)

    assert 1 == value("discards_total", client="hq-vpn", reason="malformed")
    assert 1 == value("discards_total", client="", reason="unknown_client")


def test_resent_replies_and_requests_in_progress_count_as_duplicates(metrics, value):
    metrics(records.RESENT)
    metrics(replace(records.DISCARDED, reason=Discard.DUPLICATE))
    metrics(records.DISCARDED)

    assert 2 == value("duplicates_total", client="hq-vpn")


def test_health_checks_with_a_probe_user_are_counted_separately(metrics, value):
    metrics(records.PROBED)

    assert 1 == value("probes_total", client="hq-vpn", outcome="accept")
    assert 0 == value("probes_total", client="hq-vpn", outcome="reject")
    assert 0 == value("requests_total", client="hq-vpn", outcome="accept")


def test_accounting_is_counted_by_client_and_status(metrics, value):
    metrics(records.ACCOUNTED)

    assert 1 == value("accounting_total", client="hq-vpn", status="stop")
    assert 0 == value("accounting_total", client="branch-vpn", status="start")


def test_calls_are_counted_with_their_time_and_their_alarms(metrics, value):
    metrics(records.CALL)
    metrics(records.BARE_CALL)

    assert 1 == value("deliveries_total", provider="twilio", method="sms", result="not_placed")
    assert 1 == value("deliveries_total", provider="twilio", method="voice", result="placed")
    assert 1 == value("provider_alarms_total", provider="twilio")
    assert 2 == value("placement_seconds_count")
    assert 0.4 == pytest.approx(value("placement_seconds_sum"))


def test_other_records_are_counted(metrics, value):
    metrics(records.FOLLOWED)
    metrics(records.ENDED)
    metrics(records.LIFECYCLE)
    metrics(records.ALARM)
    metrics(ServiceRecord(records.AT, "reloaded"))
    metrics(ServiceRecord(records.AT, "started"))

    assert 1 == value("call_status_changes_total", provider="twilio", status="completed")
    assert 3 == value("expired_sessions_total")
    assert 1 == value("alarms_total", alarm="phone_changed")
    assert 1 == value("reloads_total", result="failed")
    assert 1 == value("reloads_total", result="ok")


def test_unconfigured_names_and_statuses_count_as_other(metrics, value):
    metrics(replace(records.REQUEST, client="mallory"))
    metrics(replace(records.DISCARDED, client="mallory"))
    metrics(replace(records.CALL, provider="mallory"))
    metrics(replace(records.FOLLOWED, status="mallory"))

    assert 1 == value("requests_total", client="other", outcome="accept")
    assert 1 == value("discards_total", client="other", reason="malformed")
    assert 1 == value("deliveries_total", provider="other", method="sms", result="not_placed")
    assert 1 == value("call_status_changes_total", provider="twilio", status="other")


def test_configured_names_count_from_zero_so_that_a_first_increase_is_visible(metrics, value):
    found = [value("requests_total", client=c, outcome=o) for c, o in product(["hq-vpn", "branch-vpn"], Outcome)]
    found += [value("deliveries_total", provider="twilio", method="voice", result=result) for result in DeliveryOutcome]
    found += [value("discards_total", client="", reason=reason) for reason in Discard]

    assert {0.0} == set(found)


def test_a_provider_has_only_the_series_of_what_it_can_do(metrics, value):
    texts = ProviderEvents([Method.SMS], call_statuses=False, callbacks=False)

    metrics.expect(["hq-vpn"], PROVIDERS | {"texts": texts})

    for provider, method, other in (("twilio", "voice", "sms"), ("texts", "sms", "voice")):
        assert 0 == value("deliveries_total", provider=provider, method=method, result="placed")
        assert value("deliveries_total", provider=provider, method=other, result="placed") is None
    assert 0 == value("provider_alarms_total", provider="texts")
    for name, labels in (("call_status_changes_total", {"status": "busy"}), ("callbacks_total", {"result": "late"})):
        assert 0 == value(name, provider="twilio", **labels)
        assert value(name, provider="texts", **labels) is None


def test_no_label_value_comes_from_a_user(metrics):
    before = {line.split(" ")[0] for line in metrics.page().decode().splitlines()}

    for number in range(50):
        user = f"person{number}"
        metrics(
            replace(records.REQUEST, user=user, client_address=user, calling_station_id=user, session=user, phone=user)
        )
        metrics(replace(records.CALL, session=user, phone=user, reference=user, detail=user, method="voice"))
        metrics(replace(records.FOLLOWED, session=user, reference=user))
        metrics(replace(records.UNKNOWN_CLIENT, client_address=user, detail=user))

    assert before == {line.split(" ")[0] for line in metrics.page().decode().splitlines()}


def test_gauges_are_read_when_the_page_is_rendered(metrics, service, value):
    assert 0 == value("open_sessions")

    service.open, service.flying, service.bypass, service.development, service.lost = 7, 2, True, True, 4

    assert 7 == value("open_sessions")
    assert 2 == value("requests_in_progress")
    assert 1 == value("bypass_active")
    assert 1 == value("development")
    assert 4 == value("audit_failures_total")
    assert 7 == value("worker_deaths_total")
    assert 8 == value("syslog_dropped_total")
    assert 9 == value("log_lines_lost_total")
    assert 1 == value("build_info", version=__version__)


def test_an_invalid_users_file_is_a_gauge_by_identity_source(metrics, service, value):
    assert 0 == value("users_file_invalid", identity="people")

    service.invalid = True

    assert 1 == value("users_file_invalid", identity="people")


def test_report_mode_is_a_gauge_by_policy(metrics, service, value):
    assert 0 == value("report_mode", policy="staff")

    service.reporting = True

    assert 1 == value("report_mode", policy="staff")
    assert 0 == value("report_mode", policy="guests")


def test_a_provider_that_is_skipped_is_a_gauge_by_provider(metrics, service, value):
    assert 0 == value("provider_skipped", provider="twilio")

    service.skipping = True

    assert 1 == value("provider_skipped", provider="twilio")


def test_a_reload_may_name_new_clients(metrics, value):
    metrics.expect(["new-vpn"], PROVIDERS)
    metrics(replace(records.REQUEST, client="new-vpn"))
    metrics(records.REQUEST)

    assert 1 == value("requests_total", client="new-vpn", outcome="accept")
    assert 1 == value("requests_total", client="other", outcome="accept")


def test_prometheus_can_parse_the_page(metrics):
    for record in records.ALL:
        metrics(record)

    names = {family.name for family in text_string_to_metric_families(metrics.page().decode())}

    assert {"radius_voice_requests", "radius_voice_login_seconds", "radius_voice_build_info"} <= names


def test_every_kind_of_record_is_accepted_by_a_service_without_clients(registry):
    nothing = Metrics(registry, Readings(int, int, int, bool, bool, int, int, int, int, dict, dict, dict))
    for record in records.ALL:
        nothing(record)

    assert {RequestRecord, PlacementRecord, CallStatusRecord, ExpiryRecord} <= {type(record) for record in records.ALL}


def test_logins_remembered_for_a_shared_calling_station_id_are_counted_by_client(metrics, value):
    assert 0 == value("shared_calling_station_logins_total", client="hq-vpn")
    metrics(SharedStationRecord(records.AT, "hq-vpn"))
    assert 1 == value("shared_calling_station_logins_total", client="hq-vpn")
    assert 0 == value("shared_calling_station_logins_total", client="branch-vpn")
