"""Functions that hand options on know the same ones as the classes that take them."""

from __future__ import annotations

import inspect

import pytest

import am_rpc
from am_rpc._client import blocking
from am_rpc._client.client_options import ClientOptions
from am_rpc._server.mux_options import MuxOptions


@pytest.mark.parametrize(
    ("cls", "options"), [(am_rpc.Client, ClientOptions), (am_rpc.Mux, MuxOptions)]
)
def test_options_that_are_handed_on_are_those_of_the_class(cls: type, options: type) -> None:
    parameters = inspect.signature(cls).parameters.values()
    named = {p.name: p.annotation for p in parameters if p.kind is p.KEYWORD_ONLY}
    declared = {
        name: getattr(found, "__forward_arg__", found)
        for name, found in options.__annotations__.items()
    }
    assert declared == named


def test_each_typed_name_of_a_blocking_machine_is_one_of_the_replica() -> None:
    source = inspect.getsource(blocking)
    source = source[source.index("class BlockingMachine") :]
    typed = source[source.index("if TYPE_CHECKING") : source.index("def __getattr__")]
    names = [line.split("def ")[1].split("(")[0] for line in typed.splitlines() if "def " in line]
    assert len(names) > 30
    assert [name for name in names if not hasattr(am_rpc.NetworkMachine, name)] == []
