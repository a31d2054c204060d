-- claim(epoch, now, every): `1` when nobody has claimed it for so long.

local of_epoch, at, every = argument(), tonumber(argument()), tonumber(argument())
if not has_view(of_epoch) then return {'EPOCH'} end
local last = call('HGET', META, 'compared')
if last and math.abs(at - tonumber(last)) < every then return {'OK', '0'} end
call('HSET', META, 'compared', format('%.0f', at))
return {'OK', '1'}
