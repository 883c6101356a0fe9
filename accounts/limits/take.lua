-- Takes from every counter, or from none.
-- KEYS: the previous and the current window of each counter (as the library `limits` keeps them), then the
-- list of the spender's reservations, then where a visitor's address is kept.
-- ARGV[1]: JSON {counters = [[resource, limit, window_ms, cost, elastic, least]], reservations = 0 or more,
-- stale_ms = ..., address = "", address_s = ...}. An elastic counter needs `least` units to be left, and gives
-- what it has of the cost; the least that any counter of the resource gives is taken from all of them.
-- Answers JSON {taken, pending, windows = [[previous, its ttl, current, ttl]]}.

local asked = cjson.decode(ARGV[1])
local counters = asked.counters
local reservations = KEYS[2 * #counters + 1]
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)

-- Reservations that nobody settled, because their process died, are given back.
local oldest = redis.call('LINDEX', reservations, 0)
while oldest do
  local held = cjson.decode(oldest)
  if held.at > now_ms - asked.stale_ms then break end
  redis.call('LPOP', reservations)
  for i, counter in ipairs(counters) do
    give_back(KEYS[2 * i - 1], KEYS[2 * i], counter[3], held, counter[1], now_ms)
  end
  oldest = redis.call('LINDEX', reservations, 0)
end

local taken, windows, gives = true, {}, {}
for i, counter in ipairs(counters) do
  local resource, limit, window_ms, cost, elastic, least = unpack(counter)
  local previous, previous_ttl, current, current_ttl = read_window(KEYS[2 * i - 1], KEYS[2 * i], window_ms)
  local left = limit - math.floor(previous * previous_ttl / window_ms) - current
  if elastic == 1 then
    if left < least then taken = false end
    gives[resource] = math.min(gives[resource] or cost, left)
  else
    if left < cost then taken = false end
    gives[resource] = cost
  end
  windows[i] = { previous, previous_ttl, current, current_ttl }
end

local reserved = {}
if taken then
  for i, counter in ipairs(counters) do
    local resource, window_ms = counter[1], counter[3]
    add(KEYS[2 * i], window_ms, gives[resource])
    windows[i][3] = windows[i][3] + gives[resource]
    if windows[i][4] == 0 then windows[i][4] = 2 * window_ms end
    if counter[5] == 1 and asked.reservations > 0 then
      reserved[resource] = math.floor(gives[resource] / asked.reservations)
    end
  end
  if asked.reservations > 0 then
    reserved.at = now_ms
    for _ = 1, asked.reservations do redis.call('RPUSH', reservations, cjson.encode(reserved)) end
    redis.call('LTRIM', reservations, -10000, -1)
    redis.call('PEXPIRE', reservations, 2 * asked.stale_ms)
  end
  if asked.address ~= '' then
    redis.call('SET', KEYS[2 * #counters + 2], asked.address, 'EX', asked.address_s)
  end
end
return cjson.encode({ taken = taken, pending = redis.call('LLEN', reservations), windows = windows })
