// Handoff from Node: grpc-js and proto-loader.
//
//     node tests/clients/node_client.mjs
//
// Starts a private server, kills it in between, and checks the whole path of a ticket, deadlines, rich errors, health,
// and that every kind of stream resumes without a decision lost or out of order.

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import { errorOf, eventually, pause, run } from "./node/checks.mjs";
import { call, connect, detailsOf, grpc } from "./node/handoff.mjs";
import { ServerProcess } from "./node/server_process.mjs";

const DESK = "desks/node";
const CONNECTOR = `${DESK}/connectors/adapter`;
const PULLER = `${DESK}/connectors/puller`;
const ANN = `${DESK}/agents/ann`;

const server = new ServerProcess();
await server.start();
const api = connect(server.address);

// docs: node-subscribe
/** A connector's decisions over any number of disconnects: none is missed, and none is handed out twice. */
class Subscriber {
  cursor = null; // the last decision seen; a real connector keeps it, or lets the server remember the acks
  disconnects = 0;
  farewell = null;
  closed = false;

  constructor(connector, take) {
    this.connector = connector;
    this.take = take;
    this.#open();
  }

  close() {
    this.closed = true;
    this.stream.cancel();
  }

  #open() {
    const stream = (this.stream = api.decisions.Subscribe());
    let welcome;
    stream.on("data", (message) => {
      if (message.response === "welcome") welcome = message.welcome;
      if (message.response === "going_away") this.farewell = message.going_away;
      if (message.response !== "decisions") return;
      for (const decision of message.decisions.items) {
        if (this.cursor !== null && BigInt(decision.seq) <= BigInt(this.cursor.seq)) continue;
        this.take(decision);
        this.cursor = { seq: decision.seq, incarnation: welcome.incarnation };
      }
      stream.write({ ack: { generation: welcome.generation, acked_seq: this.cursor.seq } });
    });
    stream.on("error", async (error) => {
      if (this.closed) return;
      if (error.code !== grpc.status.UNAVAILABLE) throw error;
      this.disconnects += 1;
      await pause(100);
      this.#open();
    });
    const resume = this.cursor === null ? {} : { cursor: this.cursor };
    stream.write({ hello: { connector: this.connector, instance: "node-0", window: 8, ...resume } });
  }
}
// docs: end

/** Decisions as they came; complains about the first gap in their chain. */
const journal = [];
const subscriber = { current: null };
function enter(decision) {
  const before = journal.at(-1)?.seq ?? decision.prev_seq;
  assert.equal(decision.prev_seq, before, `a gap before ${decision.seq}`);
  journal.push(decision);
}
const decided = (kind, ticket) =>
  eventually(`${kind} of ${ticket}`, () => journal.find((each) => each.payload === kind && each.ticket === ticket));

const prepare = async () => {
  await call(api.desks, "CreateDesk", { desk_id: "node", desk: { display_name: "Node" } });
  for (const [connector_id, channel] of [["adapter", "CHANNEL_PHONE"], ["puller", "CHANNEL_CHAT"]]) {
    const request = { parent: DESK, connector_id, connector: { channels: [channel] } };
    await call(api.decisions, "CreateConnector", request);
  }
  await call(api.agents, "CreateAgent", { parent: DESK, agent_id: "ann", agent: { display_name: "Ann" } });
  subscriber.current = new Subscriber(CONNECTOR, enter);
};

const create = async (connector, channel, external_id) => {
  const ticket = { channel, external_id, subject: "Where is my parcel?" };
  const request = { parent: DESK, connector, ticket, request_id: randomUUID() };
  return (await call(api.tickets, "CreateTicket", request)).name;
};
const phone = (external_id) => create(CONNECTOR, "CHANNEL_PHONE", external_id);
const chat = (external_id) => create(PULLER, "CHANNEL_CHAT", external_id);

let generation = 0;
const pull = async (fields = {}, timeout = 10_000) => {
  const pulled = await call(api.decisions, "PullDecisions", { connector: PULLER, generation, ...fields }, timeout);
  generation = pulled.generation;
  return pulled.decisions;
};
const ack = async (seq) =>
  (await call(api.decisions, "AckDecisions", { connector: PULLER, generation, acked_seq: seq })).acked_seq;

/** A server stream: its messages, and an iterator over them. */
const deadline = () => ({ deadline: Date.now() + 20_000 });
const reader = (stream) => {
  const messages = stream[Symbol.asyncIterator]();
  return { next: async () => (await messages.next()).value, stream };
};
const watch = (cursor) => reader(api.decisions.WatchDecisions({ connector: PULLER, ...(cursor && { cursor }) }, deadline()));
const cancel = ({ stream }) => {
  stream.on("error", () => {});
  stream.cancel();
};

let session;
const startSession = async (secret = "") =>
  (await call(api.agents, "StartSession", { name: ANN, device_id: "desktop", secret })).welcome;

const checks = [
  ["Health: the server and its services are SERVING", async () => {
    for (const service of ["", "handoff.v1.DecisionService"]) {
      assert.equal((await call(api.health, "Check", { service })).status, "SERVING");
    }
  }],

  ["The whole path: session, offer on its stream, accept, connect on the connector's, confirm, resolve", async () => {
    session = await startSession();
    await call(api.agents, "SetAgentState", { name: ANN, state: "DECLARED_STATE_READY" });
    const request = { name: ANN, session_epoch: session.session_epoch, device_id: "desktop" };
    const told = reader(api.agents.WatchSession(request, deadline()));
    assert.equal((await told.next()).update, "snapshot");
    const ticket = await phone("call-1");
    let offer;
    while (offer?.state !== "OFFER_STATE_PENDING") ({ offer } = await told.next());
    assert.equal(offer.ticket, ticket);
    cancel(told);
    const { name, session_epoch } = offer;
    await call(api.offers, "AcceptOffer", { name, session_epoch, device_id: "desktop", request_id: randomUUID() });
    await decided("connect", ticket);
    await call(api.offers, "ConfirmOffer", { name, request_id: randomUUID() });
    assert.equal((await decided("assigned", ticket)).assigned.agent_display_name, "Ann");
    const resolved = await call(api.tickets, "ResolveTicket", { name: ticket, resolution: "It is on its way." });
    assert.equal(resolved.state, "TICKET_STATE_CLOSED", "nobody writes back on the phone");
    await decided("resolved", ticket);
  }],

  ["PullDecisions and AckDecisions: repeated until acknowledged, gone afterwards, waited for", async () => {
    const tickets = [await chat("chat-1"), await chat("chat-2")];
    const first = await pull({ max_decisions: 2, wait_time: { seconds: 5 } });
    assert.equal(first[0].ticket, tickets[0]);
    assert.deepEqual((await pull({ max_decisions: 2 })).slice(0, first.length), first);
    assert.equal(await ack(first.at(-1).seq), first.at(-1).seq);
    const seen = [...first];
    while (!seen.some((each) => each.ticket === tickets[1] && each.payload === "queued")) {
      const pulled = await pull({ wait_time: { seconds: 5 } });
      assert.equal(pulled[0]?.prev_seq, seen.at(-1).seq);
      seen.push(...pulled);
      await ack(seen.at(-1).seq);
    }
  }],

  ["WatchDecisions: every decision in order, resumed after a cursor; a foreign cursor is DATA_LOSS", async () => {
    const first = watch({ seq: 0 });
    const { incarnation } = (await first.next()).welcome.start;
    const seen = (await first.next()).decisions.items;
    cancel(first);
    seen.slice(1).forEach((decision, at) => assert.equal(decision.prev_seq, seen[at].seq));
    const again = watch({ seq: seen[1].seq, incarnation });
    await again.next();
    assert.equal((await again.next()).decisions.items[0].seq, seen[2].seq);
    cancel(again);
    const foreign = await errorOf(watch({ seq: seen[1].seq, incarnation: String(BigInt(incarnation) ^ 1n) }).next());
    assert.equal(foreign.code, grpc.status.DATA_LOSS);
    assert.equal(detailsOf(foreign).ErrorInfo.reason, "CURSOR_FOREIGN");
  }],

  ["Deadlines: DEADLINE_EXCEEDED in time, and a repeat under the same request id has one effect", async () => {
    for (let left = await pull(); left.length > 0; left = await pull()) await ack(left.at(-1).seq);
    const began = Date.now();
    const late = await errorOf(pull({ wait_time: { seconds: 30 } }, 300));
    assert.equal(late.code, grpc.status.DEADLINE_EXCEEDED);
    assert.ok(Date.now() - began < 3_000, "the deadline was not kept");
    const ticket = { channel: "CHANNEL_PHONE", external_id: "hurried" };
    const request = { parent: DESK, connector: CONNECTOR, ticket, request_id: randomUUID() };
    const hurried = await errorOf(call(api.tickets, "CreateTicket", request, 1));
    assert.equal(hurried.code, grpc.status.DEADLINE_EXCEEDED);
    const { name } = await call(api.tickets, "CreateTicket", request);
    const { tickets } = await call(api.tickets, "ListTickets", { parent: DESK, page_size: 1000 });
    assert.deepEqual(tickets.filter((each) => each.external_id === "hurried").map((each) => each.name), [name]);
  }],

  ["Rich errors: BadRequest names the field, ErrorInfo the reason, ResourceInfo what was not found", async () => {
    const bad = await errorOf(call(api.tickets, "CreateTicket", { parent: DESK, connector: CONNECTOR, ticket: { channel: 99 } }));
    assert.equal(bad.code, grpc.status.INVALID_ARGUMENT);
    const { BadRequest, ErrorInfo } = detailsOf(bad);
    assert.deepEqual(BadRequest.field_violations.map((each) => each.field), ["ticket.channel"]);
    assert.deepEqual([ErrorInfo.reason, ErrorInfo.domain], ["INVALID_FIELD", "handoff.v1"]);
    const name = `${DESK}/tickets/nowhere`;
    const missing = await errorOf(call(api.tickets, "GetTicket", { name }));
    assert.equal(missing.code, grpc.status.NOT_FOUND);
    assert.equal(detailsOf(missing).ResourceInfo.resource_name, name);
  }],

  ["kill -9: the subscription, the pulls, the watch and the session go on where they were", async () => {
    const lost = watch({ seq: 0 });
    const { incarnation } = (await lost.next()).welcome.start;
    const lastWatched = (await lost.next()).decisions.items.at(-1).seq;
    await decided("queued", await phone("before-the-kill"));
    const unacknowledged = await chat("unacknowledged");
    const pulled = await pull({ wait_time: { seconds: 5 } });
    const ended = errorOf((async () => { for (;;) if (!(await lost.next())) return "an end in order"; })());
    await server.kill();
    assert.ok([grpc.status.UNAVAILABLE, grpc.status.UNKNOWN].includes((await ended).code));
    await server.start();
    await decided("queued", await eventually("it answers", () => phone("after-the-kill").catch(() => null)));
    assert.equal(subscriber.current.disconnects >= 1, true);
    assert.deepEqual((await pull())[0], pulled[0], "what was not acknowledged comes again");
    assert.equal(await ack(pulled.at(-1).seq), pulled.at(-1).seq, "the generation is still the newest");
    const again = watch({ seq: lastWatched, incarnation });
    await again.next();
    const [next] = (await again.next()).decisions.items;
    assert.deepEqual([next.prev_seq, next.ticket], [lastWatched, unacknowledged]);
    cancel(again);
    const resumed = await startSession(session.secret);
    assert.deepEqual([resumed.resumed, resumed.session_epoch], [true, session.session_epoch]);
  }],

  ["SIGTERM: health says NOT_SERVING, streams go away with a cursor and RetryInfo; then all go on", async () => {
    const health = reader(api.health.Watch({ service: "" }, deadline()));
    assert.equal((await health.next()).status, "SERVING");
    const watched = watch();
    await watched.next();
    const stopped = server.stop();
    assert.equal((await health.next()).status, "NOT_SERVING");
    let last;
    const ended = await errorOf((async () => { for (;;) last = (await watched.next()) ?? last; })());
    assert.notEqual(last.going_away.resume.incarnation, "0");
    assert.equal(ended.code, grpc.status.UNAVAILABLE);
    const { ErrorInfo, RetryInfo } = detailsOf(ended);
    assert.equal(ErrorInfo.reason, "SHUTTING_DOWN");
    assert.ok(RetryInfo.retry_delay);
    await stopped;
    await eventually("the subscriber is sent away", () => subscriber.current.farewell);
    await server.start();
    await decided("queued", await eventually("it answers", () => phone("after-the-drain").catch(() => null)));
  }],
];

let failed = 1;
try {
  await prepare();
  failed = await run(checks);
} finally {
  subscriber.current?.close();
  await server.close();
}
process.exit(failed === 0 ? 0 : 1);
