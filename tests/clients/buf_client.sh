#!/usr/bin/env bash
# Handoff from a shell: `buf curl`, which knows nothing but what the server's reflection tells it.
#
#     tests/clients/buf_client.sh
#
# Starts a private server, kills it in between, and checks the whole path of a ticket, deadlines, rich errors, health, and that
# a watch and pulls resume without a decision lost or out of order.

set -uo pipefail
cd "$(dirname "$0")/../.."

HANDOFF=${1:-${HANDOFF:-target/release/handoff}}
BUF=${BUF:-target/clients/buf/node_modules/.bin/buf}
for needed in "$HANDOFF" "$BUF"; do
  [[ -x $needed ]] || { echo "buf_client: no $needed; run make test, or cargo build --release and scripts/prerequisites.sh" >&2; exit 2; }
done

readonly DESK=desks/shell CONNECTOR=desks/shell/connectors/adapter ANN=desks/shell/agents/ann
folder=$(mktemp -d)
address=127.0.0.1:0
server=
others=()
trap 'kill "${others[@]}" 2>/dev/null; kill -9 "$server" 2>/dev/null; wait 2>/dev/null; rm -rf "$folder"' EXIT

start_server() {
  : >"$folder/address"
  "$HANDOFF" serve --grpc-addr "$address" --data-dir "$folder/data" >"$folder/address" 2>>"$folder/log" &
  server=$!
  until_found 'grpc ' "$folder/address" || { cat "$folder/log" >&2; exit 1; }
  address=$(sed 's/^grpc //' "$folder/address")
}

# end_server SIGNAL: returns when it is gone.
end_server() {
  kill "-$1" "$server"
  wait "$server" 2>/dev/null
}

# until_found PATTERN FILE: waits for a line, up to 15 s.
until_found() {
  for _ in {1..300}; do
    grep -qE "$1" "$2" 2>/dev/null && return 0
    sleep 0.05
  done
  echo "not in time: $1 in $(cat "$2")" >&2
  return 1
}

# docs: shell-call
# call SERVICE.METHOD JSON [FLAG...]
call() {
  "$BUF" curl --protocol grpc --http2-prior-knowledge --data "$2" "${@:3}" "http://$address/handoff.v1.${1/.//}" 2>&1
}
# docs: end

# docs: shell-errors
# detail TYPE: the google.rpc message of that type in the error on standard input, as JSON. buf prints it in base64.
detail() {
  local value
  value=$(tr -d ' \n' | grep -oE "\"type\":\"google.rpc.$1\",\"value\":\"[^\"]*" | sed 's/.*"//')
  while ((${#value} % 4)); do value+='='; done
  base64 -d <<<"$value" | "$BUF" convert proto --type "google.rpc.$1" --from -#format=binpb --to -#format=json
}
# docs: end

# stream FILE SERVICE/METHOD JSON: in the background, message by message into a file, until the server ends it.
stream() {
  "$BUF" curl --protocol grpc --http2-prior-knowledge --data "$3" "http://$address/$2" >"$1" 2>&1 &
  others+=($!)
}

health() { "$BUF" curl --protocol grpc --http2-prior-knowledge --data '{}' "http://$address/grpc.health.v1.Health/Check" 2>&1; }

# field NAME: its first value in the text on standard input.
field() { grep -oE "\"$1\": *\"[^\"]*\"" | sed 's/.*: *"\(.*\)"/\1/' | sed -n "${2:-1}p"; }
expect() { grep -qE "$1" <<<"$2" || { echo "expected $1 in: $2" >&2; return 1; }; }

create() { # EXTERNAL_ID [FLAG...]: prints the ticket's name
  local ticket="{\"channel\": \"CHANNEL_PHONE\", \"externalId\": \"$1\", \"subject\": \"Where is my parcel?\"}"
  call TicketService.CreateTicket \
    "{\"parent\": \"$DESK\", \"connector\": \"$CONNECTOR\", \"requestId\": \"$(request_id "$1")\", \"ticket\": $ticket}" "${@:2}"
}

# The same for the same text, so that a repeat is one.
request_id() { sha1sum <<<"$1" | sed -E 's/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*/\1-\2-5\3-8\4-\5/'; }

pull() { call DecisionService.PullDecisions "{\"connector\": \"$CONNECTOR\", \"generation\": \"${generation:-0}\"${1:+, $1}}"; }

the_service_describes_itself() { # Reflection lists the services; health says SERVING, over gRPC and over gRPC-web
  expect handoff.v1.DecisionService "$("$BUF" curl --protocol grpc --http2-prior-knowledge --list-services "http://$address" 2>&1)" || return
  expect SERVING "$(health)" || return
  expect SERVING "$("$BUF" curl --protocol grpcweb --data '{}' --schema proto "http://$address/grpc.health.v1.Health/Check" 2>&1)"
}

a_ticket_goes_its_way() { # The whole path: session, pull, offer, accept, connect, confirm, resolve
  local pulled offer epoch ticket
  call AgentService.StartSession "{\"name\": \"$ANN\", \"deviceId\": \"desktop\"}" >/dev/null || return
  call AgentService.SetAgentState "{\"name\": \"$ANN\", \"state\": \"DECLARED_STATE_READY\"}" >/dev/null || return
  pulled=$(pull)
  generation=$(field generation <<<"$pulled")
  ticket=$(create call-1 | field name)
  pulled=$(pull_until '"offered"') || return
  offer=$(grep -oE 'desks/shell/offers/[^"]*' <<<"$pulled" | head -1)
  epoch=$(field sessionEpoch <<<"$pulled")
  expect OFFER_STATE_ACCEPTED "$(call OfferService.AcceptOffer \
    "{\"name\": \"$offer\", \"sessionEpoch\": \"$epoch\", \"deviceId\": \"desktop\"}")" || return
  pull_until '"connect"' >/dev/null || return
  expect OFFER_STATE_CONFIRMED "$(call OfferService.ConfirmOffer "{\"name\": \"$offer\"}")" || return
  pull_until '"assigned"' >/dev/null || return
  expect TICKET_STATE_CLOSED "$(call TicketService.ResolveTicket "{\"name\": \"$ticket\", \"resolution\": \"It is on its way.\"}")"
}

# docs: shell-pull
# pull_until PATTERN: pulls and acknowledges until something matches, and prints that.
pull_until() {
  local pulled seq
  for _ in {1..10}; do
    pulled=$(pull '"waitTime": "5s"') || { echo "$pulled" >&2; return 1; }
    seq=$(field seq <<<"$(grep -o '"resume".*' <<<"$(tr -d '\n' <<<"$pulled")")")
    call DecisionService.AckDecisions \
      "{\"connector\": \"$CONNECTOR\", \"generation\": \"$generation\", \"ackedSeq\": \"$seq\"}" >/dev/null
    grep -qE "$1" <<<"$pulled" && { echo "$pulled"; return 0; }
  done
  echo "not pulled: $1" >&2
  return 1
}
# docs: end

deadlines_are_kept() { # Deadlines: deadline_exceeded in time, and a repeat under the same request id has one effect
  local began=$SECONDS late name
  late=$(call DecisionService.PullDecisions "{\"connector\": \"$CONNECTOR\", \"point\": \"RESUME_POINT_NOW\", \"waitTime\": \"30s\"}" --timeout 2s)
  expect 'deadline_exceeded|context deadline exceeded' "$late" || return
  ((SECONDS - began < 8)) || { echo "the deadline was not kept" >&2; return 1; }
  name=$(create repeated | field name)
  [[ $name == $(create repeated | field name) ]] || { echo "two tickets of one request id" >&2; return 1; }
}

errors_say_what_is_wrong() { # Rich errors as buf prints them: the field, the reason, what was not found
  local bad
  bad=$(call TicketService.CreateTicket "{\"parent\": \"$DESK\", \"connector\": \"$CONNECTOR\", \"ticket\": {\"channel\": 99}}")
  expect '"code": *"invalid_argument"' "$bad" || return
  expect '"field": *"ticket.channel"' "$(detail BadRequest <<<"$bad")" || return
  expect '"reason": *"INVALID_FIELD"' "$(detail ErrorInfo <<<"$bad")" || return
  bad=$(call TicketService.GetTicket "{\"name\": \"$DESK/tickets/nowhere\"}")
  expect '"code": *"not_found"' "$bad" || return
  expect "\"resourceName\": *\"$DESK/tickets/nowhere\"" "$(detail ResourceInfo <<<"$bad")"
}

a_watch_resumes_at_its_cursor() { # kill -9: a watch resumes after its cursor, pulls under their generation
  local seen last incarnation again
  stream "$folder/watch-1" handoff.v1.DecisionService/WatchDecisions "{\"connector\": \"$CONNECTOR\", \"cursor\": {\"seq\": \"0\"}}"
  until_found '"assigned"' "$folder/watch-1" || return
  generation=0
  generation=$(field generation <<<"$(pull)")
  again=$(create before-the-kill | field name)
  until_found "$again" "$folder/watch-1" || return
  end_server KILL
  until_found '"code": *"(unavailable|unknown|internal)"' "$folder/watch-1" || return
  seen=$(grep -cE '"prevSeq"' "$folder/watch-1")
  ((seen > 4)) || { echo "only $seen decisions" >&2; return 1; }
  incarnation=$(field incarnation <"$folder/watch-1")
  last=$(grep -E '^ *"seq"' "$folder/watch-1" | field seq "$(grep -cE '^ *"seq"' "$folder/watch-1")")
  start_server
  expect '"generation": *"'"$generation" "$(pull)" || return
  again=$(create after-the-kill | field name)
  stream "$folder/watch-2" handoff.v1.DecisionService/WatchDecisions \
    "{\"connector\": \"$CONNECTOR\", \"cursor\": {\"seq\": \"$last\", \"incarnation\": \"$incarnation\"}}"
  until_found "$again" "$folder/watch-2" || return
  expect "\"prevSeq\": *\"$last\"" "$(grep -m1 '"prevSeq"' "$folder/watch-2")"
}

a_drain_is_announced() { # SIGTERM: health watch says NOT_SERVING, the watch goes away with a cursor and RetryInfo
  stream "$folder/health" grpc.health.v1.Health/Watch '{}'
  stream "$folder/watch-3" handoff.v1.DecisionService/WatchDecisions "{\"connector\": \"$CONNECTOR\", \"point\": \"RESUME_POINT_NOW\"}"
  until_found '"SERVING"' "$folder/health" || return
  until_found '"welcome"' "$folder/watch-3" || return
  end_server TERM
  until_found '"NOT_SERVING"' "$folder/health" || return
  until_found '"goingAway"' "$folder/watch-3" || return
  until_found 'google.rpc.RetryInfo' "$folder/watch-3" || return
  expect '"reason": *"SHUTTING_DOWN"' "$(detail ErrorInfo <"$folder/watch-3")" || return
  start_server
  expect SERVING "$(health)"
}

start_server
for request in \
  'DeskService.CreateDesk {"deskId": "shell", "desk": {}}' \
  'DecisionService.CreateConnector {"parent": "desks/shell", "connectorId": "adapter", "connector": {}}' \
  'AgentService.CreateAgent {"parent": "desks/shell", "agentId": "ann", "agent": {"displayName": "Ann"}}'; do
  call "${request%% *}" "${request#* }" >"$folder/prepared" || { cat "$folder/prepared"; exit 1; }
done

checks=(the_service_describes_itself a_ticket_goes_its_way deadlines_are_kept errors_say_what_is_wrong
  a_watch_resumes_at_its_cursor a_drain_is_announced)
failed=0
for check in "${checks[@]}"; do
  name=$(sed -n "s/^$check() { # //p" "$0")
  began=$EPOCHREALTIME
  outcome=ok
  "$check" || { outcome=FAILED; failed=$((failed + 1)); }
  took=$((${EPOCHREALTIME/[.,]/} - ${began/[.,]/}))
  printf '%-7s %2d.%02d s  %s\n' "$outcome" $((took / 1000000)) $((took / 10000 % 100)) "$name"
done
printf '\n%d passed, %d failed\n' $((${#checks[@]} - failed)) "$failed"
((failed == 0))
