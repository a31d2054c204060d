// The API for a page: connect-web over gRPC-web, with stubs that protoc-gen-es made of proto/.

import { createClient } from "@connectrpc/connect";
import { createGrpcWebTransport } from "@connectrpc/connect-web";
import { Health } from "@stubs/grpc/health/v1/health_pb.js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "@stubs/google/rpc/error_details_pb.js";
import { AgentService } from "@stubs/handoff/v1/agent_service_pb.js";
import { DecisionService } from "@stubs/handoff/v1/decision_service_pb.js";
import { DeskService } from "@stubs/handoff/v1/desk_service_pb.js";
import { OfferService } from "@stubs/handoff/v1/offer_service_pb.js";
import { TicketService } from "@stubs/handoff/v1/ticket_service_pb.js";

// docs: browser-connect
export function connect(baseUrl) {
  const transport = createGrpcWebTransport({ baseUrl, defaultTimeoutMs: 10_000 });
  return {
    desks: createClient(DeskService, transport),
    agents: createClient(AgentService, transport),
    tickets: createClient(TicketService, transport),
    offers: createClient(OfferService, transport),
    decisions: createClient(DecisionService, transport),
    health: createClient(Health, transport),
  };
}

/** What a ConnectError says beside its code. */
export function detailsOf(error) {
  const first = (schema) => error.findDetails(schema)[0];
  return { badRequest: first(BadRequestSchema), info: first(ErrorInfoSchema), retry: first(RetryInfoSchema) };
}
// docs: end
