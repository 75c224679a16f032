"""Plays the speech of simulated calls through espeak-ng."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from subprocess import DEVNULL, PIPE
from xml.sax.saxutils import escape

import click

PROGRAM = "espeak-ng"
WORDS_PER_MINUTE = 140
MAX_SECONDS = 120.0
"""The maximum duration of playing one call."""
END_SECONDS = 2.0
"""How long the program may take to end when it is terminated."""
FAILED = "error:"
"""The beginning of the last line on standard error after a failure. Without an audio device, the exit code is 0."""
SINGLE_DIGIT = re.compile(r"(?<!\w)(\d)(?!\w)")


def require_program() -> None:
    """Raise ClickException with the fix unless espeak-ng is installed."""
    if shutil.which(PROGRAM) is None:
        raise click.ClickException(f"--speak needs {PROGRAM}; install it, on Debian with: apt install {PROGRAM}")


def ssml(speech: str) -> str:
    """The speech of a simulated call as SSML, with a pause of a second before each digit, as in the call."""
    spoken = SINGLE_DIGIT.sub(r'<break time="1s"/>\1', escape(speech))
    return f"<speak>{spoken}</speak>"


def command(language: str, *options: str) -> list[str]:
    """The command that plays SSML from its standard input."""
    return [PROGRAM, "-m", "-v", language, "-s", str(WORDS_PER_MINUTE), *options, "--stdin"]


@asynccontextmanager
async def playing(speech: str, language: str) -> AsyncIterator[asyncio.Task[None]]:
    """Play the speech; the task ends when it was played. The rest of the speech is cut off when the context ends."""
    process = await asyncio.create_subprocess_exec(*command(language), stdin=PIPE, stdout=DEVNULL, stderr=PIPE)
    task = asyncio.create_task(_played(process, speech))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await _end(process)


async def _played(process: asyncio.subprocess.Process, speech: str) -> None:
    try:
        _, errors = await asyncio.wait_for(process.communicate(ssml(speech).encode()), MAX_SECONDS)
    except TimeoutError:
        click.echo(f"{PROGRAM} did not end within {MAX_SECONDS:.0f} s", err=True)
        return
    lines = errors.decode(errors="replace").strip().splitlines() or [""]
    if process.returncode or lines[-1].startswith(FAILED):
        reason = lines[-1].removeprefix(FAILED).strip() or f"it ended with code {process.returncode}"
        click.echo(f"{PROGRAM} could not play the speech: {reason}; is there an audio device?", err=True)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
