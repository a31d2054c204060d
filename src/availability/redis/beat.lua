-- beat(epoch, now, reservation; agent(8) session(16) of each beat): `1` or `0` for each beat as one text, and what was matched.

local of_epoch = argument()
now, reservation_time = tonumber(argument()), tonumber(argument())
if not has_view(of_epoch) then return {'EPOCH'} end
local beats, numbers = {}, {}
while given < #ARGV do beats[#beats + 1] = argument() end
for at, beat in ipairs(beats) do numbers[at] = sub(beat, 1, 8) end
agents.fetch(numbers)

local answers, renewed = {}, {}
for at, beat in ipairs(beats) do
  local agent, session = agents.get(numbers[at]), sub(beat, 9)
  local current = agent and agent.view and session_of(agent.view) == session and (agent.lease == 'L' or agent.lease == 'S')
  answers[at] = current and '1' or '0'
  if current then
    renewed[#renewed + 1] = format('%.0f', now)
    renewed[#renewed + 1] = numbers[at]
    if agent.lease == 'S' then
      --@ suspect session beats
      agent.lease = 'L'
      touch(agent)
    end
  end
end
in_portions(renewed, 2, function(...) call('ZADD', BEATS, 'GT', ...) end)
local made = settle()
write_rows()
return with_made({'OK', table.concat(answers)}, made)
