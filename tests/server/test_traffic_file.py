"""The files that keep what gateways send."""

import json
import os
import re
import stat

import pytest

from radius_voice.radius import packet as radius
from radius_voice.server.traffic import TrafficReport
from radius_voice.server.traffic_file import TrafficFile, TrafficFileInvalid, read_all
from tests.server.test_time import request
from tests.support.warning_recorder import WarningRecorder

SIGNED = radius.decode(request("right"))


@pytest.fixture
def warnings():
    return WarningRecorder()


def changed(**values: object) -> str:
    """The file of one client, with these values."""
    traffic = {"client": "vpn", "address": "192.0.2.1", "first_seen": 1.0, "last_seen": 2.0}
    return json.dumps({"version": 1, "clients": [traffic | values]})


def count(report: TrafficReport, client: str = "vpn") -> None:
    report.request(client, "192.0.2.1", SIGNED, "pap", 1.0)
    report.retransmission(client, "192.0.2.1", 2.0, 1.0)


async def test_a_new_process_continues_with_the_counts_of_the_previous_one(tmp_path, warnings):
    for _ in range(2):
        file = TrafficFile(tmp_path, 0, warnings)
        count(file.report)
        await file.write(["vpn"])
    (kept,) = read_all(tmp_path)
    assert (2, {4: 2}) == (kept.requests, kept.intervals)
    assert [] == warnings


async def test_each_worker_has_a_file_for_its_user_only(tmp_path, warnings):
    for number in range(2):
        file = TrafficFile(tmp_path, number, warnings)
        count(file.report)
        await file.write(["vpn"])
    assert 2 == len(read_all(tmp_path))
    files = [tmp_path / "clients", *(tmp_path / "clients").iterdir()]
    assert {0o700, 0o600} == {stat.S_IMODE(each.stat().st_mode) for each in files}
    assert {"0.json", "1.json"} == {each.name for each in files[1:]}


async def test_nothing_is_written_without_a_change(tmp_path, warnings):
    file = TrafficFile(tmp_path, 0, warnings)
    await file.write(["vpn"])
    assert not (tmp_path / "clients").exists()
    count(file.report)
    await file.write(["vpn"])
    (tmp_path / "clients" / "0.json").unlink()
    await file.write(["vpn"])
    assert [] == read_all(tmp_path)


async def test_what_could_not_be_written_is_written_later(tmp_path, warnings):
    file = TrafficFile(tmp_path, 0, warnings)
    count(file.report)
    (tmp_path / "clients").write_text("not a directory")
    with pytest.raises(OSError, match="clients"):
        await file.write(["vpn"])
    (tmp_path / "clients").unlink()
    await file.write(["vpn"])
    assert 1 == len(read_all(tmp_path))


async def test_clients_that_are_no_longer_configured_are_not_written(tmp_path, warnings):
    file = TrafficFile(tmp_path, 0, warnings)
    count(file.report)
    count(file.report, "removed")
    await file.write(["vpn"])
    assert ["vpn"] == [each.client for each in read_all(tmp_path)]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "is damaged"),
        ('{"version": 2, "clients": []}', "has version 2"),
        (changed(last_seen=1e300), r"Expected `float` <= \S+ - at `\$.clients\[0\].last_seen`"),
        (changed(first_seen=-1.0), "Expected `float` >= 0"),
        (changed(requests=-1), "Expected `int` >= 0"),
        (changed(intervals={"121": 1}), "Expected `int` <= 120"),
    ],
)
async def test_a_file_that_cannot_be_used_is_reported_and_replaced(tmp_path, warnings, content, problem):
    (tmp_path / "clients").mkdir()
    (tmp_path / "clients" / "0.json").write_text(content)
    with pytest.raises(TrafficFileInvalid, match=problem):
        read_all(tmp_path)
    file = TrafficFile(tmp_path, 0, warnings)
    assert re.search(problem, str(warnings))
    count(file.report)
    await file.write(["vpn"])
    assert 1 == len(read_all(tmp_path))


def test_a_fifo_is_not_read(tmp_path):
    (tmp_path / "clients").mkdir()
    os.mkfifo(tmp_path / "clients" / "0.json")
    with pytest.raises(OSError, match="a FIFO, not a regular file"):
        read_all(tmp_path)
