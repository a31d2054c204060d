-- Agents held back: what the index knows of them and the log does not, by number. The first of them are kept as they were read, and
-- follow what this call changes: every reservation of a batch asks for them.

local LOOKED_AT = 256
-- Entries in the order of their numbers, once asked for; and whether there are no others.
local backs, backs_whole

-- By channel: the agent's number with why the log would take the agent for available there; and the number with its load.
local function read_back(member)
  local number = sub(member, 1, 8)
  local entry = {number = number, order = tonumber(number, 16), group = sub(member, 9, 16)}
  local suspect, reserved, load = tonumber(sub(member, 17, 18), 16), tonumber(sub(member, 19, 20), 16), sub(member, 21, 24)
  for channel, one in pairs(bit_of) do
    local reason = bit.band(suspect, one) ~= 0 and 's' or bit.band(reserved, one) ~= 0 and 'r'
    if reason then entry[channel] = number .. reason end
  end
  entry.load = load ~= '----' and number .. load
  return entry
end

local function held_back()
  if not backs then
    backs = {}
    for at, member in ipairs(call('ZRANGE', BACKS, 0, LOOKED_AT - 1)) do backs[at] = read_back(member) end
    backs_whole = #backs < LOOKED_AT
  end
  return backs
end

-- Where an agent's entry is, or belongs.
local function place_of(order)
  local from, to = 1, #backs + 1
  while from < to do
    local middle = math.floor((from + to) / 2)
    if backs[middle].order < order then from = middle + 1 else to = middle end
  end
  return from
end

local function move_back(number, before, after)
  if before then call('ZREM', BACKS, number .. before) end
  if after then call('ZADD', BACKS, 0, number .. after) end
  if not backs then return end
  local at = place_of(tonumber(number, 16))
  local there = backs[at] and backs[at].number == number
  if after and there then
    backs[at] = read_back(number .. after)
  elseif after and at <= LOOKED_AT then
    table.insert(backs, at, read_back(number .. after))
    if #backs > LOOKED_AT then
      backs[#backs] = nil
      backs_whole = false
    end
  elseif there and backs_whole then
    table.remove(backs, at)
  elseif there then
    -- Somebody further back is among the first now.
    backs = nil
  end
end
