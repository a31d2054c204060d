-- flip(token, pages, cursor, head): the view is the desk's; nothing is matched before its cursor has reached the head.

local loader, count, at, head = argument(), tonumber(argument()), argument(), argument()
if state ~= 'loading' or token ~= loader then return {'REBUILD', 'token'} end
if tonumber(pages) ~= count then return {'REBUILD', 'pages'} end
call('HSET', META, 'state', 'view', 'cursor', at, 'unmatched', head)
call('HDEL', META, 'token', 'pages')
return {'OK'}
