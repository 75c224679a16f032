"""What Redis adds to the contract: outages, secrecy, several nodes, and every way to reach it."""

import asyncio
import re
import time
from pathlib import Path

import hiredis
import pytest
import redis.exceptions
import trustme

from radius_voice.login.challenge import REPEATED_FOR, step
from radius_voice.login.limits import arrival_time, storage_key
from radius_voice.login.model import Act, CallRef, Limit, Limited, Spend, Swap, Unavailable
from radius_voice.stores.redis import RedisStore
from radius_voice.stores.redis_link import CONNECTIONS, Servers, _detail
from radius_voice.stores.sealed import Sealer
from tests.login.fakes import Clock
from tests.login.rows import CAP, KEY, LIVE, answered, blank
from tests.stores import kinds
from tests.stores.redis_server import PATIENCE, eventually, free_port, frozen, until
from tests.stores.test_contract import LIMIT, TIGHT

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "stores.md"
PASSWORD = "a password nobody may see"
IMPATIENT = 0.1
SLOTS = 16384


@pytest.fixture
async def connect():
    """A store of this test, on the server's own clock."""
    stores = []

    def connected(*addresses, key=kinds.KEY, replicas=0, now=None, **servers):
        servers = Servers(addresses, **{"timeout": 5.0, **servers})
        stores.append(RedisStore(servers, key, replicas=replicas, now=now))
        return stores[-1]

    yield connected
    for store in stores:
        await store.close()


async def soon(work):
    """Ask until the store is reachable again; PATIENCE bounds it."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return await work()
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.02)


def everything(server):
    """All that somebody who reads Redis sees."""
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
        store.swap(None, blank(time.time())),
        store.spend([Spend(TIGHT, "x")]),
        store.full_at([Spend(TIGHT, "x")]),
        store.remember(b"k", b"v", 1),
        store.recall(b"k"),
        store.open_logins(),
        store.sweep(),
    )


# Outages


async def test_a_server_that_hangs_is_unavailable_after_the_time_out_and_heals(start_redis, connect):
    server = start_redis()
    store = connect(server.address, timeout=IMPATIENT)
    await store.recall(b"ready")
    with frozen(server):
        for call in each_method(store):
            with pytest.raises(Unavailable, match=r"^store: Redis did not answer within 0\.1 s$"):
                await call
    assert await soon(lambda: store.recall(b"ready")) is None


async def test_a_swap_whose_end_is_unknown_is_not_tried_again(start_redis, connect):
    server = start_redis()
    store = connect(server.address, timeout=IMPATIENT)
    await store.spend([Spend(TIGHT, "so that Redis knows how to spend")])
    server.admin.config_resetstat()
    with frozen(server), pytest.raises(Unavailable):
        await store.swap(None, blank(time.time()), [Spend(LIMIT, "x")])
    await eventually(lambda: server.admin.info("clients")["connected_clients"] == 1, "the lost connection is gone")
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
        store = RedisStore(Servers((server.sockets[0].getsockname()[:2],), timeout=5.0), kinds.KEY)
        with pytest.raises(Unavailable, match="out of reach"):
            await store.swap(None, blank(time.time()))
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
async def test_whatever_a_server_refuses_with_the_store_is_unavailable_in_few_printable_words(mode, error):
    async def refusing(reader, writer):
        commands = hiredis.Reader()
        while octets := await reader.read(65536):
            commands.feed(octets)
            while commands.gets():
                writer.write(b"-" + error + b"\r\n")
        writer.close()

    async with await asyncio.start_server(refusing, "127.0.0.1", 0) as server:
        store = RedisStore(Servers((server.sockets[0].getsockname()[:2],), mode=mode, timeout=5.0), kinds.KEY)
        for call in each_method(store):
            with pytest.raises(Unavailable) as told:
                await call
            assert len(str(told.value)) < 300
            assert str(told.value).isprintable()
            assert "sesame" not in str(told.value)
        await store.close()


async def test_a_server_that_is_gone_is_unavailable_and_works_again_once_it_is_back(start_redis, connect):
    server = start_redis()
    store = connect(server.address)
    row = blank(time.time())
    assert Swap.DONE is await store.swap(None, row, [Spend(LIMIT, "x")])
    server.kill()
    for call in each_method(store):
        with pytest.raises(Unavailable, match="out of reach"):
            await call
    server.start()
    assert Swap.DONE is await store.swap(None, row, [Spend(LIMIT, "x")])
    assert row == await store.load(KEY)


async def test_a_restart_between_two_logins_is_not_noticed(start_redis, connect):
    server = start_redis()
    store = connect(server.address)
    await asyncio.gather(*(store.recall(b"ready") for _ in range(8)))
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)
    await asyncio.gather(*(store.recall(b"ready") for _ in range(8)))


async def test_scripts_that_redis_forgot_are_given_to_it_again(redis, connect):
    store = connect(redis.address)
    await store.spend([Spend(LIMIT, "x")])
    redis.admin.script_flush()
    await store.spend([Spend(LIMIT, "x")])
    assert isinstance(await store.spend([Spend(LIMIT, "x")]), Limited)


async def test_one_lost_connection_takes_the_idle_ones_with_it(start_redis, connect):
    server = start_redis()
    store = connect(server.address, timeout=IMPATIENT)
    await asyncio.gather(*(store.recall(b"ready") for _ in range(8)))
    assert 2 < server.admin.info("clients")["connected_clients"]
    with frozen(server), pytest.raises(Unavailable):
        await store.recall(b"ready")
    await eventually(lambda: server.admin.info("clients")["connected_clients"] == 1, "the idle connections are gone")


async def test_any_number_at_once_shares_few_connections(redis, connect):
    store = connect(redis.address)
    before = redis.admin.info("stats")["total_connections_received"]
    assert [None] * 500 == await asyncio.gather(*(store.recall(b"x") for _ in range(500)))
    assert CONNECTIONS >= redis.admin.info("stats")["total_connections_received"] - before


async def test_a_full_redis_is_unavailable_writes_nothing_and_heals(start_redis, connect):
    server = start_redis()
    store = connect(server.address)
    server.admin.config_set("maxmemory", 1)
    with pytest.raises(Unavailable, match="Redis is full"):
        await store.swap(None, blank(time.time()), [Spend(TIGHT, "x")])
    assert 0 == server.admin.dbsize()
    server.admin.config_set("maxmemory", 0)
    assert Swap.DONE is await store.swap(None, blank(time.time()), [Spend(TIGHT, "x")])


def test_what_a_server_says_is_not_repeated():
    said = redis.exceptions.ResponseError(f"unknown command 'AUTH', with args beginning with: '{PASSWORD}'")
    assert "Redis refuses: ResponseError" == _detail(said)
    assert "Redis refuses: NOREPLICAS" == _detail(redis.exceptions.ResponseError(f"NOREPLICAS {PASSWORD}"))


# What is stored


async def test_who_reads_redis_learns_no_name_number_or_code(redis, connect):
    store = connect(redis.address)
    row = blank(time.time(), code=b"hashed-code", password=b"hashed-password", reply=(("Class", "admins"),))
    row = row._replace(call=row.call._replace(ref=CallRef("twilio", "CA123")))
    await store.swap(None, row, [Spend(LIMIT, "alice-id"), Spend(TIGHT, "+12025550123")])
    await store.spend([Spend(LIMIT, "192.0.2.9")])
    await store.remember(b"remembered", b"the value", 60)
    seen = everything(redis)
    assert 6 < seen.count(b"{radius-voice}:")
    secrets = ("alice", "2025550123", "2025550124", "hashed", "vpn", "192.0.2.9", "admins", "CA123", "calls.", "value")
    assert [] == [word for word in (*secrets, "remembered", "k" * 16, "state1") if word.encode() in seen]


async def test_everything_has_an_end(redis, connect):
    store = connect(redis.address)
    now = time.time()
    await store.swap(None, blank(now), [Spend(LIMIT, "x")])
    await store.remember(b"x", b"y", 100)
    lives = {key.split(b":")[1]: redis.admin.pttl(key) / 1000 for key in redis.admin.scan_iter()}
    expected = {
        b"row2": CAP + REPEATED_FOR,
        b"live": LIVE,
        b"open": CAP + REPEATED_FOR + 3600,
        b"limit": 30,
        b"kept": 100,
    }
    assert {key: pytest.approx(life, abs=5) for key, life in expected.items()} == lives


async def test_a_limit_that_is_full_again_takes_no_room(redis, connect):
    store = connect(redis.address)
    await store.spend([Spend(TIGHT, "x")])
    await store.spend([Spend(TIGHT, "x", Act.GIVE_BACK)])
    await store.spend([Spend(LIMIT, "x", Act.CLEAR), Spend(LIMIT, "y", Act.PEEK)])
    assert 0 == redis.admin.dbsize()


async def test_limits_are_the_same_doubles_as_the_arithmetic(redis, connect):
    clock = Clock()
    store = connect(redis.address, now=clock)
    awkward = Limit("calls.person", 7, 600.1, LIMIT.reason)
    spend, full_at = Spend(awkward, "x"), 0.0
    for pause in (0.0, 0.1, 1 / 3, 17.77, 0.0, 1e-6, 123.456789):
        clock.now += pause
        full_at = arrival_time(full_at, awkward, Act.TAKE, clock.now)
        await store.spend([spend])
        assert {spend: full_at} == await store.full_at([spend])
    for nearly in (-2e-6, -5e-7):  # of an interval: beyond and within what rounding may cost
        edge = Limit("calls.all", 1, 1000.0, LIMIT.reason)
        subject = Spend(edge, str(nearly))
        await store.spend([subject])
        clock.now += 1000 * (1 + nearly)
        forbidden = arrival_time(clock.now - 1000 * nearly, edge, Act.TAKE, clock.now) is None
        assert forbidden is isinstance(await store.spend([subject]), Limited)
        assert forbidden is (nearly < -1e-6)
    place = Sealer(kinds.KEY, "radius-voice").name(b"limit", storage_key(spend).encode())
    assert full_at == float(redis.admin.get(place))


async def test_with_another_server_key_there_is_nothing(redis, connect):
    ours, theirs = connect(redis.address), connect(redis.address, key=b"x" * 32)
    await ours.swap(None, blank(time.time()))
    assert await theirs.load(KEY) is None


async def test_what_was_tampered_with_is_no_row_and_in_nobodys_way(redis, connect):
    store = connect(redis.address)
    await store.swap(None, blank(time.time()))
    await store.remember(b"x", b"y", 60)
    rows, kept = redis.admin.keys("*:row2:*"), redis.admin.keys("*:kept:*")
    body = redis.admin.hget(rows[0], "body")
    redis.admin.hset(rows[0], "body", body[:-1] + bytes([body[-1] ^ 1]))
    redis.admin.set(kept[0], b"", ex=60)
    assert (None, None) == (await store.load(KEY), await store.recall(b"x"))
    assert Swap.DONE is await store.swap(None, blank(time.time()))


async def test_a_row_counts_at_its_own_place_alone(redis, connect):
    store = connect(redis.address)
    for number in (b"a", b"b"):
        await store.swap(None, blank(time.time(), key=number * 16, person=number.decode()))
    one, other = redis.admin.keys("*:row2:*")
    redis.admin.hset(one, "body", redis.admin.hget(other, "body"))
    assert [None] == [row for row in (await store.load(b"a" * 16), await store.load(b"b" * 16)) if row is None]


# Several nodes


async def test_of_eight_nodes_that_race_one_is_done(redis, connect):
    nodes = [connect(redis.address) for _ in range(8)]
    rows = [blank(time.time(), login=f"login{number}") for number in range(8)]
    swaps = await asyncio.gather(*(node.swap(None, row) for node, row in zip(nodes, rows, strict=True)))
    assert [Swap.DONE] + [Swap.STALE] * 7 == sorted(swaps, key=lambda swap: swap is not Swap.DONE)
    first = await nodes[0].load(KEY)
    seconds = [first._replace(tries=tries, version=2) for tries in range(8)]
    swaps = await asyncio.gather(*(node.swap(first, row) for node, row in zip(nodes, seconds, strict=True)))
    assert 1 == swaps.count(Swap.DONE)
    assert seconds[swaps.index(Swap.DONE)] == await nodes[0].load(KEY)


async def test_two_nodes_ring_a_person_once(redis, connect):
    one, two = connect(redis.address), connect(redis.address)
    rows = [blank(time.time(), key=bytes([number]) * 16, login=str(number)) for number in range(8)]
    swaps = await asyncio.gather(*(node.swap(None, row) for node, row in zip([one, two] * 4, rows, strict=True)))
    assert (1, 7) == (swaps.count(Swap.DONE), swaps.count(Swap.BUSY))


async def test_two_nodes_together_never_exceed_a_limit(redis, connect):
    nodes = [connect(redis.address), connect(redis.address)]
    ten = Limit("calls.all", 10, 3600.0, LIMIT.reason)
    told = await asyncio.gather(*(node.spend([Spend(ten, "all")]) for node in nodes * 20))
    assert 10 == told.count(None)


async def test_an_abandoned_login_is_told_of_by_one_node(redis, connect):
    clock = Clock()
    nodes = [connect(redis.address, now=clock) for _ in range(4)]
    await nodes[0].swap(None, blank(clock.now))
    clock.now += CAP + REPEATED_FOR
    assert 1 == sum(await asyncio.gather(*(node.sweep() for node in nodes)))


async def test_time_is_the_servers(redis, connect):
    store = connect(redis.address)
    ended = blank(time.time() - LIVE - 1)
    assert Swap.DONE is await store.swap(None, ended)
    assert Swap.DONE is await store.swap(None, blank(time.time(), key=b"o" * 16))
    assert (2, 0) == (await store.open_logins(), await store.sweep())


# Ways to reach it


def acl():
    """The user that docs/stores.md recommends."""
    found = re.search(r"^ *(user radius-voice on >)PASSWORD( .+)$", DOCUMENTATION.read_text(), re.MULTILINE)
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


async def test_tls_and_the_documented_user_are_enough(guarded, connect, tmp_path):
    user = {"username": "radius-voice", "password": PASSWORD.replace(" ", "-")}
    store = connect(guarded.address, tls=True, ca_file=tmp_path / "ca.pem", **user)
    row = blank(time.time())
    assert Swap.DONE is await store.swap(None, row, [Spend(LIMIT, "x")])
    assert row == await store.load(KEY)
    ended = step(row, answered(), time.time()).row
    assert Swap.DONE is await store.swap(row, ended, [Spend(LIMIT, "x", Act.CLEAR)])
    await store.remember(b"k", b"v", 60)
    assert b"v" == await store.recall(b"k")
    assert (0, 0) == (await store.open_logins(), await store.sweep())
    assert {Spend(LIMIT, "x"): 0} == await store.full_at([Spend(LIMIT, "x")])


async def test_a_wrong_password_is_told_without_it(guarded, connect, tmp_path):
    store = connect(guarded.address, tls=True, ca_file=tmp_path / "ca.pem", username="alice", password=PASSWORD)
    with pytest.raises(Unavailable) as caught:
        await store.recall(b"k")
    assert "store: Redis refuses the user name or password" == str(caught.value)
    assert PASSWORD not in repr(Servers((guarded.address,), password=PASSWORD))


async def test_a_certificate_of_somebody_else_is_refused(guarded, connect, tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    store = connect(guarded.address, tls=True, ca_file=tmp_path / "other.pem", password=PASSWORD)
    with pytest.raises(Unavailable, match="certificate verify failed"):
        await store.recall(b"k")


async def test_a_certificate_for_another_name_is_refused(guarded, connect, tmp_path):
    store = connect(("localhost", guarded.port), tls=True, ca_file=tmp_path / "ca.pem", password=PASSWORD)
    with pytest.raises(Unavailable, match="certificate verify failed"):
        await store.recall(b"k")


async def test_a_row_is_done_when_its_replica_has_it(start_redis, connect):
    server = start_redis()
    store = connect(server.address, replicas=1, timeout=0.6)
    with pytest.raises(Unavailable, match="0 of 1 replicas"):
        await store.swap(None, blank(time.time()))
    assert Swap.STALE is await store.swap(None, blank(time.time()))
    copy = start_redis("--replicaof", f"127.0.0.1 {server.port}")
    await eventually(lambda: copy.admin.info("replication")["master_link_status"] == "up", "the replica follows")
    patient = connect(server.address, replicas=1)
    server.admin.script_flush()
    assert Swap.DONE is await patient.swap(None, blank(time.time(), key=b"o" * 16, person="bob"))
    assert 2 == len(copy.admin.keys("*:row2:*"))


async def test_a_call_of_a_row_that_is_known_is_done_when_its_replica_has_it(start_redis, connect):
    server = start_redis()
    row = blank(time.time())
    assert Swap.DONE is await connect(server.address).swap(None, row)
    store = connect(server.address, replicas=1, timeout=0.6)
    wrong = row._replace(tries=2, version=2)
    assert Swap.DONE is await store.swap(row, wrong), "a wrong code does not wait"
    with pytest.raises(Unavailable, match="0 of 1 replicas"):
        await store.swap(wrong, wrong._replace(call=row.call._replace(number=2), version=3))


async def test_a_verdict_is_told_again_when_its_replica_has_it(start_redis, connect):
    server = start_redis()
    row = blank(time.time())
    ended = step(row, answered(), time.time()).row
    assert Swap.DONE is await connect(server.address).swap(None, row)
    store = connect(server.address, replicas=1, timeout=0.6)
    for attempt in (lambda: store.swap(row, ended), lambda: store.load(KEY)):
        with pytest.raises(Unavailable, match="0 of 1 replicas"):
            await attempt()
    copy = start_redis("--replicaof", f"127.0.0.1 {server.port}")
    await eventually(lambda: copy.admin.info("replication")["master_link_status"] == "up", "the replica follows")
    assert ended == await soon(lambda: store.load(KEY))


async def test_sentinels_lead_to_the_new_master(start_redis, connect):
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
    await eventually(
        lambda: watch.admin.sentinel_master("mymaster")["num-slaves"] == 1, "the Sentinel knows the replica"
    )
    await eventually(lambda: copy.admin.info("replication")["master_link_status"] == "up", "the replica follows")
    row = blank(time.time())
    assert Swap.DONE is await store.swap(None, row)
    master.kill()
    with pytest.raises(Unavailable):
        await store.recall(b"x")
    second = row._replace(tries=2, version=2)
    loaded = await soon(lambda: store.load(KEY))
    assert row == loaded
    assert Swap.DONE is await soon(lambda: store.swap(loaded, second))
    assert second == await store.load(KEY)
    hung = start_redis("--sentinel")
    with frozen(hung):
        patient = connect(hung.address, watch.address, mode="sentinel", service="mymaster", timeout=1.0)
        assert second == await soon(lambda: patient.load(KEY))
    with pytest.raises(Unavailable, match="no sentinel knows"):
        await connect(watch.address, mode="sentinel", service="another").recall(b"x")


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
    until(lambda: all(4 == ask(node, "NODES").count(b"connected") for node in nodes), "the nodes know each other")
    ask(copy, "REPLICATE", ask(master, "MYID"))
    until(lambda: copy.admin.info("replication").get("master_link_status") == "up", "the replica follows")
    until(lambda: all(b"slave" in ask(node, "NODES") for node in nodes), "all know of the replica")
    until(lambda: all(b"cluster_state:ok" in ask(node, "INFO") for node in nodes), "the cluster is well")
    return masters, master, copy


async def test_the_node_of_a_cluster_that_has_our_slot_is_found_and_found_again(cluster, connect):
    masters, master, copy = cluster
    elsewhere = [node for node in masters if node is not master]
    with pytest.raises(Unavailable, match="write mode: cluster"):
        await connect(elsewhere[0].address).recall(b"x")
    store = connect(("127.0.0.1", 1), *(node.address for node in elsewhere), mode="cluster")
    with pytest.raises(Unavailable, match="out of reach"):
        await store.recall(b"x")
    row = blank(time.time())
    assert Swap.DONE is await store.swap(None, row, [Spend(LIMIT, "x"), Spend(TIGHT, "y")])
    assert row == await store.load(KEY)
    await eventually(lambda: copy.admin.dbsize() == master.admin.dbsize(), "the replica has it all")
    ask(copy, "FAILOVER")
    await eventually(lambda: master.admin.info("replication")["role"] == "slave", "the old master knows")
    second = row._replace(tries=2, version=2)
    assert Swap.DONE is await soon(lambda: store.swap(row, second))
    assert second == await store.load(KEY)
