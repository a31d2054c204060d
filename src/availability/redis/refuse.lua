-- refuse(epoch, leg, leg_ver, head, now, reservation): what was matched.

local of_epoch, id, ver, head = argument(), argument(), tonumber(argument(), 16), argument()
now, reservation_time = tonumber(argument()), tonumber(argument())
if not has_view(of_epoch) then return {'EPOCH'} end
local under_way = holds.get(id)
if not under_way or under_way.ver ~= ver then return {'OK'} end
if not less(cursor, head) then
  release(id)
elseif not under_way.refused or less(under_way.refused, head) then
  -- Refused twice: both causes lie at or below the higher head.
  if under_way.refused then call('ZREM', REFUSED, under_way.refused .. id) end
  under_way.refused = head
  holds.put(id, under_way)
  call('ZADD', REFUSED, 0, head .. id)
end
local made = settle()
write_rows()
return with_made({'OK'}, made)
