"""Draws docs/images/dashboard.svg: the dashboard's panels, from a Prometheus that scrapes a server under load.

Run it from the top folder as `python -m docs.draw_dashboard`. It takes a minute and a half. Grafana is not needed.
"""  # noqa: INP001 - a script beside the pages

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from radius_voice.radius import packet as radius
from tests.support.polling import wait_until
from tests.support.prometheus_server import DEPLOY, Prometheus
from tests.support.server_process import ConfiguredUser, WorkersProcess
from tests.support.simulator_process import SimulatorProcess

IMAGE = Path(__file__).parent / "images" / "dashboard.svg"
CONFIGURATION = """\
server: {listen: ["udp://127.0.0.1:0"], workers: 2, reject_delay: 0s}
clients:
  hq-vpn: {address: 127.0.0.1, secret: a shared secret of the tests}
  branch-vpn: {address: 127.0.0.2, secret: a shared secret of the tests}
limits: {calls: {client: off, country: off, total: off}}
"""
SECONDS, STEP, WINDOW = 90, 1, "15s"
USERS, BUSY = 80, range(20, 55)
COLORS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f")
WIDTH, HEIGHT, MARGIN, COLUMNS = 400, 210, 34, 3


def draw() -> None:
    """Measure and write the image. Raises AssertionError if a server does not start."""
    users = [ConfiguredUser(f"user{number}", f"+14155551{number:03}") for number in range(USERS)]
    with tempfile.TemporaryDirectory() as name, SimulatorProcess() as simulator:
        folders = [Path(name) / each for each in ("server", "prometheus")]
        for folder in folders:
            folder.mkdir(mode=0o700)
        server = WorkersProcess(folders[0], simulator, CONFIGURATION, users)
        prometheus = Prometheus(folders[1], server.admin.removeprefix("http://"))
        try:
            wait_until(prometheus.answers, "Prometheus is ready")
            wait_until(lambda: prometheus.query("radius_voice_build_info"), "the server is scraped")
            start = time.time()
            _load(server, simulator, users)
            IMAGE.parent.mkdir(exist_ok=True)
            IMAGE.write_text(_image(prometheus, start, time.time()), encoding="utf-8")
        finally:
            prometheus.close()
            server.stop()


def _load(server: WorkersProcess, simulator: SimulatorProcess, users: list[ConfiguredUser]) -> None:
    """Logins that become more and fewer, some of them with a wrong password or a wrong code."""
    threads = []
    for number, user in enumerate(users):
        time.sleep(SECONDS / USERS * (0.4 if number in BUSY else 1.4))
        threads.append(threading.Thread(target=_log_in, args=(server, simulator, user, number)))
        threads[-1].start()
    for thread in threads:
        thread.join()


def _log_in(server: WorkersProcess, simulator: SimulatorProcess, user: ConfiguredUser, number: int) -> None:
    gateway = server.client("127.0.0.1" if number % 3 else "127.0.0.2")
    request = gateway.initial_request(user)
    gateway.send(request)
    challenge = gateway.receive()
    if number % 5 == 0:
        gateway.send(request)
        gateway.receive()
    if number % 4 == 0:
        challenge = gateway.respond(user, challenge, "0000")
    if number % 7 and challenge.code == radius.ACCESS_CHALLENGE:
        time.sleep(2 + number % 5)
        gateway.respond(user, challenge, simulator.code(user.phone))


def _image(prometheus: Prometheus, start: float, end: float) -> str:
    panels = json.loads((DEPLOY / "grafana" / "radius-voice.json").read_text())["panels"]
    drawn = [panel for panel in panels if panel["type"] == "timeseries"]
    rows = -(-len(drawn) // COLUMNS)
    size = f'width="{COLUMNS * WIDTH}" height="{rows * HEIGHT}"'
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">']
    parts.append('<rect width="100%" height="100%" fill="white"/>')
    for index, panel in enumerate(drawn):
        series = list(_series(prometheus, panel, start, end))
        parts.append(f'<g transform="translate({index % COLUMNS * WIDTH},{index // COLUMNS * HEIGHT})">')
        parts += _panel(panel["title"], series, start, end)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _series(
    prometheus: Prometheus, panel: dict[str, Any], start: float, end: float
) -> Iterator[tuple[str, list[tuple[float, float]]]]:
    """Name and points of each line of a panel."""
    for target in panel["targets"]:
        query = target["expr"].replace("$__rate_interval", WINDOW)
        for found in prometheus.query_range(query, start, end, STEP):
            legend = target["legendFormat"]
            for label, value in found["metric"].items():
                legend = legend.replace(f"{{{{{label}}}}}", value)
            points = [(at, float(value)) for at, value in found["values"] if value not in ("NaN", "+Inf")]
            if any(value for _, value in points):
                yield legend, points


def _panel(title: str, series: list[tuple[str, list[tuple[float, float]]]], start: float, end: float) -> list[str]:
    """The elements of one panel: title, frame, the highest value, lines and legend."""
    width, height = WIDTH - 2 * MARGIN, HEIGHT - 90
    top = max((value for _, points in series for _, value in points), default=1.0) or 1.0
    parts = [
        f'<text x="{MARGIN}" y="20" font-size="13" font-weight="bold">{escape(title)}</text>',
        f'<rect x="{MARGIN}" y="32" width="{width}" height="{height}" fill="none" stroke="#ccc"/>',
        f'<text x="{MARGIN - 4}" y="40" text-anchor="end" font-size="9">{top:.3g}</text>',
        f'<text x="{MARGIN - 4}" y="{32 + height}" text-anchor="end" font-size="9">0</text>',
    ]
    at = MARGIN
    for number, (legend, points) in enumerate(series[: len(COLORS)]):
        color = COLORS[number]
        line = " ".join(
            f"{MARGIN + (when - start) / (end - start) * width:.1f},{32 + height * (1 - value / top):.1f}"
            for when, value in points
        )
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.5"/>')
        row, column = divmod(number, 3)
        at = MARGIN + column * (width // 3)
        parts.append(
            f'<text x="{at}" y="{48 + height + 13 * row}" fill="{color}" font-size="10">{escape(legend[:26])}</text>'
        )
    return parts


if __name__ == "__main__":
    draw()
