"""An OpenTelemetry collector for tests: it decodes the spans and metrics that services send."""

from __future__ import annotations

import contextlib
import gzip
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span as SpanMessage
from opentelemetry.proto.trace.v1.trace_pb2 import Status

Attributes = dict[str, Any]


@dataclass(frozen=True)
class Span:
    """A span that was received."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    is_error: bool
    seconds: float
    attributes: Attributes
    #: The attributes of the recorded exceptions.
    exceptions: list[Attributes]
    #: The attributes of the process.
    resource: Attributes


@dataclass(frozen=True)
class Point:
    """A value of a metric, or the number of values in a histogram."""

    metric: str
    unit: str
    kind: str
    value: float
    attributes: Attributes
    resource: Attributes


@dataclass
class Collector:
    """The received spans and points, oldest first."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    #: All that was received, for the search for secrets.
    received: bytearray = field(default_factory=bytearray)
    #: Requests wait until this is set.
    is_open: threading.Event = field(default_factory=threading.Event)
    #: Seconds for which they wait at most.
    patience: float | None = None
    #: How many requests have arrived, including those that wait.
    requests: int = 0

    def receive(self, path: str, body: bytes) -> None:
        """Read the body of a request."""
        self.received += body
        if path == "/v1/traces":
            for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
                resource = read(sent.resource.attributes)
                for scope in sent.scope_spans:
                    self.spans += [read_span(each, resource) for each in scope.spans]
        elif path == "/v1/metrics":
            for given in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                resource = read(given.resource.attributes)
                for part in given.scope_metrics:
                    for each in part.metrics:
                        self.points += read_points(each, resource)

    def trace(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace, oldest first."""
        return [span for span in self.spans if span.trace_id == trace_id]

    def find(self, metric: str, **attributes: str) -> list[Point]:
        """Return the points of a metric with these attributes; `_` stands for a dot."""
        wanted = {name.replace("_", "."): value for name, value in attributes.items()}
        return [
            point
            for point in self.points
            if point.metric == metric
            and {name.replace("_", "."): value for name, value in point.attributes.items()}.items()
            >= wanted.items()
        ]


def read(attributes: Iterable[KeyValue]) -> Attributes:
    return {
        each.key: getattr(each.value, each.value.WhichOneof("value") or "string_value")
        for each in attributes
    }


def read_span(span: SpanMessage, resource: Attributes) -> Span:
    return Span(
        name=span.name,
        kind=SpanMessage.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        is_error=span.status.code == Status.STATUS_CODE_ERROR,
        seconds=(span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
        attributes=read(span.attributes),
        exceptions=[read(each.attributes) for each in span.events if each.name == "exception"],
        resource=resource,
    )


def read_points(metric: Metric, resource: Attributes) -> Iterator[Point]:
    data = metric.WhichOneof("data") or ""
    kind = "counter" if data == "sum" and metric.sum.is_monotonic else data
    for point in getattr(metric, data).data_points:
        value = point.count if kind == "histogram" else point.as_int or point.as_double
        yield Point(metric.name, metric.unit, kind, value, read(point.attributes), resource)


@contextlib.contextmanager
def collecting() -> Iterator[Collector]:
    """Serve a collector on a free port of this machine."""
    collector = Collector()
    collector.is_open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.requests += 1
            collector.is_open.wait(collector.patience)
            collector.receive(self.path, body)
            # A service that was stopped no longer waits for the response.
            with contextlib.suppress(OSError):
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_: object) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            collector.is_open.set()
            server.shutdown()
            thread.join()
