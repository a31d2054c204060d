-- versions(epoch, seen; `l` leg or `a` agent of each row): the version(16) of each, empty for one that is not there.

local of_epoch, seen = argument(), argument()
if not has_view(of_epoch) then return {'EPOCH'} end
if less(cursor, seen) then return {'BEHIND'} end
local answer = {'OK'}
while given < #ARGV do
  local row, version = argument(), ''
  if sub(row, 1, 1) == 'l' then
    local text = call('HGET', LEGS, sub(row, 2))
    if text then version = '00000000' .. sub(text, 11, 18) end
  else
    local text = call('HGET', AGENTS, sub(row, 2))
    if text and sub(text, 52, 52) == 'V' then version = sub(text, 53, 68) end
  end
  answer[#answer + 1] = version
end
return answer
