"""Runs work on a database that may be slow, restart, or not respond: in a few threads, with a deadline for each job.

Python cannot interrupt a thread that waits for the database. At the deadline its connection is aborted instead: the
socket to PostgreSQL is shut down, or SQLite's statement is interrupted. While the database does not respond, work is
refused at once, except for one attempt in a second.
"""

from __future__ import annotations

import asyncio
import os
import queue
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from radius_voice.config.secrets import secret_text
from radius_voice.identity.sql.settings import SqlSettings
from radius_voice.login.model import Unavailable

RETRY_SECONDS = 1.0
MAX_WAITING = 1024
ABORT = "abort"
WRITES = "writes"
"""The execution option of a connection whose transactions read first and then write."""

PRIMARY_CODE = 0xFF
"""The bits of SQLite's extended result codes that are the primary code."""
REFUSED = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH}
"""SQLite's codes for a statement that it refuses. With other codes, it cannot use the file at present."""

T = TypeVar("T")


@dataclass(eq=False)
class Job(Generic[T]):
    """Work for a thread. While it runs, `abort` aborts its connection; `lock` guards `abort` and `abandoned`."""

    work: Callable[[sa.Connection], T]
    result: Future[T] = field(default_factory=Future)
    abort: Callable[[], None] | None = None
    abandoned: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def abandon(self) -> bool:
        """End the work, or prevent its start. Returns whether it had started."""
        with self.lock:
            self.abandoned = True
            if self.result.cancel():
                return False
            if self.abort is not None:
                self.abort()
            return True

    def run(self, engine: sa.Engine) -> None:
        """Do the work. Called in a thread."""
        if not self.result.set_running_or_notify_cancel():
            return
        try:
            result = self._with_retry(engine)
        except BaseException as problem:  # noqa: BLE001 - the result raises it
            self.result.set_exception(problem)
        else:
            self.result.set_result(result)

    def _with_retry(self, engine: sa.Engine) -> T:
        """The result, with a new connection if the first one was lost: the database may have been restarted."""
        try:
            return self._work_once(engine)
        except DBAPIError as problem:
            if not problem.connection_invalidated or self.abandoned:
                raise
        return self._work_once(engine)

    def _work_once(self, engine: sa.Engine) -> T:
        with engine.connect() as connection:
            with self.lock:
                if self.abandoned:
                    raise TimeoutError
                self.abort = connection.connection.info[ABORT]
            try:
                return self.work(connection)
            finally:
                with self.lock:
                    self.abort = None


class Database:
    """Runs work on a database in at most `settings.connections` threads.

    `component` names it in messages, like `identity.corp`. `prepare` runs before other work until it has succeeded.
    With `read_only`, no statement can change the database.
    """

    def __init__(
        self,
        component: str,
        settings: SqlSettings,
        prepare: Callable[[sa.Connection], None] = lambda _: None,
        *,
        read_only: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._component = component
        self._clock = clock
        self._prepare = prepare
        self._prepared = False
        self._engine = engine_of(settings, component, read_only=read_only)
        self._max_threads = settings.connections
        self._threads: list[threading.Thread] = []
        self._working = 0
        self._guard = threading.Lock()
        self._jobs: queue.Queue[Job[Any] | None] = queue.Queue()
        self._closed = False
        self._problem = ""
        self._retry_at = 0.0
        self._trying = False

    async def run(self, work: Callable[[sa.Connection], T], deadline: float, *, prepare: bool = True) -> T:
        """The result of `work` on a connection. Raises Unavailable if there is none before `deadline` (loop time).

        If the connection was lost, `work` runs a second time, so it must be repeatable. With `prepare` False, the
        tables are neither created nor upgraded.
        """
        self._admit()
        job = self.begin(work, prepare=prepare)
        result = asyncio.wrap_future(job.result)
        try:
            await asyncio.wait({result}, timeout=max(0.0, deadline - self._clock()))
        finally:
            started = result.done() or job.abandon()
            result.cancel()  # without effect on one that is done
            self._trying = False
        if result.cancelled() and started:
            raise self._failed("did not respond in time")
        if result.cancelled():
            raise Unavailable(self._component, "all connections are in use")
        return self._result_of(result)

    def begin(self, work: Callable[[sa.Connection], T], *, prepare: bool = True) -> Job[T]:
        """Start work without a deadline. The caller must abandon the job if it takes too long."""
        job = Job(partial(self._after_preparation, work) if prepare else work)
        self._jobs.put(job)
        with self._guard:
            if len(self._threads) < self._max_threads and self._jobs.qsize() and not self._closed:
                self._start_thread()
        return job

    def run_blocking(self, work: Callable[[sa.Connection], T], seconds: float) -> T:
        """The result of `work`, for commands. Raises ValueError with the reason if there is none in time."""
        job = self.begin(work)
        if wait([job.result], seconds).not_done:
            job.abandon()
            raise ValueError(f"{self._component}: did not respond within {seconds:g} s")
        try:
            return job.result.result()
        except (SQLAlchemyError, OSError) as problem:
            raise ValueError(f"{self._component}: {reason_of(problem)}") from None

    @property
    def problem(self) -> str:
        """Why the last work had no result; empty if the database has responded since."""
        return self._problem

    def close(self, seconds: float = 0.0) -> None:
        """End the threads once they are idle, and then close the connections. May be called twice.

        Waits at most `seconds` for each thread.
        """
        with self._guard:
            if not self._closed:
                self._closed = True
                for _ in self._threads:
                    self._jobs.put(None)
        for thread in self._threads if seconds else ():
            thread.join(seconds)

    def _after_preparation(self, work: Callable[[sa.Connection], T], connection: sa.Connection) -> T:
        if not self._prepared:
            self._prepare(connection)
            connection.commit()
            self._prepared = True
        return work(connection)

    def _admit(self) -> None:
        """Raise Unavailable if the database does not respond, unless it is time to try it again."""
        if self._closed:
            raise Unavailable(self._component, "is closed")
        if self._jobs.qsize() >= MAX_WAITING:
            raise Unavailable(self._component, f"{MAX_WAITING} requests are waiting")
        if self._problem:
            if self._trying or self._clock() < self._retry_at:
                raise Unavailable(self._component, f"{self._problem}; it is tried again every {RETRY_SECONDS:g} s")
            self._trying = True

    def _result_of(self, ended: asyncio.Future[T]) -> T:
        problem = ended.exception()
        if isinstance(problem, DBAPIError) and not _is_lost(problem):
            self._responded()
            raise Unavailable(self._component, reason_of(problem)) from None
        if isinstance(problem, SQLAlchemyError | OSError):
            raise self._failed(reason_of(problem)) from None
        self._responded()
        if isinstance(problem, ValueError):
            raise Unavailable(self._component, detail_of(problem)) from None
        return ended.result()

    def _responded(self) -> None:
        self._problem = ""

    def _failed(self, reason: str) -> Unavailable:
        self._problem = reason
        self._retry_at = self._clock() + RETRY_SECONDS
        return Unavailable(self._component, reason)

    def _start_thread(self) -> None:
        # Not an executor: Python joins its threads at exit, and one may block on a network mount indefinitely.
        self._threads.append(threading.Thread(target=self._serve, name="sql", daemon=True))
        self._working += 1
        self._threads[-1].start()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            job.run(self._engine)
        with self._guard:
            self._working -= 1
            if not self._working:
                self._engine.dispose()


def engine_of(settings: SqlSettings, component: str, *, read_only: bool) -> sa.Engine:
    """An engine with at most `connections` connections. Raises ValueError if the password cannot be read."""
    options: dict[str, Any] = {"pool_size": settings.connections, "max_overflow": 0, "hide_parameters": True}
    if settings.url.path is not None:
        engine = _sqlite_engine(settings, options, read_only=read_only)
    else:
        password = None if settings.password is None else secret_text(settings.password, f"{component}.password")
        engine = _postgresql_engine(settings, password, options, read_only=read_only)
    sa.event.listen(engine, "close", _close_abort)
    return engine


def detail_of(problem: BaseException) -> str:
    """Why a job failed. For an unexpected exception only its type, because the text may contain values."""
    if isinstance(problem, SQLAlchemyError | OSError):
        return reason_of(problem)
    return str(problem) if type(problem) is ValueError else type(problem).__name__


def reason_of(problem: SQLAlchemyError | OSError) -> str:
    """The reason of an error, without values: a user may have typed a password as the name."""
    original = getattr(problem, "orig", None)
    if original is None:
        return problem.strerror or type(problem).__name__ if isinstance(problem, OSError) else type(problem).__name__
    if isinstance(original, sqlite3.Error):
        return str(original)
    code = getattr(original, "sqlstate", None)
    if code is None:  # of the connection, not of a statement
        return " ".join(str(original).split()) or type(original).__name__
    return f"{type(original).__name__} (SQLSTATE {code})"


def _sqlite_engine(settings: SqlSettings, options: dict[str, Any], *, read_only: bool) -> sa.Engine:
    # Neither mode creates the file, because its access mode would depend on the umask.
    path, mode = settings.url.path, "ro" if read_only else "rw"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=settings.timeout, check_same_thread=False
        )

    engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.QueuePool, **options)

    @sa.event.listens_for(engine, "connect")
    def connected(driver: Any, record: Any) -> None:
        # `begin` below starts transactions, not Python. Without cache_spill a large write does not lock out readers.
        driver.isolation_level = None
        driver.execute("PRAGMA cache_spill=OFF")
        record.info[ABORT] = partial(_interrupt, driver)

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(WRITES) else "BEGIN")

    return engine


def _postgresql_engine(
    settings: SqlSettings, password: str | None, options: dict[str, Any], *, read_only: bool
) -> sa.Engine:
    url = sa.make_url(settings.url.text).set(drivername="postgresql+psycopg", password=password)
    seconds = max(2, round(settings.timeout))  # libpq has no shorter timeout
    engine = sa.create_engine(url, connect_args={"connect_timeout": seconds}, **options)
    milliseconds = round(settings.timeout * 1000)

    @sa.event.listens_for(engine, "connect")
    def connected(driver: Any, record: Any) -> None:
        record.info[ABORT] = SocketAbort(driver.pgconn.socket)
        # Not the startup parameter `options`, which PgBouncer does not know.
        driver.execute(f"SET statement_timeout = {milliseconds}")
        driver.commit()
        driver.read_only = read_only or None

    return engine


class SocketAbort:
    """Shuts down the socket of a connection, so that a thread that waits for it continues with an error.

    It duplicates the descriptor, because the driver may close its own, and another socket may get that number.
    """

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=os.dup(descriptor))

    def __call__(self) -> None:
        """Shut down the socket."""
        with suppress(OSError):  # the peer has closed it
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Release the descriptor."""
        self._socket.close()


def _interrupt(driver: sqlite3.Connection) -> None:
    with suppress(sqlite3.ProgrammingError):  # the connection is closed
        driver.interrupt()


def _close_abort(_driver: object, record: Any) -> None:
    abort = record.info.pop(ABORT, None)
    if isinstance(abort, SocketAbort):
        abort.close()


def _is_lost(problem: DBAPIError) -> bool:
    """Whether the database could not be reached. False if it refused the statement."""
    original = problem.orig
    if problem.connection_invalidated:
        return True
    if isinstance(original, sqlite3.Error):
        return getattr(original, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & PRIMARY_CODE not in REFUSED
    return getattr(original, "sqlstate", None) is None
