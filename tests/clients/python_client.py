"""Handoff from Python: grpcio and the stubs that grpcio-tools makes of proto/.

    target/clients/venv/bin/python tests/clients/python_client.py

Starts a private server, kills it in between, and checks the whole path of a ticket, deadlines, rich errors, health,
and that every kind of stream resumes without a decision lost or out of order.
"""

import contextlib
import itertools
import pathlib
import queue
import sys
import tempfile
import threading
import time
import uuid

import grpc
from google.protobuf.duration_pb2 import Duration
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

import checks
from checks import details_of, expect_error
from server_process import DEFAULT_SERVER, REPOSITORY, ServerProcess, wait_until

sys.path.append(str(REPOSITORY / "target" / "clients" / "python"))

from handoff.v1 import agent_pb2, agent_service_pb2, agent_service_pb2_grpc, connector_pb2, decision_service_pb2
from handoff.v1 import decision_service_pb2_grpc, desk_pb2, desk_service_pb2, desk_service_pb2_grpc, offer_pb2
from handoff.v1 import offer_service_pb2, offer_service_pb2_grpc, ticket_pb2, ticket_service_pb2
from handoff.v1 import ticket_service_pb2_grpc, types_pb2

DESK = "desks/python"
TIMEOUT = 10
PATIENCE = 15
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
# A killed server is back within a second; gRPC's own first pause between attempts is as long as that.
OPTIONS = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 250)]


class Handoff:
    """One channel, every service of the API."""

    def __init__(self, target):
        self.channel = grpc.insecure_channel(target, options=OPTIONS)
        self.desks = desk_service_pb2_grpc.DeskServiceStub(self.channel)
        self.agents = agent_service_pb2_grpc.AgentServiceStub(self.channel)
        self.tickets = ticket_service_pb2_grpc.TicketServiceStub(self.channel)
        self.offers = offer_service_pb2_grpc.OfferServiceStub(self.channel)
        self.decisions = decision_service_pb2_grpc.DecisionServiceStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)


# docs: subscribe
class Subscriber:
    """A connector's decisions over any number of disconnects: none is missed, and none is handed out twice."""

    def __init__(self, handoff, connector):
        self.handoff = handoff
        self.connector = connector
        self.cursor = None  # the last decision seen; a real connector keeps it on disk, or lets the server remember the acks
        self.farewell = None
        self.disconnects = 0
        self._stream = None

    def decisions(self):
        while True:
            try:
                yield from self._one_stream()
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.CANCELLED:
                    return
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                self.disconnects += 1
                time.sleep(0.1)

    def close(self):
        if self._stream is not None:
            self._stream.cancel()

    def _one_stream(self):
        upwards = queue.SimpleQueue()
        hello = decision_service_pb2.SubscribeHello(connector=self.connector, instance="python-0", window=8)
        if self.cursor is not None:
            hello.cursor.CopyFrom(self.cursor)
        upwards.put(decision_service_pb2.SubscribeRequest(hello=hello))
        self._stream = self.handoff.decisions.Subscribe(iter(upwards.get, None))
        try:
            for message in self._stream:
                kind = message.WhichOneof("response")
                if kind == "welcome":
                    welcome = message.welcome
                elif kind == "going_away":
                    self.farewell = message.going_away
                elif kind == "decisions":
                    for decision in message.decisions.items:
                        if self.cursor is None or decision.seq > self.cursor.seq:
                            yield decision
                            self.cursor = types_pb2.Cursor(seq=decision.seq, incarnation=welcome.incarnation)
                    ack = decision_service_pb2.SubscribeAck(generation=welcome.generation, acked_seq=self.cursor.seq)
                    upwards.put(decision_service_pb2.SubscribeRequest(ack=ack))
        finally:
            upwards.put(None)
# docs: end


class Journal:
    """What a stream handed out, read on a thread; complains about the first gap in the chain."""

    def __init__(self, decisions):
        self.seen = []
        self.broken = []
        threading.Thread(target=self._read, args=(decisions,), daemon=True).start()

    def await_decision(self, kind, ticket):
        def found():
            return next((each for each in self.seen if each.WhichOneof("payload") == kind and each.ticket == ticket), None)

        came = wait_until(lambda: self.broken or found(), PATIENCE)
        assert not self.broken, self.broken
        assert came, f"no {kind} of {ticket} among {[each.WhichOneof('payload') for each in self.seen]}"
        return found()

    def _read(self, decisions):
        try:
            for decision in decisions:
                before = self.seen[-1].seq if self.seen else decision.prev_seq
                if decision.prev_seq != before:
                    self.broken.append(f"gap: {decision.seq} follows {decision.prev_seq}, seen was {before}")
                self.seen.append(decision)
        except Exception as error:
            self.broken.append(str(error))


class World:
    """The server, a desk on it with one agent and two connectors, and what was learned so far."""

    def __init__(self, server):
        self.server = server
        self.handoff = Handoff(server.address)
        self.connector = f"{DESK}/connectors/adapter"
        self.puller = f"{DESK}/connectors/puller"
        self.agent = f"{DESK}/agents/ann"
        self.session = None
        self.subscriber = Subscriber(self.handoff, self.connector)
        self.journal = None
        self.generation = 0

    def prepare(self):
        desk = desk_pb2.Desk(display_name="Python")
        self.handoff.desks.CreateDesk(desk_service_pb2.CreateDeskRequest(desk_id="python", desk=desk), timeout=TIMEOUT)
        channels = {"adapter": types_pb2.CHANNEL_PHONE, "puller": types_pb2.CHANNEL_CHAT}
        for name, channel in channels.items():
            connector = connector_pb2.Connector(channels=[channel])
            request = decision_service_pb2.CreateConnectorRequest(parent=DESK, connector_id=name, connector=connector)
            self.handoff.decisions.CreateConnector(request, timeout=TIMEOUT)
        request = agent_service_pb2.CreateAgentRequest(parent=DESK, agent_id="ann", agent=agent_pb2.Agent(display_name="Ann"))
        self.handoff.agents.CreateAgent(request, timeout=TIMEOUT)
        self.journal = Journal(self.subscriber.decisions())

    def create(self, connector, channel, external_id):
        ticket = ticket_pb2.Ticket(channel=channel, subject="Where is my parcel?", external_id=external_id)
        request = ticket_service_pb2.CreateTicketRequest(
            parent=DESK, connector=connector, ticket=ticket, request_id=str(uuid.uuid4())
        )
        return self.handoff.tickets.CreateTicket(request, timeout=TIMEOUT).name

    def call(self, external_id):
        return self.create(self.connector, types_pb2.CHANNEL_PHONE, external_id)

    def chat(self, external_id):
        return self.create(self.puller, types_pb2.CHANNEL_CHAT, external_id)

    def start_session(self, secret=""):
        request = agent_service_pb2.StartSessionRequest(name=self.agent, device_id="desktop", secret=secret)
        return self.handoff.agents.StartSession(request, timeout=TIMEOUT).welcome

    def accept_and_confirm(self, offer):
        accept = offer_service_pb2.AcceptOfferRequest(
            name=offer.name, session_epoch=offer.session_epoch, device_id="desktop", request_id=str(uuid.uuid4())
        )
        self.handoff.offers.AcceptOffer(accept, timeout=TIMEOUT)
        connect = self.journal.await_decision("connect", offer.ticket).connect
        self.handoff.offers.ConfirmOffer(offer_service_pb2.ConfirmOfferRequest(name=connect.offer.name), timeout=TIMEOUT)

    def resolve(self, ticket):
        request = ticket_service_pb2.ResolveTicketRequest(name=ticket, resolution="It is on its way.")
        return self.handoff.tickets.ResolveTicket(request, timeout=TIMEOUT)

    def pull(self, timeout=TIMEOUT, **fields):
        request = decision_service_pb2.PullDecisionsRequest(connector=self.puller, generation=self.generation, **fields)
        pulled = self.handoff.decisions.PullDecisions(request, timeout=timeout)
        self.generation = pulled.generation
        return pulled

    def ack(self, seq):
        request = decision_service_pb2.AckDecisionsRequest(
            connector=self.puller, generation=self.generation, acked_seq=seq
        )
        return self.handoff.decisions.AckDecisions(request, timeout=TIMEOUT).acked_seq

    def watch(self, cursor=None):
        request = decision_service_pb2.WatchDecisionsRequest(connector=self.puller, cursor=cursor)
        return self.handoff.decisions.WatchDecisions(request, timeout=PATIENCE)


def the_service_describes_itself(world):
    """Reflection and health: the services are listed, the server and each of them SERVING."""
    listed = ProtoReflectionDescriptorDatabase(world.handoff.channel).get_services()
    for service in ["handoff.v1.TicketService", "handoff.v1.DecisionService", "grpc.health.v1.Health"]:
        assert service in listed, f"{service} not among {listed}"
    for service in ["", "handoff.v1.DecisionService"]:
        answer = world.handoff.health.Check(health_pb2.HealthCheckRequest(service=service), timeout=TIMEOUT)
        assert answer.status == SERVING, answer


def a_call_is_offered_accepted_connected_and_resolved(world):
    """The whole path: session, offer on its stream, accept, connect on the connector's, confirm, resolve."""
    world.session = world.start_session()
    ready = agent_service_pb2.SetAgentStateRequest(name=world.agent, state=agent_pb2.DECLARED_STATE_READY)
    world.handoff.agents.SetAgentState(ready, timeout=TIMEOUT)
    ticket = world.call("call-1")
    request = agent_service_pb2.WatchSessionRequest(
        name=world.agent, session_epoch=world.session.session_epoch, device_id="desktop"
    )
    told = world.handoff.agents.WatchSession(request, timeout=PATIENCE)
    first = next(told)
    assert first.WhichOneof("update") == "snapshot", first
    offers = itertools.chain(first.snapshot.offers, (each.offer for each in told if each.HasField("offer")))
    offer = next(each for each in offers if each.state == offer_pb2.OFFER_STATE_PENDING)
    assert offer.ticket == ticket and offer.brief.subject == "Where is my parcel?", offer
    told.cancel()
    world.accept_and_confirm(offer)
    assigned = world.journal.await_decision("assigned", ticket).assigned
    assert assigned.agent_display_name == "Ann", assigned
    assert world.resolve(ticket).state == ticket_pb2.TICKET_STATE_CLOSED, "nobody writes back on the phone"
    assert world.journal.await_decision("resolved", ticket).resolved.resolution.text == "It is on its way."


def what_is_pulled_comes_again_until_it_is_acknowledged(world):
    """PullDecisions and AckDecisions: repeated until acknowledged, gone afterwards, waited for while there is none."""
    tickets = [world.chat("chat-1"), world.chat("chat-2")]
    first = world.pull(max_decisions=2, wait_time=Duration(seconds=5)).decisions
    assert first and first[0].ticket == tickets[0], first
    assert list(world.pull(max_decisions=2).decisions)[: len(first)] == list(first)
    assert world.ack(first[-1].seq) == first[-1].seq
    seen = list(first)
    while not any(each.ticket == tickets[1] and each.HasField("queued") for each in seen):
        pulled = world.pull(wait_time=Duration(seconds=5)).decisions
        assert pulled and pulled[0].prev_seq == seen[-1].seq, pulled
        seen.extend(pulled)
        world.ack(seen[-1].seq)


def an_onlooker_sees_the_same_and_resumes_at_its_cursor(world):
    """WatchDecisions: every decision in order, nothing acknowledged, resumed after a cursor."""
    start = types_pb2.Cursor(seq=0)
    stream = world.watch(start)
    incarnation = next(stream).welcome.start.incarnation
    seen = next(stream).decisions.items
    stream.cancel()
    for before, after in itertools.pairwise(seen):
        assert after.prev_seq == before.seq, (before.seq, after)
    again = world.watch(types_pb2.Cursor(seq=seen[1].seq, incarnation=incarnation))
    next(again)
    assert next(again).decisions.items[0].seq == seen[2].seq
    foreign = world.watch(types_pb2.Cursor(seq=seen[1].seq, incarnation=incarnation ^ 1))
    error = expect_error(lambda: next(foreign))
    assert error.code() == grpc.StatusCode.DATA_LOSS, error
    assert details_of(error)["ErrorInfo"].reason == "CURSOR_FOREIGN", error


def a_deadline_leaves_nothing_half_done(world):
    """Deadlines: DEADLINE_EXCEEDED in time, and a repeat under the same request id has one effect."""
    while world.pull().decisions:
        world.ack(world.pull().decisions[-1].seq)
    began = time.monotonic()
    error = expect_error(lambda: world.pull(timeout=0.3, wait_time=Duration(seconds=30)))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    assert time.monotonic() - began < 3, "the deadline was not kept"
    ticket = ticket_pb2.Ticket(channel=types_pb2.CHANNEL_PHONE, external_id="hurried")
    request = ticket_service_pb2.CreateTicketRequest(
        parent=DESK, connector=world.connector, ticket=ticket, request_id=str(uuid.uuid4())
    )
    exceeded = 0
    for timeout in (0.0002 * 2**step for step in range(16)):
        try:
            name = world.handoff.tickets.CreateTicket(request, timeout=timeout).name
            break
        except grpc.RpcError as late:
            assert late.code() == grpc.StatusCode.DEADLINE_EXCEEDED, late
            exceeded += 1
    assert exceeded > 0, "no deadline was short enough"
    everything = ticket_service_pb2.ListTicketsRequest(parent=DESK, page_size=1000)
    listed = world.handoff.tickets.ListTickets(everything, timeout=TIMEOUT).tickets
    assert [each.name for each in listed if each.external_id == "hurried"] == [name]


def errors_say_what_is_wrong(world):
    """Rich errors: BadRequest names the field, ErrorInfo the reason, ResourceInfo what was not found."""
    ticket = ticket_pb2.Ticket(channel=99)
    request = ticket_service_pb2.CreateTicketRequest(parent=DESK, connector=world.connector, ticket=ticket)
    error = expect_error(lambda: world.handoff.tickets.CreateTicket(request, timeout=TIMEOUT))
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
    details = details_of(error)
    assert [each.field for each in details["BadRequest"].field_violations] == ["ticket.channel"], details
    assert (details["ErrorInfo"].reason, details["ErrorInfo"].domain) == ("INVALID_FIELD", "handoff.v1"), details
    missing = ticket_service_pb2.GetTicketRequest(name=f"{DESK}/tickets/nowhere")
    error = expect_error(lambda: world.handoff.tickets.GetTicket(missing, timeout=TIMEOUT))
    assert error.code() == grpc.StatusCode.NOT_FOUND, error
    assert details_of(error)["ResourceInfo"].resource_name == missing.name, error
    resolved = world.journal.seen[0].ticket
    accept = ticket_service_pb2.ResolveTicketRequest(name=resolved, etag="1")
    error = expect_error(lambda: world.handoff.tickets.ResolveTicket(accept, timeout=TIMEOUT))
    assert error.code() == grpc.StatusCode.ABORTED, error
    assert details_of(error)["ErrorInfo"].reason == "ETAG_MISMATCH", error


def every_stream_resumes_after_a_kill(world):
    """kill -9: the subscription, the pulls, the watch and the session go on where they were."""
    stream = world.watch(types_pb2.Cursor(seq=0))
    incarnation = next(stream).welcome.start.incarnation
    last_watched = next(stream).decisions.items[-1].seq
    before = world.call("before-the-kill")
    world.journal.await_decision("queued", before)
    chat = world.chat("unacknowledged")
    pulled = world.pull(wait_time=Duration(seconds=5)).decisions
    world.server.kill()
    error = expect_error(lambda: list(stream))
    assert error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN), error
    world.server.start()
    grpc.channel_ready_future(world.handoff.channel).result(timeout=PATIENCE)
    after = world.call("after-the-kill")
    world.journal.await_decision("queued", after)
    assert world.subscriber.disconnects >= 1
    assert world.pull().decisions[0] == pulled[0], "what was not acknowledged comes again"
    assert world.ack(pulled[-1].seq) == pulled[-1].seq, "the generation is still the newest"
    again = world.watch(types_pb2.Cursor(seq=last_watched, incarnation=incarnation))
    next(again)
    onwards = next(again).decisions.items
    assert onwards[0].prev_seq == last_watched and onwards[0].ticket == chat, onwards
    resumed = world.start_session(world.session.secret)
    assert resumed.resumed and resumed.session_epoch == world.session.session_epoch, resumed


def a_drain_is_announced(world):
    """SIGTERM: health says NOT_SERVING, streams go away with a cursor and RetryInfo, the process ends; then all go on."""
    health = world.handoff.health.Watch(health_pb2.HealthCheckRequest(service=""), timeout=PATIENCE)
    assert next(health).status == SERVING
    stream = world.watch()
    next(stream)
    stopped = threading.Thread(target=world.server.stop)
    stopped.start()
    assert next(health).status == NOT_SERVING
    messages = []
    error = expect_error(lambda: [messages.append(each) for each in stream])
    assert messages[-1].going_away.resume.incarnation, messages[-1]
    assert error.code() == grpc.StatusCode.UNAVAILABLE, error
    details = details_of(error)
    assert details["ErrorInfo"].reason == "SHUTTING_DOWN" and "RetryInfo" in details, details
    stopped.join()
    assert wait_until(lambda: world.subscriber.farewell is not None, PATIENCE), "the subscriber was not sent away"
    world.server.start()
    grpc.channel_ready_future(world.handoff.channel).result(timeout=PATIENCE)
    world.journal.await_decision("queued", world.call("after-the-drain"))


CHECKS = [
    the_service_describes_itself,
    a_call_is_offered_accepted_connected_and_resolved,
    what_is_pulled_comes_again_until_it_is_acknowledged,
    an_onlooker_sees_the_same_and_resumes_at_its_cursor,
    a_deadline_leaves_nothing_half_done,
    errors_say_what_is_wrong,
    every_stream_resumes_after_a_kill,
    a_drain_is_announced,
]


def main():
    server = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_SERVER
    if not server.exists():
        print(f"python_client: no server at {server}; build it with `cargo build --release`", file=sys.stderr)
        return 2
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="handoff-python-"))
        world = World(stack.enter_context(ServerProcess(server, folder)))
        world.prepare()
        failed = checks.run(CHECKS, world)
        world.subscriber.close()
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
