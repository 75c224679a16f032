"""Every package that the program imports is one that its installation brings."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {
    "radius_voice/stores/redis": "redis",
    "radius_voice/identity/ldap/": "ldap",
    "radius_voice/identity/sql/": "sql",
}
"""The extra that the files with that prefix may use."""


def named(requirements: list[str]) -> set[str]:
    """The distributions of requirements, and those of their extras that have an own name, like hiredis."""
    texts = [re.split("[<>=~! ]", requirement, maxsplit=1)[0] for requirement in requirements]
    return {name.lower() for text in texts for name in re.findall(r"[A-Za-z0-9-]+", text)}


def imported(path: Path) -> set[str]:
    """The top-level modules that a file imports, wherever in the file."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"radius_voice"}


@cache
def distributions_of(module: str) -> set[str]:
    """The distributions that have a module, in normal form (PEP 503)."""
    return {name.lower().replace("_", "-") for name in packages_distributions().get(module, ())}


def not_installed(path: Path) -> set[str]:
    """The modules that a file imports, and that its requirements do not bring."""
    where = path.relative_to(ROOT).as_posix()
    extras = [extra for prefix, extra in EXTRAS.items() if where.startswith(prefix)]
    optional = [each for extra in extras for each in PROJECT["optional-dependencies"][extra]]
    allowed = named(PROJECT["dependencies"] + optional) | {"pydantic-core"}  # a part of pydantic
    return {f"{where}: {module}" for module in imported(path) if not distributions_of(module) & allowed}


def test_each_imported_package_is_a_dependency():
    files = (ROOT / "radius_voice").rglob("*.py")
    assert set() == set().union(*map(not_installed, files))
