-- Agents of the view: what is said of them, their lease, the room beside what is held and reserved, and where they stand among the free.
--
-- A row: lease(1) spot(34) back(16) known(1) [view(107)] then 40 characters for each piece of work: kind(1) leg(34) channel(1) weight(4).
-- The lease is `-` (no session), `L`ive, `S`uspect or lost (`X`). A spot is room(2) load(8) last_accept(16) group(8), a back entry
-- group(8) suspect(2) reserved(2) load(4), all `-` when there is none. Kinds of work are `H`eld and `R`eserved.
-- A view: ver(16) group(8) session(16) on_duty(1) pools(4 4) weights(5 x 4) maxima(5 x 4) blocked(2) last_accept(16).

local bit_of = {['0'] = 1, ['1'] = 2, ['2'] = 4, ['3'] = 8, ['4'] = 16}
local PHONE, NO_SPOT, NO_BACK = '0', string.rep('-', 34), string.rep('-', 16)
local VIEW_AT = 53

local function read_agent(text, number)
  local agent = {number = number, lease = sub(text, 1, 1), held = {}, reserved = {}}
  local spot, back = sub(text, 2, 35), sub(text, 36, 51)
  agent.spot = spot ~= NO_SPOT and spot
  agent.back = back ~= NO_BACK and back
  agent.view = sub(text, 52, 52) == 'V' and sub(text, VIEW_AT, VIEW_AT + 106)
  for at = agent.view and VIEW_AT + 107 or VIEW_AT, #text, 40 do
    local work = sub(text, at, at) == 'H' and agent.held or agent.reserved
    work[sub(text, at + 1, at + 34)] = sub(text, at + 35, at + 39)
  end
  return agent
end

local function write_agent(agent)
  local parts = {agent.lease, agent.spot or NO_SPOT, agent.back or NO_BACK, agent.view and 'V' .. agent.view or '-'}
  for leg, work in pairs(agent.held) do parts[#parts + 1] = 'H' .. leg .. work end
  for leg, work in pairs(agent.reserved) do parts[#parts + 1] = 'R' .. leg .. work end
  return table.concat(parts)
end

local agents = rows_of(AGENTS, read_agent, write_agent)
-- Agents to look at again before the call ends; agents who have more room than before it.
local touched, freed = {}, {}

local function agent_or_new(number)
  local agent = agents.get(number)
  if not agent then
    agent = {number = number, lease = '-', held = {}, reserved = {}, spot = false, back = false, view = false}
    agents.put(number, agent)
  end
  return agent
end

local function touch(agent)
  touched[agent.number] = true
  agents.put(agent.number, agent)
end

local function group_of(view) return sub(view, 17, 24) end
local function session_of(view) return sub(view, 25, 40) end
local function on_duty(agent) return agent and agent.view and sub(agent.view, 41, 41) == '1' end

-- Pools, weights, maxima and blocked channels; many agents share them.
local profiles = {}
local function profile_of(view)
  local text = sub(view, 42, 91)
  local profile = profiles[text]
  if not profile then
    local function number(at) return tonumber(sub(text, at, at + 3), 16) end
    profile = {pools = {number(1), number(5)}, weights = {}, maxima = {}, blocked = tonumber(sub(text, 49, 50), 16)}
    for at = 0, 4 do
      profile.weights[at + 1] = number(9 + 4 * at)
      profile.maxima[at + 1] = number(29 + 4 * at)
    end
    profiles[text] = profile
  end
  return profile
end

local function weight_of(view, channel) return format('%04x', profile_of(view).weights[channel + 1]) end

-- Points by pool (phone, chat and social are of the first, e-mail and portal of the second), pieces by channel.
local function no_use() return {points = {0, 0}, counts = {0, 0, 0, 0, 0}} end
local function use(used, works)
  for _, work in pairs(works) do
    local channel = tonumber(sub(work, 1, 1))
    local pool = channel < 3 and 1 or 2
    used.points[pool] = used.points[pool] + tonumber(sub(work, 2, 5), 16)
    used.counts[channel + 1] = used.counts[channel + 1] + 1
  end
end

-- The channels with room, as a mask.
local function room_beside(used, profile)
  local room = 0
  for channel = 0, 4 do
    local pool = channel < 3 and 1 or 2
    local fits = used.counts[channel + 1] < profile.maxima[channel + 1]
      and used.points[pool] + profile.weights[channel + 1] <= profile.pools[pool]
    if fits and not (pool == 2 and used.counts[1] > 0) then room = room + 2 ^ channel end
  end
  return bit.band(room, bit.bnot(profile.blocked))
end

local function load_percent(used, profile)
  local most = 0
  for pool = 1, 2 do
    local points, all = used.points[pool], profile.pools[pool]
    local percent = all == 0 and (points > 0 and 100 or 0) or math.floor(points * 100 / all)
    most = math.max(most, percent)
  end
  return most
end

-- Where the agent should stand among the free; and what the index knows of the agent and the log does not.
local function standing(agent)
  if not on_duty(agent) then return false, false end
  local view, lease, reserved = agent.view, agent.lease, next(agent.reserved) ~= nil
  local lapsed = lease == 'S' or lease == 'X'
  if lease ~= 'L' and not lapsed and not reserved then return false, false end
  local profile, group, used = profile_of(view), group_of(view), no_use()
  use(used, agent.held)
  local seen = room_beside(used, profile)
  if lapsed then return false, format('%s%02x00----', group, seen) end
  if lease ~= 'L' then return false, group .. '0000----' end
  local room = seen
  if reserved then
    use(used, agent.reserved)
    room = room_beside(used, profile)
  end
  local load = load_percent(used, profile)
  local spot = room ~= 0 and format('%02x%08x', room, load) .. sub(view, 92, 107) .. group
  if not reserved then return spot, false end
  local shown = spot and format('%04x', math.min(load, 65535)) or '----'
  return spot, format('%s00%02x%s', group, bit.band(seen, bit.bnot(room)), shown)
end
