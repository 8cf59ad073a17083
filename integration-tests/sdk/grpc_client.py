"""A foreign gRPC client: grpcio, without generated stubs, with what reflection tells.

What it checks is that a program in another language, which has never seen our `.proto` files, can find the services,
call every kind of method, and read our errors with Google's own types.

    python grpc_client.py HOST:PORT
"""

import json
import queue
import random
import sys
import time

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from checks import check, equal, raises, run
from messages import fill, normal

CODEC = "warp2api.codec.v1.Codec"
TOKEN_POOL = "warp2api.token_pool.v1.TokenPool"
WARP_CHAT = "warp2api.warp_chat.v1.WarpChat"
PATIENCE = 20


class Client:
    """Calls any method of any service by name, with messages made from the server's own descriptors."""

    def __init__(self, target):
        limits = [("grpc.max_receive_message_length", 64 << 20)]
        self.channel = grpc.insecure_channel(target, options=limits)
        self.database = ProtoReflectionDescriptorDatabase(self.channel)
        self.pool = descriptor_pool.DescriptorPool(self.database)

    def services(self):
        return set(self.database.get_services())

    def message(self, full_name, /, **fields):
        return message_factory.GetMessageClass(self.pool.FindMessageTypeByName(full_name))(**fields)

    def call(self, service, method, /, metadata=(), timeout=PATIENCE, **fields):
        """The answer of a method; an iterator of answers if it streams."""
        described = self.pool.FindServiceByName(service).FindMethodByName(method)
        request = message_factory.GetMessageClass(described.input_type)(**fields)
        return self.send(service, described, request, metadata, timeout)

    def converse(self, service, method, requests, timeout=PATIENCE):
        """The answers to a stream of requests, each a dictionary of fields."""
        described = self.pool.FindServiceByName(service).FindMethodByName(method)
        request = message_factory.GetMessageClass(described.input_type)
        answer = message_factory.GetMessageClass(described.output_type)
        function = self.channel.stream_stream(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return function((request(**fields) for fields in requests), timeout=timeout)

    def send(self, service, described, request, metadata=(), timeout=PATIENCE):
        answer = message_factory.GetMessageClass(described.output_type)
        kind = self.channel.unary_stream if described.server_streaming else self.channel.unary_unary
        function = kind(
            f"/{service}/{described.name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )
        return function(request, metadata=metadata, timeout=timeout)

    def say(self, text, **fields):
        """The events of a chat."""
        message = {"role": "ROLE_USER", "parts": [{"text": text}]}
        return self.call(WARP_CHAT, "StreamChat", messages=[message], **fields)


def all_message_types(client):
    names, token = [], ""
    while True:
        page = client.call(CODEC, "ListMessageTypes", page_token=token)
        names += [listed.full_name for listed in page.message_types]
        token = page.next_page_token
        if not token:
            return [client.pool.FindMessageTypeByName(name) for name in names]


def details(error):
    """The ErrorInfo of an error and its other details by type name."""
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    equal((status.code, status.message), (error.code().value[0], error.details()))
    found = {}
    for detail in status.details:
        kind = getattr(error_details_pb2, detail.type_url.rsplit(".", 1)[1])
        message = kind()
        assert detail.Unpack(message), detail.type_url
        found[kind.__name__] = message
    equal(found["ErrorInfo"].domain, "warp2api")
    return found["ErrorInfo"], found


@check
def services_are_found_by_reflection(client):
    expected = {CODEC, TOKEN_POOL, WARP_CHAT, "grpc.health.v1.Health"}
    assert expected <= client.services(), client.services()
    for service in expected:
        assert client.pool.FindServiceByName(service).methods, service


@check
def health(client):
    for service in ["", CODEC, TOKEN_POOL, WARP_CHAT]:
        answer = client.call("grpc.health.v1.Health", "Check", service=service)
        equal(answer.status, 1)
    error = raises(grpc.RpcError, lambda: client.call("grpc.health.v1.Health", "Check", service="nobody"))
    equal(error.code(), grpc.StatusCode.NOT_FOUND)


@check
def codec_there_and_back(client):
    name = "messageTypes/warp.multi_agent.v1.Request"
    written = {"settings": {"model_config": {"base": "auto"}}, "metadata": {"conversation_id": "c-1"}}
    encoded = client.call(CODEC, "EncodeMessage", name=name, json=json.dumps(written)).data
    # The same bytes as a message made from the upstream's own descriptor.
    foreign = client.message("warp.multi_agent.v1.Request", **written)
    equal(type(foreign).FromString(encoded), foreign)
    decoded = client.call(CODEC, "DecodeMessage", name=name, data=foreign.SerializeToString()).json
    equal(json.loads(decoded), written)


@check
def codec_names_the_schema(client):
    names, token = [], ""
    while True:
        page = client.call(CODEC, "ListMessageTypes", page_size=50, page_token=token)
        names += [message_type.full_name for message_type in page.message_types]
        token = page.next_page_token
        if not token:
            break
    equal((names, len(names)), (sorted(set(names)), page.total_size))
    assert "warp.multi_agent.v1.Request" in names
    described = client.call(CODEC, "GetMessageType", name="messageTypes/warp.multi_agent.v1.Request")
    known = client.pool.FindMessageTypeByName("warp.multi_agent.v1.Request")
    equal(
        [(field.name, field.number) for field in described.message_type.fields],
        sorted(((field.name, field.number) for field in known.fields), key=lambda pair: pair[1]),
    )


@check
def codec_errors(client):
    error = raises(grpc.RpcError, lambda: client.call(CODEC, "DecodeMessage", name="messageTypes/no.Such"))
    equal((error.code(), details(error)[0].reason), (grpc.StatusCode.NOT_FOUND, "MESSAGE_TYPE_NOT_FOUND"))
    name = "messageTypes/warp.multi_agent.v1.Request"
    error = raises(grpc.RpcError, lambda: client.call(CODEC, "DecodeMessage", name=name, data=b"\x0a\xff"))
    equal((error.code(), details(error)[0].reason), (grpc.StatusCode.INVALID_ARGUMENT, "MALFORMED_MESSAGE"))


@check
def a_stream_is_decoded_as_it_comes(client):
    sent = queue.Queue()
    answers = client.converse(CODEC, "DecodeStream", iter(sent.get, None))
    sent.put({"config": {}})
    event = b"event:data\ndata:CggKAmMxEgJyMQ==\n\n"
    for index in range(3):
        for piece in event[:11], event[11:]:
            sent.put({"data": piece})
        # Nothing more has been sent by now.
        frame = next(answers).frame
        start = index * len(event)
        equal((frame.index, frame.range.start, frame.range.end), (index, start, start + len(event) - 2))
        equal(json.loads(frame.json), {"init": {"conversation_id": "c1", "request_id": "r1"}})
    sent.put({"data": b"data:CggKAmMx\n\ndata: [DONE]\n\ndata:Cgg"})
    sent.put(None)
    rest = list(answers)
    equal([answer.WhichOneof("event") for answer in rest], ["fault", "fault", "ended"])
    equal([answer.fault.message_position for answer in rest[:1]], [1])
    ended = rest[-1].ended
    equal((ended.frame_count, ended.fault_count, ended.done_marker, ended.stopped), (5, 2, True, False))


@check
def a_stream_without_a_config_is_refused(client):
    error = raises(grpc.RpcError, lambda: list(client.converse(CODEC, "DecodeStream", [{"data": b""}])))
    equal((error.code(), details(error)[0].reason), (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"))


@check
def leaving_a_stream_that_is_decoded_leaves_the_service_well(client):
    for _ in range(20):
        sent = queue.Queue()
        answers = client.converse(CODEC, "DecodeStream", iter(sent.get, None))
        sent.put({"config": {}})
        sent.put({"data": b"data:CggKAmMxEgJyMQ==\n\ndata:Cgg"})
        next(answers)
        answers.cancel()
        sent.put(None)
    assert client.call(CODEC, "ListMessageTypes", page_size=1).message_types


@check
def json_is_what_googles_own_library_makes_of_it(client):
    """Every message type with random content, both ways, against protobuf's own json_format."""
    random_source = random.Random(20260131)
    for described in all_message_types(client):
        kind = message_factory.GetMessageClass(described)
        for _ in range(3):
            message = kind()
            fill(message, random_source, 3)
            data = message.SerializeToString()
            name = f"messageTypes/{described.full_name}"
            ours = client.call(CODEC, "DecodeMessage", name=name, data=data).json
            theirs = json_format.MessageToJson(message, preserving_proto_field_name=True, indent=None)
            equal(normal(json.loads(ours)), normal(json.loads(theirs)))
            for naming in True, False:
                text = json_format.MessageToJson(message, preserving_proto_field_name=naming)
                encoded = client.call(CODEC, "EncodeMessage", name=name, json=text).data
                equal(kind.FromString(encoded), message)
            # What we write, they read as the same message.
            equal(json_format.Parse(ours, kind()), message)


@check
def a_chat_is_streamed(client):
    events = [(event.WhichOneof("event"), event) for event in client.say("say exactly: one two three")]
    kinds = [kind for kind, _ in events]
    equal((kinds[0], kinds[-1]), ("started", "finished"))
    equal("".join(event.text_delta.text for kind, event in events if kind == "text_delta"), "one two three")
    assert kinds.count("text_delta") > 1, kinds
    equal(events[0][1].started.upstream, "embedded")


@check
def tools_are_called(client):
    tool = {"name": "get_weather", "parameters_json": '{"type":"object"}'}
    events = list(client.say('call the tool get_weather with {"z":1,"a":{}}', tools=[tool]))
    calls = [event.tool_call for event in events if event.WhichOneof("event") == "tool_call"]
    equal([(call.name, call.arguments_json) for call in calls], [("get_weather", '{"z":1,"a":{}}')])


@check
def the_upstreams_own_protocol_is_passed_through(client):
    query = {"query": "say exactly: passed through"}
    request = {
        "task_context": {},
        "input": {"user_inputs": {"inputs": [{"user_query": query}]}},
        "settings": {"model_config": {"base": "auto"}},
    }
    events = list(client.call(WARP_CHAT, "StreamWarp", **request))
    equal((events[0].WhichOneof("type"), events[-1].WhichOneof("type")), ("init", "finished"))
    assert any("passed" in str(event) for event in events)


@check
def models(client):
    listed = client.call(WARP_CHAT, "ListChatModels").chat_models
    assert "chatModels/auto" in [model.name for model in listed]
    first = client.call(WARP_CHAT, "ListChatModels", page_size=1)
    equal((len(first.chat_models), bool(first.next_page_token)), (1, True))
    got = client.call(WARP_CHAT, "GetChatModel", name="chatModels/auto")
    equal(got.chat_model.model_id, "auto")


@check
def errors_are_googles(client):
    error = raises(grpc.RpcError, lambda: client.call(WARP_CHAT, "GetChatModel", name="chatModels/nobody"))
    info, _ = details(error)
    equal((error.code(), info.reason), (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND"))
    equal(dict(info.metadata), {"model": "nobody"})

    error = raises(grpc.RpcError, lambda: list(client.say("hi", tools=[{"name": ""}])))
    info, found = details(error)
    equal((error.code(), info.reason), (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD"))
    equal([violation.field for violation in found["BadRequest"].field_violations], ["tools[0].name"])


@check
def a_method_that_is_not_there(client):
    described = client.pool.FindServiceByName(WARP_CHAT).FindMethodByName("ListChatModels")
    request = client.message(described.input_type.full_name)
    error = raises(grpc.RpcError, lambda: client.send("warp2api.nobody.v1.Nobody", described, request))
    equal((error.code(), details(error)[0].reason), (grpc.StatusCode.UNIMPLEMENTED, "METHOD_NOT_FOUND"))


@check
def the_pool_lends_and_takes_back(client):
    lease = client.call(TOKEN_POOL, "AcquireCredential").lease
    assert lease.bearer and lease.credential.startswith("credentials/"), lease.credential
    equal(client.call(TOKEN_POOL, "GetPoolStatus").in_flight_count, 1)
    report = {"lease_id": lease.lease_id, "outcome": "CREDENTIAL_OUTCOME_SUCCESS"}
    client.call(TOKEN_POOL, "ReportCredentialOutcome", **report)
    equal(client.call(TOKEN_POOL, "GetPoolStatus").in_flight_count, 0)
    error = raises(grpc.RpcError, lambda: client.call(TOKEN_POOL, "ReportCredentialOutcome", **report))
    equal((error.code(), details(error)[0].reason), (grpc.StatusCode.NOT_FOUND, "LEASE_NOT_FOUND"))
    assert lease.bearer not in str(client.call(TOKEN_POOL, "ListCredentials"))


@check
def cancelling_gives_the_lease_back(client):
    events = client.say("say slowly: a b c d e f g h")
    next(events)
    events.cancel()
    end = time.monotonic() + PATIENCE
    while client.call(TOKEN_POOL, "GetPoolStatus").in_flight_count:
        assert time.monotonic() < end, "the lease is still out"
        time.sleep(0.01)


@check
def deadlines_hold(client):
    error = raises(grpc.RpcError, lambda: list(client.say("say slowly: a b c d e f g h", timeout=0.3)))
    equal(error.code(), grpc.StatusCode.DEADLINE_EXCEEDED)


run(Client(sys.argv[1]))
