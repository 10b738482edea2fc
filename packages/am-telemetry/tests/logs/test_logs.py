"""Lines of machines as records of OpenTelemetry, and fields for the standard library."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

import am_machine as am
from am_telemetry._hub import Hub
from am_telemetry._logs import StdLogBridge
from am_telemetry._logs.consumer import severity_of

from .conftest import Records

STATES = {"Foo": {}, "Bar": {"require": ["Foo"]}}


def machine(level: am.LogLevel = am.LogLevel.CHANGES, **options: Any) -> am.Machine:
    options.setdefault("id", "m")
    return am.Machine(STATES, log_level=level, **options)


def test_lines_become_records_with_machine_level_and_severity(records: Records) -> None:
    m = machine(am.LogLevel.OPS)
    records.bridge.bind(m)
    m.add("Foo")
    m.log("hello")
    assert records.told() == [
        ("m", "OPS", "DEBUG4", "[queue:add] Foo"),
        ("m", "OPS", "DEBUG4", "[add] Foo"),
        ("m", "CHANGES", "INFO", "[state] +Foo"),
        ("m", "EXTERNAL", "INFO4", "hello"),
    ]


def test_each_level_has_a_severity_and_errors_are_errors() -> None:
    levels = {level: severity_of(level, "text") for level in am.LogLevel if level}
    assert levels == {
        am.LogLevel.EXTERNAL: "INFO4",
        am.LogLevel.CHANGES: "INFO",
        am.LogLevel.OPS: "DEBUG4",
        am.LogLevel.DECISIONS: "DEBUG",
        am.LogLevel.EVERYTHING: "TRACE",
    }
    for text in ("[error] no", "[error:add] Foo (no)"):
        assert severity_of(am.LogLevel.CHANGES, text) == "ERROR"


def test_an_error_is_a_record_of_severity_error(records: Records) -> None:
    m = machine()
    m.log_traceback = False
    records.bridge.bind(m)
    m.add_err(OSError("no"))
    (error,) = [r for r in records.all() if r.severity_text == "ERROR"]
    assert error.body == "[error] no"
    assert error.severity_number.value == 17


def test_lines_within_a_transition_name_it_and_others_do_not(records: Records) -> None:
    seen = []

    class Telling:
        def FooState(self, event: am.Event) -> None:
            event.machine.log("inside")
            seen.append(event.transition.id)

    m = machine(am.LogLevel.EXTERNAL, handlers=Telling())
    records.bridge.bind(m)
    m.log("before")
    m.add("Foo")
    before, inside = records.all()
    assert "am.tx.id" not in before.attributes
    assert inside.attributes["am.tx.id"] == seen[0]
    assert inside.body == "[FooState] inside"
    assert before.timestamp <= inside.timestamp


def test_the_current_trace_is_attached(records: Records) -> None:
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    m = machine()
    records.bridge.bind(m)
    with tracer.start_as_current_span("around") as span:
        m.add("Foo")
    context = span.get_span_context()
    (record,) = records.all()
    assert (record.trace_id, record.span_id) == (context.trace_id, context.span_id)


def test_the_log_level_of_a_machine_stays_as_it_is(records: Records) -> None:
    m = machine(am.LogLevel.NOTHING)
    records.bridge.bind(m)
    m.add("Foo")
    assert m.log_level is am.LogLevel.NOTHING
    assert records.told() == []


def test_submachines_are_heard_and_inner_ones_are_not(records: Records) -> None:
    m = machine()
    records.bridge.bind(m)
    for one in (
        machine(id="sub", parent=m),
        machine(id="inner", parent=m, tags=["am:inner"]),
    ):
        one.add("Foo")
    assert records.told() == [("sub", "CHANGES", "INFO", "[state] +Foo")]


def test_after_detaching_nothing_is_told_and_nothing_stays_bound(records: Records) -> None:
    m = machine()
    handle = records.bridge.bind(m)
    assert records.bridge.bind(m) is handle
    handle.detach()
    assert records.told() == []
    m.add("Foo")
    assert records.told() == []
    assert [type(t).__name__ for t in m.tracers] == ["HubTracer"]


def test_a_provider_that_fails_reaches_no_machine_and_is_let_go_after_ten(
    records: Records, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    m = machine()
    records.bridge.bind(m)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise OSError("full")

    monkeypatch.setattr("opentelemetry.sdk._logs.Logger.emit", fail)
    before = Hub.of_process().errors
    for _ in range(20):
        assert m.toggle("Foo").executed
    assert Hub.of_process().errors == before + 10
    assert caplog.text.count("LineTracer raised OSError") == 1
    assert [type(t).__name__ for t in m.tracers] == ["HubTracer"]


def test_a_line_that_exporting_sets_off_is_not_exported_in_turn(records: Records) -> None:
    m = machine()

    class Echo:
        def on_emit(self, record: Any) -> None:
            m.log("exported")

        def shutdown(self) -> None:
            pass

        def force_flush(self, timeout_millis: int = 0) -> bool:
            return True

    records.provider.add_log_record_processor(Echo())  # type: ignore[arg-type]
    records.bridge.bind(m)
    m.add("Foo")
    assert [text for *_, text in records.told()] == ["[state] +Foo"]


# ------------------------------------------------------------------------------ standard library


@pytest.fixture
def lines() -> Iterator[list[logging.LogRecord]]:
    found: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record)

    logger, handler = logging.getLogger("am_machine"), Keep()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(1)
    yield found
    logger.setLevel(level)
    logger.removeHandler(handler)


def fields(record: Any) -> tuple[str, ...]:
    return (record.machine, record.tx, record.level, record.trace_id, record.span_id)


def test_records_of_the_engine_get_fields(lines: list[logging.LogRecord]) -> None:
    m, other = machine(am.LogLevel.EVERYTHING), machine(id="other")
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("test")
    seen: list[str] = []
    m.bind({"FooState": lambda event: seen.append(event.transition.id)})
    lines.clear()
    with StdLogBridge(m), tracer.start_as_current_span("around") as span:
        m.add("Foo")
        m.log("hello")
        other.add("Foo")
    context = span.get_span_context()
    ids = (trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id))
    told = {record.getMessage(): fields(record) for record in lines}
    assert told["[state] +Foo"] in [("other", "", "", "", ""), ("m", seen[0], "CHANGES", *ids)]
    assert told["[add] Foo"] == ("m", seen[0], "OPS", *ids)
    assert told["[queue:add] Foo"] == ("m", "", "OPS", *ids)
    assert told["[handler:end] FooState from dict"] == ("m", seen[0], "EVERYTHING", *ids)
    assert told["hello"] == ("m", "", "EXTERNAL", *ids)
    assert fields(lines[-1]) == ("other", "", "", "", "")


def test_fields_end_with_the_bridge(lines: list[logging.LogRecord]) -> None:
    m = machine()
    bridge = StdLogBridge(m)
    second = StdLogBridge(machine(id="other"))
    bridge.close()
    bridge.close()
    m.add("Foo")
    assert fields(lines[-1]) == ("m", "", "", "", "")
    second.close()
    m.add("Bar")
    assert not hasattr(lines[-1], "tx")


def test_the_two_bridges_do_not_feed_each_other(
    records: Records, lines: list[logging.LogRecord]
) -> None:
    m = machine()
    records.bridge.bind(m)
    with StdLogBridge(m):
        m.add("Foo")
    assert len(records.all()) == len(lines) == 1
