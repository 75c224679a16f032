"""A database that is stopped, restarted, or accepts connections and does not respond."""

import asyncio
import sqlite3
import threading
import time
from functools import partial

import pytest

from radius_voice.events import Reason
from radius_voice.identity.sql.database import Database, SocketAbort
from radius_voice.login.model import Authenticated, Denied, PapPassword, Unavailable, Verification
from tests.identity.sql.conftest import ALICE, SECONDS, Loaded, empty_settings, settings_of
from tests.support.polling import wait_until, wait_until_async
from tests.support.tcp_listener import TcpListener, never_respond

peer = pytest.mark.peer("postgresql")
ALICES = Verification("alice", PapPassword("arctangent"))
WAIT = 0.5
"""How long the gateways of these tests wait."""


@pytest.fixture
async def users(postgresql, tmp_path):
    """A PostgreSQL database with alice."""
    loaded = Loaded(empty_settings("postgresql", tmp_path))
    loaded.add(ALICE)
    loaded.database.close(SECONDS)
    yield loaded
    await loaded.close()


def wait_for(event, begun, _connection):
    begun.set()
    return event.wait(SECONDS)


async def login(source, seconds=WAIT):
    return await source.verify(ALICES, time.monotonic() + seconds)


async def log_in_again(source):
    """Log in at the moment when the database is tried again."""
    source._database._retry_at = 0.0
    return await login(source, SECONDS)


async def unavailable(source):
    """The reason of a login that cannot be verified. The login ends by its deadline, WAIT: it must not last SECONDS."""
    with pytest.raises(Unavailable) as raised:
        async with asyncio.timeout(SECONDS):
            await login(source)
    return str(raised.value)


@peer
async def test_a_server_without_response_costs_a_login_its_deadline_and_the_next_ones_nothing(users, postgresql):
    source = users.source()
    assert isinstance(await login(source, SECONDS), Authenticated)
    with postgresql.suspended():
        reason = await unavailable(source)
        assert "identity.people: did not respond in time" == reason
        assert ["did not respond in time"] == [each.problem for each in source.server_states()]
        reason = await unavailable(source)
        assert reason.endswith("did not respond in time; it is tried again every 1 s")
    assert isinstance(await log_in_again(source), Authenticated)
    assert [""] == [each.problem for each in source.server_states()]


@peer
async def test_a_server_without_response_occupies_no_thread_after_the_deadline(users, postgresql):
    source = users.source()
    await asyncio.gather(*(login(source, SECONDS) for _ in range(4)))
    with postgresql.suspended():
        results = await asyncio.gather(*(login(source) for _ in range(20)), return_exceptions=True)
        assert [Unavailable] * 20 == list(map(type, results))
        await wait_until_async(lambda: source._database._jobs.qsize() == 0, "all threads have given up")
    assert isinstance(await log_in_again(source), Authenticated)


@peer
async def test_other_sources_log_in_while_one_database_does_not_respond(users, postgresql, tmp_path):
    other = Loaded(empty_settings("sqlite", tmp_path))
    other.add(ALICE)
    good, bad = other.source(), users.source()
    await login(bad, SECONDS)
    with postgresql.suspended():
        waiting = [asyncio.create_task(login(bad, SECONDS)) for _ in range(8)]
        await asyncio.sleep(0)
        for _ in range(20):
            assert isinstance(await login(good, SECONDS), Authenticated)
        assert not any(task.done() for task in waiting)
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert any(isinstance(result, Authenticated) for result in results)
    await other.close()


@peer
async def test_a_stopped_server_is_reported_at_once_and_used_again_after_its_start(users, postgresql):
    source = users.source()
    await login(source, SECONDS)
    postgresql.stop()
    try:
        reason = await unavailable(source)
        assert "Connection refused" in reason
    finally:
        postgresql.start()
    assert isinstance(await log_in_again(source), Authenticated)


@peer
async def test_a_restart_between_two_logins_is_not_noticed(users, postgresql):
    source = users.source()
    await asyncio.gather(*(login(source, SECONDS) for _ in range(4)))
    postgresql.stop()
    postgresql.start()
    results = await asyncio.gather(*(login(source, SECONDS) for _ in range(8)))
    assert all(isinstance(result, Authenticated) for result in results)


@peer
async def test_a_restart_during_a_login_ends_it_as_unavailable_or_repeats_it(users, postgresql):
    source = users.source()
    await login(source, SECONDS)
    with postgresql.suspended():
        task = asyncio.create_task(login(source, SECONDS))
        await wait_until_async(lambda: source._database._jobs.qsize() == 0, "the login asks the server")
    postgresql.stop()
    postgresql.start()
    try:
        assert isinstance(await task, Authenticated)
    except Unavailable:
        assert isinstance(await log_in_again(source), Authenticated)


async def test_a_server_that_accepts_and_sends_nothing_is_given_up(tmp_path):
    with TcpListener(never_respond) as listener:
        loaded = Loaded(settings_of(tmp_path, url=f"postgresql://admin@127.0.0.1:{listener.port}/users", timeout="1s"))
        source = loaded.source()
        reason = await unavailable(source)
        assert "identity.people: did not respond in time" == reason
        jobs = source._database
        wait_until(lambda: jobs.begin(lambda _: None).result.exception(SECONDS), "the thread gives up the connection")
        await loaded.close()


@peer
async def test_a_wrong_password_for_the_database_is_reported_without_it(users, tmp_path):
    settings = settings_of(tmp_path, url=users.settings.url.text, password="not the password of it")
    loaded = Loaded(settings)
    reason = await unavailable(loaded.source())
    assert 'password authentication failed for user "admin"' in reason
    assert "not the password" not in reason
    await loaded.close()


@peer
async def test_a_slow_statement_is_ended_by_the_server(users, tmp_path):
    settings = settings_of(
        tmp_path, url=users.settings.url.text, password=users.settings.password.get_secret_value(), timeout="1s"
    )
    database = Database("identity.people", settings)
    with pytest.raises(Unavailable, match="QueryCanceled"):
        await database.run(
            lambda connection: connection.exec_driver_sql("SELECT pg_sleep(30)"), time.monotonic() + SECONDS
        )
    assert 1 == await database.run(
        lambda connection: connection.exec_driver_sql("SELECT 1").scalar(), time.monotonic() + SECONDS
    )
    database.close(SECONDS)


@peer
async def test_a_connection_is_never_used_by_more_threads_than_configured(users, postgresql):
    source = users.source()
    await asyncio.gather(*(login(source, SECONDS) for _ in range(50)))
    name = users.settings.url.text.rpartition("/")[2]
    ((connections,),) = postgresql.execute(f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'")
    assert connections <= users.settings.connections


@peer
async def test_counting_the_hashes_without_response_is_given_up_with_a_warning(users, postgresql):
    now = 0.0
    source = users.source(clock=lambda: time.monotonic() + now)
    await login(source, SECONDS)
    with postgresql.suspended():
        now = 61.0
        source.refresh()
        job = source._counting
        await wait_until_async(lambda: source._database._jobs.qsize() == 0, "the query is sent")
        source.refresh()
        assert job is source._counting
        now = 72.0
        source.refresh()
        await wait_until_async(job.result.done, "the thread has given up")
    assert ["identity.people: the hashes cannot be counted: no response within 10 s"] == users.warnings


async def test_a_locked_file_costs_a_login_its_deadline(tmp_path):
    loaded = Loaded(empty_settings("sqlite", tmp_path))
    loaded.add(ALICE)
    source = loaded.source()
    await login(source, SECONDS)
    other = sqlite3.connect(tmp_path / "users.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    reason = await unavailable(source)
    assert "identity.people: did not respond in time" == reason
    other.execute("ROLLBACK")
    other.close()
    assert isinstance(await log_in_again(source), Authenticated)
    await loaded.close()


async def test_a_statement_of_sqlite_is_interrupted_at_the_deadline(tmp_path):
    loaded = Loaded(empty_settings("sqlite", tmp_path, connections=1))
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(Unavailable, match="did not respond in time"):
        await loaded.database.run(lambda connection: connection.exec_driver_sql(endless), time.monotonic() + WAIT)
    assert 1 == loaded.database.run_blocking(
        lambda connection: connection.exec_driver_sql("SELECT 1").scalar(), SECONDS
    )
    await loaded.close()


async def test_work_that_waits_for_a_thread_does_not_mark_the_database_as_failed(tmp_path):
    loaded = Loaded(empty_settings("sqlite", tmp_path, connections=1))
    begun, go_on = threading.Event(), threading.Event()
    job = loaded.database.begin(partial(wait_for, go_on, begun))
    await asyncio.to_thread(begun.wait, SECONDS)
    with pytest.raises(Unavailable, match="all connections are in use"):
        await loaded.database.run(lambda _: 1, time.monotonic())
    go_on.set()
    assert 1 == await loaded.database.run(lambda _: 1, time.monotonic() + SECONDS)
    assert job.result.done()
    await loaded.close()


async def test_a_bounded_number_of_requests_waits(tmp_path, monkeypatch):
    monkeypatch.setattr("radius_voice.identity.sql.database.MAX_WAITING", 3)
    loaded = Loaded(empty_settings("sqlite", tmp_path, connections=1))
    begun, go_on = threading.Event(), threading.Event()
    loaded.database.begin(partial(wait_for, go_on, begun))
    await asyncio.to_thread(begun.wait, SECONDS)
    waiting = [asyncio.create_task(loaded.database.run(lambda _: 1, time.monotonic() + SECONDS)) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="3 requests are waiting"):
        await loaded.database.run(lambda _: 1, time.monotonic() + SECONDS)
    go_on.set()
    assert [1, 1, 1] == await asyncio.gather(*waiting)
    await loaded.close()


async def test_a_cancelled_probe_lets_the_next_one_try(tmp_path):
    now = 0.0
    database = Database("identity.people", empty_settings("sqlite", tmp_path), clock=lambda: time.monotonic() + now)
    database._failed("is down")
    with pytest.raises(Unavailable, match="is down; it is tried again"):
        await database.run(lambda _: 1, time.monotonic() + SECONDS)
    now = 2.0
    go_on = threading.Event()
    probe = asyncio.create_task(database.run(lambda _: go_on.wait(SECONDS), time.monotonic() + SECONDS))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="is down"):
        await database.run(lambda _: 1, time.monotonic() + SECONDS)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    go_on.set()
    assert 1 == await database.run(lambda _: 1, time.monotonic() + SECONDS)
    database.close(SECONDS)


async def test_a_closed_source_is_unavailable(tmp_path):
    loaded = Loaded(empty_settings("sqlite", tmp_path))
    source = loaded.source()
    await source.close()
    await source.close()
    assert "identity.people: is closed" == await unavailable(source)
    await loaded.close()


def test_aborting_a_closed_socket_has_no_effect():
    import socket

    ours, theirs = socket.socketpair()
    abort = SocketAbort(ours.fileno())
    ours.close()
    theirs.close()
    abort()
    abort()
    abort.close()


async def test_an_unknown_user_is_unknown_not_unavailable(tmp_path):
    loaded = Loaded(empty_settings("sqlite", tmp_path))
    assert Denied(Reason.UNKNOWN_USER) == await login(loaded.source(), SECONDS)
    await loaded.close()
