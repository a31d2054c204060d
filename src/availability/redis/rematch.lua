-- rematch(epoch, limit, now, reservation): `1` when nothing is left, and what was matched.

local of_epoch, limit = argument(), tonumber(argument())
now, reservation_time = tonumber(argument()), tonumber(argument())
if not has_view(of_epoch) then return {'EPOCH'} end
if not unmatched then return {'OK', '1'} end
if less(cursor, unmatched) then return {'OK', '0'} end
for room in pairs(rooms) do
  for _, member in ipairs(starting(FREE, 'k' .. room)) do freed[sub(member, 28, 35)] = true end
end
local made, more = match({}, limit, function() return 'L' end)
-- As the index in the process has it.
more = more or #made == limit
if not more then
  --@ rematched
  call('HDEL', META, 'unmatched')
end
write_rows()
return with_made({'OK', more and '0' or '1'}, made)
