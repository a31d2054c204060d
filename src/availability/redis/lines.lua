-- Legs and where they wait: a line per lane, and a line per agent for legs that wait for that agent alone.
--
-- A row: line(9), then what the caller sent: `I` ver(8); `H` ver(8) channel(1) and agent(8) weight(4) for each booking; or `W` ver(8)
-- lane(8) channel(1) want(2) key(67) prefer(8) ` agent(8)` for each excluded one, `|` and the connector. A line is `L` lane or `A` agent,
-- `-` nine times for none. The members of lines are line, key, channel; `H` key lane channel is the head of each lane's line.

local NO_LINE, NOBODY, PORTION = string.rep('-', 9), string.rep('-', 8), 32

local function read_row(row)
  local leg = {row = row, kind = sub(row, 1, 1), ver = tonumber(sub(row, 2, 9), 16), line = false}
  if leg.kind == 'W' then
    local bar = find(row, '|', 96, true)
    local prefer, connector = sub(row, 88, 95), sub(row, bar + 1)
    leg.lane, leg.channel, leg.want = sub(row, 10, 17), sub(row, 18, 18), tonumber(sub(row, 19, 20), 16)
    leg.key, leg.excluded = sub(row, 21, 87), sub(row, 96, bar - 1)
    leg.prefer, leg.connector = prefer ~= NOBODY and prefer, connector ~= '' and connector
  elseif leg.kind == 'H' then
    leg.channel = sub(row, 10, 10)
  end
  return leg
end

local function read_leg(text)
  local leg, line = read_row(sub(text, 10)), sub(text, 1, 9)
  leg.line = line ~= NO_LINE and line
  return leg
end

local function write_leg(leg) return (leg.line or NO_LINE) .. leg.row end

local legs = rows_of(LEGS, read_leg, write_leg)
-- Keys of the legs that entered a line in this call.
local arrived = {}

local function id_of(key) return sub(key, 34, 67) end
local function is_excluded(leg, number) return find(leg.excluded, ' ' .. number, 1, true) ~= nil end

-- Calls with each agent and weight of a held leg.
local function each_booking(leg, take)
  for at = 11, #leg.row, 12 do take(sub(leg.row, at, at + 7), sub(leg.row, at + 8, at + 11)) end
end

-- The first members of lines and of the heads, as far as they were read: everybody who is free looks at the same ones, after each leg that
-- was served.
local portions = {}
local function first_portion(prefix)
  local known = portions[prefix]
  if not known then
    known = starting(LINES, prefix, 0, PORTION)
    portions[prefix] = known
  end
  return known
end

local function line_changed(line) portions[line], portions['H'], portions.heads = nil, nil, nil end

-- How many lines of lanes there are.
local function count_heads()
  portions.heads = portions.heads or count_starting(LINES, 'H')
  return portions.heads
end

local function head_of(line) return starting(LINES, line, 0, 1)[1] end

local function enter_line(leg)
  local member = leg.line .. leg.key .. leg.channel
  call('ZADD', LINES, 0, member)
  line_changed(leg.line)
  arrived[leg.key] = true
  if sub(leg.line, 1, 1) ~= 'L' then return end
  local first = starting(LINES, leg.line, 0, 2)
  if first[1] ~= member then return end
  call('ZADD', LINES, 0, 'H' .. leg.key .. sub(leg.line, 2) .. leg.channel)
  if first[2] then call('ZREM', LINES, 'H' .. sub(first[2], 10, 76) .. sub(leg.line, 2) .. sub(first[2], 77)) end
end

local function leave_line(leg)
  local head = 'H' .. leg.key .. sub(leg.line, 2) .. leg.channel
  local removed = call('ZREM', LINES, leg.line .. leg.key .. leg.channel, head)
  line_changed(leg.line)
  if removed == 2 then
    local next_one = head_of(leg.line)
    if next_one then call('ZADD', LINES, 0, 'H' .. sub(next_one, 10, 76) .. sub(leg.line, 2) .. sub(next_one, 77)) end
  end
end

local away_known = {}
local function is_away(connector)
  if away_known[connector] == nil then away_known[connector] = call('SISMEMBER', AWAY, connector) == 1 end
  return away_known[connector]
end

-- The line that a leg belongs to; `false` while its connector is away.
local function line_of(leg)
  if leg.connector and is_away(leg.connector) then return false end
  if leg.prefer and not is_excluded(leg, leg.prefer) and on_duty(agents.get(leg.prefer)) then return 'A' .. leg.prefer end
  return 'L' .. leg.lane
end

-- Legs of the lane's line with a smaller key.
local function count_ahead(leg)
  return call('ZLEXCOUNT', LINES, '[L' .. leg.lane, '(L' .. leg.lane .. leg.key)
end
