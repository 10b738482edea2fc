"""Laws of the rooms that no linter can state."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import am_telemetry

SOURCE = Path(am_telemetry.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
SDKS = ("opentelemetry.sdk", "opentelemetry.exporter", "prometheus_client")
# What moves bytes, waits, or keeps time.
EFFECTS = {"socket", "ssl", "threading", "select", "selectors", "trio", "time", "os"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_one_room_alone_imports_sdks() -> None:
    found = {
        path.relative_to(SOURCE).parts[0]
        for path in MODULES
        for name in imports(path)
        if any(f"{name}.".startswith(f"{sdk}.") for sdk in SDKS)
    }
    assert found <= {"_setup"}


def test_the_experimental_api_of_logs_is_imported_by_one_module() -> None:
    found = {
        path.name
        for path in MODULES
        for name in imports(path)
        if name.startswith("opentelemetry._logs") and "_setup" not in path.parts
    }
    assert len(found) <= 1


@pytest.mark.parametrize("module", ["auth", "codec", "messages", "parse", "transitions", "values"])
def test_the_messages_of_the_stream_are_values_in_values_out(module: str) -> None:
    path = SOURCE / "_dbg" / f"{module}.py"
    assert {name.partition(".")[0] for name in imports(path)} & EFFECTS == set()
