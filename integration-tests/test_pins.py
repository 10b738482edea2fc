"""Each distribution states from where to where it fits the siblings that it needs."""

import importlib.metadata

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

DISTRIBUTIONS = (
    "am-machine",
    "am-helpers",
    "am-telemetry",
    "am-rpc",
    "am-node",
    "am-pubsub",
    "am-debugger",
)
BELOW = {
    "am-machine": set(),
    "am-helpers": {"am-machine"},
    "am-telemetry": {"am-machine"},
    "am-rpc": {"am-machine", "am-helpers"},
    "am-node": {"am-machine", "am-helpers", "am-rpc"},
    "am-pubsub": {"am-machine", "am-helpers", "am-rpc"},
    "am-debugger": {"am-machine", "am-helpers", "am-rpc", "am-telemetry"},
}


def requirements(name: str) -> list[Requirement]:
    return [Requirement(line) for line in importlib.metadata.requires(name) or ()]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_distribution_needs_exactly_the_siblings_below_it(name: str) -> None:
    assert {need.name for need in requirements(name)} & set(DISTRIBUTIONS) == BELOW[name]


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_a_sibling_range_has_both_bounds_and_holds_the_current_version(name: str) -> None:
    for need in requirements(name):
        if need.name in DISTRIBUTIONS:
            assert sorted(part.operator for part in need.specifier) == ["<", ">="], str(need)
            assert need.specifier.contains(importlib.metadata.version(need.name)), str(need)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_what_others_make_is_needed_from_a_stated_version_on(name: str) -> None:
    for need in requirements(name):
        assert {part.operator for part in need.specifier} & {">=", "~="}, str(need)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_the_tree_holds_release_numbers_only(name: str) -> None:
    version = importlib.metadata.version(name)
    assert all(part.isdigit() for part in version.split(".")), version


def floors(name: str, *, extras: bool) -> dict[str, Version]:
    """From which release on a distribution needs what others make."""
    return {
        need.name: max(Version(part.version) for part in need.specifier if part.operator != "<")
        for need in requirements(name)
        if need.name not in DISTRIBUTIONS and (extras or need.marker is None)
    }


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_no_floor_is_lower_than_what_the_siblings_below_allow(name: str) -> None:
    for sibling in BELOW[name]:
        needed = floors(sibling, extras=False)
        for other, floor in floors(name, extras=True).items():
            assert floor >= needed.get(other, floor), f"{other} with {sibling}"
