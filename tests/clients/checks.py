"""Checks with a name each: run in order, one line per check; and what errors of gRPC say."""

import time
import traceback

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status


def run(checks, subject):
    """Runs each check on the subject; its docstring is its name. Returns how many failed."""
    failed = 0
    for check in checks:
        began = time.monotonic()
        try:
            check(subject)
            outcome = "ok"
        except Exception:
            outcome = "FAILED"
            failed += 1
            traceback.print_exc()
        print(f"{outcome:<7} {time.monotonic() - began:5.2f} s  {check.__doc__}", flush=True)
    print(f"\n{len(checks) - failed} passed, {failed} failed")
    return failed


def expect_error(call):
    try:
        answer = call()
    except grpc.RpcError as error:
        return error
    raise AssertionError(f"expected an error, got {answer}")


def details_of(error):
    """The google.rpc messages of a rich error, by name."""
    status = rpc_status.from_call(error)
    assert status is not None, f"no rich status in {error.code()}: {error.details()}"
    assert status.code == error.code().value[0] and status.message == error.details(), status
    details = {}
    for packed in status.details:
        name = packed.type_url.rsplit(".", 1)[-1]
        details[name] = getattr(error_details_pb2, name)()
        assert packed.Unpack(details[name]), packed
    assert "ErrorInfo" in details, f"no ErrorInfo in {sorted(details)}"
    return details
