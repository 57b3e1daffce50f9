"""What Redis runs for the limits, in its own language: policy/limits.py line for line.

The time is the server's own, which all gateways share. All keys of a script carry one hash tag, so
that they lie on one node of a cluster. A level is kept as "units at", lossless.
"""

import hashlib
from typing import Final

import msgspec


class Script(msgspec.Struct, frozen=True):
    text: bytes
    sha: bytes

    @classmethod
    def of(cls, text: str) -> "Script":
        source = (_COMMON + text).encode()
        return cls(source, hashlib.sha1(source, usedforsecurity=False).hexdigest().encode())


# ARGV[1] is a time to go by instead of the server's: tests say what it is.
_COMMON: Final = """\
local PREFIX, SLACK = 'gw1{limits}:', 1e-6
local HELD, LEASES = PREFIX .. 'held', PREFIX .. 'leases'
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) + tonumber(time[2]) / 1000000
end

local function text(number) return string.format('%.17g', number) end

local function drained(kept, capacity, rate)
  local units, at = string.match(kept or '', '^(%S+) (%S+)$')
  units, at = tonumber(units), tonumber(at)
  if not units or not at then return 0, now end
  if now >= at then return math.max(0, units - (now - at) * rate), now end
  if (at - now) * rate > capacity then return units, now, true end
  return units, at
end

local function keep(key, units, at, rate, keep_s)
  if units <= 0 then return redis.call('DEL', key) end
  local ms = keep_s * 1000
  if rate > 0 then ms = (units / rate + math.max(0, at - now) + 1) * 1000 end
  if ms <= 0 then return redis.call('SET', key, text(units) .. ' ' .. text(at)) end
  redis.call('SET', key, text(units) .. ' ' .. text(at), 'PX', math.ceil(math.min(ms, 1e14)))
end

local function give_back(record)
  for key, units, capacity, rate, keep_s in
      string.gmatch(record, '([^\\n]+)\\n(%S+) (%S+) (%S+) (%S+)\\n') do
    units, rate = tonumber(units), tonumber(rate)
    local kept = redis.call('MGET', key)[1]
    if kept then
      local level, at = drained(kept, tonumber(capacity), rate)
      keep(key, math.max(0, level - units), at, rate, tonumber(keep_s))
    end
  end
end

local function tidy()
  local over = redis.pcall('ZRANGEBYSCORE', LEASES, '-inf', text(now), 'LIMIT', 0, 16)
  if over.err then
    redis.call('RENAME', LEASES, PREFIX .. 'bad:leases')
    return
  end
  for _, lease in ipairs(over) do
    local record = redis.pcall('HGET', HELD, lease)
    if type(record) == 'string' then give_back(record) end
    redis.pcall('HDEL', HELD, lease)
    redis.call('ZREM', LEASES, lease)
  end
end
"""

# KEYS: the leases' two, "settled" of this one, then a level each.
# ARGV: the time, the lease, its length, then cost, capacity, rate, keep_s, mark of each claim;
# mark: 1 leased, 2 shadow, 3 both. Answers whether granted, and each level before it.
CLAIM: Final = Script.of(
    """
tidy()
local lease, lease_s = ARGV[2], tonumber(ARGV[3])
local answer, granted, claims, keys = {1}, true, {}, {}
if redis.call('EXISTS', KEYS[3]) == 1 then return {0} end
for i = 4, #KEYS do keys[#keys + 1] = KEYS[i] end
local kept = redis.call('MGET', unpack(keys))
for i, key in ipairs(keys) do
  local arg = 4 + (i - 1) * 5
  local cost, capacity, rate = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  local keep_s, mark = tonumber(ARGV[arg + 3]), tonumber(ARGV[arg + 4])
  local units, at, set_back = drained(kept[i], capacity, rate)
  local fit = units + cost <= capacity + SLACK
  if not fit and mark < 2 then granted = false end
  claims[i] = {key, units, at, cost, capacity, rate, keep_s, mark, fit, set_back}
  answer[i + 1] = text(units)
end
if not granted then
  answer[1] = 0
  for _, claim in ipairs(claims) do
    local key, units, at, _, _, rate, keep_s, _, _, set_back = unpack(claim)
    if set_back then keep(key, units, at, rate, keep_s) end
  end
  return answer
end
local record = ''
for i, claim in ipairs(claims) do
  local key, units, at, cost, capacity, rate, keep_s, mark, fit = unpack(claim)
  if fit and cost > 0 then
    keep(key, units + cost, at, rate, keep_s)
    if mark % 2 == 1 then
      record = record .. key .. '\\n' .. text(cost) .. ' ' .. text(capacity) .. ' ' .. text(rate)
        .. ' ' .. text(keep_s) .. '\\n'
    end
  end
end
if record ~= '' then
  if type(redis.pcall('HSET', HELD, lease, record)) ~= 'number' then
    redis.call('RENAME', HELD, PREFIX .. 'bad:held')
    redis.call('HSET', HELD, lease, record)
  end
  redis.call('ZADD', LEASES, text(now + lease_s), lease)
end
return answer
"""
)

# KEYS: as above. ARGV: the time, the lease, how long its settling is known, then spent, capacity,
# rate, keep_s of each leased claim. Answers whether it was not settled before.
SETTLE: Final = Script.of(
    """
local lease = ARGV[2]
if not redis.call('SET', KEYS[3], '1', 'NX', 'PX', ARGV[3]) then return 0 end
local taken = {}
local record = redis.pcall('HGET', HELD, lease)
if type(record) == 'string' then
  for key, units in string.gmatch(record, '([^\\n]+)\\n(%S+) [^\\n]*\\n') do
    taken[key] = tonumber(units)
  end
  redis.call('HDEL', HELD, lease)
  redis.pcall('ZREM', LEASES, lease)
end
for i = 4, #KEYS do
  local key, arg = KEYS[i], 4 + (i - 4) * 4
  local capacity, rate = tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  local difference = tonumber(ARGV[arg]) - (taken[key] or 0)
  if difference ~= 0 then
    local units, at = drained(redis.call('MGET', key)[1], capacity, rate)
    keep(key, math.max(0, units + difference), at, rate, tonumber(ARGV[arg + 3]))
  end
end
return 1
"""
)

# KEYS: the leases' two, the members. ARGV: the time, a lease's length, who says it, the leases.
# Answers how many have said so lately. A time that lies too far ahead is from before the clock was
# set back: it ends a lease's length from now.
RENEW: Final = Script.of(
    """
local lease_s = tonumber(ARGV[2])
local until_, ahead = text(now + lease_s), '(' .. text(now + lease_s * 4 / 3)
for i = 2, 3 do
  local late = redis.pcall('ZRANGEBYSCORE', KEYS[i], ahead, '+inf', 'LIMIT', 0, 1000)
  if late.err then
    redis.call('RENAME', KEYS[i], PREFIX .. 'bad:' .. string.sub(KEYS[i], #PREFIX + 1))
  end
  for _, one in ipairs(late) do redis.call('ZADD', KEYS[i], until_, one) end
end
for i = 4, #ARGV do redis.call('ZADD', LEASES, 'XX', until_, ARGV[i]) end
redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', text(now))
redis.call('ZADD', KEYS[3], until_, ARGV[3])
return redis.call('ZCARD', KEYS[3])
"""
)

# KEYS: what is worked on. ARGV: who, for how many ms.
HOLD: Final = Script.of(
    """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[2] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""
)
RELEASE: Final = Script.of(
    """
if redis.call('GET', KEYS[1]) == ARGV[2] then redis.call('DEL', KEYS[1]) end
return 1
"""
)
