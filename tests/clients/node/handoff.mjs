// The API for Node: grpc-js, with the .proto files read at run time. Nothing is generated.

import { createRequire } from "node:module";
import { join } from "node:path";

import { REPOSITORY } from "./server_process.mjs";

const require = createRequire(join(REPOSITORY, "target/clients/node/"));
export const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

// docs: node-connect
const files = [
  "agent_service", "decision_service", "desk_service", "offer_service", "ticket_service",
].map((name) => `handoff/v1/${name}.proto`);
const loaded = loader.loadSync([...files, "grpc/health/v1/health.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"], {
  includeDirs: [join(REPOSITORY, "proto")],
  keepCase: true,
  longs: String, // numbers of the log are 64 bits
  enums: String,
  arrays: true, // empty ones too
  oneofs: true,
});
const api = grpc.loadPackageDefinition(loaded);

export function connect(address) {
  // A killed server is back within a second; gRPC's own first pause between attempts is as long as that.
  const options = { "grpc.initial_reconnect_backoff_ms": 50, "grpc.max_reconnect_backoff_ms": 250 };
  const client = (service) => new service(address, grpc.credentials.createInsecure(), options);
  return {
    desks: client(api.handoff.v1.DeskService),
    agents: client(api.handoff.v1.AgentService),
    tickets: client(api.handoff.v1.TicketService),
    offers: client(api.handoff.v1.OfferService),
    decisions: client(api.handoff.v1.DecisionService),
    health: client(api.grpc.health.v1.Health),
  };
}

/** A unary call as a promise, with a deadline. */
export function call(client, method, request, timeout = 10_000) {
  return new Promise((resolve, reject) => {
    const done = (error, answer) => (error ? reject(error) : resolve(answer));
    client[method](request, { deadline: Date.now() + timeout }, done);
  });
}
// docs: end

// docs: node-errors
/** The google.rpc messages of a rich error, by name. */
export function detailsOf(error) {
  const packed = error.metadata.get("grpc-status-details-bin")[0];
  const { details } = decode("google.rpc.Status", packed);
  return Object.fromEntries(
    details.map(({ type_url, value }) => {
      const name = type_url.split("/").pop();
      return [name.split(".").pop(), decode(name, value)];
    }),
  );
}

function decode(name, bytes) {
  return loaded[name].deserialize(bytes);
}
// docs: end
