-- Matching: the one place where a waiting leg and a free agent meet.
--
-- What comes out is as if all waiting legs were gone through in the order of their keys and each took the best of the agents still free.
-- Only legs that entered a line and agents who got more room are looked at, or the lines where those are many. All wait for their turn
-- in one heap, an agent or a line under the key of the best leg for it, so that nobody is served before a smaller key.

-- Nobody else is answered while a script runs: it makes so many reservations at the most, and none any more after so many microseconds. A
-- caller who gave up would not hear of them, and what nobody heard of comes again when it has lapsed.
local HELD_BACK, MOST_AT_ONCE, LONGEST = 64, 256, 250000
local function clock()
  -- Without the right to ask there is no such bound.
  local time = redis.pcall('TIME')
  return time.err and 0 or time[1] * 1000000 + time[2]
end
local began = clock()
local now, reservation_time

-- A hold: refused(16), then the reservation as it was answered: leg(34) ver(8) channel(1) trigger(1) ` ahead cursor expire`, `|` and
-- number(8) session(16) of each agent, `|` number(8) reason(1) of each held back, `|` number(8) load(4) of each load.
local NOT_REFUSED = string.rep('-', 16)
local function read_hold(text)
  local refused, answer, numbers = sub(text, 1, 16), sub(text, 17), {}
  local bar = find(answer, '|', 45, true)
  local stop = find(answer, '|', bar + 1, true)
  for at = bar + 1, stop - 1, 24 do numbers[#numbers + 1] = sub(answer, at, at + 7) end
  return {refused = refused ~= NOT_REFUSED and refused, answer = answer, ver = tonumber(sub(answer, 35, 42), 16), numbers = numbers}
end

local function write_hold(hold) return (hold.refused or NOT_REFUSED) .. hold.answer end

local holds = rows_of(HOLDS, read_hold, write_hold)

local function has_room(agent, channel)
  return agent and agent.spot and bit.band(tonumber(sub(agent.spot, 1, 2), 16), bit_of[channel]) ~= 0
end

-- The agents for a leg in order of choice, at most as many as it wants.
local function choose(leg, line)
  if sub(line, 1, 1) == 'A' then
    local number = sub(line, 2)
    if not has_room(agents.get(number), leg.channel) then
      --@ preferred busy
      return {}
    end
    return {number}
  end
  if count_free(leg.channel) == 0 then return {} end
  local chosen, barred = {}, {count = 0}
  for number in string.gmatch(leg.excluded, '%x+') do
    barred[number], barred.count = true, barred.count + 1
  end
  while #chosen < math.max(leg.want, 1) do
    local number = best_free(leg.lane, leg.channel, barred)
    if not number then break end
    chosen[#chosen + 1] = number
    barred[number], barred.count = true, barred.count + 1
  end
  return chosen
end

-- Which groups serve a lane, as far as looked at. Only `apply` changes that, before anything is matched.
local served = {}
local function groups_of(lane, entries)
  local known, wanted, asked = served[lane] or {}, {}, {}
  served[lane] = known
  for _, entry in ipairs(entries) do
    if known[entry.group] == nil then
      known[entry.group] = false
      wanted[#wanted + 1], asked[#asked + 1] = entry.group, 'p' .. lane .. entry.group
    end
  end
  if #wanted > 0 then
    fits.fetch(asked)
    for at, group in ipairs(wanted) do known[group] = fits.get(asked[at]) and true end
  end
  return known
end

-- Agents who fit and whom the log would take for available, and loads of those whom it would take for less busy.
local function known_better(leg)
  local entries = held_back()
  if #entries == 0 then return '', '' end
  local serve, names, loads = groups_of(leg.lane, entries), {}, {}
  for _, entry in ipairs(entries) do
    if serve[entry.group] then
      local name = entry[leg.channel]
      if name and #names < HELD_BACK and not (leg.excluded ~= '' and is_excluded(leg, entry.number)) then
        --@ held back
        names[#names + 1] = name
      end
      if entry.load and #loads < HELD_BACK then loads[#loads + 1] = entry.load end
    end
  end
  return table.concat(names), table.concat(loads)
end

-- Holds agents for a leg; answers the reservation.
local function hold(id, leg, numbers, trigger)
  local better, loads = known_better(leg)
  local chosen = {}
  for at, number in ipairs(numbers) do chosen[at] = number .. session_of(agents.get(number).view) end
  local head = format('%s%08x%s%s %d %s %.0f|', id, leg.ver, leg.channel, trigger, count_ahead(leg), cursor, now + reservation_time)
  local answer = head .. table.concat(chosen) .. '|' .. better .. '|' .. loads
  for _, number in ipairs(numbers) do
    local agent = agents.get(number)
    agent.reserved[id] = leg.channel .. weight_of(agent.view, tonumber(leg.channel))
    refresh(number)
  end
  holds.put(id, {refused = false, answer = answer, ver = leg.ver, numbers = numbers})
  call('ZADD', DEADLINES, format('%.0f', now + reservation_time), id)
  return answer
end

-- Matches the leg that stands in line with this key, if it still does and somebody can take it.
local function match_leg(key, trigger, made)
  local id = id_of(key)
  local leg = legs.get(id)
  if not leg or not leg.line or leg.key ~= key then return end
  local numbers = choose(leg, leg.line)
  if #numbers == 0 then return end
  made[#made + 1] = hold(id, leg, numbers, trigger)
  leave_line(leg)
  leg.line = false
  legs.put(id, leg)
end

-- Calls with the members that begin with a prefix until told to stop; reads them in portions.
local function each_starting(prefix, visit)
  local from = 0
  while true do
    local members = from == 0 and first_portion(prefix) or starting(LINES, prefix, from, PORTION)
    for _, member in ipairs(members) do
      if visit(member) then return end
    end
    if #members < PORTION then return end
    from = from + PORTION
  end
end

-- The first leg of a line that this agent can take. No depth limit: who gave up after a number of heads would leave the leg behind them
-- beside a free agent.
local function first_in_line(line, agent)
  local found
  each_starting(line, function(member)
    if not has_room(agent, sub(member, 77)) then return sub(line, 1, 1) == 'L' end
    local key = sub(member, 10, 76)
    if is_excluded(legs.get(id_of(key)), agent.number) then
      --@ excluded head skipped
      return false
    end
    found = key
    return true
  end)
  return found
end

local function smaller(one, other)
  if not one or other and less(other, one) then return other end
  return one
end

-- The smallest waiting leg that an agent can take.
local function best_leg(number)
  local agent = agents.get(number)
  if not agent or not agent.spot then return end
  local best = first_in_line('A' .. number, agent)
  local lanes = fits.get('g' .. sub(agent.spot, 27, 34))
  if not lanes then return best end
  local served = #lanes / 9
  if served * served < count_heads() then
    --@ lanes served scanned
    for lane in string.gmatch(lanes, '%x+') do best = smaller(best, first_in_line('L' .. lane, agent)) end
    return best
  end
  each_starting('H', function(member)
    local key, lane = sub(member, 2, 68), sub(member, 69, 76)
    if best and less(best, key) then return true end
    if has_room(agent, sub(member, 77)) and find(lanes, ' ' .. lane, 1, true) then
      --@ heads scanned
      best = smaller(best, first_in_line('L' .. lane, agent))
    end
  end)
  return best
end

local function push(heap, key, seeker)
  local at = #heap + 1
  heap[at] = {key = key, seeker = seeker}
  while at > 1 do
    local above = math.floor(at / 2)
    if not less(heap[at].key, heap[above].key) then return end
    heap[at], heap[above] = heap[above], heap[at]
    at = above
  end
end

local function pop(heap)
  local top, last = heap[1], table.remove(heap)
  if #heap == 0 then return top end
  heap[1] = last
  local at = 1
  while true do
    local least = at
    for below = 2 * at, 2 * at + 1 do
      if heap[below] and less(heap[below].key, heap[least].key) then least = below end
    end
    if least == at then return top end
    heap[at], heap[least] = heap[least], heap[at]
    at = least
  end
end

-- For how many legs at the front of a line nobody was found in this call. They are not tried again: nobody gets more room before it ends.
local tried = {}

-- The smallest leg of a line that may find somebody.
local function first_untried(line)
  local member = starting(LINES, line, tried[line] or 0, 1)[1]
  return member and sub(member, 10, 76)
end

-- The next in line after one that nobody was found for, if it may be better off: in a lane only if that one excludes somebody.
local function next_in_line(key, line)
  if sub(line, 1, 1) == 'L' and legs.get(id_of(key)).excluded == '' then return end
  tried[line] = (tried[line] or 0) + 1
  return first_untried(line)
end

local function is_line(seeker) return seeker and #seeker == 9 end

-- What an agent, or a line, would have served next.
local function next_of(seeker)
  if is_line(seeker) then return first_untried(seeker) end
  return best_leg(seeker)
end

-- An agent who seeks looks again after each leg that was served: many of them are slower than the lines that legs wait in, but for
-- those who are few beside the lines.
local FEW = 8

local function push_seekers(heap)
  local count = 0
  for _ in pairs(freed) do count = count + 1 end
  if count * count <= FEW * count_heads() then
    for number in pairs(freed) do
      local best = best_leg(number)
      if best then push(heap, best, number) end
    end
    return
  end
  --@ lines gone through
  each_starting('H', function(member) push(heap, sub(member, 2, 68), 'L' .. sub(member, 69, 76)) end)
  if count_starting(LINES, 'A') == 0 then return end
  for number in pairs(freed) do
    local first = first_portion('A' .. number)[1]
    if first then push(heap, sub(first, 10, 76), 'A' .. number) end
  end
end

-- Serves up to `limit` legs; `trigger_of` says why a leg was looked at. Answers the reservations, and whether there may be more.
local function match(heap, limit, trigger_of)
  push_seekers(heap)
  local made = {}
  while #made < limit and #heap > 0 do
    local turn, before = pop(heap), #made
    local best, seeker = turn.key, turn.seeker
    -- Others were served since it looked.
    if seeker then best = next_of(seeker) end
    if best == turn.key then
      match_leg(best, trigger_of(best), made)
      if #made == before then
        -- An agent who did not take it will not by looking again.
        best = is_line(seeker) and next_in_line(best, seeker)
      end
    end
    if seeker and best then push(heap, best, seeker) end
    if #made > before and clock() - began > LONGEST then break end
  end
  return made, #heap > 0
end

-- Ends a call: looks again at what it touched, then matches, unless the view is unmatched.
local function settle()
  refresh_touched()
  if unmatched then
    --@ unmatched view
    return {}
  end
  local heap = {}
  for key in pairs(arrived) do push(heap, key) end
  local made, more = match(heap, MOST_AT_ONCE, function(key) return arrived[key] and 'L' or 'F' end)
  if more then
    -- The others are `rematch`'s, which is called again and again; nobody is served before them.
    unmatched = cursor
    call('HSET', META, 'unmatched', unmatched)
  end
  return made
end

-- The answer of a script that matched.
local function with_made(answer, made)
  for _, one in ipairs(made) do answer[#answer + 1] = one end
  return answer
end

local function write_rows()
  for _, rows in ipairs({agents, legs, holds, fits}) do rows.flush() end
  write_rooms()
end
