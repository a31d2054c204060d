-- dump(): what every key holds, in the order of the keys; for tests. Scores go with the members of sorted sets.

local parts = {}
for at, key in ipairs(KEYS) do
  local kind = call('TYPE', key).ok
  if kind == 'hash' then
    parts[at] = call('HGETALL', key)
  elseif kind == 'zset' then
    parts[at] = call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'set' then
    parts[at] = call('SMEMBERS', key)
  else
    parts[at] = {}
  end
end
return parts
