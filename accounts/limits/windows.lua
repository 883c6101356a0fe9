-- What both scripts need: windows as the library `limits` keeps them for its sliding counters. The current
-- window's key lives for two windows; when less than one is left, it becomes the previous one.

local function read_window(previous_key, current_key, window_ms)
  local ttl = redis.call('PTTL', current_key)
  if ttl > 0 and ttl < window_ms then
    redis.call('RENAME', current_key, previous_key)
    redis.call('SET', current_key, 0, 'PX', ttl + window_ms)
  end
  return tonumber(redis.call('GET', previous_key) or 0), math.max(0, redis.call('PTTL', previous_key)),
    tonumber(redis.call('GET', current_key) or 0), math.max(0, redis.call('PTTL', current_key))
end

local function add(current_key, window_ms, units)
  if redis.call('EXISTS', current_key) == 1 then
    redis.call('INCRBY', current_key, string.format('%.0f', units))
  else
    redis.call('SET', current_key, string.format('%.0f', units), 'PX', 2 * window_ms)
  end
end

-- Takes a reservation back out of the window in which it was made, never below nothing.
local function give_back(previous_key, current_key, window_ms, held, resource, now_ms)
  local units = held[resource]
  if not units then return end
  local previous, _, current, ttl = read_window(previous_key, current_key, window_ms)
  -- Redis goes by one time for keys' ends and by another for TIME within a script: they differ by some ms.
  local began_ms = now_ms - (2 * window_ms - ttl) - 1000
  local key, there = current_key, current
  if held.at < began_ms then key, there = previous_key, previous end
  local back = math.min(units, there)
  if back > 0 then redis.call('DECRBY', key, string.format('%.0f', back)) end
end
