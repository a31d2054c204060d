-- The free agents, in the two orders in which they are looked for, and the best of them for a lane.
--
-- Each has two members: `g` group(8) room(2) agent key, and `k` room(2) agent key group(8). The room is the mask of channels; of the
-- rooms that agents have there are few, so that a look for a channel is one for each room with it. An agent key is load(8)
-- last_accept(16) number(8).

-- How many free agents have a room; in the meta row as room(2) count(8) each.
local rooms, rooms_changed = {}, false
for room, count in string.gmatch(rooms_text or '', '(%x%x)(%x%x%x%x%x%x%x%x)') do rooms[room] = tonumber(count, 16) end
-- The rooms with a channel.
local with_channel = {}
-- The first free agent of a group and room, as far as known; `false` for none.
local firsts = {}

local function key_of(spot, number) return sub(spot, 3, 26) .. number end

local function recount(room, by)
  local count = (rooms[room] or 0) + by
  if count == by or count == 0 then with_channel = {} end
  rooms[room] = count > 0 and count or nil
  rooms_changed = true
end

local function rooms_with(channel)
  local list = with_channel[channel]
  if not list then
    list = {}
    for room in pairs(rooms) do
      if bit.band(tonumber(room, 16), bit_of[channel]) ~= 0 then list[#list + 1] = room end
    end
    with_channel[channel] = list
  end
  return list
end

local function count_free(channel)
  local count = 0
  for _, room in ipairs(rooms_with(channel)) do count = count + rooms[room] end
  return count
end

local function write_rooms()
  if not rooms_changed then return end
  local parts = {}
  for room, count in pairs(rooms) do parts[#parts + 1] = format('%s%08x', room, count) end
  call('HSET', META, 'rooms', table.concat(parts))
end

-- Moves an agent among the free ones.
local function move_spot(number, before, after)
  local had_room = 0
  if before then
    local room, key, group = sub(before, 1, 2), key_of(before, number), sub(before, 27, 34)
    had_room = tonumber(room, 16)
    recount(room, -1)
    firsts[group .. room] = nil
    call('ZREM', FREE, 'g' .. group .. room .. key, 'k' .. room .. key .. group)
  end
  if not after then return end
  local room, key, group = sub(after, 1, 2), key_of(after, number), sub(after, 27, 34)
  recount(room, 1)
  firsts[group .. room] = nil
  call('ZADD', FREE, 0, 'g' .. group .. room .. key, 0, 'k' .. room .. key .. group)
  local more = bit.band(tonumber(room, 16), bit.bnot(had_room)) ~= 0
  if more or sub(before, 27, 34) ~= group then freed[number] = true end
end

-- Brings the free ones up to date with what an agent holds and says.
local function refresh(number)
  local agent = agents.get(number)
  if not agent then return end
  local spot, back = agent.spot, agent.back
  agent.spot, agent.back = standing(agent)
  if back ~= agent.back then move_back(number, back, agent.back) end
  local forgotten = not agent.view and next(agent.held) == nil and next(agent.reserved) == nil
  agents.put(number, not forgotten and agent)
  if spot ~= agent.spot then move_spot(number, spot, agent.spot) end
end

local function refresh_touched()
  for number in pairs(touched) do refresh(number) end
  touched = {}
end

-- The first free agent of a group and room by agent key who is not barred: of as many as there are barred, and one more, one is not.
local function first_of_room(group, room, barred)
  local first = firsts[group .. room]
  if first == nil then
    first = starting(FREE, 'g' .. group .. room, 0, 1)[1] or false
    firsts[group .. room] = first
  end
  if not first or not barred[sub(first, 36, 43)] then return first and sub(first, 12, 43) end
  for _, member in ipairs(starting(FREE, 'g' .. group .. room, 0, barred.count + 1)) do
    if not barred[sub(member, 36, 43)] then return sub(member, 12, 43) end
  end
end

local function first_of_group(group, channel, barred)
  local best
  for _, room in ipairs(rooms_with(channel)) do
    local key = first_of_room(group, room, barred)
    if key and (not best or less(key, best)) then best = key end
  end
  return best
end

-- Looks at each free agent, and takes the one of the best rank, of those the first.
local function best_of_free(lane, channel, barred)
  local open, pairs_wanted = {}, {}
  for _, room in ipairs(rooms_with(channel)) do
    for _, member in ipairs(starting(FREE, 'k' .. room)) do
      if not barred[sub(member, 28, 35)] then
        open[#open + 1] = member
        pairs_wanted[#pairs_wanted + 1] = 'p' .. lane .. sub(member, 36, 43)
      end
    end
  end
  fits.fetch(pairs_wanted)
  local best
  for at, member in ipairs(open) do
    local rank = fits.get(pairs_wanted[at])
    if rank then
      local order = rank .. sub(member, 4, 35)
      if not best or less(order, best) then best = order end
    end
  end
  return best and sub(best, 51, 58)
end

-- A class of more groups than this is likely to have one of the first free agents.
local LARGE_CLASS, FIRST_FREE = 8, 32

-- The first of a class by agent key, if the first free agents of each room tell; and whether they do.
local function first_of_class(class, channel, barred)
  local best, horizon
  for _, room in ipairs(rooms_with(channel)) do
    local found
    local first = starting(FREE, 'k' .. room, 0, FIRST_FREE)
    for _, member in ipairs(first) do
      if not barred[sub(member, 28, 35)] and find(class, ' ' .. sub(member, 36, 43), 1, true) then
        found = sub(member, 4, 35)
        break
      end
    end
    if found then
      if not best or less(found, best) then best = found end
    elseif #first == FIRST_FREE then
      local last = sub(first[FIRST_FREE], 4, 35)
      if not horizon or less(last, horizon) then horizon = last end
    end
  end
  return best, not horizon or best and less(best, horizon)
end

-- The first by agent key of a class of groups; and how many look-ups that took.
local function best_of_class(class, channel, barred)
  local count, looks = #class / 9, #rooms_with(channel)
  if count > LARGE_CLASS then
    local best, known = first_of_class(class, channel, barred)
    if known then
      --@ class found among the first free
      return best and sub(best, 25, 32), looks
    end
  end
  local best
  for group in string.gmatch(class, '%x+') do
    local key = first_of_group(group, channel, barred)
    if key and (not best or less(key, best)) then best = key end
  end
  return best and sub(best, 25, 32), count * looks
end

-- A look for a group costs as much as looking at so many free agents at once.
local LOOK_COSTS = 3

-- The best agent for a lane with room on its channel: by the rank of the group, then by agent key.
--
-- Desks give nearly every agent a profile, hence a group, of their own. With few free it is cheaper to look at each of them, with
-- many to look for the first one in the order of the lane's groups; whoever finds nobody that way at the cost of looking at all free
-- agents looks at those after all.
local function best_free(lane, channel, barred)
  local index, count = fits.get('l' .. lane), count_free(channel)
  if not index or count == 0 then return end
  if count * count <= 8 * tonumber(sub(index, 1, 8), 16) then
    --@ free agents scanned
    return best_of_free(lane, channel, barred)
  end
  local looked = 0
  for at = 9, #index, 34 do
    local class = fits.get('c' .. lane .. sub(index, at, at + 25))
    local best, looks = best_of_class(class, channel, barred)
    if best then
      --@ groups scanned
      return best
    end
    looked = looked + looks
    if LOOK_COSTS * looked > count then
      --@ groups given up for free agents
      return best_of_free(lane, channel, barred)
    end
  end
end
