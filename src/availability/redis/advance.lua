-- advance(epoch, from, to, now, reservation; the change): what was matched. The other replicas are told how far the log is: one that
-- may not be told, or does not listen, looks by itself.

local of_epoch, from, to = argument(), argument(), argument()
now, reservation_time = tonumber(argument()), tonumber(argument())
if not has_view(of_epoch) then return {'EPOCH'} end
if not less(cursor, to) then return {'PASSED'} end
if less(cursor, from) then return {'BEHIND', cursor} end
apply()
move_to(to)
local made = settle()
write_rows()
redis.pcall('PUBLISH', 'handoff:heads', string.match(META, '{(.-)}') .. ' ' .. to)
return with_made({'OK'}, made)
