-- expire(limit, now, reservation): how many lapsed, and what was matched.

local limit = tonumber(argument())
now, reservation_time = tonumber(argument()), tonumber(argument())
if not has_view() then return {'OK', '0'} end
local due = call('ZRANGE', DEADLINES, '-inf', format('%.0f', now), 'BYSCORE', 'LIMIT', 0, limit)
legs.fetch(due)
holds.fetch(due)
for _, id in ipairs(due) do
  --@ lapsed
  release(id)
end
local made = settle()
write_rows()
return with_made({'OK', tostring(#due)}, made)
