-- reserve(epoch, seen, now, reservation; leg and row of each ask, in the order of their keys): a reservation, or nothing, for each.

local of_epoch, seen = argument(), argument()
now, reservation_time = tonumber(argument()), tonumber(argument())
if not has_view(of_epoch) then return {'EPOCH'} end
if less(cursor, seen) or unmatched then
  --@ reserve refused
  return {'LATER'}
end

local ids, rows = {}, {}
while given < #ARGV do ids[#ids + 1], rows[#rows + 1] = argument(), argument() end
legs.fetch(ids)
holds.fetch(ids)

local answers = {'OK'}
for at, id in ipairs(ids) do
  local leg, under_way = read_row(rows[at]), holds.get(id)
  local answer = ''
  if not legs.get(id) then
    if under_way then
      --@ asked twice
      answer = under_way.answer
    elseif fits.get('l' .. leg.lane) then
      local line = line_of(leg)
      local numbers = line and choose(leg, line) or {}
      if #numbers > 0 then
        --@ reserved beforehand
        answer = hold(id, leg, numbers, 'L')
      end
    end
  end
  answers[at + 1] = answer
end
write_rows()
return answers
