"""What a client nobody here wrote expects of any gRPC server: health, reflection, rich errors, deadlines.

    target/clients/venv/bin/python tests/clients/smoke.py
    target/clients/venv/bin/python tests/clients/smoke.py --target 127.0.0.1:50051
"""

import argparse
import contextlib
import pathlib
import sys
import tempfile
import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import checks
from checks import details_of, expect_error
from handoff_reflect import Api
from server_process import DEFAULT_SERVER, ServerProcess

DESK = "desks/smoke"
CONNECTOR = f"{DESK}/connectors/adapter"
SERVICES = ["handoff.v1.DeskService", "handoff.v1.TicketService", "handoff.v1.DecisionService"]


def health_check_serves(api):
    """Health Check: the server as a whole and each service are SERVING."""
    health = health_pb2_grpc.HealthStub(api.channel)
    for service in ["", *SERVICES]:
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, f"{service or 'server'}: {answer}"


def health_check_knows_no_stranger(api):
    """Health Check: NOT_FOUND for a service that is none."""
    health = health_pb2_grpc.HealthStub(api.channel)
    error = expect_error(lambda: health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=5))
    assert error.code() == grpc.StatusCode.NOT_FOUND, error


def health_watch_answers_at_once(api):
    """Health Watch: the first answer comes at once, and the stream stays open."""
    health = health_pb2_grpc.HealthStub(api.channel)
    stream = health.Watch(health_pb2.HealthCheckRequest(service=""), timeout=1.0)
    assert next(stream).status == health_pb2.HealthCheckResponse.SERVING
    error = expect_error(lambda: next(stream))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error


def reflection_lists_the_services(api):
    """Reflection v1alpha: lists the services and describes their methods."""
    services = api.services()
    for service in [*SERVICES, "grpc.health.v1.Health"]:
        assert service in services, f"{service} not among {services}"
    assert api.has("TicketService.CreateTicket")
    assert not api.has("TicketService.NoSuchMethod")


def a_bad_channel_is_named(api):
    """Rich errors: an unknown channel is INVALID_ARGUMENT, BadRequest names `ticket.channel`, ErrorInfo says why."""
    for channel in ["CHANNEL_UNSPECIFIED", 99]:
        ticket = {"subject": "Nobody knows how it came", "channel": channel}
        request = {"parent": DESK, "connector": CONNECTOR, "ticket": ticket}
        error = expect_error(lambda request=request: api.call("TicketService.CreateTicket", request))
        assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, f"{error.code()}: {error.details()}"
        details = details_of(error)
        fields = [violation.field for violation in details["BadRequest"].field_violations]
        assert fields == ["ticket.channel"], fields
        assert details["BadRequest"].field_violations[0].description
        assert details["ErrorInfo"].reason == "INVALID_FIELD", details["ErrorInfo"]
        assert details["ErrorInfo"].domain == "handoff.v1", details["ErrorInfo"]


def a_missing_ticket_is_not_found(api):
    """Rich errors: a name that leads nowhere is NOT_FOUND, and ResourceInfo repeats it."""
    name = f"{DESK}/tickets/no-such-ticket"
    error = expect_error(lambda: api.call("TicketService.GetTicket", {"name": name}))
    assert error.code() == grpc.StatusCode.NOT_FOUND, f"{error.code()}: {error.details()}"
    details = details_of(error)
    assert details["ErrorInfo"].reason == "NOT_FOUND", details["ErrorInfo"]
    assert details["ResourceInfo"].resource_name == name, details["ResourceInfo"]


def an_unknown_method_is_unimplemented(api):
    """A method that is none is UNIMPLEMENTED, not a broken connection."""
    nothing = api.channel.unary_unary("/handoff.v1.TicketService/NoSuchMethod")
    error = expect_error(lambda: nothing(b"", timeout=5))
    assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error


def a_created_ticket_is_there_and_streamed(api):
    """A created ticket can be read, and its decision reaches the connector."""
    ticket = {"subject": "Where is my parcel?", "channel": "CHANNEL_CHAT", "external_id": "chat-1"}
    created = api.call("TicketService.CreateTicket", {"parent": DESK, "connector": CONNECTOR, "ticket": ticket})
    assert api.call("TicketService.GetTicket", {"name": created.name}).subject == ticket["subject"]
    hello = {"hello": {"connector": CONNECTOR, "instance": "smoke-0", "window": 8}}
    stream = api.bidi("DecisionService.Subscribe", held_open([hello], 5), timeout=5)
    arrived = (decision for message in stream for decision in message.decisions.items)
    assert any(decision.ticket == created.name for decision in arrived)
    stream.cancel()


def a_deadline_is_kept(api):
    """Deadlines: a stream ends with DEADLINE_EXCEEDED on time, and the server goes on."""
    hello = {"hello": {"connector": CONNECTOR, "instance": "smoke-1", "window": 8}}
    began = time.monotonic()
    stream = api.bidi("DecisionService.Subscribe", held_open([hello], 2), timeout=0.7)
    error = expect_error(lambda: list(stream))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, f"{error.code()}: {error.details()}"
    assert time.monotonic() - began < 3, "the deadline was not kept"
    health_check_serves(api)


CHECKS = [
    health_check_serves,
    health_check_knows_no_stranger,
    health_watch_answers_at_once,
    reflection_lists_the_services,
    a_bad_channel_is_named,
    a_missing_ticket_is_not_found,
    an_unknown_method_is_unimplemented,
    a_created_ticket_is_there_and_streamed,
    a_deadline_is_kept,
]


def held_open(messages, seconds):
    """The messages, then silence: a client that says no more but does not close its side."""
    yield from messages
    time.sleep(seconds)


def prepare(api):
    """The desk and its connector; on a server that was used before they may be there already."""
    calls = [
        ("DeskService.CreateDesk", {"desk_id": "smoke", "desk": {"display_name": "Smoke"}}),
        (
            "DecisionService.CreateConnector",
            {"parent": DESK, "connector_id": "adapter", "connector": {"channels": ["CHANNEL_PHONE", "CHANNEL_CHAT"]}},
        ),
    ]
    for method, request in calls:
        try:
            api.call(method, request)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.ALREADY_EXISTS:
                raise


def run_checks(target):
    """Runs each check; returns how many failed."""
    api = Api(target)
    prepare(api)
    failed = checks.run(CHECKS, api)
    api.close()
    return failed


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", type=pathlib.Path, default=DEFAULT_SERVER, help="the binary to start")
    parser.add_argument("--target", help="host:port of a server that runs already, instead")
    options = parser.parse_args(arguments)
    if options.target is None and not options.server.exists():
        print(f"smoke: no server at {options.server}; build it with `cargo build --release`", file=sys.stderr)
        return 2
    with contextlib.ExitStack() as stack:
        target = options.target
        if target is None:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="handoff-smoke-"))
            target = stack.enter_context(ServerProcess(options.server, folder)).address
        return 1 if run_checks(target) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
