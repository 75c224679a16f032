"""The log: what an administrator must act on, and why users were rejected.

It has a line for every request only at level `debug`; the audit log has the details of every request.
"""

from __future__ import annotations

import logging
import re
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from radius_voice.events import (
    Called,
    CallResult,
    Discarded,
    Ended,
    Event,
    Followed,
    Lifecycle,
    Operated,
    Outcome,
    Reason,
    Recorded,
    Step,
)
from radius_voice.login.model import CallStatus
from radius_voice.observe.pace import Pace

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["text", "json"]

PERIOD = 1.0
OFF = logging.CRITICAL + 1

_CODE = re.compile(r"\b\d{5}\b")
_COUNTRY = "the provider does not call this country; enable it in Twilio's geographic permissions, or forbid it here"
MENDS = {
    "20003": "Twilio refused the credentials; run radius-voice test-credentials",
    "20404": "Twilio knows no such account; check account_sid and run radius-voice test-credentials",
    "21210": "`from` is no verified number of this Twilio account; run radius-voice test-credentials",
    "21212": "`from` is not a valid number; run radius-voice test-credentials",
    "21215": _COUNTRY,
    "13227": _COUNTRY,
    "32205": _COUNTRY,
    "21219": "a Twilio trial account calls verified numbers only; verify this one or upgrade the account",
}
OTHER_MEND = "run radius-voice test-credentials, and look the detail up at the provider"
SAID = {
    Outcome.ACCEPT: "accepted",
    Outcome.CHALLENGE: "challenged",
    Outcome.REJECT: "rejected",
    Outcome.SILENCE: "not answered",
}
SEVERE = {"reload_failed": logging.ERROR, "warning": logging.WARNING, "users_file_invalid": logging.WARNING}


def configure(level: Level, form: Format, stream: TextIO) -> FilteringBoundLogger:
    """Configure structlog to write lines of at least `level` to `stream`, and restrict libraries' messages.

    `form` is `text` (in colours on a terminal) or `json`. Of the messages that libraries log through `logging`, those
    of at least WARNING are shown, but only by library, place and type of exception: their texts may hold headers,
    packets or credentials. Twilio's are not shown at all.
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
    logging.getLogger("twilio").setLevel(OFF)
    root = logging.getLogger()
    root.handlers[:] = [Libraries(logger)]
    root.setLevel(logging.WARNING)
    return logger


class Lines:
    """Writes lines to a stream. A line that cannot be written is lost and raises nothing."""

    def __init__(self, stream: TextIO) -> None:
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
    """Logs that a library logged something, and where, without its text; at most once a second for each place."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__(logging.WARNING)
        self._logger = logger
        self._places = Pace(PERIOD, time.monotonic)

    def emit(self, record: logging.LogRecord) -> None:
        """Log the library's name, the place of its logging call, and the exception's type and place."""
        place = f"{record.module}.py:{record.lineno}"
        held = self._places.admit(f"{record.name} {place}", "lines")
        if held is None:
            return
        fields: dict[str, object] = {"library": record.name, "place": place, **_filled(suppressed=held)}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            fields["error"] = type(error).__name__
            frames = traceback.extract_tb(error.__traceback__)
            if frames:
                fields["raised"] = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}"
        self._logger.log(record.levelno, "a library complains", **fields)


class Log:
    """An observer that logs failures, alarms, rejects and lifecycle records. `now` is monotonic seconds."""

    def __init__(self, logger: FilteringBoundLogger, now: Callable[[], float]) -> None:
        self._logger = logger
        self._discards = Pace(PERIOD, now)
        self._silences = Pace(PERIOD, now)

    def __call__(self, record: Recorded) -> None:
        """Log `record` at the level of its kind; floods are limited."""
        if isinstance(record, Event):
            self._request(record)
        elif isinstance(record, Discarded):
            self._discarded(record)
        elif isinstance(record, Called):
            self._called(record)
        elif isinstance(record, Followed):
            level = logging.INFO if record.status == CallStatus.FAILED else logging.DEBUG
            self._logger.log(
                level,
                "call followed",
                status=record.status,
                login=record.login,
                provider=record.provider,
                reference=record.reference,
            )
        elif isinstance(record, Ended):
            self._logger.info("logins ended without their code", count=record.count)
        elif isinstance(record, Lifecycle):
            self._logger.log(SEVERE.get(record.what, logging.INFO), record.what, **_filled(detail=record.detail))
        elif isinstance(record, Operated):
            self._logger.info(record.what, user=record.user, sources=", ".join(record.sources), uid=record.uid)

    def _request(self, event: Event) -> None:
        level = logging.DEBUG
        held: Mapping[str, int] | None = {}
        if event.reason is Reason.BYPASSED:
            level = logging.WARNING
        elif event.outcome is Outcome.REJECT:
            level = logging.INFO
        elif event.outcome is Outcome.SILENCE and event.reason is not Reason.STATUS:
            level = logging.ERROR if event.reason is Reason.INTERNAL_ERROR else logging.WARNING
            held = self._silences.admit(event.client, event.reason, event.repeated or 1)
        if held is None or not self._logger.is_enabled_for(level):
            return
        self._logger.log(
            level,
            SAID[event.outcome],
            reason=event.reason,
            client=event.client,
            source=event.source,
            **_filled(
                user=event.user,
                login=event.login,
                calling_station=event.calling_station,
                phone=event.phone,
                repeated=event.repeated,
                suppressed=held,
                steps=event.steps,
            ),
        )

    def _discarded(self, discarded: Discarded) -> None:
        held = self._discards.admit(discarded.client, discarded.reason)
        if held is None:
            return
        self._logger.warning(
            "datagram discarded",
            reason=discarded.reason,
            source=discarded.source,
            **_filled(client=discarded.client, detail=discarded.detail, suppressed=held),
        )

    def _called(self, called: Called) -> None:
        if called.alarm:
            code = _CODE.search(called.detail)
            fix = MENDS.get(code.group(), OTHER_MEND) if code else OTHER_MEND
        else:
            fix = ""
        if called.alarm or called.result in (CallResult.NOT_PLACED, CallResult.UNKNOWN):
            level = logging.WARNING
        elif called.result is CallResult.NUMBER_REFUSED:
            level = logging.INFO
        else:
            level = logging.DEBUG
        if not self._logger.is_enabled_for(level):
            return
        self._logger.log(
            level,
            "call asked for",
            result=called.result,
            provider=called.provider,
            login=called.login,
            phone=called.phone,
            **_filled(reference=called.reference, detail=called.detail, fix=fix),
        )


def _filled(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value}


def _readable(_logger: WrappedLogger, _method: str, fields: EventDict) -> EventDict:
    """Format steps and counts as text, and escape control characters."""
    for name, value in fields.items():
        match value:
            case tuple():
                text = ", ".join(_shown(step) for step in value)
            case dict():
                text = ", ".join(f"{kind} {count}" for kind, count in value.items())
            case str():
                text = str(value)
            case _:
                continue
        fields[name] = text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
    return fields


def _shown(step: Step) -> str:
    return f"{step.name} {step.after:.4f}{f' ({step.detail})' if step.detail else ''}"
