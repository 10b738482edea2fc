"""A fake Grafana for each test that asks for one."""

from collections.abc import Iterator

import pytest

from .fake_grafana import FakeGrafana, fake_grafana


@pytest.fixture
def grafana(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeGrafana]:
    """A Grafana on the loopback, reached without a proxy."""
    monkeypatch.setenv("no_proxy", "*")
    with fake_grafana() as fake:
        yield fake
