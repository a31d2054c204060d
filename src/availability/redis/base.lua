-- What every script has: the keys, rows that are read and written once, ranges by bytes, and the desk's meta row.
--
-- Numbers of 64 bits and ids are lower-case hexadecimal of fixed width, and stay text. Texts are ordered by sorted sets (bytes) or by
-- `less`, never by Lua's `<`, which follows the collation of the server. A line `--@ name` marks a branch that the tests count.

local META, AGENTS, LEGS, HOLDS, FITS, FREE, LINES, LINKS, DEADLINES, BEATS, REFUSED, BACKS, AWAY = unpack(KEYS)
local call, sub, format, find = redis.call, string.sub, string.format, string.find

-- Fewer than what Lua's stack holds.
local AT_ONCE = 1000

-- Arguments, one after the other.
local given = 0
local function argument()
  given = given + 1
  return ARGV[given]
end

-- A lower-case hexadecimal text compared with another of the same length.
local function less(one, other)
  for at = 1, #one, 8 do
    local here, there = sub(one, at, at + 7), sub(other, at, at + 7)
    if here ~= there then return tonumber(here, 16) < tonumber(there, 16) end
  end
  return false
end

-- The members of a sorted set (all of score 0) that begin with a prefix and go on in hexadecimal, in the order of their bytes.
local function starting(key, prefix, offset, count)
  return call('ZRANGE', key, '[' .. prefix, '(' .. prefix .. 'g', 'BYLEX', 'LIMIT', offset or 0, count or -1)
end

local function count_starting(key, prefix)
  return call('ZLEXCOUNT', key, '[' .. prefix, '(' .. prefix .. 'g')
end

-- Calls a command with many arguments in portions; `step` of them belong together.
local function in_portions(list, step, send)
  local portion = AT_ONCE - AT_ONCE % step
  for from = 1, #list, portion do
    send(unpack(list, from, math.min(from + portion - 1, #list)))
  end
end

-- The rows of a hash: each is read once, when it is asked for, and written once, by `flush`. An absent row is `false`. `read` and
-- `write` turn a row's text into what the script works with, and back.
local function rows_of(key, read, write)
  local known, changed, rows = {}, {}, {}

  -- Reads those that are not known yet with one call.
  function rows.fetch(fields)
    local wanted = {}
    for _, field in ipairs(fields) do
      if known[field] == nil then
        known[field] = false
        wanted[#wanted + 1] = field
      end
    end
    for from = 1, #wanted, AT_ONCE do
      local upto = math.min(from + AT_ONCE - 1, #wanted)
      local texts = call('HMGET', key, unpack(wanted, from, upto))
      for at, text in ipairs(texts) do
        local field = wanted[from + at - 1]
        known[field] = text and read(text, field)
      end
    end
  end

  function rows.get(field)
    local row = known[field]
    if row == nil then
      local text = call('HGET', key, field)
      row = text and read(text, field)
      known[field] = row
    end
    return row
  end

  -- The row is as given from now on, or gone if `false`.
  function rows.put(field, row)
    known[field] = row
    changed[field] = true
  end

  function rows.flush()
    local kept, gone = {}, {}
    for field in pairs(changed) do
      local row = known[field]
      if row then
        kept[#kept + 1] = field
        kept[#kept + 1] = write(row)
      else
        gone[#gone + 1] = field
      end
    end
    in_portions(kept, 2, function(...) call('HSET', key, ...) end)
    in_portions(gone, 1, function(...) call('HDEL', key, ...) end)
    changed = {}
  end

  return rows
end

local function as_it_is(text) return text end

local epoch, state, cursor, unmatched, token, pages, tick, rooms_text =
  unpack(call('HMGET', META, 'epoch', 'state', 'cursor', 'unmatched', 'token', 'pages', 'tick', 'rooms'))

-- Whether there is a view, of this epoch.
local function has_view(of_epoch)
  return state == 'view' and (not of_epoch or epoch == of_epoch)
end
