-- What a change of the log, a refusal or a lapse does to the view. Every call ends in `settle` and `write_rows`.

local function drop_hold(id)
  local hold = holds.get(id)
  if not hold then return end
  holds.put(id, false)
  call('ZREM', DEADLINES, id)
  if hold.refused then call('ZREM', REFUSED, hold.refused .. id) end
  for _, number in ipairs(hold.numbers) do
    local agent = agents.get(number)
    if agent then
      agent.reserved[id] = nil
      touch(agent)
    end
  end
end

-- Puts a leg where it should stand now: nowhere, if it is reserved or its connector is away.
local function stand_in_line(id)
  local leg = legs.get(id)
  if not leg or leg.kind ~= 'W' then return end
  local from, to = leg.line, not holds.get(id) and line_of(leg)
  if from == to then return end
  if from then leave_line(leg) end
  leg.line = to
  legs.put(id, leg)
  if to then enter_line(leg) end
end

-- Ends a reservation: its agents are free, and its leg, if it waits still, stands in line again.
local function release(id)
  drop_hold(id)
  stand_in_line(id)
end

-- Legs linked to a connector or an agent, each looked at again.
local function stand_linked(prefix)
  local ids = {}
  for at, member in ipairs(starting(LINKS, prefix)) do ids[at] = sub(member, #prefix + 1) end
  legs.fetch(ids)
  holds.fetch(ids)
  for _, id in ipairs(ids) do stand_in_line(id) end
end

local function put_connector(connector, away)
  local changed = call(away and 'SADD' or 'SREM', AWAY, connector) == 1
  away_known[connector] = away
  if changed then
    --@ connector changed
    stand_linked('c' .. connector .. '/')
  end
end

local function put_agent(number, deleted, view)
  local agent = agent_or_new(number)
  touch(agent)
  local known = agent.view
  if known and less(sub(view, 1, 16), sub(known, 1, 16)) then
    --@ older agent ignored
    return
  end
  local was_on_duty = on_duty(agent)
  local session = deleted and string.rep('0', 16) or session_of(view)
  local before = known and session_of(known) or string.rep('0', 16)
  if before ~= session then
    local lives = session ~= string.rep('0', 16)
    agent.lease = lives and 'L' or '-'
    if lives then call('ZADD', BEATS, format('%.0f', now), number) else call('ZREM', BEATS, number) end
  end
  agent.view = not deleted and view
  if (was_on_duty or false) ~= (on_duty(agent) or false) then stand_linked('p' .. number) end
end

-- Takes a leg's last state out of everything.
local function forget(id)
  local leg = legs.get(id)
  if not leg then return end
  if leg.kind == 'W' then
    if leg.line then leave_line(leg) end
    if leg.connector then call('ZREM', LINKS, 'c' .. leg.connector .. '/' .. id) end
    if leg.prefer then call('ZREM', LINKS, 'p' .. leg.prefer .. id) end
  elseif leg.kind == 'H' then
    each_booking(leg, function(number)
      local agent = agents.get(number)
      if agent then
        agent.held[id] = nil
        touch(agent)
      end
    end)
  end
  legs.put(id, false)
end

-- `row` is `C` and the version(8) for a leg that is over.
local function put_leg(id, row)
  local known, leg = legs.get(id), read_row(row)
  if known and (leg.ver < known.ver or row == known.row) then
    --@ older leg ignored
    return
  end
  local hold = holds.get(id)
  if hold and (not known or leg.ver > hold.ver or leg.kind ~= 'W') then drop_hold(id) end
  forget(id)
  if leg.kind == 'C' then return end
  legs.put(id, leg)
  if leg.kind == 'W' then
    if leg.connector then call('ZADD', LINKS, 0, 'c' .. leg.connector .. '/' .. id) end
    if leg.prefer then call('ZADD', LINKS, 0, 'p' .. leg.prefer .. id) end
  elseif leg.kind == 'H' then
    each_booking(leg, function(number, weight)
      local agent = agent_or_new(number)
      agent.held[id] = leg.channel .. weight
      touch(agent)
    end)
  end
  stand_in_line(id)
end

-- Agents that have more to do now that their lane is served: those of the group with room on the channel of those who wait there.
local function look_again(lane, group)
  local head = head_of('L' .. lane)
  if not head then return end
  for _, room in ipairs(rooms_with(sub(head, 77))) do
    for _, member in ipairs(starting(FREE, 'g' .. group .. room)) do freed[sub(member, 36, 43)] = true end
  end
end

-- Reads what a leg's or agent's next state concerns with one call each.
local function fetch_ahead(agent_rows, leg_rows)
  local ids, numbers = {}, {}
  for at = 1, #leg_rows, 2 do ids[#ids + 1] = leg_rows[at] end
  for at = 1, #agent_rows do numbers[#numbers + 1] = sub(agent_rows[at], 1, 8) end
  legs.fetch(ids)
  holds.fetch(ids)
  for _, id in ipairs(ids) do
    local known, hold = legs.get(id), holds.get(id)
    if known and known.kind == 'H' then each_booking(known, function(number) numbers[#numbers + 1] = number end) end
    if hold then
      for _, number in ipairs(hold.numbers) do numbers[#numbers + 1] = number end
    end
  end
  agents.fetch(numbers)
end

-- Takes so many of the next arguments.
local function arguments(count)
  local list = {}
  for at = 1, count do list[at] = argument() end
  return list
end

-- Applies the change that the rest of the arguments hold.
local function apply()
  local counts = {}
  for at = 1, 6 do counts[at] = tonumber(argument()) end
  local served, lanes, groups = arguments(counts[1]), arguments(counts[2]), arguments(counts[3])
  local connectors, agent_rows, leg_rows = arguments(counts[4]), arguments(counts[5]), arguments(2 * counts[6])
  for _, row in ipairs(served) do
    local lane, group = sub(row, 1, 8), sub(row, 9, 16)
    put_fit(lane, group, sub(row, 17))
    look_again(lane, group)
  end
  for _, lane in ipairs(lanes) do retire_lane(lane) end
  for _, group in ipairs(groups) do retire_group(group) end
  for _, row in ipairs(connectors) do put_connector(sub(row, 2), sub(row, 1, 1) == '1') end
  fetch_ahead(agent_rows, leg_rows)
  for _, row in ipairs(agent_rows) do put_agent(sub(row, 1, 8), sub(row, 9, 9) == '1', sub(row, 10)) end
  for at = 1, #leg_rows, 2 do put_leg(leg_rows[at], leg_rows[at + 1]) end
end

-- Moves the cursor; what was refused at or below it is free again.
local function move_to(target)
  cursor = target
  call('HSET', META, 'cursor', cursor)
  for _, member in ipairs(call('ZRANGE', REFUSED, '-', '(' .. cursor .. 'g', 'BYLEX')) do
    --@ refused, freed when the cursor came
    release(sub(member, 17))
  end
end
