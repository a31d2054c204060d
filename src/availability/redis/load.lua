-- load(token, page, now; the change): fills the view that the token began.

local loader, page = argument(), tonumber(argument())
now = tonumber(argument())
if state ~= 'loading' or token ~= loader then return {'REBUILD', 'token'} end
if tonumber(pages) ~= page then return {'REBUILD', 'page'} end
apply()
refresh_touched()
write_rows()
call('HSET', META, 'pages', page + 1)
return {'OK'}
