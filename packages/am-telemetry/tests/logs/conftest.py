"""A logger provider that keeps what it exports."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

from am_telemetry._hub import Hub
from am_telemetry._logs import LogBridge


class Records:
    """A provider, and the records that it got."""

    def __init__(self) -> None:
        self.exporter = InMemoryLogRecordExporter()
        self.provider = LoggerProvider(shutdown_on_exit=False)
        self.provider.add_log_record_processor(SimpleLogRecordProcessor(self.exporter))
        self.bridge = LogBridge(self.provider)

    def all(self) -> list[Any]:
        assert Hub.of_process().sync(30)
        return [data.log_record for data in self.exporter.get_finished_logs()]

    def told(self) -> list[tuple[Any, ...]]:
        """Machine, level, severity and text of each."""
        return [
            (r.attributes["am.machine.id"], r.attributes["am.log.level"], r.severity_text, r.body)
            for r in self.all()
        ]


@pytest.fixture
def records() -> Iterator[Records]:
    made = Records()
    yield made
    made.bridge.close()
    made.provider.shutdown()
