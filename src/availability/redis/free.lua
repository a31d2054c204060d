-- The free agents, in the two orders in which they are looked for, and the best of them for a lane.
--
-- Of each channel with room there are two members: `g` channel(1) group(8) agent key, and `k` channel(1) agent key group(8). An agent
-- key is load(8) last_accept(16) number(8).

-- How many free agents of a channel are known; counted when first asked for.
local free_count = {}
-- The first entries of the agents held back, until one changes.
local backs

local function members_of(spot, number)
  local room, key, group = tonumber(sub(spot, 1, 2), 16), sub(spot, 3, 26) .. number, sub(spot, 27, 34)
  local members = {}
  for channel, one in pairs(bit_of) do
    if bit.band(room, one) ~= 0 then
      members[#members + 1] = 'g' .. channel .. group .. key
      members[#members + 1] = 'k' .. channel .. key .. group
    end
  end
  return members, room
end

local function count_free(channel)
  if not free_count[channel] then free_count[channel] = count_starting(FREE, 'k' .. channel) end
  return free_count[channel]
end

local function recount(room, by)
  for channel, one in pairs(bit_of) do
    if free_count[channel] and bit.band(room, one) ~= 0 then free_count[channel] = free_count[channel] + by end
  end
end

-- Moves an agent among the free ones.
local function move_spot(number, before, after)
  local had_room = 0
  if before then
    local members, room = members_of(before, number)
    had_room = room
    recount(room, -1)
    call('ZREM', FREE, unpack(members))
  end
  if not after then return end
  local members, room = members_of(after, number)
  recount(room, 1)
  local scored = {}
  for at, member in ipairs(members) do
    scored[2 * at - 1], scored[2 * at] = 0, member
  end
  call('ZADD', FREE, unpack(scored))
  local more = bit.band(room, bit.bnot(had_room)) ~= 0
  if more or sub(before, 27, 34) ~= sub(after, 27, 34) then freed[number] = true end
end

local function move_back(number, before, after)
  if before == after then return end
  if before then call('ZREM', BACKS, number .. before) end
  if after then call('ZADD', BACKS, 0, number .. after) end
  backs = nil
end

-- Brings the free ones up to date with what an agent holds and says.
local function refresh(number)
  local agent = agents.get(number)
  if not agent then return end
  local spot, back = agent.spot, agent.back
  agent.spot = free_spot(agent)
  agent.back = back_entry(agent)
  move_back(number, back, agent.back)
  local forgotten = not agent.view and next(agent.held) == nil and next(agent.reserved) == nil
  agents.put(number, not forgotten and agent)
  if spot ~= agent.spot then move_spot(number, spot, agent.spot) end
end

local function refresh_touched()
  for number in pairs(touched) do refresh(number) end
  touched = {}
end

-- The first free agent of a group by agent key who is not barred: of as many as there are barred, and one more, one is not.
local function first_of_group(group, channel, barred)
  for _, member in ipairs(starting(FREE, 'g' .. channel .. group, 0, barred.count + 1)) do
    if not barred[sub(member, 35, 42)] then return sub(member, 11, 42) end
  end
end

-- Looks at each free agent, and takes the one of the best rank, of those the first.
local function best_of_free(lane, channel, barred)
  local open, pairs_wanted = {}, {}
  for _, member in ipairs(starting(FREE, 'k' .. channel)) do
    if not barred[sub(member, 27, 34)] then
      open[#open + 1] = member
      pairs_wanted[#pairs_wanted + 1] = 'p' .. lane .. sub(member, 35, 42)
    end
  end
  fits.fetch(pairs_wanted)
  local best, best_rank
  for at, member in ipairs(open) do
    local rank = fits.get(pairs_wanted[at])
    if rank and (not best or less(rank, best_rank)) then
      best, best_rank = sub(member, 27, 34), rank
    end
  end
  return best
end

-- A class of more groups than this is likely to have one of the first free agents.
local LARGE_CLASS, FIRST_FREE = 8, 32

-- The first by agent key of a class of groups; and how many look-ups that took.
local function best_of_class(class, channel, barred)
  local count = #class / 9
  if count > LARGE_CLASS then
    local first = starting(FREE, 'k' .. channel, 0, FIRST_FREE)
    for _, member in ipairs(first) do
      if not barred[sub(member, 27, 34)] and find(class, ' ' .. sub(member, 35, 42), 1, true) then
        --@ class found among the first free
        return sub(member, 27, 34), 1
      end
    end
    if #first < FIRST_FREE then return nil, 1 end
  end
  local best
  for group in string.gmatch(class, '%x+') do
    local key = first_of_group(group, channel, barred)
    if key and (not best or less(key, best)) then best = key end
  end
  return best and sub(best, 25, 32), count
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
