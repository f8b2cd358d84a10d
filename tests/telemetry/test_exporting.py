"""The parts of telemetry that need no service: variables, paths and recorded exceptions."""

import logging
import threading
import time
from contextlib import suppress

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from src.core import telemetry
from src.core.exporters import ScrubbingExporter
from src.core.logs import configure_logging
from src.core.telemetry import LITERAL, is_exported, is_health_check, stopping

BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"
TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
METRICS = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
URL = "http://localhost:4318"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, (False, False)),
        ({BASE: ""}, (False, False)),
        ({BASE: URL}, (True, True)),
        ({TRACES: URL}, (True, False)),
        ({METRICS: URL}, (False, True)),
        ({BASE: URL, TRACES: ""}, (True, True)),
        ({BASE: URL, "OTEL_TRACES_EXPORTER": "none"}, (False, True)),
        ({BASE: URL, "OTEL_METRICS_EXPORTER": "none"}, (True, False)),
        ({BASE: URL, "OTEL_SDK_DISABLED": "TRUE"}, (False, False)),
        ({BASE: URL, "OTEL_SDK_DISABLED": "false"}, (True, True)),
    ],
)
def test_variables_choose_the_signals(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: tuple[bool, bool]
) -> None:
    monkeypatch.delenv("OTEL_SDK_DISABLED")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert (is_exported("TRACES"), is_exported("METRICS")) == expected


@pytest.mark.parametrize(
    ("path", "root_path", "expected"),
    [
        ("/health/live", "", True),
        ("/api/health/ready", "/api", True),
        ("/healthy", "", False),
        ("/examples/health/live", "", False),
    ],
)
def test_health_checks_are_known(path: str, root_path: str, *, expected: bool) -> None:
    assert is_health_check({"path": path, "root_path": root_path}) is expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "SELECT a FROM t1 WHERE b = 'it''s' AND c = 1.5e3",
            "SELECT a FROM t1 WHERE b = ? AND c = ?",
        ),
        (
            "INSERT INTO t (a, b) VALUES ($1::INTEGER, %s)",
            "INSERT INTO t (a, b) VALUES ($1::INTEGER, %s)",
        ),
        ("-- don't\nSELECT 'a' /* it's */", "?\nSELECT ? ?"),
    ],
)
def test_literals_are_found(statement: str, expected: str) -> None:
    assert LITERAL.sub("?", statement) == expected


def test_shutdown_waits_once_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "STOP_TIMEOUT", 0.2)
    released = threading.Event()
    start = time.monotonic()
    with stopping([released.wait, released.wait]):  # type: ignore[list-item]  # they hang
        pass

    assert 0.2 <= time.monotonic() - start < 0.35
    released.set()


def test_exceptions_are_sent_without_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has no class in front of it, so the exporter has to put one there."""
    sent: list[ReadableSpan] = []

    def export(_: OTLPSpanExporter, spans: list[ReadableSpan]) -> SpanExportResult:
        sent.extend(spans)
        return SpanExportResult.SUCCESS

    monkeypatch.delenv("OTEL_SDK_DISABLED")
    monkeypatch.setattr(OTLPSpanExporter, "export", export)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(ScrubbingExporter()))
    kind = type("UniqueViolationError", (Exception,), {"__module__": "asyncpg.exceptions"})
    error = kind("duplicate key\nDETAIL:  Key (name)=(s3cret) already exists.")
    tracer = provider.get_tracer("test")
    with suppress(kind), tracer.start_as_current_span("add", attributes={"kept": 1}) as span:
        span.add_event("own", {"message": "kept"})
        raise error

    [exported] = sent
    own, exception = exported.events
    assert own.attributes == {"message": "kept"}
    attributes = exception.attributes or {}
    assert attributes["exception.message"] == "duplicate key ..."
    assert "s3cret" not in str(attributes)
    assert str(attributes["exception.stacktrace"]).startswith("Traceback")
    assert not exported.status.is_ok
    assert exported.status.description is None
    assert exported.attributes == {"kept": 1}
    assert (exported.context, exported.resource) == (span.get_span_context(), provider.resource)
    assert exported.instrumentation_scope.name == "test"  # type: ignore[union-attr]  # it has one


def test_log_has_no_collector_address() -> None:
    """The query of the address may have a key."""
    configure_logging("DEBUG", "json")

    assert not logging.getLogger("urllib3.connectionpool").isEnabledFor(logging.WARNING)
