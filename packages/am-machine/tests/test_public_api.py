"""The public surface: every promised name is there, documented, and nothing else is public."""

from __future__ import annotations

import importlib.util
import inspect
import pkgutil
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]

NAMES = [
    "States",
    "State",
    "Schema",
    "Machine",
    "BaseMachine",
    "MachineApi",
    "LogLevel",
    "Result",
    "EXECUTED",
    "CANCELED",
    "Wait",
    "StateContext",
    "Fork",
    "Time",
    "Event",
    "Transition",
    "Mutation",
    "Tracer",
    "Snapshot",
    "Panic",
    "LogArgs",
    "Step",
    "StepKind",
    "Source",
    "Resolution",
    "current_source",
    "Error",
    "SchemaError",
    "UnknownStateError",
    "ArgsError",
    "HandlerError",
    "HandlerTimeoutError",
    "NotOpenError",
]

MACHINE = [
    "add",
    "remove",
    "set",
    "toggle",
    "add_err",
    "can_add",
    "can_remove",
    "check_add",
    "check_remove",
    "is_",
    "not_",
    "any_",
    "active",
    "switch",
    "tick",
    "time",
    "clock",
    "is_time",
    "was_time",
    "is_clock",
    "was_clock",
    "err",
    "is_err",
    "queue_tick",
    "machine_tick",
    "queue",
    "is_queued",
    "will_be",
    "will_be_removed",
    "transition",
    "id",
    "tags",
    "parent",
    "schema",
    "is_local",
    "string_all",
    "inspect",
    "when",
    "when_not",
    "when_any",
    "when_args",
    "when_time",
    "when_ticks",
    "when_next_active",
    "when_query",
    "when_queue",
    "when_queue_ends",
    "when_err",
    "when_disposed",
    "state_ctx",
    "fork",
    "dispose",
    "on_dispose",
    "disposed",
    "bind",
    "bind_tracer",
    "detach_tracer",
    "export",
    "restore",
    "set_schema",
    "sem_log",
    "log_args",
    "log",
    "add_breakpoint",
    "log_traceback",
    "log_level",
    "refused",
    "on_breakpoint",
]

EVENT = [
    "machine",
    "transition",
    "mutation",
    "name",
    "args",
    "tick",
    "source",
    "is_check",
    "add",
    "remove",
    "set",
    "toggle",
]
TRANSITION = [
    "mutation",
    "called",
    "before",
    "target",
    "time_before",
    "time_after",
    "added",
    "removed",
    "touched",
    "accepted",
    "auto",
    "steps",
    "id",
    "log_entries",
    "pre_log_entries",
]
MUTATION = ["kind", "called", "args", "source", "is_check", "is_auto"]
RESULT = ["executed", "canceled", "queued", "queue_tick", "error", "outcome"]
# What only a machine that lives in this process has.
LOCAL_ONLY = {
    "restore",
    "set_schema",
    "add_breakpoint",
    "on_breakpoint",
    "refused",
    "sem_log",
    "log_args",
    "log_traceback",
    "log_level",
    "log",
}


@pytest.mark.parametrize("name", NAMES)
def test_each_promised_name_is_public(name: str) -> None:
    assert hasattr(am, name)
    assert name in am.__all__


def test_all_names_everything_public_and_nothing_else() -> None:
    for name in am.__all__:
        getattr(am, name)  # some are loaded when they are asked for
    internal = {"annotations", "TYPE_CHECKING"}
    found = {
        name
        for name, value in vars(am).items()
        if not name.startswith("_") and not inspect.ismodule(value) and name not in internal
    }
    assert found == set(am.__all__) - {"__version__"}
    assert len(am.__all__) == len(set(am.__all__))


def test_what_looks_into_machines_is_not_loaded_before_it_is_asked_for() -> None:
    code = (
        "import sys, am_machine as am\n"
        "machine = am.Machine({'A': {}})\n"
        "machine.add('A')\n"
        "rooms = ('_engine.pending', '_schema.explanation', '_schema.resolution', '_snapshot')\n"
        "assert not {f'am_machine.{room}' for room in rooms} & set(sys.modules)\n"
        "machine.pending(), machine.explain('A'), machine.schema.resolve('add', ['A'], [])\n"
        "import pickle\n"
        "assert b'am_machine._' not in pickle.dumps(machine.export(), 2)\n"
        "assert pickle.loads(pickle.dumps(machine.export())) == machine.export()\n"
        "assert all(f'am_machine.{room}' in sys.modules for room in rooms)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", am.__all__)
def test_each_public_name_has_a_docstring(name: str) -> None:
    value = getattr(am, name)
    if inspect.isclass(value) or callable(value):
        assert (value.__doc__ or "").strip()


def public_members() -> list[tuple[str, str]]:
    return [
        (name, member)
        for name in am.__all__
        if inspect.isclass(getattr(am, name)) and not issubclass(getattr(am, name), BaseException)
        for member, value in vars(getattr(am, name)).items()
        if not member.startswith("_")
        and (callable(value) or isinstance(value, property | classmethod | staticmethod))
    ]


@pytest.mark.parametrize(("owner", "member"), public_members())
def test_each_public_method_has_a_docstring(owner: str, member: str) -> None:
    value = inspect.getattr_static(getattr(am, owner), member)
    doc = getattr(value, "__doc__", None) or getattr(
        getattr(value, "__func__", None), "__doc__", ""
    )
    assert (doc or "").strip(), f"{owner}.{member}"


@pytest.mark.parametrize("name", MACHINE)
def test_a_machine_has_each_promised_attribute(flat: Flat, name: str) -> None:
    assert hasattr(flat(), name)


def test_the_protocol_of_machines_promises_what_every_machine_can() -> None:
    members = {
        member
        for one in inspect.getmro(am.MachineApi)
        for member in (*vars(one), *getattr(one, "__annotations__", {}))
    }
    assert sorted(set(MACHINE) - LOCAL_ONLY - members) == []


def test_events_transitions_mutations_and_results_have_their_attributes(flat: Flat) -> None:
    seen: list[Any] = []

    def a_state(event: am.Event) -> None:
        seen.extend([event, event.transition, event.mutation, event.machine.add("B")])

    flat(handlers={"AState": a_state}).add("A")
    for one, names in zip(seen, (EVENT, TRANSITION, MUTATION, RESULT), strict=True):
        assert [name for name in names if not hasattr(one, name)] == []
    event, transition, mutation, _ = seen
    assert event.mutation is transition.mutation is mutation
    assert event.transition is transition
    assert (event.name, event.is_check, mutation.kind) == ("AState", False, "add")


def test_errors_are_kinds_of_the_builtin_errors() -> None:
    for name, builtin in {
        "SchemaError": ValueError,
        "UnknownStateError": ValueError,
        "ArgsError": TypeError,
        "HandlerError": ValueError,
        "HandlerTimeoutError": TimeoutError,
        "NotOpenError": RuntimeError,
    }.items():
        error = getattr(am, name)
        assert issubclass(error, am.Error)
        assert issubclass(error, builtin)


def test_public_names_say_that_they_come_from_the_package() -> None:
    for name in am.__all__:
        module = getattr(getattr(am, name), "__module__", "am_machine")
        assert module.split(".")[0] == "am_machine", name


def test_every_module_but_the_public_ones_is_private() -> None:
    modules = [module.name for module in pkgutil.iter_modules(am.__path__)]
    assert modules
    assert [name for name in modules if not name.startswith("_")] in ([], ["testing"])


def test_the_package_is_typed_and_versioned() -> None:
    spec = importlib.util.find_spec("am_machine")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = spec.submodule_search_locations[0]
    with open(f"{folder}/py.typed"):
        assert am.__version__.count(".") == 2


def test_importing_pulls_in_nothing_of_the_layers_above() -> None:
    code = (
        "import sys, am_machine; "
        "print(*sorted(m for m in sys.modules if m.split('.')[0] in "
        "('am_helpers', 'am_rpc', 'am_node', 'msgpack')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
