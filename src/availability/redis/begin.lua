-- begin(epoch, token): an empty view that is loaded under the token.

local new, loader = argument(), argument()
local again = epoch == new and state == 'loading' and token == loader
if less(new, string.rep('0', 15) .. '1') or epoch and not less(epoch, new) and not again then return {'REBUILD', 'epoch'} end
call('UNLINK', unpack(KEYS))
call('HSET', META, 'epoch', new, 'state', 'loading', 'token', loader, 'pages', 0)
return {'OK'}
