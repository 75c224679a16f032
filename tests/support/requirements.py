"""Tests that need a program of this machine are skipped if it is missing, and fail in CI."""

import os

import pytest


def require(name: str, found: object) -> None:
    """Return if the program `name` was `found`. Else skip the test, or fail it if the environment says CI=true."""
    if found:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed, and CI runs every peer", pytrace=False)
    pytest.skip(f"{name} is not installed")
