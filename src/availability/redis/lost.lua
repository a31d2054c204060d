-- lost(now, suspect after, lost after, sweep gap): agents newly suspect, and agents with sessions that are lost, as two texts. Whoever is lost stays
-- among the heartbeats with the time 0, to be named again until the log ends the session.

now = tonumber(argument())
local suspect_after, lost_after, gap = tonumber(argument()), tonumber(argument()), tonumber(argument())
if not has_view() then return {'OK', '', ''} end
local slept = not tick or now - tonumber(tick) > gap
call('HSET', META, 'tick', format('%.0f', now))

if slept then
  --@ the sweeper slept
  local renewed = {}
  for _, number in ipairs(call('ZRANGE', BEATS, '(0', '(' .. format('%.0f', now), 'BYSCORE')) do
    renewed[#renewed + 1] = format('%.0f', now)
    renewed[#renewed + 1] = number
  end
  in_portions(renewed, 2, function(...) call('ZADD', BEATS, ...) end)
  return {'OK', '', ''}
end

local silent = call('ZRANGE', BEATS, '-inf', format('%.0f', now - suspect_after), 'BYSCORE', 'WITHSCORES')
local numbers, suspect, lost = {}, {}, {}
for at = 1, #silent, 2 do numbers[#numbers + 1] = silent[at] end
agents.fetch(numbers)
for at, number in ipairs(numbers) do
  local agent, since = agents.get(number), tonumber(silent[2 * at])
  if agent.lease == 'X' then
    --@ still lost
    lost[#lost + 1] = number .. session_of(agent.view)
  elseif since + lost_after <= now then
    --@ lost
    agent.lease = 'X'
    call('ZADD', BEATS, 0, number)
    lost[#lost + 1] = number .. session_of(agent.view)
    touch(agent)
  elseif agent.lease == 'L' then
    --@ suspect
    agent.lease = 'S'
    suspect[#suspect + 1] = number
    touch(agent)
  end
end
refresh_touched()
write_rows()
return {'OK', table.concat(suspect), table.concat(lost)}
