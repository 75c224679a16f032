"""Values of the service that the metrics read when they are scraped."""

from __future__ import annotations

import time
from collections.abc import Callable

from radius_voice.config.start_warnings import bypass_until, report_modes
from radius_voice.observe.metrics import Readings
from radius_voice.server.server import Server
from radius_voice.service.housekeeping import Housekeeping
from radius_voice.service.reload import Generations
from radius_voice.service.reporting import Reporter


def readings_of(
    reporter: Reporter,
    generations: Generations,
    server: Server,
    housekeeping: Housekeeping,
    log_lines_lost: Callable[[], int],
    worker_deaths: Callable[[], int],
) -> Readings:
    """The values of one process. `worker_deaths` counts the processes of the service that have died."""
    return Readings(
        open_sessions=lambda: housekeeping.open_sessions,
        requests_in_progress=lambda: server.in_progress,
        requests_held=lambda: server.held,
        bypass_active=lambda: bypass_until(generations.newest.settings) > time.time(),
        development=lambda: generations.newest.settings.development,
        report_modes=lambda: report_modes(generations.newest.settings, time.time()),
        users_files_invalid=lambda: {
            name: source.problem is not None
            for name, source in generations.newest.identity.items()
            if source.directory is not None
        },
        providers_skipped=lambda: {name: each.is_open for name, each in generations.newest.breakers.items()},
        audit_failures=lambda: reporter.audit.failures,
        log_lines_lost=log_lines_lost,
        syslog_dropped=lambda: reporter.syslog.dropped if reporter.syslog else 0,
        worker_deaths=worker_deaths,
    )
