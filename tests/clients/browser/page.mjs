// What the page does, check by check. It is an agent's desktop and, for want of another, the connector as well: it pulls.

import { Code, ConnectError } from "@connectrpc/connect";
import { HealthCheckResponse_ServingStatus as Serving } from "@stubs/grpc/health/v1/health_pb.js";
import { DeclaredState } from "@stubs/handoff/v1/agent_pb.js";
import { ResumePoint } from "@stubs/handoff/v1/decision_service_pb.js";
import { OfferState } from "@stubs/handoff/v1/offer_pb.js";
import { TicketState } from "@stubs/handoff/v1/ticket_pb.js";
import { Channel } from "@stubs/handoff/v1/types_pb.js";

import { connect, detailsOf } from "./handoff.mjs";

const DESK = "desks/page";
const CONNECTOR = `${DESK}/connectors/adapter`;
const ANN = `${DESK}/agents/ann`;
const DEVICE = "page";
/** Streams last longer than calls. */
const LONG = { timeoutMs: 20_000 };

const api = connect(globalThis.HANDOFF);
/** `kill`, `stop` and `start`, done by whoever drives the page. */
const server = (what) => globalThis.server(what);
let session;

const create = async (externalId) => {
  const ticket = { channel: Channel.PHONE, externalId, subject: "Where is my parcel?" };
  const request = { parent: DESK, connector: CONNECTOR, ticket, requestId: crypto.randomUUID() };
  return (await api.tickets.createTicket(request)).name;
};

export const checks = {
  async the_page_may_call() {
    // Over gRPC-web: health says SERVING, and the desk is set up
    equal((await api.health.check({ service: "" })).status, Serving.SERVING);
    await api.desks.createDesk({ deskId: "page", desk: {} });
    await api.decisions.createConnector({ parent: DESK, connectorId: "adapter", connector: {} });
    await api.agents.createAgent({ parent: DESK, agentId: "ann", agent: { displayName: "Ann" } });
  },

  // docs: browser-session
  async an_offer_arrives_is_accepted_and_the_ticket_resolved() {
    session = (await api.agents.startSession({ name: ANN, deviceId: DEVICE })).welcome;
    await api.agents.setAgentState({ name: ANN, state: DeclaredState.READY });
    const connector = carryOut();
    const ticket = await create("call-1");
    const { sessionEpoch } = session;
    const told = api.agents.watchSession({ name: ANN, sessionEpoch, deviceId: DEVICE }, LONG);
    const offer = await first(told, ({ update }) => {
      const offers = update.case === "snapshot" ? update.value.offers : update.case === "offer" ? [update.value] : [];
      return offers.find((each) => each.state === OfferState.PENDING);
    });
    equal(offer.ticket, ticket);
    equal(offer.brief.subject, "Where is my parcel?");
    await api.offers.acceptOffer({ name: offer.name, sessionEpoch, deviceId: DEVICE, requestId: crypto.randomUUID() });
    await connector;
    await api.agents.sendHeartbeats({ parent: DESK, heartbeats: [{ agent: ANN, sessionEpoch, deviceId: DEVICE }] });
    const resolved = await api.tickets.resolveTicket({ name: ticket, resolution: "It is on its way." });
    equal(resolved.state, TicketState.CLOSED); // nobody writes back on the phone
  },
  // docs: end

  async a_deadline_leaves_nothing_half_done() {
    const began = Date.now();
    const request = { connector: CONNECTOR, resume: { case: "point", value: ResumePoint.NOW }, waitTime: { seconds: 30n } };
    const late = await errorOf(api.decisions.pullDecisions(request, { timeoutMs: 300 }));
    equal(late.code, Code.DeadlineExceeded);
    holds(Date.now() - began < 3_000, "the deadline was kept");
    const ticket = { channel: Channel.PHONE, externalId: "hurried" };
    const hurried = { parent: DESK, connector: CONNECTOR, ticket, requestId: crypto.randomUUID() };
    equal((await errorOf(api.tickets.createTicket(hurried, { timeoutMs: 1 }))).code, Code.DeadlineExceeded);
    const { name } = await api.tickets.createTicket(hurried);
    const { tickets } = await api.tickets.listTickets({ parent: DESK, pageSize: 1000 });
    equal(tickets.filter((each) => each.externalId === "hurried").map((each) => each.name).join(), name);
  },

  async errors_say_what_is_wrong() {
    const bad = await errorOf(api.tickets.createTicket({ parent: DESK, connector: CONNECTOR, ticket: { channel: 99 } }));
    equal(bad.code, Code.InvalidArgument);
    const { badRequest, info } = detailsOf(bad);
    equal(badRequest.fieldViolations.map((each) => each.field).join(), "ticket.channel");
    equal(`${info.domain} ${info.reason}`, "handoff.v1 INVALID_FIELD");
    const foreign = { connector: CONNECTOR, resume: { case: "cursor", value: { seq: 1n, incarnation: 1n } } };
    const refused = await errorOf(first(api.decisions.watchDecisions(foreign), () => true));
    equal(refused.code, Code.DataLoss);
    equal(detailsOf(refused).info.reason, "CURSOR_FOREIGN");
  },

  async a_watch_that_was_cut_resumes_at_its_cursor() {
    const watch = new DecisionWatch({ seq: 0n });
    await watch.until((decision) => decision.payload.case === "resolved");
    const seen = watch.seen.length;
    watch.cut();
    const ticket = await create("while-cut");
    await watch.until((decision) => decision.ticket === ticket && decision.payload.case === "queued");
    holds(watch.seen.length > seen, "it goes on");
    watch.close();
  },

  async every_stream_resumes_after_a_kill() {
    const watch = new DecisionWatch({ seq: 0n });
    const { sessionEpoch, secret } = session;
    const told = first(api.agents.watchSession({ name: ANN, sessionEpoch, deviceId: DEVICE }, LONG), ({ update }) => update.case === "ended");
    const cut = errorOf(told);
    const before = await create("before-the-kill");
    await watch.until((decision) => decision.ticket === before);
    await server("kill");
    holds([Code.Unavailable, Code.Unknown].includes((await cut).code), "the session's stream is cut");
    await server("start");
    const after = await create("after-the-kill");
    await watch.until((decision) => decision.ticket === after);
    holds(watch.disconnects > 0, "it was cut");
    watch.close();
    const { welcome } = await api.agents.startSession({ name: ANN, deviceId: DEVICE, secret });
    equal(`${welcome.resumed} ${welcome.sessionEpoch}`, `true ${sessionEpoch}`);
  },

  async a_drain_is_announced() {
    const statuses = [];
    const health = first(api.health.watch({ service: "" }, LONG), ({ status }) => {
      statuses.push(status);
      return status === Serving.NOT_SERVING;
    });
    const messages = [];
    const resume = { case: "point", value: ResumePoint.NOW };
    const watched = errorOf(first(api.decisions.watchDecisions({ connector: CONNECTOR, resume }, LONG), (message) => {
      messages.push(message.response.case);
      return false;
    }));
    while (messages.length === 0 || statuses.length === 0) await pause(20);
    const stopped = server("stop");
    await health;
    const ended = await watched;
    equal(messages.at(-1), "goingAway");
    equal(ended.code, Code.Unavailable);
    const { info, retry } = detailsOf(ended);
    equal(info.reason, "SHUTTING_DOWN");
    holds(retry !== undefined, "it says when to come back");
    await stopped;
    await server("start");
    equal((await api.health.check({ service: "" })).status, Serving.SERVING);
  },
};

/** From a page of another origin: refused by the browser before anything reaches the server. */
export async function trespass() {
  const error = await errorOf(api.tickets.createTicket({ parent: DESK, connector: CONNECTOR, ticket: { channel: Channel.PHONE, externalId: "foreign" } }));
  return error.rawMessage;
}

export async function countOf(externalId) {
  const { tickets } = await api.tickets.listTickets({ parent: DESK, pageSize: 1000 });
  return tickets.filter((each) => each.externalId === externalId).length;
}

/** The connector's part: pulls, confirms the first connection that is asked for, acknowledges. */
async function carryOut() {
  let generation = 0n;
  for (;;) {
    const request = { connector: CONNECTOR, generation, waitTime: { seconds: 5n } };
    const pulled = await api.decisions.pullDecisions(request);
    generation = pulled.generation;
    const connect = pulled.decisions.find((decision) => decision.payload.case === "connect");
    if (connect) await api.offers.confirmOffer({ name: connect.payload.value.offer.name });
    const ackedSeq = pulled.decisions.at(-1)?.seq;
    if (ackedSeq) await api.decisions.ackDecisions({ connector: CONNECTOR, generation, ackedSeq });
    if (connect) return;
  }
}

// docs: browser-watch
/** Decisions over any number of disconnects, each once and in order. */
class DecisionWatch {
  seen = [];
  disconnects = 0;

  constructor(cursor) {
    this.cursor = cursor;
    this.closed = this.#run();
    this.closed.catch(() => {});
  }

  async #run() {
    while (!this.over) {
      this.abort = new AbortController();
      const resume = { case: "cursor", value: this.cursor };
      try {
        const stream = api.decisions.watchDecisions({ connector: CONNECTOR, resume }, { ...LONG, signal: this.abort.signal });
        for await (const { response } of stream) {
          if (response.case === "welcome") this.cursor = response.value.start;
          if (response.case === "decisions") response.value.items.forEach((decision) => this.#take(decision));
        }
      } catch (error) {
        const retriable = [Code.Unavailable, Code.Unknown, Code.Canceled, Code.DeadlineExceeded];
        if (!retriable.includes(ConnectError.from(error).code)) throw error;
        this.disconnects += 1;
        await pause(100);
      }
    }
  }

  #take(decision) {
    if (decision.prevSeq !== this.cursor.seq) throw new Error(`a gap before ${decision.seq}`);
    this.seen.push(decision);
    this.cursor = { seq: decision.seq, incarnation: this.cursor.incarnation };
  }

  cut() {
    this.abort.abort();
  }

  close() {
    this.over = true;
    this.cut();
  }

  async until(wanted) {
    while (!this.seen.some(wanted)) await Promise.race([this.closed, pause(20)]);
  }
}
// docs: end

/** What `wanted` finds first in a stream; the stream is then left. */
async function first(stream, wanted) {
  for await (const message of stream) {
    const found = wanted(message);
    if (found) return found;
  }
  throw new Error("the stream ended in order");
}

async function errorOf(call) {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("expected an error");
}

function equal(found, expected) {
  if (found !== expected) throw new Error(`expected ${expected}, found ${found}`);
}

function holds(condition, what) {
  if (!condition) throw new Error(`not so: ${what}`);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
