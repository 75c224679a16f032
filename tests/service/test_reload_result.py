"""The results of a reload in several workers become one."""

import asyncio

from radius_voice.config.changes import Changes
from radius_voice.service.reload_result import ReloadProgress, ReloadResult, merged_result, response_of

FACTS = {"config": "/etc/radius-voice/radius-voice.yaml"}
CHANGES = Changes(added=("clients.branch",))


def result(*errors, generation=2, **values):
    return ReloadResult(50.0, generation, errors, **values)


def merged(*results, workers=2):
    return merged_result(FACTS, {number: response_of(each) for number, each in enumerate(results)}, workers)


def test_equal_results_are_listed_once():
    found = merged(*[result(changes=CHANGES, needs_restart=("store",), warnings=("development",))] * 2)
    assert "reloaded" == found["result"]
    assert (["clients.branch"], ["store"], ["development"], []) == tuple(
        found[key] for key in ("added", "needs_restart", "warnings", "errors")
    )
    assert (2, FACTS["config"]) == (found["generation"], found["config"])


def test_a_failure_in_one_worker_is_a_failure():
    found = merged(result(), result("radius-voice.yaml:3: an error", generation=1))
    assert ("failed", ["radius-voice.yaml:3: an error"]) == (found["result"], found["errors"])
    assert 1 == found["generation"]


def test_a_worker_without_a_response_is_a_failure():
    found = merged(result())
    assert ["worker 1 has sent no result; see: radius-voice status"] == found["errors"]
    assert "failed" == found["result"]


def test_a_worker_that_started_meanwhile_has_no_result_and_is_no_failure():
    assert "reloaded" == merged(result(), None)["result"]


def test_a_service_without_any_result_is_a_failure():
    assert ["the service has no result; see its log"] == merged(None, workers=1)["errors"]


async def test_who_waits_for_a_reload_gets_the_result_of_that_one_or_of_a_later_one():
    progress = ReloadProgress(3)
    assert await progress.wait_for(3) is None
    waiting = asyncio.ensure_future(progress.wait_for(5))
    await progress.end(4, result("an error"))
    assert not waiting.done()
    await progress.end(6, newest := result())
    assert newest is await waiting
