"""The README of a support bundle."""

from __future__ import annotations

from collections.abc import Collection, Mapping

DESCRIPTIONS = {
    "configuration.yaml": "the settings in effect, with the defaults",
    "versions.json": "versions of radius-voice, Python, its packages and the operating system",
    "files.txt": "mode, owner, group, octets and time of the files of the service",
    "status.json": "radius-voice status --json",
    "check.json": "radius-voice check --connect --json",
    "clients.json": "radius-voice clients --json",
    "limits.json": "radius-voice limits --json",
    "metrics.txt": "the metrics of the service",
    "audit.jsonl": "recent records of the audit log",
    "log.txt": "the recent log",
}
SECRETS = """\
Secrets are not included: shared secrets, passwords, tokens and keys have placeholders like <secret from file>, texts
of templates of http-request have <text>, and no file that holds a secret is included. Codes and passwords of users
are in none of these files. Phone numbers are masked.
"""
WITH_NAMES = """\
User names, IP addresses and the addresses of callers are included. To replace them by hashes, create the bundle with
--without-names.
"""
WITHOUT_NAMES = """\
User names, IP addresses and the addresses of callers are replaced by hashes, the same name by the same hash. The key
of the hashes is not stored. The names of clients, policies, groups, servers and files are included. A user name is
replaced if it is in a users file, or in the audit records or the log of this bundle.
"""


def readme(files: Collection[str], problems: Mapping[str, str], since: str, at: str, *, with_names: bool) -> str:
    """The text for these files. `problems` says why files are missing or incomplete."""
    lines = ["Support bundle of radius-voice", "", f"Created at {at}. Audit records and log since {since}.", ""]
    lines += [f"  {name:<20}{DESCRIPTIONS[name]}" for name in DESCRIPTIONS if name in files]
    lines += ["", SECRETS, WITH_NAMES if with_names else WITHOUT_NAMES]
    missing = [name for name in DESCRIPTIONS if name not in files]
    if missing:
        lines += ["Not included:", *(_problem(name, problems.get(name, "not available")) for name in missing), ""]
    incomplete = [name for name in problems if name in files]
    if incomplete:
        lines += ["Not complete:", *(_problem(name, problems[name]) for name in incomplete), ""]
    return "\n".join(lines)


def _problem(name: str, text: str) -> str:
    return f"  {name}: " + text.replace("\n", "\n    ")
