"""The atomic operations of the Redis store, as Lua scripts. Numbers are passed as text without loss of precision.

Each script's first argument is the wall clock. It is empty in service: then the Redis server's clock is used, so that
nodes with different clocks agree. All keys are in KEYS and share a hash tag, as Redis Cluster requires.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha1

from radius_voice.login.records import MAX_RECORDS, RECORD_SECONDS

DONE = b"done"
"""Reply of a script that has written."""

CLOCK = """
local function wall_clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local told = redis.call('TIME')
  return tonumber(told[1]) + tonumber(told[2]) / 1000000
end
local function exact(number) return string.format('%.17g', number) end
local function milliseconds(seconds) return string.format('%.0f', math.max(1, math.ceil(seconds * 1000))) end
local now = wall_clock()
"""

SETTLE = """
-- login/limits.py, operation for operation: both must give the same doubles.
-- Limits are KEYS after the first `others`; of each, ARGV holds burst, period and act after the first `before`.
local function settle(others, before)
  local written = {}
  for number = 1, #KEYS - others do
    local key, at = KEYS[others + number], before + 3 * (number - 1)
    local period, act = tonumber(ARGV[at + 2]), ARGV[at + 3]
    local interval = period / tonumber(ARGV[at + 1])
    local full_at = written[key] or tonumber(redis.call('GET', key) or '0')
    local base = math.max(full_at, now)
    if full_at - now > period + interval then base = now end
    local after = base
    if act == 'clear' then
      after = now
    elseif act == 'give_back' then
      after = math.max(base - interval, now)
    else
      local taken = base + interval
      if taken - now > period + interval * 1e-6 then
        return nil, {number - 1, exact(full_at + interval - period - now)}
      end
      if act == 'take' then after = taken end
    end
    if act ~= 'peek' then written[key] = after end
  end
  return written
end
local function write(written)
  for key, full_at in pairs(written) do
    if full_at > now then
      redis.call('SET', key, exact(full_at), 'PX', milliseconds(full_at - now))
    else
      redis.call('DEL', key)
    end
  end
end
"""

RECORD = f"""
-- Records of requests: a hash of `END VALUE` by key, and for either kind a sorted set of keys by their ends.
-- ARGV[2] to ARGV[5] are key, value, the value that may be replaced, and `verified` or `other`; no key, no record.
local function recorded(records)
  local found = ARGV[2] ~= '' and redis.call('HGET', records, ARGV[2])
  if not found then return nil end
  local space = string.find(found, ' ', 1, true)
  local value = string.sub(found, space + 1)
  if tonumber(string.sub(found, 1, space - 1)) <= now or value == ARGV[4] then return nil end
  return {{'recorded', value}}
end
local function write_record(records, verified, other)
  if ARGV[2] == '' then return end
  if ARGV[4] ~= '' then
    redis.call('ZREM', verified, ARGV[2])
    redis.call('ZREM', other, ARGV[2])
  end
  if ARGV[3] == '' then
    redis.call('HDEL', records, ARGV[2])
    return
  end
  local order = ARGV[5] == 'verified' and verified or other
  local ends = exact(now + {RECORD_SECONDS:.0f})
  redis.call('HSET', records, ARGV[2], ends .. ' ' .. ARGV[3])
  redis.call('ZADD', order, ends, ARGV[2])
  local count = redis.call('ZCARD', order)
  if count > {MAX_RECORDS} then
    redis.call('HDEL', records, redis.call('ZPOPMIN', order)[1])
  elseif count == 1 then
    for _, key in ipairs({{records, verified, other}}) do
      redis.call('PEXPIRE', key, milliseconds(2 * {RECORD_SECONDS:.0f}))
    end
  end
end
"""


@dataclass(frozen=True, slots=True)
class Script:
    """A script and its SHA-1, by which EVALSHA calls it."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", sha1(self.text.encode(), usedforsecurity=False).hexdigest())


SPEND = Script(
    CLOCK
    + SETTLE
    + RECORD
    + """
local before = recorded(KEYS[1])
if before then return before end
local written, limited = settle(3, 5)
if limited then return limited end
write(written)
write_record(KEYS[1], KEYS[2], KEYS[3])
return 'done'
"""
)
"""KEYS: the three keys of records, then limits. ARGV: clock; the record; burst, period and act of each limit.

Replies `done`, or the index of the limit that forbids it and its retry_after in seconds, or `recorded` and the value
of the existing record.
"""

SWAP = Script(
    CLOCK
    + SETTLE
    + RECORD
    + """
local row, slot, open = KEYS[1], KEYS[2], KEYS[3]
local live_until, ends_at, kept = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[12])
if (redis.call('HGET', row, 'stamp') or '') ~= ARGV[6] then return 'stale' end
local before = recorded(KEYS[4])
if before then return before end
local held_until, holder = string.match(redis.call('GET', slot) or '0 -', '^(%S+) (%S+)$')
local live = live_until > now
if live and holder ~= row and tonumber(held_until) > now then return 'busy' end
local written, limited = settle(6, 12)
if limited then return limited end
write(written)
write_record(KEYS[4], KEYS[5], KEYS[6])
local left = milliseconds(ends_at + kept - now)
redis.call('HSET', row, 'stamp', ARGV[7], 'body', ARGV[11])
redis.call('PEXPIRE', row, left)
if live then
  redis.call('SET', slot, ARGV[8] .. ' ' .. row, 'PX', milliseconds(live_until - now))
elseif holder == row then
  redis.call('DEL', slot)
end
if ARGV[10] == 'open' then
  redis.call('ZADD', open, ARGV[9], row)
  local longer = left + 3600000
  if redis.call('PTTL', open) < longer then redis.call('PEXPIRE', open, longer) end
else
  redis.call('ZREM', open, row)
end
return 'done'
"""
)
"""KEYS: row, the user's slot, the open rows, the three keys of records, limits. ARGV: clock; the record; stamp before
(empty: no row), stamp after; live until (0: not live); ends at; `open` or `ended`; sealed row; seconds that a row is
kept after its end; burst, period and act of each limit. Replies `done`, `stale`, `busy`, or a refusal as SPEND does.

The slot holds the name of the row whose call is live, and until when. It is written only in swaps, together with that
row. So the script need not read the other row, whose key is not in KEYS.
"""

AGAIN = Script("""
local stamp = redis.call('HGET', KEYS[1], 'stamp')
if not stamp then return 'gone' end
redis.call('HSET', KEYS[1], 'stamp', stamp)
return 'done'
""")
"""Rewrites a row's stamp unchanged: a replica that has this write has all earlier ones. Replies `done` or `gone`."""

DROP = Script("if redis.call('HGET', KEYS[1], 'body') == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")
"""Deletes a row that could not be read, unless it has changed since."""

COUNT = Script(CLOCK + "return redis.call('ZCOUNT', KEYS[1], '(' .. exact(now), '+inf')")
"""Number of rows that wait for their code."""

SWEEP = Script(
    CLOCK
    + f"""
for _, order in ipairs({{KEYS[3], KEYS[4]}}) do
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', order, '-inf', exact(now), 'LIMIT', 0, 500)) do
    redis.call('ZREM', order, key)
    redis.call('HDEL', KEYS[2], key)
  end
end
for number = 2, 4 do redis.call('PEXPIRE', KEYS[number], milliseconds(2 * {RECORD_SECONDS:.0f})) end
return redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', exact(now - tonumber(ARGV[2])))
"""
)
"""KEYS: the open rows, the three keys of records. ARGV: clock; seconds that a row is kept after its end.

Deletes expired records (at most 500 of each kind), removes from the open rows those that ended so many seconds ago, and
replies their number.
"""
