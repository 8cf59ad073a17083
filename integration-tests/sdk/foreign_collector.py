"""A collector of another make: OpenTelemetry's own messages for Python, behind grpcio and behind Python's HTTP server.

What it checks is that a collector that shares no code with the program gets the trace of a chat whole, with its tree, and
the metrics, over both protocols, as it is and compressed. It starts the program itself, on the embedded upstream, since
that has to know where the collector listens.

    python foreign_collector.py PROGRAM
"""

import gzip
import http.server
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import urllib.request
from concurrent import futures

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_CUMULATIVE
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from checks import check, equal, run

PATIENCE = 20
KEY = "key-for-the-collector"
CHAT = "warp2api.warp_chat.v1.WarpChat/StreamChat"
ACQUIRE = "warp2api.token_pool.v1.TokenPool/AcquireCredential"
REPORT = "warp2api.token_pool.v1.TokenPool/ReportCredentialOutcome"
# Kind, name, and what is below it.
TREE = (
    "SERVER",
    "POST /v1/chat/completions",
    [
        (
            "CLIENT",
            CHAT,
            [
                (
                    "SERVER",
                    CHAT,
                    [
                        (
                            "CLIENT",
                            "chat auto",
                            [
                                ("CLIENT", ACQUIRE, [("SERVER", ACQUIRE, [])]),
                                ("CLIENT", "POST /ai/multi-agent", []),
                                ("CLIENT", REPORT, [("SERVER", REPORT, [])]),
                            ],
                        )
                    ],
                )
            ],
        )
    ],
)


class Collector:
    """Takes traces and metrics, whole requests, and keeps them."""

    def __init__(self):
        self.traces, self.metrics, self.heads = [], [], []

    def take(self, kept, message, head):
        kept.append(message)
        self.heads.append(dict(head))


class OverGrpc(Collector, trace_service_pb2_grpc.TraceServiceServicer):
    """One that is called; its limits are grpcio's own, 4 MiB for a message."""

    def __enter__(self):
        self.server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(self, self.server)
        metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(OfMetrics(self), self.server)
        self.url = f"http://127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()
        return self

    def __exit__(self, *_):
        self.server.stop(None)

    def Export(self, request, context):  # noqa: N802: the name in the contract
        self.take(self.traces, request, context.invocation_metadata())
        return trace_service_pb2.ExportTraceServiceResponse()


class OfMetrics(metrics_service_pb2_grpc.MetricsServiceServicer):
    def __init__(self, collector):
        self.collector = collector

    def Export(self, request, context):  # noqa: N802
        self.collector.take(self.collector.metrics, request, context.invocation_metadata())
        return metrics_service_pb2.ExportMetricsServiceResponse()


class OverHttp(Collector):
    """One that is posted to."""

    def __enter__(self):
        collector = self
        kinds = {
            "/v1/traces": (trace_service_pb2.ExportTraceServiceRequest, self.traces),
            "/v1/metrics": (metrics_service_pb2.ExportMetricsServiceRequest, self.metrics),
        }

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # noqa: N802
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers["content-encoding"] == "gzip":
                    body = gzip.decompress(body)
                kind, kept = kinds.get(self.path, (None, None))
                good = kind and self.headers["content-type"] == "application/x-protobuf"
                if good:
                    head = {name.lower(): value for name, value in self.headers.items()}
                    collector.take(kept, kind.FromString(body), head)
                self.send_response(200 if good else 400)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def one_chat(program, settings):
    """Runs the program for one chat, to its end: the id of its trace, and what it logged."""
    usual = {
        "PORT": "0",
        "W2A_GRPC_ADDR": "127.0.0.1:0",
        "W2A_UPSTREAM": "embedded",
        "W2A_DRAIN_WINDOW": "0",
        # Nothing leaves before the end but what leaves there.
        "OTEL_BSP_SCHEDULE_DELAY": "3600000",
        "OTEL_SERVICE_NAME": "one-chat",
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-key={KEY}",
    }
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "w+") as log:
        environment = {"PATH": os.environ["PATH"], "HOME": folder, **usual, **settings}
        child = subprocess.Popen([program], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=log, text=True)
        # However it goes, nothing waits for it longer.
        giving_up = threading.Timer(PATIENCE, child.kill)
        giving_up.start()
        try:
            lines = (line.split() for line in child.stdout)
            base = next(words[2] for words in lines if words[:2] == ["base", "URL"])
            body = json.dumps({"model": "auto", "messages": [{"role": "user", "content": "say exactly: fine"}]})
            request = urllib.request.Request(
                f"{base}/chat/completions", body.encode(), {"content-type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                equal(json.load(answer)["choices"][0]["message"]["content"], "fine")
                trace = answer.headers["traceparent"].split("-")[1]
            child.send_signal(signal.SIGTERM)
            child.stdout.read()
            equal(child.wait(), 0)
        finally:
            giving_up.cancel()
            child.kill()
            child.wait()
            child.stdout.close()
        log.seek(0)
        return trace, log.read()


def named(attributes):
    """Attributes as a dictionary."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in attributes}


def is_of_the_program(resource, scope):
    told = named(resource.attributes)
    equal((told["service.name"], told["telemetry.sdk.language"]), ("one-chat", "rust"))
    assert told["service.instance.id"] and told["service.version"], told
    equal((scope.name, scope.version), ("warp2api", told["service.version"]))


def branch(span, spans):
    below = sorted((one for one in spans if one.parent_span_id == span.span_id), key=lambda one: one.start_time_unix_nano)
    kind = Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_")
    return (kind, span.name, [branch(one, spans) for one in below])


def the_trace_is_whole(collector, trace):
    spans = []
    for request in collector.traces:
        for of_resource in request.resource_spans:
            for of_scope in of_resource.scope_spans:
                is_of_the_program(of_resource.resource, of_scope.scope)
                spans += [span for span in of_scope.spans if span.trace_id.hex() == trace]
    roots = [span for span in spans if not span.parent_span_id]
    equal([branch(root, spans) for root in roots], [TREE])
    equal(named(roots[0].attributes)["http.response.status_code"], 200)
    turn = next(span for span in spans if span.name == "chat auto")
    equal([event.name for event in turn.events], ["leased", "first event", "given back", "finished"])
    for span in spans:
        assert 0 < span.start_time_unix_nano <= span.end_time_unix_nano, span


def the_metrics_are_there(collector):
    metrics = {}
    for request in collector.metrics:
        for of_resource in request.resource_metrics:
            for of_scope in of_resource.scope_metrics:
                is_of_the_program(of_resource.resource, of_scope.scope)
                metrics |= {metric.name: metric for metric in of_scope.metrics}
    turns = metrics["gen_ai.client.operation.duration"]
    equal((turns.unit, turns.histogram.aggregation_temporality), ("s", AGGREGATION_TEMPORALITY_CUMULATIVE))
    equal([point.count for point in turns.histogram.data_points], [1])
    requests = metrics["http.server.request.duration"].histogram.data_points
    routes = [named(point.attributes)["http.route"] for point in requests]
    assert "/v1/chat/completions" in routes, routes


def whole(program, collector, protocol, compression):
    with collector:
        settings = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
        }
        trace, log = one_chat(program, settings)
    assert " WARN " not in log and " ERROR " not in log and KEY not in log, log
    the_trace_is_whole(collector, trace)
    the_metrics_are_there(collector)
    equal({head.get("x-key") for head in collector.heads}, {KEY})


@check
def a_chat_comes_over_grpc(program):
    whole(program, OverGrpc(), "grpc", "none")


@check
def a_chat_comes_over_grpc_compressed(program):
    whole(program, OverGrpc(), "grpc", "gzip")


@check
def a_chat_comes_over_http(program):
    whole(program, OverHttp(), "http/protobuf", "none")


@check
def a_chat_comes_over_http_compressed(program):
    whole(program, OverHttp(), "http/protobuf", "gzip")


if __name__ == "__main__":
    run(sys.argv[1])
