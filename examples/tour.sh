#!/usr/bin/env bash
# The tour of the README: a refund on its way through a desk, with a client that nobody here wrote.
#
#   examples/tour.sh                       builds, starts a service of its own, and stops it at the end
#   HANDOFF=path BUF=path examples/tour.sh uses these binaries
#
# Each step prints the command as one would type it, then what came back.

set -euo pipefail
cd "$(dirname "$0")/.."

HANDOFF=${HANDOFF:-target/release/handoff}
BUF=${BUF:-target/clients/buf/node_modules/.bin/buf}
[[ -x $HANDOFF ]] || cargo build --release --locked
[[ -x $BUF ]] || scripts/prerequisites.sh

folder=$(mktemp -d)
"$HANDOFF" serve --grpc-addr 127.0.0.1:0 --data-dir "$folder/data" >"$folder/address" 2>"$folder/log" &
server=$!
others=()
trap 'kill "${others[@]}" "$server" 2>/dev/null; wait 2>/dev/null; rm -rf "$folder"' EXIT
for _ in {1..200}; do
  grep -q grpc "$folder/address" && break
  kill -0 "$server" 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
  sleep 0.05
done
address=$(sed 's/^grpc //' "$folder/address")

say() { printf '\n# %s\n' "$*"; }

# call SERVICE.METHOD JSON: an error is part of the tour where it is expected, so the exit code is the caller's to judge.
call() {
  printf '$ call %s '"'%s'"'\n' "$1" "$2"
  "$BUF" curl --protocol grpc --http2-prior-knowledge --data "$2" "http://$address/handoff.v1.${1/.//}" 2>&1
}

# The value of a field in the last answer.
field() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" <<<"$answer" | tail -1; }
step() { answer=$(call "$@") || { printf '%s\n' "$answer"; exit 1; }; }
show() { grep -E "^\\$|$1" <<<"$answer"; }

say 'A desk from a file: two connectors, ten agents, a policy'
printf '$ handoff apply examples/desk.yaml\n'
"$HANDOFF" apply examples/desk.yaml --server "http://$address" | tail -1

say 'Exported and applied again, nothing changes'
printf '$ handoff export support >support.yaml; handoff apply support.yaml\n'
"$HANDOFF" export support --server "http://$address" >"$folder/support.yaml"
"$HANDOFF" apply "$folder/support.yaml" --server "http://$address" | tail -1 | tee "$folder/again"
grep -q '^0 created, 0 updated' "$folder/again"

say 'Its connector subscribes: while nobody does, nobody could be told to connect, and calls and chats wait'
printf '$ subscribe %s\n' "'{\"connector\": \"desks/support/connectors/web\"}' &"
"$BUF" curl --protocol grpc --http2-prior-knowledge --data '{"hello": {"connector": "desks/support/connectors/web"}}' \
  "http://$address/handoff.v1.DecisionService/Subscribe" >/dev/null 2>&1 &
others+=($!)

say 'Three agents come on duty, and send a heartbeat every ten seconds'
for agent in femke georg julia; do
  step AgentService.StartSession "{\"name\": \"desks/support/agents/$agent\", \"deviceId\": \"desk\"}"
  [[ $agent != georg ]] || show sessionEpoch
  step AgentService.SetAgentState "{\"name\": \"desks/support/agents/$agent\", \"state\": \"DECLARED_STATE_READY\"}"
done

beats=()
for agent in femke georg julia; do
  beats+=("{\"agent\": \"desks/support/agents/$agent\", \"sessionEpoch\": \"1\", \"deviceId\": \"desk\"}")
done
beats="{\"parent\": \"desks/support\", \"heartbeats\": [$(IFS=,; echo "${beats[*]}")]}"
(while sleep 8; do call AgentService.SendHeartbeats "$beats" >/dev/null; done) &
others+=($!)

say 'A customer writes in the chat. It is offered to Georg: tier 2 is enough, and his skill is the lowest that is'
step TicketService.CreateTicket '{"parent": "desks/support", "connector": "desks/support/connectors/web", "ticketId": "refund-17",
  "ticket": {"channel": "CHANNEL_CHAT", "category": "refund", "subject": "Charged twice", "languageCode": "en"}}'
ticket=desks/support/tickets/refund-17
for _ in {1..50}; do
  step TicketService.GetTicket "{\"name\": \"$ticket\"}"
  grep -q OFFER_STATE_PENDING <<<"$answer" && break
  sleep 0.1
done
show '"(state|queue|agent)":'

accept() {
  step TicketService.GetTicket "{\"name\": \"$ticket\"}"
  local offer
  offer=$(grep -oE 'desks/support/offers/[0-9a-z.]+' <<<"$answer" | tail -1)
  step OfferService.AcceptOffer "{\"name\": \"$offer\", \"sessionEpoch\": \"1\", \"deviceId\": \"desk\"}"
  show '"(state|agent)":'
}
offered_to() {
  for _ in {1..50}; do
    step TicketService.GetTicket "{\"name\": \"$ticket\"}"
    grep -A3 OFFER_STATE_PENDING <<<"$answer" | grep -q "agents/$1" && return
    sleep 0.1
  done
  printf '%s\n' "$answer"; exit 1
}

say 'He takes it'
accept

say 'The customer would rather have Dutch: a blind transfer. Georg keeps the ticket until Femke has it'
step TicketService.TransferTicket "{\"name\": \"$ticket\", \"kind\": \"TRANSFER_KIND_BLIND\",
  \"target\": {\"agent\": \"desks/support/agents/femke\"}, \"reason\": \"Dutch\"}"
show '"(state|fromAgent|toAgent|handler)":'
offered_to femke
accept

say 'The refund is 137.50 EUR, over her limit of 100: an escalation to authority'
step TicketService.EscalateTicket "{\"name\": \"$ticket\", \"axis\": \"ESCALATION_AXIS_HIERARCHICAL\",
  \"reason\": \"ESCALATION_REASON_AUTHORIZATION_REQUIRED\", \"handover\": \"HANDOVER_BLIND\", \"requirement\": {\"authorities\":
  [{\"authority\": \"refund\", \"amount\": {\"currencyCode\": \"EUR\", \"units\": \"137\", \"nanos\": 500000000}}]}}"
show '"(levelTaken|hierarchicalLevel|onCount)":'
offered_to julia
accept

say 'Back to Georg? He has had it: refused, with the reason'
answer=$(call TicketService.TransferTicket "{\"name\": \"$ticket\", \"kind\": \"TRANSFER_KIND_BLIND\",
  \"target\": {\"agent\": \"desks/support/agents/georg\"}}") && exit 1
show '"(code|message|reason|visited)":'

say 'Julia may refund it, and resolves the ticket'
step TicketService.ResolveTicket "{\"name\": \"$ticket\", \"resolution\": \"Refunded\", \"code\": \"refunded\", \"concession\":
  {\"authority\": \"refund\", \"amount\": {\"currencyCode\": \"EUR\", \"units\": \"137\", \"nanos\": 500000000}}}"
show '"(state|hopCount|firstContact)":'

# subscribe HELLO: two seconds of the stream.
subscribe() {
  printf '$ subscribe '"'%s'"'\n' "$1"
  timeout 2 "$BUF" curl --protocol grpc --http2-prior-knowledge --data "{\"hello\": $1}" \
    "http://$address/handoff.v1.DecisionService/Subscribe" 2>/dev/null || true
}

say 'What the connector was sent meanwhile, in order and without a gap'
answer=$(subscribe '{"connector": "desks/support/connectors/web", "kinds": ["DECISION_KIND_TRANSFER", "DECISION_KIND_ESCALATED",
  "DECISION_KIND_RESOLVED"]}')
show '"(seq|prevSeq|transfer|escalated|resolved|phase|state)":'
seq=$(grep -oE '"seq": "[0-9]+"' <<<"$answer" | sed -n 2p | grep -oE '[0-9]+')

say 'It was cut off after the second of them, and resumes (the first stream is displaced)'
answer=$(subscribe "{\"connector\": \"desks/support/connectors/web\", \"cursor\": {\"seq\": \"$seq\"}, \"kinds\": [\"DECISION_KIND_TRANSFER\",
  \"DECISION_KIND_ESCALATED\", \"DECISION_KIND_RESOLVED\"]}")
show '"(seq|prevSeq)":'
first_prev=$(grep -oE '"prevSeq": "[0-9]+"' <<<"$answer" | head -1 | grep -oE '[0-9]+')
[[ $first_prev == "$seq" ]] || { echo "the resumed stream has a gap: $first_prev after $seq"; exit 1; }

say 'Why Georg first, and not Julia?'
step TicketService.ExplainTicket "{\"name\": \"$ticket\"}"
tac <<<"$answer" | grep -m1 -B14 '"candidates"' | tac
