"""Any method of a gRPC server as a Python function, learned from the server itself.

There are no generated stubs here: the descriptors come by server reflection (v1alpha), as they do for any tool that
nobody here wrote. Requests are plain dicts in proto3's JSON names or field names; answers are messages.
"""

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

# A killed server is back within a second; gRPC's own first pause between attempts is as long as that.
CHANNEL_OPTIONS = [
    ("grpc.initial_reconnect_backoff_ms", 50),
    # How long one attempt may take: a busy machine needs its time.
    ("grpc.min_reconnect_backoff_ms", 5000),
    ("grpc.max_reconnect_backoff_ms", 250),
    ("grpc.enable_retries", 0),
    # A target may name several replicas, `ipv4:HOST:PORT,HOST:PORT`: each call goes to the next one that can be reached.
    ("grpc.lb_policy_name", "round_robin"),
    # By default the whole target, of which a list is no valid authority.
    ("grpc.default_authority", "localhost"),
]


class Api:
    """The services of one server. Descriptors, once learned, outlive its restarts on the same address."""

    def __init__(self, target, package="handoff.v1"):
        self.channel = grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
        self.package = package
        self._database = ProtoReflectionDescriptorDatabase(self.channel)
        self._pool = descriptor_pool.DescriptorPool(self._database)
        self._methods = {}

    def close(self):
        self.channel.close()

    def services(self):
        """Full names of the services that the server says it has."""
        return sorted(self._database.get_services())

    def has(self, method):
        """Whether the server knows `Service.Method`."""
        try:
            self._descriptor(method)
        except KeyError:
            return False
        return True

    def learn(self, *methods):
        """Fetches descriptors now, so that none has to be fetched while the server is down."""
        for method in methods:
            self._callable(method)

    def request(self, method, fields=None):
        """The request message of `Service.Method`, filled from a dict; an unknown field is an error."""
        request_class = self._callable(method)[1]
        return json_format.ParseDict(fields or {}, request_class())

    def call(self, method, fields=None, timeout=10.0):
        """A unary call: the answer, or grpc.RpcError."""
        invoke, _ = self._callable(method)
        return invoke(self.request(method, fields), timeout=timeout)

    def server_stream(self, method, fields=None, timeout=None):
        """A server stream: an iterator of messages with `cancel()`."""
        invoke, _ = self._callable(method)
        return invoke(self.request(method, fields), timeout=timeout)

    def bidi(self, method, requests, timeout=None):
        """A stream both ways: `requests` is an iterator of dicts; the result an iterator with `cancel()`."""
        invoke, _ = self._callable(method)
        return invoke((self.request(method, fields) for fields in requests), timeout=timeout)

    def _descriptor(self, method):
        service, name = method.split(".")
        return self._pool.FindServiceByName(f"{self.package}.{service}").methods_by_name[name]

    def _callable(self, method):
        if method not in self._methods:
            self._methods[method] = self._build(method)
        return self._methods[method]

    def _build(self, method):
        descriptor = self._descriptor(method)
        request_class = message_factory.GetMessageClass(descriptor.input_type)
        response_class = message_factory.GetMessageClass(descriptor.output_type)
        make = {
            (False, False): self.channel.unary_unary,
            (False, True): self.channel.unary_stream,
            (True, False): self.channel.stream_unary,
            (True, True): self.channel.stream_stream,
        }[descriptor.client_streaming, descriptor.server_streaming]
        invoke = make(
            f"/{descriptor.containing_service.full_name}/{descriptor.name}",
            request_serializer=request_class.SerializeToString,
            response_deserializer=response_class.FromString,
        )
        return invoke, request_class


def as_dict(message):
    """A message as a dict with the proto's own field names; what is unset is absent."""
    return json_format.MessageToDict(message, preserving_proto_field_name=True)
