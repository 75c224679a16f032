"""Writes the configuration of a plan as YAML with comments."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import yaml

from radius_voice.config.init import TOKEN_FILE
from radius_voice.importing.plan import Entry, Plan
from radius_voice.importing.words import printable

WIDTH = 118
LAST_STEPS = (
    "Replace the placeholders in delivery: friendly_name, account_sid, auth_token and from.",
    "Run: radius-voice check -c radius-voice.yaml",
    "Log in with radius-voice login before a gateway uses this server. docs/migrating.md has the order of work.",
)
DELIVERY = f"""\
delivery:
  # Placeholder: the name of the service, as users hear and read it.
  friendly_name: ACME VPN
  providers:
    twilio:
      type: twilio-voice
      # Placeholders: the SID, the auth token and a number of the Twilio account.
      account_sid: AC00000000000000000000000000000000
      auth_token: {{file: {TOKEN_FILE}}}
      from: "+15005550006"
"""
AUDIT = "audit:\n  path: audit.jsonl\n"
STATE = "  # state: state\n"
"""Lines that `config.init` replaces for the directory of the Debian package."""


def steps_of(plan: Plan) -> list[str]:
    """The manual steps, in order."""
    return [*map(printable, plan.steps), *LAST_STEPS]


def render(plan: Plan) -> str:
    """The text of the configuration."""
    head = [
        f"Imported from {plan.source.name} ({plan.program}). Settings: docs/settings.md",
        "A comment in a section is about the imported file. The manual steps are at the end of this file.",
        *plan.notes,
    ]
    blocks = [
        "".join(_comments(head, 0)),
        "".join(_server(plan)),
        "".join(_section("clients", plan.clients)),
        "".join(_section("identity", plan.identity)),
        "".join(_section("policies", plan.policies)),
        DELIVERY + (f"      proxy: {_value(plan.proxy)}\n" if plan.proxy else ""),
        AUDIT,
        "".join(_steps(steps_of(plan))),
    ]
    return "\n".join(block for block in blocks if block)


def _server(plan: Plan) -> Iterator[str]:
    yield "server:\n"
    yield f"  listen: {_value(plan.listen)}\n"
    if plan.accounting:
        yield f"  accounting: {_value(plan.accounting)}\n"
    yield STATE


def _section(name: str, entries: Sequence[Entry]) -> Iterator[str]:
    if not entries:
        return
    yield f"{name}:\n"
    for entry in entries:
        mark = "" if entry.usable else "# "
        yield f"  {mark}{entry.name}:{f'   # {printable(entry.origin)}' if entry.origin else ''}\n"
        yield from _comments(entry.comments, 4)
        for key, value in entry.keys.items():
            yield f"  {mark}  {key}: {_value(value)}\n"
        for example in entry.examples:
            yield f"    # {example}\n"


def _steps(steps: Iterable[str]) -> Iterator[str]:
    yield "# Manual steps:\n"
    for number, step in enumerate(steps, 1):
        start = f"# {number}. "
        yield textwrap.fill(step, WIDTH, initial_indent=start, subsequent_indent="#    ", **_PLAIN) + "\n"


_PLAIN: Any = {"break_long_words": False, "break_on_hyphens": False}


def _comments(texts: Iterable[str], indent: int) -> Iterator[str]:
    """Comments, in lines of at most WIDTH characters. No character of the texts can end a comment."""
    start = f"{' ' * indent}# "
    for text in texts:
        yield textwrap.fill(printable(text), WIDTH, initial_indent=start, subsequent_indent=start, **_PLAIN) + "\n"


def _value(value: Any) -> str:
    """A value in YAML, in one line."""
    options: Any = {"default_flow_style": True, "sort_keys": False, "width": 1 << 30, "allow_unicode": True}
    text: str = yaml.safe_dump([value], **options)
    return text.strip()[1:-1]
