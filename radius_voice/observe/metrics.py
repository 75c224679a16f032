"""Metrics for Prometheus. docs/observing.md describes each of them.

No label names a user. Labels come from the configuration and from enumerations, so the number of series is bounded;
any other value becomes `other`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from radius_voice import __version__
from radius_voice.events import (
    AccountingRecord,
    Alarm,
    AlarmRecord,
    CallbackRecord,
    CallStatusRecord,
    CostRecord,
    DeliveryOutcome,
    Discard,
    DiscardRecord,
    EventRecord,
    ExpiryRecord,
    Outcome,
    PlacementRecord,
    ProbeRecord,
    Reason,
    RequestRecord,
    ResendRecord,
    ServiceRecord,
    SharedStationRecord,
    UpstreamRecord,
)
from radius_voice.login.model import CallStatus, Method
from radius_voice.metric_labels import CallbackResult, UpstreamEvent
from radius_voice.radius.accounting import STATUSES as ACCOUNTING_STATUSES

OTHER = "other"
UNKNOWN_CLIENT = ""
SECRETS = ("1", "2")
STATUSES = frozenset(status.value for status in CallStatus)
PRICED_METHODS = ("voice", "sms")
RELOADS = {"reloaded": "ok", "reload_failed": "failed"}
LOGIN_BUCKETS = (2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300)
DECISION_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
PLACEMENT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 5, 10, 30)


@dataclass(frozen=True, slots=True)
class Readings:
    """Functions that are called each time a page is generated. None may block or raise."""

    open_sessions: Callable[[], int]
    requests_in_progress: Callable[[], int]
    requests_held: Callable[[], int]
    bypass_active: Callable[[], bool]
    development: Callable[[], bool]
    audit_failures: Callable[[], int]
    worker_deaths: Callable[[], int]
    syslog_dropped: Callable[[], int]
    log_lines_lost: Callable[[], int]
    users_files_invalid: Callable[[], Mapping[str, bool]]
    report_modes: Callable[[], Mapping[str, bool]]
    providers_skipped: Callable[[], Mapping[str, bool]]


@dataclass(frozen=True, slots=True)
class ProviderEvents:
    """The events of a provider that are counted: deliveries by `methods`, and reports about its calls.

    `call_statuses` is whether its calls can be queried; `callbacks` is whether it sends callbacks about them.
    """

    methods: Collection[Method]
    call_statuses: bool
    callbacks: bool


class Metrics:
    """An observer that counts. `expect` must name the clients and providers before their first records."""

    def __init__(self, registry: CollectorRegistry, readings: Readings) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # an unused extra series for each counter
        self._registry = registry
        registry.register(_Read(readings))

        self._create_request_counters(self._counter)
        self._create_delivery_counters(self._counter)
        self._create_histograms()
        self._clients: frozenset[str] = frozenset()
        self._providers: frozenset[str] = frozenset()
        self._create_fixed_series()

    def _counter(self, name: str, text: str, *labels: str) -> _Children:
        return _Children(_counter(self._registry, name, text, *labels))

    def _create_request_counters(self, counter: Callable[..., _Children]) -> None:
        self._requests = counter("requests_total", "Verified requests by client and outcome", "client", "outcome")
        self._secrets = counter(
            "secret_uses_total", "Verified requests by shared secret, for clients with two", "client", "secret"
        )
        self._reasons = counter("reasons_total", "Verified requests by reason", "reason")
        self._discards = counter(
            "discards_total", "Datagrams discarded before their login was processed", "client", "reason"
        )
        self._accounting = counter("accounting_total", "Accounting-Requests that were recorded", "client", "status")
        self._probes = counter(
            "probes_total", "Health checks with a probe user that got the configured response", "client", "outcome"
        )
        self._duplicates = counter("duplicates_total", "Retransmissions received", "client")
        self._alarms = counter("alarms_total", "Events that need an administrator", "alarm")
        self._upstream_events = counter(
            "upstream_events_total", "Events of the servers of an identity source", "identity", "event"
        )
        self._shared_stations = counter(
            "shared_calling_station_logins_total",
            "Logins remembered for a Calling-Station-Id that more than 10 users share",
            "client",
        )
        self._reloads = counter("reloads_total", "Reloads of the configuration", "result")
        self._expired_sessions = _counter(
            self._registry, "expired_sessions_total", "Logins that expired without a code"
        )

    def _create_delivery_counters(self, counter: Callable[..., _Children]) -> None:
        self._deliveries = counter(
            "deliveries_total", "Requests to a provider to deliver a code", "provider", "method", "result"
        )
        self._call_statuses = counter(
            "call_status_changes_total", "Status changes of placed calls", "provider", "status"
        )
        self._callbacks = counter("callbacks_total", "Callbacks of providers by result", "provider", "result")
        self._cost_reserved = counter(
            "cost_reserved_total", "Money reserved for deliveries, in the currency of the prices", "method"
        )
        self._cost_settled = counter(
            "cost_settled_total", "Money that ended deliveries cost, in the currency of the prices", "method"
        )
        self._provider_alarms = counter(
            "provider_alarms_total", "Responses of a provider that need an administrator", "provider"
        )

    def _create_histograms(self) -> None:
        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"radius_voice_{name}", text, buckets=buckets, registry=self._registry)

        self._login = histogram(
            "login_seconds", "Seconds from a login's first packet to its Access-Accept", LOGIN_BUCKETS
        )
        self._decision = histogram(
            "decision_seconds", "Seconds from a packet's arrival to its decision", DECISION_BUCKETS
        )
        self._placement = histogram(
            "placement_seconds", "Seconds from a packet's arrival to the provider's response", PLACEMENT_BUCKETS
        )

    def expect(
        self,
        clients: Iterable[str],
        providers: Mapping[str, ProviderEvents],
        rotating: Iterable[str] = (),
        upstreams: Iterable[str] = (),
    ) -> None:
        """Create the series of these names, at zero, so that a first occurrence is visible as an increase.

        `rotating` are the clients with two secrets, `upstreams` the identity sources that ask RADIUS servers. Must be
        called again after a reload. Series of removed names stay until a restart.
        """
        self._clients = frozenset(clients)
        self._providers = frozenset(providers)
        for client in self._clients:
            self._create_client_series(client)
        for client, discard in product((*self._clients, UNKNOWN_CLIENT), Discard):
            self._discards.get(client, discard)
        for client, secret in product(rotating, SECRETS):
            self._secrets.get(client, secret)
        for upstream, event in product(upstreams, UpstreamEvent):
            self._upstream_events.get(upstream, event)
        for provider, events in providers.items():
            self._create_provider_series(provider, events)

    def _create_client_series(self, client: str) -> None:
        self._duplicates.get(client)
        self._shared_stations.get(client)
        for status in (*ACCOUNTING_STATUSES.values(), OTHER):
            self._accounting.get(client, status)
        for outcome in (Outcome.ACCEPT, Outcome.REJECT):
            self._probes.get(client, outcome)
        for outcome in Outcome:
            self._requests.get(client, outcome)

    def _create_provider_series(self, provider: str, events: ProviderEvents) -> None:
        self._provider_alarms.get(provider)
        for method, result in product(events.methods, DeliveryOutcome):
            self._deliveries.get(provider, method, result)
        for status in CallStatus if events.call_statuses else ():
            self._call_statuses.get(provider, status)
        for received in CallbackResult if events.callbacks else ():
            self._callbacks.get(provider, received)

    def _create_fixed_series(self) -> None:
        """Create the series whose labels do not come from the configuration."""
        for reason in Reason:
            self._reasons.get(reason)
        for alarm in Alarm:
            self._alarms.get(alarm)
        for result in RELOADS.values():
            self._reloads.get(result)
        for method in PRICED_METHODS:
            self._cost_reserved.get(method)
            self._cost_settled.get(method)

    def __call__(self, record: EventRecord) -> None:
        """Count `record`."""
        if isinstance(record, RequestRecord):
            self._request(record)
        elif isinstance(record, DiscardRecord):
            self._discarded(record)
        elif isinstance(record, ResendRecord):
            self._duplicates.get(self._client(record.client)).inc()
        elif isinstance(record, PlacementRecord):
            self._called(record)
        elif isinstance(record, CallStatusRecord):
            status = record.status if record.status in STATUSES else OTHER
            self._call_statuses.get(self._provider(record.provider), status).inc()
        elif isinstance(record, UpstreamRecord | SharedStationRecord | CallbackRecord | ProbeRecord | AccountingRecord):
            self._counter_of(record).inc()
        elif isinstance(record, CostRecord | ExpiryRecord | AlarmRecord):
            self._add(record)
        elif isinstance(record, ServiceRecord):
            self._service_event(record)

    def _add(self, record: CostRecord | ExpiryRecord | AlarmRecord) -> None:
        match record:
            case CostRecord():
                self._cost_reserved.get(record.method).inc(record.reserved)
                self._cost_settled.get(record.method).inc(record.settled)
            case ExpiryRecord():
                self._expired_sessions.inc(record.count)
            case _:
                self._alarms.get(record.alarm).inc()

    def _counter_of(
        self, record: UpstreamRecord | SharedStationRecord | CallbackRecord | ProbeRecord | AccountingRecord
    ) -> Counter:
        if isinstance(record, AccountingRecord):
            return self._accounting.get(self._client(record.client), record.status)
        if isinstance(record, ProbeRecord):
            return self._probes.get(self._client(record.client), record.outcome)
        if isinstance(record, CallbackRecord):
            return self._callbacks.get(self._provider(record.provider), record.result)
        if isinstance(record, UpstreamRecord):
            return self._upstream_events.get(record.identity, record.event)
        return self._shared_stations.get(self._client(record.client))

    def page(self) -> bytes:
        """All metrics in Prometheus's text format."""
        return generate_latest(self._registry)

    def _request(self, event: RequestRecord) -> None:
        client = self._client(event.client)
        self._requests.get(client, event.outcome).inc()
        self._reasons.get(event.reason).inc()
        if event.secret:
            self._secrets.get(client, str(event.secret)).inc()
        self._decision.observe(event.seconds)
        if event.outcome is Outcome.ACCEPT and event.login_seconds > 0:
            self._login.observe(event.login_seconds)

    def _discarded(self, discarded: DiscardRecord) -> None:
        client = self._client(discarded.client) if discarded.client else UNKNOWN_CLIENT
        self._discards.get(client, discarded.reason).inc()
        if discarded.reason is Discard.DUPLICATE:
            self._duplicates.get(client).inc()

    def _called(self, called: PlacementRecord) -> None:
        provider = self._provider(called.provider)
        self._deliveries.get(provider, called.method, called.result).inc()
        self._placement.observe(called.seconds)
        if called.alarm:
            self._provider_alarms.get(provider).inc()

    def _service_event(self, record: ServiceRecord) -> None:
        if record.event in RELOADS:
            self._reloads.get(RELOADS[record.event]).inc()

    def _client(self, name: str) -> str:
        return name if name in self._clients else OTHER

    def _provider(self, name: str) -> str:
        return name if name in self._providers else OTHER


def _counter(registry: CollectorRegistry, name: str, text: str, *labels: str) -> Counter:
    return Counter(f"radius_voice_{name}", text, labels, registry=registry)


class _Children:
    """Cache of a counter's children, because `labels()` costs three times as much as counting.

    Label values must come from fixed sets.
    """

    def __init__(self, family: Counter) -> None:
        self._family = family
        self._kept: dict[tuple[str, ...], Counter] = {}

    def get(self, *values: str) -> Counter:
        child = self._kept.get(values)
        if child is None:
            child = self._kept[values] = self._family.labels(*values)
        return child


class _Read(Collector):
    """Collects the readings and the version when a page is generated."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Metric]:
        read = self._readings
        gauges = {
            "open_sessions": ("Logins that wait for a code", read.open_sessions),
            "requests_in_progress": ("Packets being processed", read.requests_in_progress),
            "requests_held": ("Requests that wait until their users approve them", read.requests_held),
            "bypass_active": ("1 while a bypass can accept logins without a call", read.bypass_active),
            "development": ("1 with development: true, which allows providers that place no calls", read.development),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f"radius_voice_{name}", text, value=float(value()))
        invalid = GaugeMetricFamily(
            "radius_voice_users_file_invalid", "1 while a changed users file cannot be used", labels=["identity"]
        )
        for name, state in read.users_files_invalid().items():
            invalid.add_metric([name], float(state))
        yield invalid
        reporting = GaugeMetricFamily(
            "radius_voice_report_mode", "1 while decisions of this policy are only recorded", labels=["policy"]
        )
        for name, active in read.report_modes().items():
            reporting.add_metric([name], float(active))
        yield reporting
        skipped = GaugeMetricFamily(
            "radius_voice_provider_skipped", "1 while a provider is skipped after an outage", labels=["provider"]
        )
        for name, is_open in read.providers_skipped().items():
            skipped.add_metric([name], float(is_open))
        yield skipped
        counters = {
            "audit_failures": ("Audit records lost, and failures to reopen the audit log", read.audit_failures),
            "syslog_dropped": ("Audit records dropped because the syslog queue was full", read.syslog_dropped),
            "log_lines_lost": ("Lines of the log and of --debug that were not written", read.log_lines_lost),
            "worker_deaths": ("Unexpected ends of worker and watcher processes", read.worker_deaths),
        }
        for name, (text, value) in counters.items():
            yield CounterMetricFamily(f"radius_voice_{name}", text, value=float(value()))
        info = GaugeMetricFamily("radius_voice_build_info", "Always 1; the version is its label", labels=["version"])
        info.add_metric([__version__], 1.0)
        yield info
