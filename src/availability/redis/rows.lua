-- rows(epoch, from): where to go on, empty at the end, and a page of what the view has: `l` leg, then `a` agent. It begins at `l0`.

local of_epoch, from = argument(), argument()
if not has_view(of_epoch) then return {'EPOCH'} end
local kind = sub(from, 1, 1)
local found = call('HSCAN', kind == 'l' and LEGS or AGENTS, sub(from, 2), 'COUNT', 128)
local further = kind == 'l' and 'a0' or ''
if found[1] ~= '0' then further = kind .. found[1] end
local answer = {'OK', further}
for at = 1, #found[2], 2 do
  -- Whom only legs have named, the log does not know either.
  if kind == 'l' or sub(found[2][at + 1], 52, 52) == 'V' then answer[#answer + 1] = kind .. found[2][at] end
end
return answer
