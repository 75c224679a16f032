"""The log: problems that an administrator must act on, and why users were rejected.

It has a line for every request only at level `debug`; the audit log has the details of every request.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from radius_voice.events import (
    AlarmRecord,
    CallStatusRecord,
    DeliveryOutcome,
    DiscardRecord,
    EventRecord,
    ExpiryRecord,
    OperatorRecord,
    Outcome,
    PlacementRecord,
    Reason,
    RequestRecord,
    ServiceRecord,
)
from radius_voice.login.model import CallStatus
from radius_voice.observe.discard_fixes import FIXES
from radius_voice.observe.outcome_texts import OUTCOME_TEXTS
from radius_voice.observe.stream import TextStream
from radius_voice.observe.throttle import Throttle
from radius_voice.trace import TraceStep

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]

PERIOD = 1.0
SEVERE = {"reload_failed": logging.ERROR, "warning": logging.WARNING, "users_file_invalid": logging.WARNING}


def configure(level: Level, form: Format, stream: TextStream) -> FilteringBoundLogger:
    """Configure structlog to write lines of at least `level` to `stream`, and restrict libraries' messages.

    `form` is `text` (in colours on a terminal) or `json`. Of the messages that libraries log through `logging`, those
    of at least WARNING are shown, but only by library, place and type of exception: their texts may hold headers,
    packets or credentials.
    """
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _readable,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: Lines(stream),
        cache_logger_on_first_use=False,
    )
    logger: FilteringBoundLogger = structlog.get_logger().bind()  # bound now: the lazy proxy binds at every line
    root = logging.getLogger()
    root.handlers[:] = [Libraries(logger)]
    root.setLevel(logging.WARNING)
    return logger


class Lines:
    """Writes lines to a stream. A line that cannot be written is lost and raises nothing."""

    def __init__(self, stream: TextStream) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write one line."""
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = msg


class Libraries(logging.Handler):
    """Logs the place of each warning of a library, without its text, at most once a second for each place."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger
        self._places = Throttle(PERIOD, time.monotonic)

    def emit(self, record: logging.LogRecord) -> None:
        """Log the library's name, the place of its logging call, and the exception's type and place."""
        place = f"{record.module}.py:{record.lineno}"
        suppressed = self._places.admit(f"{record.name} {place}", "lines")
        if suppressed is None:
            return
        fields: dict[str, object] = {"library": record.name, "place": place, **_filled(suppressed=suppressed)}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            fields["error"] = type(error).__name__
            frames = traceback.extract_tb(error.__traceback__)
            if frames:
                fields["raised"] = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
        self._logger.log(record.levelno, "a library logs a warning", **fields)


class Log:
    """An observer that logs failures, alarms, rejects and records of the service. `now` is monotonic seconds."""

    def __init__(self, logger: FilteringBoundLogger, now: Callable[[], float]) -> None:
        self._logger = logger
        self._discards = Throttle(PERIOD, now)
        self._no_responses = Throttle(PERIOD, now)

    def __call__(self, record: EventRecord) -> None:
        """Log `record` at the level of its kind; floods are limited."""
        if isinstance(record, RequestRecord):
            self._request(record)
        elif isinstance(record, DiscardRecord):
            self._discarded(record)
        elif isinstance(record, PlacementRecord):
            self._called(record)
        elif isinstance(record, CallStatusRecord):
            level = logging.INFO if record.status == CallStatus.FAILED else logging.DEBUG
            self._logger.log(
                level,
                "call status",
                status=record.status,
                session=record.session,
                provider=record.provider,
                reference=record.reference,
            )
        elif isinstance(record, ExpiryRecord):
            self._logger.info("sessions expired without a code", count=record.count)
        elif isinstance(record, ServiceRecord):
            self._logger.log(SEVERE.get(record.event, logging.INFO), record.event, **_filled(detail=record.detail))
        elif isinstance(record, AlarmRecord):
            self._logger.warning(
                "alarm",
                alarm=record.alarm,
                detail=record.detail,
                **_filled(user=record.user, client=record.client),
            )
        elif isinstance(record, OperatorRecord):
            self._logger.info(
                record.event,
                user=record.user,
                identity_source=record.identity_source,
                uid=record.uid,
                **_filled(by=record.by, detail=record.detail),
            )

    def _request(self, event: RequestRecord) -> None:
        level = logging.DEBUG
        suppressed: Mapping[str, int] | None = {}
        if event.reason is Reason.BYPASS:
            level = logging.WARNING
        elif event.outcome is Outcome.REJECT:
            level = logging.INFO
        elif event.outcome is Outcome.NO_RESPONSE and event.reason is not Reason.STATUS:
            level = logging.ERROR if event.reason is Reason.INTERNAL_ERROR else logging.WARNING
            suppressed = self._no_responses.admit(event.client, event.reason, event.repeated or 1)
        if suppressed is None or not self._logger.is_enabled_for(level):
            return
        self._logger.log(
            level,
            OUTCOME_TEXTS[event.outcome],
            reason=event.reason,
            client=event.client,
            client_address=event.client_address,
            **_filled(
                user=event.user,
                session=event.session,
                calling_station_id=event.calling_station_id,
                phone=event.phone,
                repeated=event.repeated,
                suppressed=suppressed,
                steps=event.steps,
            ),
        )

    def _discarded(self, discarded: DiscardRecord) -> None:
        suppressed = self._discards.admit(discarded.client, discarded.reason)
        if suppressed is None:
            return
        self._logger.warning(
            "datagram discarded",
            reason=discarded.reason,
            client_address=discarded.client_address,
            fix=FIXES[discarded.reason],
            **_filled(client=discarded.client, detail=discarded.detail, suppressed=suppressed),
        )

    def _called(self, called: PlacementRecord) -> None:
        if called.alarm or called.result in (DeliveryOutcome.NOT_PLACED, DeliveryOutcome.INDETERMINATE):
            level = logging.WARNING
        elif called.result is DeliveryOutcome.NUMBER_REJECTED:
            level = logging.INFO
        else:
            level = logging.DEBUG
        if not self._logger.is_enabled_for(level):
            return
        self._logger.log(
            level,
            "delivery requested",
            result=called.result,
            provider=called.provider,
            method=called.method,
            session=called.session,
            phone=called.phone,
            **_filled(reference=called.reference, detail=called.detail, fix=called.fix),
        )


def _filled(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value}


def _readable(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    """Format steps and counts as text, and escape control characters."""
    for name, value in fields.items():
        match value:
            case tuple():
                text = ", ".join(_step_text(step) for step in value)
            case dict():
                text = ", ".join(f"{kind} {count}" for kind, count in value.items())
            case str():
                text = str(value)
            case _:
                continue
        fields[name] = text if text.isprintable() else _one_line(text)
    return fields


def _one_line(text: str) -> str:
    """The lines of a text, separated by semicolons, with control characters escaped."""
    joined = "; ".join(text.splitlines())
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in joined
    )


def _step_text(step: TraceStep) -> str:
    return f"{step.name} {step.after:.4f}{f' ({step.detail})' if step.detail else ''}"
