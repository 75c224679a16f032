"""A Prometheus that scrapes a server of a test."""

import json
import shutil
import subprocess
import urllib.parse
from pathlib import Path
from typing import Any

import yaml

from tests.support.network import LOOPBACK, free_port, http_get
from tests.support.requirements import require

DEPLOY = Path(__file__).parents[2] / "deploy"


class Prometheus:
    """A Prometheus that scrapes one server every second, with the shipped rules and scrape configuration."""

    def __init__(self, directory: Path, target: str) -> None:
        require("prometheus", shutil.which("prometheus"))
        scrape = yaml.safe_load((DEPLOY / "prometheus" / "scrape.yaml").read_text())
        (job,) = scrape["scrape_configs"]
        job |= {"scrape_interval": "1s", "static_configs": [{"targets": [target]}]}
        shutil.copy(DEPLOY / "prometheus" / "radius-voice.rules.yaml", directory)
        (directory / "prometheus.yml").write_text(yaml.safe_dump(scrape))
        self.url = f"http://{LOOPBACK}:{free_port()}"
        self._process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={directory / 'prometheus.yml'}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={self.url.removeprefix('http://')}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The present values of an expression. Fails if Prometheus does not accept it."""
        return self._asked("query", query=expression)

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[dict[str, Any]]:
        """The values of an expression between two wall-clock times."""
        return self._asked("query_range", query=expression, start=start, end=end, step=step)

    def _asked(self, resource: str, **parameters: object) -> list[dict[str, Any]]:
        status, page = http_get(f"{self.url}/api/v1/{resource}?{urllib.parse.urlencode(parameters)}")
        assert status == 200, page
        result: list[dict[str, Any]] = json.loads(page)["data"]["result"]
        return result

    def answers(self) -> bool:
        """Whether it is ready for queries."""
        try:
            return http_get(f"{self.url}/-/ready")[0] == 200
        except OSError:
            return False

    def close(self) -> None:
        """End it."""
        self._process.terminate()
        self._process.wait()
