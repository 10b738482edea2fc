"""The page of states says what the code says."""

from pathlib import Path

import pytest

import am_machine as am
import am_node

PAGE = Path(__file__).parents[1] / "docs" / "states.md"
CLASSES = (
    am_node.BootstrapStates,
    am_node.WorkerStates,
    am_node.SupervisorStates,
    am_node.SlotStates,
    am_node.ClientStates,
    am_node.LaneStates,
)


def _properties(state: am.State) -> str:
    parts = [name for name in ("auto", "multi") if getattr(state, name)]
    for relation in ("require", "add", "remove", "after"):
        names = [name for name in getattr(state, relation) if name != state]
        if names:
            parts.append(f"{relation} {', '.join(f'`{name}`' for name in names)}")
    return "; ".join(parts)


def render() -> str:
    """The whole page."""
    lines = ["# States", "", "Made from the code; a test compares."]
    for cls in CLASSES:
        lines += ["", f"## {cls.__name__}", "", (cls.__doc__ or "").strip(), ""]
        lines += ["| state | properties | meaning |", "| --- | --- | --- |"]
        schema = cls.schema()
        for name in cls.names():
            state = schema[name]
            lines.append(f"| `{name}` | {_properties(state)} | {state.doc} |")
    return "\n".join(lines) + "\n"


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text() == render()


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_state_says_what_it_means(cls: type[am.States]) -> None:
    schema = cls.schema()
    assert not [name for name in cls.names() if not schema[name].doc and name != "Exception"]


@pytest.mark.parametrize(
    ("cls", "group", "states"),
    [
        (am_node.WorkerStates, "WorkStatus", {"WorkRequested", "Working", "WorkReady", "Idle"}),
        (am_node.SupervisorStates, "PoolStatus", {"PoolStarting", "PoolReady"}),
        (am_node.SupervisorStates, "PoolNormalized", {"PoolNormalized", "NormalizingPool"}),
        (am_node.SupervisorStates, "Errors", {"ErrWorker", "ErrPool"}),
    ],
)
def test_groups_exclude_each_other_except_errors(
    cls: type[am.States], group: str, states: set[str]
) -> None:
    assert set(cls.groups()[group]) == states
    if group != "Errors":
        for name in states:
            assert states - {name} <= set(cls.schema()[name].remove)
