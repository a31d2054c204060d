-- Which groups serve which lanes, in both directions, and how well.
--
-- Rows: `p` lane group: the pair's rank(26). `l` lane: its number of groups(8), then its ranks in order, each rank(26) and its number of
-- groups(8). `c` lane rank: the groups of that rank, ` group(8)` each. `g` group: its lanes, ` lane(8)` each.

local fits = rows_of(FITS, as_it_is, as_it_is)

local function with_word(list, word)
  list = list or ''
  return find(list, ' ' .. word, 1, true) and list or list .. ' ' .. word
end

-- `false` when that was the last one.
local function without_word(list, word)
  local at = list and find(list, ' ' .. word, 1, true)
  if not at then return list end
  local rest = sub(list, 1, at - 1) .. sub(list, at + 9)
  return rest ~= '' and rest
end

-- Counts a lane's groups of a rank anew.
local function index_rank(lane, rank, count)
  local index = fits.get('l' .. lane) or '00000000'
  local at = 9
  while at <= #index and less(sub(index, at, at + 25), rank) do at = at + 34 end
  local there = sub(index, at, at + 25) == rank
  local before = there and tonumber(sub(index, at + 26, at + 33), 16) or 0
  local all = tonumber(sub(index, 1, 8), 16) - before + count
  local entry = count > 0 and rank .. format('%08x', count) or ''
  local whole = format('%08x', all) .. sub(index, 9, at - 1) .. entry .. sub(index, there and at + 34 or at)
  fits.put('l' .. lane, all > 0 and whole)
end

local function leave_class(lane, rank, group)
  local class = without_word(fits.get('c' .. lane .. rank), group)
  fits.put('c' .. lane .. rank, class)
  index_rank(lane, rank, class and #class / 9 or 0)
end

local function put_fit(lane, group, rank)
  local pair = 'p' .. lane .. group
  local before = fits.get(pair)
  if before == rank then return end
  if before then leave_class(lane, before, group) end
  fits.put(pair, rank)
  local class = with_word(fits.get('c' .. lane .. rank), group)
  fits.put('c' .. lane .. rank, class)
  index_rank(lane, rank, #class / 9)
  fits.put('g' .. group, with_word(fits.get('g' .. group), lane))
end

local function drop_fit(lane, group)
  local pair = 'p' .. lane .. group
  local rank = fits.get(pair)
  if not rank then return end
  leave_class(lane, rank, group)
  fits.put(pair, false)
  fits.put('g' .. group, without_word(fits.get('g' .. group), lane))
end

local function retire_lane(lane)
  local index = fits.get('l' .. lane) or ''
  for at = 9, #index, 34 do
    local class = fits.get('c' .. lane .. sub(index, at, at + 25)) or ''
    for group in string.gmatch(class, '%x+') do drop_fit(lane, group) end
  end
end

local function retire_group(group)
  for lane in string.gmatch(fits.get('g' .. group) or '', '%x+') do drop_fit(lane, group) end
end
