"""Asks for a new password, and checks its length."""

from __future__ import annotations

import sys
import unicodedata

import click

MAX_PASSWORD_OCTETS = 128  # octets: RFC 2865 section 5.2
MIN_PASSWORD_CHARACTERS = 8


def asked_password() -> str:
    """Ask twice on a terminal, else read one line from standard input; raises click.ClickException with the fix."""
    if sys.stdin.isatty():
        text: str = click.prompt("Password", hide_input=True, confirmation_prompt="Once more", err=True)
    else:
        line = sys.stdin.buffer.readline()
        try:
            text = line.decode().rstrip("\r\n")
        except UnicodeDecodeError:
            raise click.ClickException("the password is not UTF-8; send it in this encoding") from None
    if not text:
        raise click.ClickException("the password is empty; give one, on the terminal or as one line of standard input")
    if len(unicodedata.normalize("NFC", text)) < MIN_PASSWORD_CHARACTERS:
        raise click.ClickException(f"the password is too short; give at least {MIN_PASSWORD_CHARACTERS} characters")
    if len(text.encode("utf-8", "surrogatepass")) > MAX_PASSWORD_OCTETS:
        raise click.ClickException(
            f"the password is longer than {MAX_PASSWORD_OCTETS} octets, the maximum in RADIUS; give a shorter one"
        )
    return text
