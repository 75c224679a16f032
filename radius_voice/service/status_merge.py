"""Merges the states of a service's processes into one status, and decides whether the service is healthy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from radius_voice.login.deliveries.circuit_breaker import State
from radius_voice.service.reload_result import FAILED

OF_A_PROCESS = ("worker", "process", "started_at", "generation", "requests_in_progress", "requests_held")
BREAKER_ORDER = tuple(State)
"""The states of a circuit breaker, the best first: from closed (the provider is used) to open (it is skipped)."""

Part = Mapping[str, Any]


def merged_status(facts: Part, processes: Mapping[int, Part], workers: int, now: float) -> dict[str, Any]:
    """The status of the service at wall-clock time `now`.

    `processes` has the states of the workers that responded; `workers` is the number of all. `problems` are sentences
    about what does not work; `healthy` is False if there are any. `warnings` about unsafe or temporary settings do not
    make the service unhealthy.
    """
    states = [processes[number] for number in sorted(processes)]
    merged: dict[str, Any] = {
        **facts,
        "at": now,
        "uptime": now - facts["started_at"],
        "generation": max((state["generation"] for state in states), default=0),
        "workers": [_process(number, processes.get(number)) for number in range(workers)],
        "logins": {
            "open": max((state["logins_open"] for state in states), default=0),
            "calls": sum(state["calls"] for state in states),
        },
        "requests": {
            "in_progress": sum(state["requests_in_progress"] for state in states),
            "held": sum(state["requests_held"] for state in states),
        },
        "store": _first_problem([state["store"] for state in states]),
        "server_key": _server_key([state["server_key"] for state in states]),
        "providers": [_provider(each) for each in _by_name(states, "providers")],
        "identity": [_identity(each) for each in _by_name(states, "identity")],
        "audit": _audit([state["audit"] for state in states]),
        "reload": _reload([state["reload"] for state in states if state["reload"] is not None]),
        "warnings": list(dict.fromkeys(text for state in states for text in state["warnings"])),
    }
    problems = list(_problems(merged, states))
    return {"healthy": not problems, "problems": problems, **merged}


def _process(number: int, state: Part | None) -> Part:
    if state is None:
        return {"worker": number, "responds": False}
    return {"responds": True, **{key: state[key] for key in OF_A_PROCESS}}


def _by_name(states: Sequence[Part], key: str) -> Iterator[list[Part]]:
    """The parts of all processes about one provider or identity source, for each, in the configuration's order."""
    names = dict.fromkeys(part["name"] for state in states for part in state[key])
    for name in names:
        yield [part for state in states for part in state[key] if part["name"] == name]


def _first_problem(parts: Sequence[Part]) -> Part | None:
    """The part of the first process that has a problem, else of the first process."""
    return next((part for part in parts if part["problem"]), parts[0] if parts else None)


def _server_key(parts: Sequence[Part]) -> Part | None:
    """The part of the first process that needs a replaced key or cannot tell; otherwise of the first process."""
    return next((part for part in parts if part["needed"] is not False), parts[0] if parts else None)


def _provider(parts: Sequence[Part]) -> Part:
    results = [part["last_result"] for part in parts if part["last_result"] is not None]
    return {
        **parts[0],
        "circuit_breaker": max((State(part["circuit_breaker"]) for part in parts), key=BREAKER_ORDER.index),
        "last_result": max(results, key=lambda result: float(result["at"]), default=None),
    }


def _identity(parts: Sequence[Part]) -> Part:
    servers = dict.fromkeys(server["address"] for part in parts for server in part["servers"])
    found = [[server for part in parts for server in part["servers"] if server["address"] == each] for each in servers]
    return {**(_first_problem(parts) or {}), "servers": [_first_problem(server) for server in found]}


def _audit(parts: Sequence[Part]) -> Part | None:
    if not parts:
        return None
    dropped = [part["syslog_dropped"] for part in parts if part["syslog_dropped"] is not None]
    return {
        **(_first_problem(parts) or {}),
        "failures": sum(part["failures"] for part in parts),
        "syslog_dropped": sum(dropped) if dropped else None,
    }


def _reload(results: Sequence[Part]) -> Part | None:
    """The latest failed reload if a worker's last one failed, else the latest."""
    failed = [result for result in results if result["result"] == FAILED]
    return max(failed or results, key=lambda result: float(result["at"]), default=None)


def _problems(merged: Part, states: Sequence[Part]) -> Iterator[str]:
    yield from (f"worker {each['worker']} does not respond" for each in merged["workers"] if not each["responds"])
    if any(state["draining"] for state in states):
        yield "the service is stopping"
    if len({state["generation"] for state in states}) > 1:
        yield "the workers use different generations of the configuration; run: radius-voice reload"
    if merged["reload"] is not None and merged["reload"]["result"] == FAILED:
        yield "the last reload failed, so the previous configuration is in effect; run: radius-voice check"
    if merged["store"] is not None and merged["store"]["problem"]:
        yield f"store: {merged['store']['problem']}"
    if merged["audit"] is not None and merged["audit"]["problem"]:
        yield merged["audit"]["problem"]
    yield from _provider_problems(merged["providers"])
    yield from _identity_problems(merged["identity"])


def _provider_problems(providers: Sequence[Part]) -> Iterator[str]:
    for provider in providers:
        if provider["circuit_breaker"] != State.CLOSED:
            yield f"provider {provider['name']} has an outage and is skipped"


def _identity_problems(sources: Sequence[Part]) -> Iterator[str]:
    for source in sources:
        if source["problem"]:
            yield f"identity.{source['name']}: {source['problem']}; the users loaded before stay in effect"
        for server in source["servers"]:
            if server["problem"]:
                yield f"identity.{source['name']}: {server['address']}: {server['problem']}"
