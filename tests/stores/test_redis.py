"""What Redis adds to the contract: outages, secrecy, several nodes, and every way to reach it."""

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import hiredis
import pytest
import redis.exceptions
import trustme
from msgspec.structs import replace

from radius_voice.events import Reason
from radius_voice.login.codes.issued_states import REPEAT_SECONDS
from radius_voice.login.durable import DurableExists, DurableWrite
from radius_voice.login.inputs import DeliveryPlaced
from radius_voice.login.limits.configured import Limits
from radius_voice.login.limits.rate_limits import arrival_time, storage_key
from radius_voice.login.model import CallRef, Limit, LimitAction, Limited, LimitOperation, SwapResult, Unavailable
from radius_voice.login.session.sessions import SessionOutdated, Sessions
from radius_voice.login.session.state_machine import step
from radius_voice.stores.redis import RedisStore
from radius_voice.stores.redis_link import CONNECTIONS, Servers, _detail
from radius_voice.stores.sealed import Sealer
from tests.login.harness import Clock
from tests.login.sessions import KEY, MAX_CALL, REF, SESSION_TIMEOUT, challenge_response, session_row
from tests.stores.test_contract import LIMIT, TIGHT
from tests.support.matching import search
from tests.support.network import free_port
from tests.support.polling import TIMEOUT, wait_until, wait_until_async
from tests.support.redis_server import suspended
from tests.support.stores import SERVER_KEY

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "stores.md"
PASSWORD = "a password that must stay hidden"
IMPATIENT = 0.1
SLOTS = 16384


@pytest.fixture
async def connect():
    """A store of this test, on the server's own clock."""
    stores: list[RedisStore] = []

    def connected(*addresses, key=SERVER_KEY, replicas=0, now=None, **settings):
        servers = Servers(addresses, **{"timeout": 5.0, **settings})
        stores.append(RedisStore(servers, key, replicas=replicas, now=now))
        return stores[-1]

    yield connected
    for store in stores:
        await store.close()
    await end_of_tls()


async def end_of_tls():
    """Wait for the end of connections: after an error, redis-py does not wait for the server's close_notify."""
    loop: Any = asyncio.get_running_loop()
    only_own_socket = 1
    await wait_until_async(lambda: len(loop._selector.get_map()) == only_own_socket, "connections to Redis are closed")


async def soon(work):
    """Retry until the store is reachable again, for TIMEOUT seconds at most."""
    deadline = time.monotonic() + TIMEOUT
    while True:
        try:
            return await work()
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.02)


def everything(server):
    """All keys and values in Redis."""
    seen = []
    for key in server.admin.scan_iter():
        match server.admin.type(key):
            case b"string":
                seen += [key, server.admin.get(key)]
            case b"hash":
                seen += [key, *(part for pair in server.admin.hgetall(key).items() for part in pair)]
            case b"zset":
                seen += [key, *server.admin.zrange(key, 0, -1)]
    return b"\n".join(seen)


def each_method(store):
    return (
        store.load(KEY),
        store.compare_and_swap(None, session_row(time.time())),
        store.apply_limits([LimitOperation(TIGHT, "x")]),
        store.arrival_times([LimitOperation(TIGHT, "x")]),
        store.put(b"k", b"v", 1),
        store.get(b"k"),
        store.open_sessions(),
        store.sweep(),
    )


# Outages


async def test_a_server_that_hangs_is_unavailable_after_the_timeout_and_recovers(start_redis, connect):
    server = start_redis()
    store = connect(server.address, timeout=IMPATIENT)
    await store.get(b"ready")
    with suspended(server):
        for call in each_method(store):
            with pytest.raises(Unavailable, match=r"^store: Redis did not respond within 0\.1 s$"):
                await call
    assert await soon(lambda: store.get(b"ready")) is None


async def test_a_swap_with_an_indeterminate_result_is_not_retried(start_redis, connect):
    server = start_redis()
    store = connect(server.address, timeout=IMPATIENT)
    await store.apply_limits([LimitOperation(TIGHT, "so that Redis knows how to spend")])
    server.admin.config_resetstat()
    with suspended(server), pytest.raises(Unavailable):
        await store.compare_and_swap(None, session_row(time.time()), [LimitOperation(LIMIT, "x")])
    await wait_until_async(
        lambda: server.admin.info("clients")["connected_clients"] == 1, "the lost connection is gone"
    )
    calls = server.admin.info("commandstats")
    assert 1 >= sum(calls.get(name, {"calls": 0})["calls"] for name in ("cmdstat_evalsha", "cmdstat_eval"))


async def test_a_swap_whose_connection_breaks_is_sent_once():
    swaps = []

    async def broken(reader, writer):
        commands = hiredis.Reader()
        while octets := await reader.read(65536):
            commands.feed(octets)
            while command := commands.gets():
                if command[0] == b"EVALSHA":
                    swaps.append(command)
                    writer.close()
                writer.write(b"+OK\r\n")

    async with await asyncio.start_server(broken, "127.0.0.1", 0) as server:
        store = RedisStore(Servers((server.sockets[0].getsockname()[:2],), timeout=5.0), SERVER_KEY)
        with pytest.raises(Unavailable, match="unavailable"):
            await store.compare_and_swap(None, session_row(time.time()))
        await store.close()
    assert 1 == len(swaps)


@pytest.mark.parametrize("mode", ["standalone", "cluster"])
@pytest.mark.parametrize(
    "error",
    [
        b"A" * 7_000_000,
        b"\xc3\x84" * 30,
        b"ERR the password was open sesame\x1b[2J",
        b"MOVED",
        b"MOVED 1",
        b"MOVED 1 nowhere",
        b"MOVED 1 127.0.0.1:port",
        b"MOVED 1 127.0.0.1:" + b"9" * 5000,
        b"MOVED 1 " + b"\x1b[2J" * 100 + b":1",
        b"MOVED 1 " + b"x" * 100_000 + b":1",
    ],
    ids=lambda error: error[:20].decode(),
)
async def test_any_server_error_of_the_store_is_unavailable_in_a_short_printable_text(mode, error):
    async def refusing(reader, writer):
        commands = hiredis.Reader()
        while octets := await reader.read(65536):
            commands.feed(octets)
            while commands.gets():
                writer.write(b"-" + error + b"\r\n")
        writer.close()

    async with await asyncio.start_server(refusing, "127.0.0.1", 0) as server:
        store = RedisStore(Servers((server.sockets[0].getsockname()[:2],), mode=mode, timeout=5.0), SERVER_KEY)
        for call in each_method(store):
            with pytest.raises(Unavailable) as raised:
                await call
            assert len(str(raised.value)) < 300
            assert str(raised.value).isprintable()
            assert "sesame" not in str(raised.value)
        await store.close()


async def test_a_stopped_server_is_unavailable_until_it_runs_again(start_redis, connect):
    server = start_redis()
    store = connect(server.address)
    session = session_row(time.time())
    assert SwapResult.DONE is await store.compare_and_swap(None, session, [LimitOperation(LIMIT, "x")])
    server.kill()
    for call in each_method(store):
        with pytest.raises(Unavailable, match="unavailable"):
            await call
    server.start()
    assert SwapResult.DONE is await store.compare_and_swap(None, session, [LimitOperation(LIMIT, "x")])
    assert session == await store.load(KEY)


async def test_a_restart_between_two_logins_goes_unnoticed(start_redis, connect):
    server = start_redis()
    store = connect(server.address)
    await get_in_separate_turns(store, 8)
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    await get_in_separate_turns(store, 8)


async def test_scripts_flushed_from_redis_are_loaded_again(redis, connect):
    store = connect(redis.address)
    await store.apply_limits([LimitOperation(LIMIT, "x")])
    redis.admin.script_flush()
    await store.apply_limits([LimitOperation(LIMIT, "x")])
    assert isinstance(await store.apply_limits([LimitOperation(LIMIT, "x")]), Limited)


async def get_in_separate_turns(store, count):
    """Begin `count` operations, each in its own turn of the event loop, so that they share no connection."""

    async def get_after(turns):
        for _ in range(turns):
            await asyncio.sleep(0)
        return await store.get(b"ready")

    await asyncio.gather(*(get_after(turns) for turns in range(count)))


async def test_operations_of_one_turn_are_sent_together(redis, connect):
    store = connect(redis.address)
    before = redis.admin.info("stats")["total_connections_received"]
    limit = [LimitOperation(TIGHT, "x")]
    results = await asyncio.gather(store.get(b"x"), *(store.apply_limits(limit) for _ in range(TIGHT.burst + 1)))
    assert [None] * (TIGHT.burst + 1) == results[:-1]
    assert isinstance(results[-1], Limited)
    assert 1 == redis.admin.info("stats")["total_connections_received"] - before


async def test_an_operation_whose_caller_has_gone_does_not_affect_the_others(redis, connect):
    store = connect(redis.address)
    gone, other = asyncio.ensure_future(store.get(b"x")), asyncio.ensure_future(store.put(b"x", b"y", 60))
    await asyncio.sleep(0)
    gone.cancel()
    await other
    assert b"y" == await store.get(b"x")


async def test_one_lost_connection_closes_the_idle_ones(start_redis, connect):
    server = start_redis()
    store = connect(server.address, timeout=IMPATIENT)
    await get_in_separate_turns(store, 8)
    assert 2 < server.admin.info("clients")["connected_clients"]
    with suspended(server), pytest.raises(Unavailable):
        await store.get(b"ready")
    await wait_until_async(
        lambda: server.admin.info("clients")["connected_clients"] == 1, "the idle connections are gone"
    )


async def test_any_number_of_concurrent_operations_shares_few_connections(redis, connect):
    store = connect(redis.address)
    before = redis.admin.info("stats")["total_connections_received"]
    await get_in_separate_turns(store, 500)
    assert CONNECTIONS >= redis.admin.info("stats")["total_connections_received"] - before


async def test_a_full_redis_is_unavailable_writes_nothing_and_recovers(start_redis, connect):
    server = start_redis()
    store = connect(server.address)
    server.admin.config_set("maxmemory", 1)
    with pytest.raises(Unavailable, match="Redis is full"):
        await store.compare_and_swap(None, session_row(time.time()), [LimitOperation(TIGHT, "x")])
    assert 0 == server.admin.dbsize()
    server.admin.config_set("maxmemory", 0)
    assert SwapResult.DONE is await store.compare_and_swap(None, session_row(time.time()), [LimitOperation(TIGHT, "x")])


def test_messages_of_a_server_are_not_repeated():
    said = redis.exceptions.ResponseError(f"unknown command 'AUTH', with args beginning with: '{PASSWORD}'")
    assert "Redis refuses: ResponseError" == _detail(said)
    assert "Redis refuses: NOREPLICAS" == _detail(redis.exceptions.ResponseError(f"NOREPLICAS {PASSWORD}"))


# Stored data


async def test_redis_contains_no_readable_name_number_or_code(redis, connect):
    store = connect(redis.address)
    session = session_row(time.time(), code=b"hashed-code", password=b"hashed-password", reply=((25, b"admins"),))
    session = replace(session, delivery=replace(session.delivery, ref=CallRef("twilio", "CA123")))
    await store.compare_and_swap(
        None, session, [LimitOperation(LIMIT, "alice-id"), LimitOperation(TIGHT, "+12025550123")]
    )
    await store.apply_limits([LimitOperation(LIMIT, "192.0.2.9")])
    await store.put(b"remembered", b"the value", 60)
    await store.replace_durable(b"remembered too", None, b"the durable value")
    seen = everything(redis)
    assert 6 < seen.count(b"{radius-voice}:")
    secrets = (
        "alice",
        "2025550123",
        "2025550124",
        "hashed",
        "vpn",
        "192.0.2.9",
        "admins",
        b"admins".hex(),
        "CA123",
        "calls.",
        "value",
    )
    assert [] == [word for word in (*secrets, "remembered", "k" * 16, "state1") if word.encode() in seen]


async def test_every_key_in_redis_expires_except_those_of_durable_values(redis, connect):
    store = connect(redis.address)
    now = time.time()
    await store.compare_and_swap(None, session_row(now), [LimitOperation(LIMIT, "x")])
    await store.put(b"x", b"y", 100)
    await store.replace_durable(b"x", None, b"y")
    other = session_row(now, key=b"o" * 16, user_key="bob-id")
    await store.compare_and_swap(None, other, durable=DurableWrite(b"z", b"y"))
    durable = list(redis.admin.scan_iter("*:durable:*"))
    assert [-1, -1] == [redis.admin.pttl(key) for key in durable]
    keys = [key for key in redis.admin.scan_iter() if key not in durable]
    lives = {key.split(b":")[1]: redis.admin.pttl(key) / 1000 for key in keys}
    expected = {
        b"session1": SESSION_TIMEOUT + REPEAT_SECONDS,
        b"live": MAX_CALL,
        b"open": SESSION_TIMEOUT + REPEAT_SECONDS + 3600,
        b"limit": 30,
        b"kept": 100,
    }
    assert {key: pytest.approx(life, abs=5) for key, life in expected.items()} == lives


async def test_a_limit_that_is_full_again_uses_no_memory(redis, connect):
    store = connect(redis.address)
    await store.apply_limits([LimitOperation(TIGHT, "x")])
    await store.apply_limits([LimitOperation(TIGHT, "x", LimitAction.REFUND)])
    await store.apply_limits(
        [LimitOperation(LIMIT, "x", LimitAction.RESET), LimitOperation(LIMIT, "y", LimitAction.CHECK)]
    )
    assert 0 == redis.admin.dbsize()


async def test_limits_are_the_same_doubles_as_the_arithmetic(redis, connect):
    clock = Clock()
    store = connect(redis.address, now=clock)
    awkward = Limit("calls.user", 7, 600.1, LIMIT.reason)
    operation, tat = LimitOperation(awkward, "x"), 0.0
    for pause in (0.0, 0.1, 1 / 3, 17.77, 0.0, 1e-6, 123.456789):
        clock.now += pause
        next_tat = arrival_time(tat, awkward, LimitAction.TAKE, clock.now)
        assert next_tat is not None
        tat = next_tat
        await store.apply_limits([operation])
        assert {operation: tat} == await store.arrival_times([operation])
    resets, stored = LimitOperation(Limit("l", 5, 600.1, LIMIT.reason, resets=True), "x"), 0.0
    take, extend, refund = LimitAction.TAKE, LimitAction.EXTEND, LimitAction.REFUND
    for pause, action in (
        (0.0, take),
        (0.1, take),
        (550.0, take),
        (1 / 3, extend),
        (0.0, refund),
        (17.77, take),
        (-10000.0, extend),
        (0.0, take),
        (0.1, extend),
    ):
        clock.now += pause
        stored = arrival_time(stored, resets.limit, action, clock.now) or 0.0
        await store.apply_limits([replace(resets, action=action)])
        assert {resets: stored if stored > clock.now else 0.0} == await store.arrival_times([resets])
    counts, stored = LimitOperation(Limit("c", 2**30, 86400.0, LIMIT.reason, counts=True), "x", amount=0), 0.0
    for pause, action, amount in ((0.0, take, 2**29 + 1), (1 / 3, take, 77), (86400.0, refund, 5), (0.1, take, 2)):
        clock.now += pause
        stored = arrival_time(stored, counts.limit, action, clock.now, amount) or 0.0
        await store.apply_limits([replace(counts, action=action, amount=amount)])
        assert {counts: stored} == await store.arrival_times([counts])
    for nearly in (-2e-6, -5e-7):  # of an interval: more and less than a rounding error
        edge = Limit("calls.total", 1, 1000.0, LIMIT.reason)
        subject = LimitOperation(edge, str(nearly))
        await store.apply_limits([subject])
        clock.now += 1000 * (1 + nearly)
        forbidden = arrival_time(clock.now - 1000 * nearly, edge, LimitAction.TAKE, clock.now) is None
        assert forbidden is isinstance(await store.apply_limits([subject]), Limited)
        assert forbidden is (nearly < -1e-6)
    place = Sealer(SERVER_KEY, "radius-voice").name(b"limit", storage_key(operation).encode())
    assert tat == float(redis.admin.get(place))


async def test_the_uses_of_a_day_expire_after_three_days(redis, connect):
    counts = LimitOperation(Limit("c", 5, 86400.0, LIMIT.reason, counts=True), "x")
    await connect(redis.address).apply_limits([counts])
    (key,) = redis.admin.keys()
    assert 2 * 86400 < redis.admin.ttl(key) <= 3 * 86400


async def test_with_another_server_key_the_store_is_empty(redis, connect):
    ours, theirs = connect(redis.address), connect(redis.address, key=b"x" * 32)
    await ours.compare_and_swap(None, session_row(time.time()))
    await ours.replace_durable(b"x", None, b"y")
    assert (None, None) == (await theirs.load(KEY), await theirs.durable(b"x"))


async def test_a_manipulated_row_is_no_row_and_blocks_nothing(redis, connect):
    store = connect(redis.address)
    await store.compare_and_swap(None, session_row(time.time()))
    await store.put(b"x", b"y", 60)
    await store.replace_durable(b"x", None, b"y")
    (durable,) = redis.admin.keys("*:durable:*")
    redis.admin.set(durable, b"manipulated")
    assert b"" == await store.durable(b"x")
    other = session_row(time.time(), key=b"o" * 16, user_key="bob-id")
    swapped = await store.compare_and_swap(None, other, durable=DurableWrite(b"x", b"z"))
    assert DurableExists(b"") == swapped
    assert await store.replace_durable(b"x", b"", b"z")
    rows, kept = redis.admin.keys("*:session1:*"), redis.admin.keys("*:kept:*")
    body = redis.admin.hget(rows[0], "body")
    redis.admin.hset(rows[0], "body", body[:-1] + bytes([body[-1] ^ 1]))
    redis.admin.set(kept[0], b"", ex=60)
    assert (None, None) == (await store.load(KEY), await store.get(b"x"))
    assert SwapResult.DONE is await store.compare_and_swap(None, session_row(time.time()))


async def test_a_row_is_valid_only_under_its_own_key(redis, connect):
    store = connect(redis.address)
    for number in (b"a", b"b"):
        await store.compare_and_swap(None, session_row(time.time(), key=number * 16, user_key=number.decode()))
    one, other = redis.admin.keys("*:session1:*")
    redis.admin.hset(one, "body", redis.admin.hget(other, "body"))
    assert [None] == [
        session for session in (await store.load(b"a" * 16), await store.load(b"b" * 16)) if session is None
    ]


# Several nodes


async def test_eight_racing_nodes_write_once(redis, connect):
    nodes = [connect(redis.address) for _ in range(8)]
    rows = [session_row(time.time(), login=f"login{number}") for number in range(8)]
    swaps = await asyncio.gather(
        *(node.compare_and_swap(None, session) for node, session in zip(nodes, rows, strict=True))
    )
    assert [SwapResult.DONE] + [SwapResult.STALE] * 7 == sorted(swaps, key=lambda swap: swap is not SwapResult.DONE)
    first = await nodes[0].load(KEY)
    seconds = [replace(first, attempts_left=attempts, version=2) for attempts in range(8)]
    swaps = await asyncio.gather(
        *(node.compare_and_swap(first, session) for node, session in zip(nodes, seconds, strict=True))
    )
    assert 1 == swaps.count(SwapResult.DONE)
    assert seconds[swaps.index(SwapResult.DONE)] == await nodes[0].load(KEY)


async def test_two_nodes_call_a_user_once(redis, connect):
    one, two = connect(redis.address), connect(redis.address)
    rows = [session_row(time.time(), key=bytes([number]) * 16, login=str(number)) for number in range(8)]
    swaps = await asyncio.gather(
        *(node.compare_and_swap(None, session) for node, session in zip([one, two] * 4, rows, strict=True))
    )
    assert (1, 7) == (swaps.count(SwapResult.DONE), swaps.count(SwapResult.BUSY))


async def test_two_nodes_together_never_exceed_a_limit(redis, connect):
    nodes = [connect(redis.address), connect(redis.address)]
    ten = Limit("calls.total", 10, 3600.0, LIMIT.reason)
    results = await asyncio.gather(*(node.apply_limits([LimitOperation(ten, "all")]) for node in nodes * 20))
    assert 10 == results.count(None)


async def test_an_expired_session_is_reported_by_one_node(redis, connect):
    clock = Clock()
    nodes = [connect(redis.address, now=clock) for _ in range(4)]
    await nodes[0].compare_and_swap(None, session_row(clock.now))
    clock.now += SESSION_TIMEOUT + REPEAT_SECONDS
    assert 1 == sum(await asyncio.gather(*(node.sweep() for node in nodes)))


async def test_a_session_whose_change_a_failover_has_lost_is_outdated(start_redis, connect):
    """Its version is also that of the change that took its place: it must not be swapped for a second Accept."""
    old_master, new_master = connect(start_redis().address), connect(start_redis().address)
    opened = session_row(time.time())
    for store in (old_master, new_master):
        assert SwapResult.DONE is await store.compare_and_swap(None, opened)
    node = Sessions(old_master, Limits(), time.time)
    await node.apply(KEY, DeliveryPlaced(opened.id, 1, opened.phones[0], REF), known=opened)
    recalled = node.recalled(KEY)

    _, accepted = await Sessions(new_master, Limits(), time.time).apply(KEY, challenge_response())
    node._store = new_master

    assert Reason.CODE_CORRECT is accepted.reason
    with pytest.raises(SessionOutdated):
        await node.apply_unloaded(recalled, challenge_response())
    _, repeated = await node.apply(KEY, challenge_response())
    assert Reason.REPEATED is repeated.reason


async def test_time_is_that_of_the_redis_server(redis, connect):
    store = connect(redis.address)
    ended = session_row(time.time() - MAX_CALL - 1)
    assert SwapResult.DONE is await store.compare_and_swap(None, ended)
    assert SwapResult.DONE is await store.compare_and_swap(None, session_row(time.time(), key=b"o" * 16))
    assert (2, 0) == (await store.open_sessions(), await store.sweep())


# Ways to reach it


def acl():
    """The user that docs/stores.md recommends."""
    found = search(r"^ *(user radius-voice on >)PASSWORD( .+)$", DOCUMENTATION.read_text(), re.MULTILINE)
    return f"user default off\n{found[1]}{PASSWORD.replace(' ', '-')}{found[2]}\n"


@pytest.fixture
def authority():
    return trustme.CA()


@pytest.fixture
def guarded(start_redis, authority, tmp_path):
    """A Redis with TLS and users; its certificate is for 127.0.0.1."""
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    files = ("--tls-cert-file", tmp_path / "certificate.pem", "--tls-key-file", tmp_path / "key.pem")
    return start_redis(
        *files, "--tls-ca-cert-file", tmp_path / "ca.pem", "--tls-auth-clients", "no", config=acl(), tls=True
    )


async def test_tls_and_the_documented_user_suffice(guarded, connect, tmp_path):
    user = {"username": "radius-voice", "password": PASSWORD.replace(" ", "-")}
    store = connect(guarded.address, tls=True, ca_file=tmp_path / "ca.pem", **user)
    session = session_row(time.time())
    assert SwapResult.DONE is await store.compare_and_swap(None, session, [LimitOperation(LIMIT, "x")])
    assert session == await store.load(KEY)
    ended = step(session, challenge_response(), time.time()).session
    assert SwapResult.DONE is await store.compare_and_swap(
        session, ended, [LimitOperation(LIMIT, "x", LimitAction.RESET)]
    )
    await store.put(b"k", b"v", 60)
    assert b"v" == await store.get(b"k")
    assert await store.replace_durable(b"k", None, b"v")
    assert await store.replace_durable(b"k", b"v", None)
    assert (0, 0) == (await store.open_sessions(), await store.sweep())
    assert {LimitOperation(LIMIT, "x"): 0} == await store.arrival_times([LimitOperation(LIMIT, "x")])


async def test_a_wrong_password_is_reported_without_it(guarded, connect, tmp_path):
    store = connect(guarded.address, tls=True, ca_file=tmp_path / "ca.pem", username="alice", password=PASSWORD)
    with pytest.raises(Unavailable) as caught:
        await store.get(b"k")
    assert "store: Redis refuses the user name or password" == str(caught.value)
    assert PASSWORD not in repr(Servers((guarded.address,), password=PASSWORD))


async def test_an_untrusted_certificate_is_refused(guarded, connect, tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    store = connect(guarded.address, tls=True, ca_file=tmp_path / "other.pem", password=PASSWORD)
    with pytest.raises(Unavailable, match="certificate verify failed"):
        await store.get(b"k")


async def test_a_certificate_for_another_name_is_refused(guarded, connect, tmp_path):
    store = connect(("localhost", guarded.port), tls=True, ca_file=tmp_path / "ca.pem", password=PASSWORD)
    with pytest.raises(Unavailable, match="certificate verify failed"):
        await store.get(b"k")


async def test_a_row_is_written_when_its_replica_has_it(start_redis, connect):
    server = start_redis()
    store = connect(server.address, replicas=1, timeout=0.6)
    with pytest.raises(Unavailable, match="0 of 1 replicas"):
        await store.compare_and_swap(None, session_row(time.time()))
    assert SwapResult.STALE is await store.compare_and_swap(None, session_row(time.time()))
    copy = start_redis("--replicaof", f"127.0.0.1 {server.port}")
    await wait_until_async(lambda: copy.admin.info("replication")["master_link_status"] == "up", "the replica follows")
    patient = connect(server.address, replicas=1)
    server.admin.script_flush()
    assert SwapResult.DONE is await patient.compare_and_swap(
        None, session_row(time.time(), key=b"o" * 16, user_key="bob")
    )
    assert 2 == len(copy.admin.keys("*:session1:*"))


async def test_placing_the_call_of_a_known_row_succeeds_when_its_replica_has_it(start_redis, connect):
    server = start_redis()
    session = session_row(time.time())
    assert SwapResult.DONE is await connect(server.address).compare_and_swap(None, session)
    store = connect(server.address, replicas=1, timeout=0.6)
    wrong = replace(session, attempts_left=2, version=2)
    assert SwapResult.DONE is await store.compare_and_swap(session, wrong), "a wrong code does not wait"
    with pytest.raises(Unavailable, match="0 of 1 replicas"):
        await store.compare_and_swap(wrong, replace(wrong, delivery=replace(session.delivery, number=2), version=3))


async def test_a_result_is_repeated_when_its_replica_has_it(start_redis, connect):
    server = start_redis()
    session = session_row(time.time())
    ended = step(session, challenge_response(), time.time()).session
    assert SwapResult.DONE is await connect(server.address).compare_and_swap(None, session)
    store = connect(server.address, replicas=1, timeout=0.6)
    for attempt in (lambda: store.compare_and_swap(session, ended), lambda: store.load(KEY)):
        with pytest.raises(Unavailable, match="0 of 1 replicas"):
            await attempt()
    copy = start_redis("--replicaof", f"127.0.0.1 {server.port}")
    await wait_until_async(lambda: copy.admin.info("replication")["master_link_status"] == "up", "the replica follows")
    assert ended == await soon(lambda: store.load(KEY))


async def test_sentinels_report_the_new_master(start_redis, connect):
    master = start_redis()
    copy = start_redis("--replicaof", f"127.0.0.1 {master.port}")
    watch = start_redis(
        "--sentinel",
        config=f"""
        sentinel monitor mymaster 127.0.0.1 {master.port} 1
        sentinel down-after-milliseconds mymaster 300
        sentinel failover-timeout mymaster 1000
        """,
    )
    gone = ("127.0.0.1", 1)
    store = connect(gone, watch.address, mode="sentinel", service="mymaster", replicas=1)
    await wait_until_async(
        lambda: watch.admin.sentinel_master("mymaster")["num-slaves"] == 1, "the Sentinel knows the replica"
    )
    await wait_until_async(lambda: copy.admin.info("replication")["master_link_status"] == "up", "the replica follows")
    session = session_row(time.time())
    assert SwapResult.DONE is await store.compare_and_swap(None, session)
    master.kill()
    with pytest.raises(Unavailable):
        await store.get(b"x")
    second = replace(session, attempts_left=2, version=2)
    loaded = await soon(lambda: store.load(KEY))
    assert session == loaded
    assert SwapResult.DONE is await soon(lambda: store.compare_and_swap(loaded, second))
    assert second == await store.load(KEY)
    hung = start_redis("--sentinel")
    with suspended(hung):
        patient = connect(hung.address, watch.address, mode="sentinel", service="mymaster", timeout=1.0)
        assert second == await soon(lambda: patient.load(KEY))
    with pytest.raises(Unavailable, match="no sentinel knows"):
        await connect(watch.address, mode="sentinel", service="another").get(b"x")


def ask(node, *command):
    return node.admin.execute_command("CLUSTER", *command)


@pytest.fixture
def cluster(start_redis):
    """Three masters, the one that has our slot, and its replica."""
    ports = [free_port() for _ in range(4)]
    options = ("--cluster-enabled", "yes", "--cluster-node-timeout", 2000, "--cluster-port")
    *masters, copy = nodes = [start_redis(*options, port) for port in ports]
    for number, node in enumerate(masters):
        ask(node, "SET-CONFIG-EPOCH", number + 1)
        ask(node, "ADDSLOTSRANGE", SLOTS * number // 3, SLOTS * (number + 1) // 3 - 1)
        ask(copy, "MEET", "127.0.0.1", node.port, ports[number])
    master = masters[ask(copy, "KEYSLOT", "{radius-voice}:x") * 3 // SLOTS]
    wait_until(lambda: all(4 == ask(node, "NODES").count(b"connected") for node in nodes), "the nodes know each other")
    ask(copy, "REPLICATE", ask(master, "MYID"))
    wait_until(lambda: copy.admin.info("replication").get("master_link_status") == "up", "the replica follows")
    wait_until(lambda: all(b"slave" in ask(node, "NODES") for node in nodes), "all know of the replica")
    wait_until(lambda: all(b"cluster_state:ok" in ask(node, "INFO") for node in nodes), "the cluster is well")
    return masters, master, copy


async def test_the_cluster_node_of_our_slot_is_found_and_found_again(cluster, connect):
    masters, master, copy = cluster
    elsewhere = [node for node in masters if node is not master]
    with pytest.raises(Unavailable, match="write mode: cluster"):
        await connect(elsewhere[0].address).get(b"x")
    store = connect(("127.0.0.1", 1), *(node.address for node in elsewhere), mode="cluster")
    with pytest.raises(Unavailable, match="unavailable"):
        await store.get(b"x")
    session = session_row(time.time())
    assert SwapResult.DONE is await store.compare_and_swap(
        None, session, [LimitOperation(LIMIT, "x"), LimitOperation(TIGHT, "y")]
    )
    assert session == await store.load(KEY)
    await wait_until_async(lambda: copy.admin.dbsize() == master.admin.dbsize(), "the replica has it all")
    ask(copy, "FAILOVER")
    await wait_until_async(lambda: master.admin.info("replication")["role"] == "slave", "the old master knows")
    second = replace(session, attempts_left=2, version=2)
    assert SwapResult.DONE is await soon(lambda: store.compare_and_swap(session, second))
    assert second == await store.load(KEY)
