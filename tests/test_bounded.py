"""Work that may block forever is bounded in time, with one thread for each subject."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from radius_voice.bounded import WorkTimeout, bounded, in_daemon_thread
from tests.support.polling import wait_until

HANGS_AT_EXIT = """
import asyncio, threading
from radius_voice.bounded import WorkTimeout, bounded, in_daemon_thread

async def main():
    task = asyncio.ensure_future(in_daemon_thread(threading.Event().wait))
    await asyncio.sleep(0)
    task.cancel()

try:
    bounded("file", threading.Event().wait, 0.01)
except WorkTimeout as late:
    print(late.filename, late.strerror)
asyncio.run(main())
"""


@pytest.fixture
def answer():
    """What the work of a test waits for; no thread outlives its test."""
    event = threading.Event()
    yield event
    event.set()
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "bounded"], "threads end")


def test_the_result_is_returned_or_its_error_raised():
    assert 5 == bounded("file", lambda: 5)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        bounded("file", Path("nowhere").stat)


def test_work_that_hangs_is_an_operating_system_error_that_names_the_subject(answer):
    with pytest.raises(WorkTimeout) as late:
        bounded("users.yaml", answer.wait, 0.01)
    assert ("users.yaml", "no answer within 0.01 s; is its network mount reachable?") == (
        late.value.filename,
        late.value.strerror,
    )


def test_while_a_thread_hangs_no_other_starts_on_the_same_subject(answer):
    begun = []

    def hang():
        begun.append(1)
        answer.wait()

    for _ in range(5):
        with pytest.raises(WorkTimeout):
            bounded("users.yaml", hang, 0.01)
    assert [1] == begun
    assert 7 == bounded("another file", lambda: 7)


def test_the_subject_is_free_again_after_the_work_has_ended(answer):
    with pytest.raises(WorkTimeout):
        bounded("users.yaml", answer.wait, 0.01)
    answer.set()

    def free():
        try:
            return bounded("users.yaml", lambda: True)
        except WorkTimeout:
            return False

    wait_until(free, "the subject is free again")


def test_work_in_progress_is_awaited(answer):
    begun, ended = threading.Event(), []

    def slow():
        begun.set()
        answer.wait(30)
        ended.append("first")

    first = threading.Thread(target=lambda: bounded("users.yaml", slow, 30))
    first.start()
    begun.wait(30)
    second = threading.Thread(target=lambda: bounded("users.yaml", lambda: ended.append("second"), 30))
    second.start()
    assert [] == ended
    answer.set()
    first.join()
    second.join()
    assert ["first", "second"] == ended


def test_concurrent_callers_run_one_after_the_other():
    inside, most, results = [], [], []

    def work():
        inside.append(1)
        most.append(len(inside))
        inside.pop()
        return 1

    threads = [threading.Thread(target=lambda: results.append(bounded("file", work, 30))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ({1}, 50) == (set(most), sum(results))


def test_python_ends_although_threads_hang():
    ended = subprocess.run([sys.executable, "-c", HANGS_AT_EXIT], capture_output=True, text=True, timeout=30)
    assert (0, "file no answer within 0.01 s; is its network mount reachable?\n", "") == (
        ended.returncode,
        ended.stdout,
        ended.stderr,
    )


def test_a_forked_process_waits_for_no_thread_of_its_parent(answer):
    with pytest.raises(WorkTimeout):
        bounded("users.yaml", answer.wait, 0.01)
    pid = os.fork()
    if not pid:
        free = bounded("users.yaml", lambda: True, 30)
        os._exit(0 if free else 1)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


async def test_the_event_loop_runs_while_a_daemon_thread_works(answer):
    working = asyncio.ensure_future(in_daemon_thread(lambda: answer.wait(30)))
    await asyncio.sleep(0)
    assert not working.done()
    answer.set()
    assert await working


async def test_an_error_in_a_daemon_thread_is_raised_where_it_is_awaited():
    with pytest.raises(FileNotFoundError):
        await in_daemon_thread(Path("nowhere").stat)


async def test_asyncio_keeps_the_name_of_a_thread_that_hangs(answer):
    with pytest.raises(WorkTimeout) as late:
        await in_daemon_thread(lambda: bounded("users.yaml", answer.wait, 0.01))
    assert "users.yaml" == late.value.filename
