-- Counts what was used in the place of what was reserved.
-- KEYS: as for taking. ARGV[1]: JSON {counters = [[resource, window_ms, used]], pop = 0 or 1}: with pop, the
-- spender's newest reservation is given back first. Which of several that is does not matter: they add up.

local asked = cjson.decode(ARGV[1])
local counters = asked.counters
local clock = redis.call('TIME')
local now_ms = clock[1] * 1000 + math.floor(clock[2] / 1000)
local popped = asked.pop == 1 and redis.call('RPOP', KEYS[2 * #counters + 1])
local held = popped and cjson.decode(popped)

for i, counter in ipairs(counters) do
  local resource, window_ms, used = unpack(counter)
  if held then give_back(KEYS[2 * i - 1], KEYS[2 * i], window_ms, held, resource, now_ms) end
  if used > 0 then
    read_window(KEYS[2 * i - 1], KEYS[2 * i], window_ms)
    add(KEYS[2 * i], window_ms, used)
  end
end
return held and 1 or 0
