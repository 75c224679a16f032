"""The atomic operations of the Redis store, as Lua scripts. Numbers are passed as text without loss of precision.

Each script's first argument is the wall clock. It is empty in service: then the Redis server's clock is used, so that
nodes with different clocks agree. All keys are in KEYS and share a hash tag, as Redis Cluster requires.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha1

from radius_voice.login.limits.rate_limits import COUNT_LIMIT, DAY_SECONDS, KEPT_DAYS, MAX_USES, MIN_USE_SECONDS
from radius_voice.login.replay import MAX_RECORDS, RECORD_SECONDS

DONE = b"done"
"""The reply of a script that has written."""

CLOCK = """
local function wall_clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return tonumber(time[1]) + tonumber(time[2]) / 1000000
end
local function exact(number) return string.format('%.17g', number) end
local function milliseconds(seconds) return string.format('%.0f', math.max(1, math.ceil(seconds * 1000))) end
local now = wall_clock()
"""

LIMITS = (
    f"""
local MAX_USES, MIN_USE_SECONDS = {MAX_USES}, {MIN_USE_SECONDS:.0f}
local COUNT_LIMIT, DAY_SECONDS, KEPT_DAYS = {COUNT_LIMIT}, {DAY_SECONDS}, {KEPT_DAYS}
"""
    """
-- Like login/limits/rate_limits.py: both must give the same doubles.
-- Limits are KEYS after the first `others`; for each, ARGV has burst, period and action after the first `before`.
-- The action is followed by the amount and begins with the kind of limit: `resets take 1`. `take` is `refills take 1`.
local function reset_time(stored, burst, period, action, amount)
  local ends = math.floor(stored)
  local used = 0
  if ends > now and ends - now <= period + 1 then
    used = math.floor((stored - ends) * MAX_USES + 0.5)
  else
    ends = 0
  end
  if action == 'reset' then return now end
  if action == 'refund' then return used > amount and ends + (used - amount) / MAX_USES or now end
  if action == 'extend' then
    return used > 0 and math.max(ends, math.ceil(now + period)) + used / MAX_USES or now
  end
  if used + amount > burst then return nil end
  local seconds = used > 0 and math.min(period, MIN_USE_SECONDS) or period
  return math.max(ends, math.ceil(now + seconds)) + (used + amount) / MAX_USES
end
local function count(stored, burst, action, amount)
  local used = stored >= COUNT_LIMIT and stored % COUNT_LIMIT or 0
  if action == 'reset' then return now end
  if action == 'extend' then return stored end
  if action == 'refund' then used = math.max(0, used - amount) else used = used + amount end
  if action ~= 'refund' and used > burst then return nil end
  return (math.floor(now / DAY_SECONDS) + 1 + KEPT_DAYS) * COUNT_LIMIT + used
end
local function expiry(stored)
  return stored >= COUNT_LIMIT and math.floor(stored / COUNT_LIMIT) * DAY_SECONDS or stored
end
local function apply(others, before)
  local written = {}
  for number = 1, #KEYS - others do
    local key, at = KEYS[others + number], before + 3 * (number - 1)
    local burst, period, action = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ARGV[at + 3]
    local interval = period / burst
    local tat = written[key] or tonumber(redis.call('GET', key) or '0')
    local kind, plain, amount = string.match(action, '^(%a+) (%a+) (%d+)$')
    action, amount = plain or action, tonumber(amount or '1')
    local base = math.max(tat, now)
    if tat - now > period + interval then base = now end
    local after = base
    if kind == 'resets' then
      after = reset_time(tat, burst, period, action, amount)
      if not after then return nil, {number - 1, exact(math.floor(tat) - now)} end
    elseif kind == 'counts' then
      after = count(tat, burst, action, amount)
      if not after then return nil, {number - 1, exact((math.floor(now / DAY_SECONDS) + 1) * DAY_SECONDS - now)} end
    elseif action == 'reset' then
      after = now
    elseif action == 'refund' then
      after = math.max(base - amount * interval, now)
    elseif action == 'extend' then
      after = base
    else
      local taken = base + amount * interval
      if taken - now > period + interval * 1e-6 then
        return nil, {number - 1, exact(math.max(tat, now) + amount * interval - period - now)}
      end
      if action == 'take' then after = taken end
    end
    if action ~= 'check' then written[key] = after end
  end
  return written
end
local function write(written)
  for key, tat in pairs(written) do
    if tat > now then
      redis.call('SET', key, exact(tat), 'PX', milliseconds(expiry(tat) - now))
    else
      redis.call('DEL', key)
    end
  end
end
"""
)

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


APPLY_LIMITS = Script(
    CLOCK
    + LIMITS
    + RECORD
    + """
local before = recorded(KEYS[1])
if before then return before end
local written, limited = apply(3, 5)
if limited then return limited end
write(written)
write_record(KEYS[1], KEYS[2], KEYS[3])
return 'done'
"""
)
"""KEYS: the three keys of records, then limits. ARGV: clock; the record; burst, period and action of each limit.

Replies `done`, or the index of the limit that forbids it and its retry_after in seconds, or `recorded` and the value
of the existing record.
"""

COMPARE_AND_SWAP = Script(
    CLOCK
    + LIMITS
    + RECORD
    + """
local session, slot, open, call = KEYS[1], KEYS[2], KEYS[3], KEYS[7]
local live_until, ends_at, kept = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[12])
if (redis.call('HGET', session, 'stamp') or '') ~= ARGV[6] then return 'stale' end
local before = recorded(KEYS[4])
if before then return before end
local held_until, holder = string.match(redis.call('GET', slot) or '0 -', '^(%S+) (%S+)$')
local live = live_until > now
if live and holder ~= session and tonumber(held_until) > now then return 'busy' end
local present = ARGV[14] ~= '' and redis.call('GET', KEYS[8])
if present then return {'durable', present} end
local written, limited = apply(8, 14)
if limited then return limited end
if ARGV[14] ~= '' then redis.call('SET', KEYS[8], ARGV[14]) end
write(written)
write_record(KEYS[4], KEYS[5], KEYS[6])
local left = milliseconds(ends_at + kept - now)
redis.call('HSET', session, 'stamp', ARGV[7], 'body', ARGV[11])
redis.call('PEXPIRE', session, left)
if ARGV[13] == 'call' then redis.call('SET', call, session, 'PX', left) end
if live then
  redis.call('SET', slot, ARGV[8] .. ' ' .. session, 'PX', milliseconds(live_until - now))
elseif holder == session then
  redis.call('DEL', slot)
end
if ARGV[10] == 'open' then
  redis.call('ZADD', open, ARGV[9], session)
  local longer = left + 3600000
  if redis.call('PTTL', open) < longer then redis.call('PEXPIRE', open, longer) end
else
  redis.call('ZREM', open, session)
end
return 'done'
"""
)
"""Replaces a session, with its limits, record and durable value. Replies `done`, `stale`, `busy`, `durable` and the
present value, or as APPLY_LIMITS if a limit or a record forbids it.

KEYS: 1 session; 2 the user's slot; 3 the open sessions; 4 to 6 the keys of records; 7 a call; 8 a durable value; then
the limits.

ARGV:
 1       clock
 2 to 5  the record
 6, 7    stamp of the session before (empty: no session) and after
 8       live until (0: not live)
 9       when the session ends
10       `open` or `ended`
11       the sealed session
12       seconds that a session is kept after its end
13       `call` if the call leads to the session
14       the sealed durable value to write if there is none (empty: write none)
15 ...   burst, period and action of each limit

The user's slot contains the name of the session whose call is live, and the time until which it may be live. Only this
script writes it, together with that session. So the script need not read that session, whose key is not in KEYS.
"""

AGAIN = Script("""
local stamp = redis.call('HGET', KEYS[1], 'stamp')
if not stamp then return 'gone' end
redis.call('HSET', KEYS[1], 'stamp', stamp)
return 'done'
""")
"""Writes a session's stamp again: a replica that has this write has all earlier writes. Replies `done` or `gone`."""

REPLACE_DURABLE = Script("""
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 'stale' end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 'done'
""")
"""ARGV: the sealed durable value to replace, and the new one (empty: none). Replies `done` or `stale`."""

DROP = Script("if redis.call('HGET', KEYS[1], 'body') == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0")
"""Deletes a session that could not be read, unless it has changed since."""

COUNT = Script(CLOCK + "return redis.call('ZCOUNT', KEYS[1], '(' .. exact(now), '+inf')")
"""Replies the number of sessions that wait for their code."""

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
"""KEYS: the open sessions, the three keys of records. ARGV: clock; seconds that a session is kept after its end.

Deletes expired records (at most 500 of each kind), removes from the open sessions those that ended that many seconds
ago, and replies their number.
"""
