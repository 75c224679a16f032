"""Tests against real peers are skipped by name where the peer is missing, and never skipped in CI."""

import os

import pytest


def need(name, found):
    """Go on if the peer `name` was `found`; else skip the test, or fail it where the environment says CI=true."""
    if found:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is not installed, and CI runs every peer", pytrace=False)
    pytest.skip(f"{name} is not installed")
