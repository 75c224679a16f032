"""Loads the configuration: returns valid settings, or raises all errors of the file at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from radius_voice.config import rules, strict_yaml
from radius_voice.config.adapters import SectionTypes
from radius_voice.config.attributes import holds_encrypted_value
from radius_voice.config.context import LoadContext
from radius_voice.config.draft import Draft, mapping
from radius_voice.config.errors import ConfigError, diagnostics_of, located
from radius_voice.config.schema import ServerSettings, Settings, UserRulesSettings, json_schema, settings_type
from radius_voice.config.secret_warnings import secret_warnings
from radius_voice.config.secrets import UnavailableSecret
from radius_voice.config.section import Diagnostic
from radius_voice.files.access import READ_ACCESS, WRITE_ACCESS, exposed_directories, exposure
from radius_voice.files.reading import read_file

MAX_FILE_OCTETS = 1_048_576
NEED_RESTART = (
    "server.listen",
    "server.accounting",
    "server.state",
    "server.workers",
    "store",
    "admin.listen",
    "admin.hosts",
    "callbacks",
    "audit",
    "log",
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, and warnings about them: sentences with file and line.

    `lines` has the line of each key in the file `name`, for later diagnostics. `secret_files` are the files that
    secrets were read from; `text_files` are other files that were read.
    """

    settings: Settings
    warnings: tuple[str, ...]
    secret_files: tuple[Path, ...]
    text_files: tuple[Path, ...]
    name: str
    lines: Mapping[strict_yaml.Path, int] = field(repr=False)

    def located(self, diagnostics: Iterable[Diagnostic]) -> tuple[str, ...]:
        """Diagnostics about the file as sentences with file, line and key."""
        return tuple(located(self.name, self.lines, diagnostics))


def load(
    path: Path | str,
    sections: SectionTypes,
    environ: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.time,
    *,
    for_service: bool = True,
    owner: int | None = None,
) -> Loaded:
    """Read and validate a configuration file; raises ConfigError with all errors.

    `sections` are the adapters' sections. Secrets are read. Relative paths are resolved in the file's directory.
    `environ` defaults to the environment of the process. `clock` returns wall-clock seconds, for the end of a bypass.
    With `for_service=False`, for a command, a secret that only the service can read becomes `UnavailableSecret`.

    The file and the file of `server.key` must belong to root or to the user id `owner`. Its default is the user of the
    process for the service, and None for commands, which disables the check.
    """
    path = Path(path)
    text, status = _content_of(path)
    owner = os.geteuid() if for_service and owner is None else owner
    tree, lines = _parsed(path, text)
    context = LoadContext(Path(os.path.abspath(path)).parent, os.environ if environ is None else environ)  # noqa: PTH100 - a link's own folder counts
    if not for_service:
        context.unavailable = UnavailableSecret
    filled = _with_defaults(tree)
    settings, diagnostics = _validated(filled, settings_type(sections), context)
    draft, now = Draft(filled, context.valid), clock()
    diagnostics += [*rules.errors(draft, now, context.messages), *_key_file_diagnostics(tree, context, owner)]
    if for_service or diagnostics:
        diagnostics += rules.unreadable_files(draft)
    exposed = _exposed_files(path, status, tree, context, draft, owner)
    errors = [*exposed, *located(str(path), lines, diagnostics), *context.file_errors]
    if settings is None or errors:
        raise ConfigError(errors, draft.identity, context.messages)
    unused = rules.unused_policies(draft, mapping(tree.get("policies")))
    warnings = [*rules.warnings(draft, now, context.messages), *unused, *secret_warnings(settings, context.directory)]
    texts = tuple(located(str(path), lines, warnings))
    secret_files = tuple(dict.fromkeys(context.secret_files))
    return Loaded(settings, texts, secret_files, tuple(context.text_files), str(path), lines)


def state_directory(path: Path, environ: Mapping[str, str] | None = None) -> Path:
    """`server.state` of a configuration file, even if the file has errors elsewhere or is no valid YAML.

    Raises ConfigError if the file cannot be read.
    """
    text, _ = _content_of(path)
    context = LoadContext(Path(os.path.abspath(path)).parent, os.environ if environ is None else environ)  # noqa: PTH100 - as in load
    with suppress(ConfigError, ValidationError):
        server = mapping(_parsed(path, text)[0].get("server"))
        written = {key: value for key, value in server.items() if key == "state"}
        return ServerSettings.model_validate(written, context=context).state
    return ServerSettings.model_validate({}, context=context).state


def restart_needed(running: Settings, wanted: Settings) -> list[str]:
    """The keys that take effect only after a restart, and that differ between `running` and `wanted`."""
    return [key for key in NEED_RESTART if _value(running, key) != _value(wanted, key)]


def until_restart(running: Settings, wanted: Settings) -> Settings:
    """The settings in effect after a reload of `wanted`: all of `wanted` except the keys that need a restart."""
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
        octets, status = read_file(path, MAX_FILE_OCTETS + 1)
    except PermissionError:
        raise ConfigError([f"{path}: is not readable by this user; make the service's user its owner"]) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise ConfigError([f"{path}: cannot be read: {reason}"]) from None
    if len(octets) > MAX_FILE_OCTETS:
        raise ConfigError([f"{path}: is larger than {MAX_FILE_OCTETS} octets; name a configuration file"])
    try:
        return octets.decode("utf-8-sig"), status
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}:{line}: is not UTF-8; save the file as UTF-8"]) from None


def _parsed(path: Path, text: str) -> tuple[dict[str, strict_yaml.Value], dict[strict_yaml.Path, int]]:
    """The keys and values of the file, and the lines of their paths."""
    try:
        tree, lines = strict_yaml.load(text, str(path), sections=Settings.model_fields)
    except strict_yaml.StrictYamlError as error:
        raise ConfigError(str(error).splitlines()) from None
    if not isinstance(tree, dict):
        problem = "is empty" if tree is None else "is not a mapping of settings"
        raise ConfigError([f"{path}:1: {problem}; make a new configuration with: radius-voice init DIRECTORY"])
    return tree, lines


def _validated(
    filled: dict[str, Any], model: type[Settings], context: LoadContext
) -> tuple[Settings | None, list[Diagnostic]]:
    """The settings, or None and the errors of single sections. `context` keeps the valid sections."""
    try:
        return model.model_validate(filled, context=context), []
    except ValidationError as error:
        return None, list(diagnostics_of(error, filled, json_schema(model)))


def _with_defaults(tree: dict[str, Any]) -> dict[str, Any]:
    """A copy with defaults: missing sections, and the roles of a single identity source."""
    filled = {"server": {}, "store": {"type": "sqlite"}, "audit": {}, "admin": {}, **tree}
    identity, policies = mapping(tree.get("identity")), tree.get("policies", {})
    if len(identity) == 1 and isinstance(policies, dict):
        (source,) = identity
        roles = {"first_factor": source, "directory": source}
        with_default = {"default": {}, **policies}
        filled["policies"] = {
            name: {**roles, **policy} if isinstance(policy, dict) else policy for name, policy in with_default.items()
        }
    if isinstance(filled.get("policies"), dict):
        filled["policies"] = {name: _with_inherited_rules(policy) for name, policy in filled["policies"].items()}
    return filled


def _with_inherited_rules(policy: Any) -> Any:
    """A policy whose group rules also have all rules of the policy that they do not override."""
    if not isinstance(policy, dict) or not isinstance(policy.get("group_rules"), list):
        return policy
    own = {key: value for key, value in policy.items() if key in UserRulesSettings.model_fields}
    return {**policy, "group_rules": [_inherited(own, rule) for rule in policy["group_rules"]]}


def _inherited(own: dict[str, Any], rule: Any) -> Any:
    if not isinstance(rule, dict):
        return rule
    sections = {}
    for key in ("challenge", "speech"):
        of_policy, of_group = own.get(key, {}), rule.get(key, {})
        if isinstance(of_policy, dict) and isinstance(of_group, dict):
            sections[key] = {**of_policy, **of_group}
    return {**own, **rule, **sections}


def _exposed_files(
    path: Path,
    status: os.stat_result,
    tree: dict[str, Any],
    context: LoadContext,
    draft: Draft,
    owner: int | None,
) -> Iterator[str]:
    """Files that other users can change or replace, and a configuration whose secrets other users can read."""
    yield from exposure(path, status, WRITE_ACCESS, owner)
    holds_secret = context.holds_secret or any(holds_encrypted_value(each.reply) for _, each in draft.user_rules)
    if holds_secret and tree.get("development") is not True:
        for problem in exposure(path, status, READ_ACCESS, None):
            yield f"{problem}, or move the secret to a separate file"
    of_adapters = (file for _, section in draft.adapters for file in section.files().values())
    yield from exposed_directories((path, *context.secret_files, *context.text_files, *of_adapters), owner)


def _key_file_diagnostics(tree: dict[str, Any], context: LoadContext, owner: int | None) -> Iterator[Diagnostic]:
    match mapping(tree.get("server")).get("key"):
        case {"file": str(name)}:
            path = context.directory / name
            with suppress(OSError, ValueError):  # a file that cannot be read is reported where it is read
                for problem in exposure(path, path.stat(), 0, owner):
                    yield ("server", "key"), problem
