"""Reads the configuration: every error of a file at once, or settings that can be used as they are."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr, TypeAdapter, ValidationError

from radius_voice import strict_yaml
from radius_voice.config import rules
from radius_voice.config.errors import ConfigError, Finding, findings_of, placed
from radius_voice.config.kinds import Place
from radius_voice.config.schema import (
    Admin,
    Audit,
    Client,
    Fixed,
    Identity,
    Policy,
    Provider,
    Server,
    Settings,
    TwilioVoice,
    json_schema,
)
from radius_voice.config.secrets import UnavailableSecret
from radius_voice.config.stores import Store
from radius_voice.file_access import READ_ACCESS, WRITE_ACCESS, exposed_directories, exposure
from radius_voice.files import read_file

LARGEST = 1_048_576
NEED_RESTART = (
    "server.listen",
    "server.state",
    "server.key",
    "server.workers",
    "store",
    "admin.listen",
    "admin.hosts",
    "audit",
    "log",
)
SERVER = TypeAdapter(Server)
STORE: TypeAdapter[Store] = TypeAdapter(Store)
ADMIN = TypeAdapter(Admin)
AUDIT = TypeAdapter(Audit)
CLIENT = TypeAdapter(Client)
IDENTITY: TypeAdapter[Identity] = TypeAdapter(Identity)
POLICY = TypeAdapter(Policy)
PROVIDER: TypeAdapter[TwilioVoice | Fixed] = TypeAdapter(Provider)
Part = TypeVar("Part")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and what a person should know about them: sentences with file and line.

    `lines` are those of the file `name`, for findings that come later. `secret_files` are the files that secrets
    were read from.
    """

    settings: Settings
    warnings: tuple[str, ...]
    secret_files: tuple[Path, ...]
    name: str
    lines: Mapping[strict_yaml.Path, int] = field(repr=False)

    def placed(self, findings: Iterable[Finding]) -> tuple[str, ...]:
        """Findings about the file as sentences with file, line and key."""
        return tuple(placed(self.name, self.lines, findings))


def load(
    path: Path | str,
    environ: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.time,
    *,
    for_service: bool = True,
    owner: int | None = None,
) -> Loaded:
    """Read and check a configuration file; raises ConfigError with everything that is wrong.

    Secrets are fetched and paths made absolute, from the file's folder. `environ` is the process's if
    not given; `clock` is wall-clock seconds, to judge a bypass by. With `for_service=False`, for a command, a secret
    that only the service can read becomes `UnavailableSecret`. The file and the file of `server.key` must belong to
    root or to the user id `owner`: a service's default is its own, a command's is None, which leaves owners aside.
    """
    path = Path(path)
    text, status = _content_of(path)
    owner = os.geteuid() if for_service and owner is None else owner
    try:
        tree, lines = strict_yaml.load(text, str(path), sections=Settings.model_fields)
    except strict_yaml.StrictYamlError as error:
        raise ConfigError(str(error).splitlines()) from None
    if not isinstance(tree, dict):
        what = "is empty" if tree is None else "is not a mapping of settings"
        raise ConfigError([f"{path}:1: {what}; make a new configuration with: radius-voice init DIRECTORY"])
    place = Place(Path(os.path.abspath(path)).parent, os.environ if environ is None else environ)  # noqa: PTH100 - a link's own folder counts
    if not for_service:
        place.unavailable = UnavailableSecret
    filled = _filled(tree)
    # Rules judge the length and the likeness of secrets: one that cannot be read passes for a good one.
    assumed = replace(place, unavailable=place.unavailable and (lambda _: SecretStr(secrets.token_urlsafe(48))))
    draft = _draft(filled, assumed)
    settings, findings = _checked(filled, draft, place, clock())
    findings += _key_file_findings(tree, place, owner)
    if for_service or findings:
        findings += rules.users_files(draft)
    files = (path, *place.secret_files, *(source.path for source in draft.identity.values()))
    exposed = [*_exposed(path, status, tree, place, owner), *exposed_directories(files, owner)]
    errors = [*exposed, *placed(str(path), lines, findings)]
    if settings is None or errors:
        raise ConfigError(errors, {name: source.path for name, source in draft.identity.items()})
    unused = rules.unused_policies(draft, _mapping(tree.get("policies")))
    warnings = [*rules.warnings(draft, clock()), *unused, *rules.secret_warnings(settings, place.directory)]
    told = tuple(placed(str(path), lines, warnings))
    return Loaded(settings, told, tuple(dict.fromkeys(place.secret_files)), str(path), lines)


def restart_needed(running: Settings, wanted: Settings) -> list[str]:
    """The keys of `wanted` that take effect at a restart only, and that differ from the settings of `running`."""
    return [key for key in NEED_RESTART if _value(running, key) != _value(wanted, key)]


def until_restart(running: Settings, wanted: Settings) -> Settings:
    """What is in force after a reload of `wanted`: everything of it but the keys that need a restart."""
    for key in NEED_RESTART:
        section, _, name = key.partition(".")
        value = getattr(running, section)
        if name:
            value = getattr(wanted, section).model_copy(update={name: getattr(value, name)})
        wanted = wanted.model_copy(update={section: value})
    return wanted


def _value(settings: Settings, key: str) -> Any:
    return reduce(getattr, key.split("."), settings)


def _content_of(path: Path) -> tuple[str, os.stat_result]:
    try:
        octets, status = read_file(path, LARGEST + 1)
    except PermissionError:
        raise ConfigError([f"{path}: is not readable by this user; give it to the server's user"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError([f"{path}: cannot be read: {reason}"]) from None
    if len(octets) > LARGEST:
        raise ConfigError([f"{path}: is larger than {LARGEST} octets, which is no configuration"])
    try:
        return octets.decode("utf-8-sig"), status
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}:{line}: is not UTF-8; save the file as UTF-8"]) from None


def _checked(
    filled: dict[str, Any], draft: rules.Draft, place: Place, now: float
) -> tuple[Settings | None, list[Finding]]:
    """Settings (None when something is wrong), and what is wrong."""
    errors = list(rules.errors(draft, now))
    try:
        settings = Settings.model_validate(filled, context=place)
    except ValidationError as error:
        return None, [*findings_of(error, filled, json_schema()), *errors]
    return (None if errors else settings), errors


def _filled(tree: dict[str, Any]) -> dict[str, Any]:
    """A copy with what goes without saying when there is one identity source, and with all providers in order."""
    filled = dict(tree)
    identity, delivery, policies = _mapping(tree.get("identity")), tree.get("delivery"), tree.get("policies", {})
    if len(identity) == 1 and isinstance(policies, dict):
        (source,) = identity
        roles = {"first_factor": source, "directory": source}
        written = {"default": {}, **policies}
        filled["policies"] = {
            name: {**roles, **policy} if isinstance(policy, dict) else policy for name, policy in written.items()
        }
    if isinstance(delivery, dict) and "voice" not in delivery:
        filled["delivery"] = {**delivery, "voice": list(_mapping(delivery.get("providers")))}
    return filled


def _draft(tree: dict[str, Any], place: Place) -> rules.Draft:
    """The parts of `tree` that are right by themselves."""
    delivery = _mapping(tree.get("delivery"))
    policies, providers = _mapping(tree.get("policies")), _mapping(delivery.get("providers"))
    clients, voice = _mapping(tree.get("clients")), delivery.get("voice")
    policy_of = {name: _mapping(client).get("policy", "default") for name, client in clients.items()}
    source_of = {
        (name, role): policy.get(role, "")
        for name, policy in policies.items()
        for role in ("first_factor", "directory")
        if isinstance(policy, dict)
    }
    return rules.Draft(
        development=tree.get("development") is True,
        server=_right({"server": tree.get("server", {})}, SERVER, place).get("server"),
        store=_right({"store": tree.get("store", {"type": "sqlite"})}, STORE, place).get("store"),
        admin=_right({"admin": tree.get("admin", {})}, ADMIN, place).get("admin"),
        audit=_right({"audit": tree.get("audit", {})}, AUDIT, place).get("audit"),
        clients=_right(clients, CLIENT, place),
        policies=_right(policies, POLICY, place),
        providers=_right(providers, PROVIDER, place),
        identity=_right(_mapping(tree.get("identity")), IDENTITY, place),
        identity_names=list(_mapping(tree.get("identity"))),
        policy_names=list(policies),
        provider_names=list(providers),
        voice=[name for name in voice if isinstance(name, str)] if isinstance(voice, list) else [],
        policy_of={name: policy for name, policy in policy_of.items() if isinstance(policy, str)},
        source_of={role: source for role, source in source_of.items() if isinstance(source, str)},
    )


def _right(parts: dict[str, Any], kind: TypeAdapter[Part], place: Place) -> dict[str, Part]:
    right: dict[str, Part] = {}
    for name, part in parts.items():
        with suppress(ValidationError):
            right[name] = kind.validate_python(part, context=place)
    return right


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _exposed(
    path: Path, status: os.stat_result, tree: dict[str, Any], place: Place, owner: int | None
) -> Iterator[str]:
    """Why the file cannot be trusted: other users may change it, or read a secret that is written in it."""
    yield from exposure(path, status, WRITE_ACCESS, owner)
    if place.holds_secret and tree.get("development") is not True:
        for problem in exposure(path, status, READ_ACCESS, None):
            yield f"{problem}, or keep the secret that it holds in a file of its own"


def _key_file_findings(tree: dict[str, Any], place: Place, owner: int | None) -> Iterator[Finding]:
    match _mapping(tree.get("server")).get("key"):
        case {"file": str(name)}:
            path = place.directory / name
            with suppress(OSError, ValueError):  # a file that cannot be read is reported where it is read
                for problem in exposure(path, path.stat(), 0, owner):
                    yield ("server", "key"), problem
