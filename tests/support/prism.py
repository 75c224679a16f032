"""Prism, which serves one of Twilio's OpenAPI descriptions and refuses requests that it does not allow."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.requirements import require

INSTALLED = Path(__file__).parents[2] / ".peers" / "node_modules"
PRISM = INSTALLED / ".bin" / "prism"
DESCRIPTIONS = INSTALLED / "@twilio" / "cli-core" / "src" / "services" / "twilio-api"


@contextmanager
def running_prism(description: str) -> Iterator[str]:
    """Prism with the description in that file, on a free port; its base URL."""
    require("prism", PRISM.exists() and (DESCRIPTIONS / description).exists())
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
    with subprocess.Popen(
        [PRISM, "mock", "-h", "127.0.0.1", "-p", str(port), DESCRIPTIONS / description],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        said = []
        assert server.stdout is not None
        for line in server.stdout:
            said.append(line)
            if "Prism is listening" in line:
                break
        else:
            pytest.fail("prism did not start:\n" + "".join(said[-5:]), pytrace=False)
        # prism blocks when its output is not read
        threading.Thread(target=server.stdout.read, daemon=True).start()
        yield f"http://127.0.0.1:{port}"
        server.terminate()


def loaded_description(description: str) -> dict[str, Any]:
    """The description in that file."""
    require("prism", (DESCRIPTIONS / description).exists())
    loaded: dict[str, Any] = json.loads((DESCRIPTIONS / description).read_text())
    return loaded
