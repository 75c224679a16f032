"""radius-voice with the modules that every login goes through compiled by mypyc, to measure what that is worth.

A copy is compiled, under `bench/build/`; the program itself is never compiled. mypyc makes fast attributes of plain
dataclasses only, so in the copy frozen ones lose their frozenness and their slots. Needs a C compiler, Python's headers
and setuptools.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import harness
import login_cpu
import page
from harness import BenchError

BUILT = harness.BENCH / "build" / "compiled"
PATIENCE = 300.0
HOT = """
    admission authenticity clients events fair_queue server listeners/udp
    observe/audit observe/lines observe/metrics observe/pace
    radius/duplicates radius/packet radius/password stores/memory
    login/calls login/challenge login/codes login/dialog login/first_factor login/follow login/issued login/limits
    login/model login/names login/parts login/phone login/policy login/prompts login/records login/ring login/told
"""
SETUP = """
from mypyc.build import mypycify
from setuptools import setup

setup(name="radius-voice-compiled", packages=[], ext_modules=mypycify({modules}, opt_level="3"))
"""
_NOUN = re.compile(r"^@noun$", re.MULTILINE)
_DATACLASS = re.compile(r"^@dataclass\((?:frozen=True, slots=True|slots=True)(?:, (eq=False))?\)$", re.MULTILINE)


def build() -> Path:
    """Compile a copy; returns the folder to import it from. Raises BenchError."""
    shutil.rmtree(BUILT, ignore_errors=True)
    for part in ("radius_voice", "dictionaries", "config"):
        shutil.copytree(harness.PROJECT / part, BUILT / part, ignore=shutil.ignore_patterns("__pycache__"))
    modules = [f"radius_voice/{module}.py" for module in HOT.split()]
    for module in modules:
        path = BUILT / module
        path.write_text(_plain(path.read_text(encoding="utf-8")), encoding="utf-8")
    (BUILT / "setup.py").write_text(SETUP.format(modules=modules), encoding="utf-8")
    command = [sys.executable, "setup.py", "build_ext", "--inplace"]
    try:
        subprocess.run(command, cwd=BUILT, check=True, timeout=PATIENCE, capture_output=True)
    except subprocess.CalledProcessError as error:
        words = (error.stdout + error.stderr).decode(errors="replace")[-2000:]
        raise BenchError(f"mypyc does not compile it; are setuptools and a C compiler there?\n{words}") from error
    return BUILT


def _plain(source: str) -> str:
    source = source.replace("from radius_voice.nouns import noun", "from dataclasses import dataclass")
    return _DATACLASS.sub(r"@dataclass(\1)", _NOUN.sub("@dataclass(unsafe_hash=True)", source))


def main() -> int:
    args = login_cpu.with_size(page.parser(__doc__)).parse_args()
    known = login_cpu.starts(args.users)
    servers = {name: known[name] for name in (login_cpu.FREERADIUS, login_cpu.EQUAL_WORK, login_cpu.RADIUS_VOICE)}
    try:
        harness.build_radload()
        built = build()
        servers["compiled"] = lambda port, folder: login_cpu.with_store("memory", args.users, port, folder, built)
        results = login_cpu.in_turn(servers, args)
    except BenchError as error:
        print(error, file=sys.stderr)
        return 1
    method = f"`python bench/compiled.py`: medians (least and most) of {args.rounds} rounds of {args.logins:,} logins."
    page.show("compiled", method, login_cpu.table(results), page=args.page)
    return login_cpu.told(results)


if __name__ == "__main__":
    sys.exit(main())
