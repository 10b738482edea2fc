"""What the checks install is locked: a new release of anything cannot break them."""

import importlib.metadata
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
BUILD_FILES = [ROOT / "pyproject.toml", *sorted(ROOT.glob("packages/*/pyproject.toml"))]
OURS = {path.parent.name for path in BUILD_FILES[1:]}
PIN = re.compile(r"(?P<name>[a-z0-9._-]+)==(?P<version>[0-9][\w.+!]*)(?: ; (?P<marker>.+))?")
HINT = "run `nox -s relock -- --missing`"


LOCK = ROOT / "constraints.txt"
# With those of extras that a session of their own installs.
LOCKS = [LOCK, *sorted(ROOT.glob("constraints-*.txt"))]


def lock_lines(*locks: Path) -> list[str]:
    text = "".join([lock.read_text() for lock in locks])
    return [line for line in text.splitlines() if not line.startswith("#")]


def pins(*locks: Path) -> dict[str, set[Version]]:
    """The locked releases of each distribution: several where Pythons or platforms differ."""
    found: dict[str, set[Version]] = defaultdict(set)
    for line in lock_lines(*locks):
        match = PIN.fullmatch(line)
        assert match, line
        found[canonicalize_name(match["name"])].add(Version(match["version"]))
    return found


def requirements(build_file: Path) -> Iterator[Requirement]:
    """All that a build file names: to build, to run, with extras, and in groups."""
    parts = tomllib.loads(build_file.read_text())
    project = parts.get("project", {})
    listed = [
        parts.get("build-system", {}).get("requires", []),
        project.get("dependencies", []),
        *project.get("optional-dependencies", {}).values(),
        *parts.get("dependency-groups", {}).values(),
    ]
    # A group may include another one by its name; that one is looked at as well.
    yield from (Requirement(text) for group in listed for text in group if isinstance(text, str))


def uncovered(needs: Iterator[Requirement], locked: dict[str, set[Version]]) -> list[str]:
    """The requirements that a locked release does not meet, or that no release is locked of."""

    def is_met(need: Requirement) -> bool:
        releases = locked.get(canonicalize_name(need.name), set())
        return any(need.specifier.contains(release) for release in releases)

    return [str(need) for need in needs if need.name not in OURS and not is_met(need)]


@pytest.mark.parametrize("build_file", BUILD_FILES, ids=lambda path: path.parent.name)
def test_whatever_a_build_file_names_is_locked(build_file: Path) -> None:
    assert uncovered(requirements(build_file), pins(*LOCKS)) == [], HINT


def test_a_requirement_that_the_lock_lacks_is_found() -> None:
    needs = [Requirement("trio>=0.1"), Requirement("trio>=99"), Requirement("no-such-thing")]
    assert uncovered(iter(needs), pins(LOCK)) == ["trio>=99", "no-such-thing"]


def test_what_is_installed_here_is_what_is_locked() -> None:
    # So what our requirements need in turn is locked, too. The first is whoever installs.
    locked = pins(LOCK)
    strangers = [
        f"{name} {found.version}"
        for found in importlib.metadata.distributions()
        if (name := canonicalize_name(found.metadata["Name"])) not in OURS | {"pip"}
        and Version(found.version) not in locked.get(name, set())
    ]
    assert strangers == [], HINT


def test_the_lock_names_releases_and_nothing_else() -> None:
    # No address of an index, no file of one machine.
    assert [line for line in lock_lines(*LOCKS) if not PIN.fullmatch(line)] == []


def test_every_session_installs_by_the_lock() -> None:
    rooms = [ROOT / "noxfile.py", *sorted((ROOT / ".ci").glob("*.py"))]
    text = "".join([path.read_text() for path in rooms])
    assert text.count("session.install(") == 1, "install by `install`, which hands the lock over"
    assert "session.install(*pins," in text
    assert 'pins: tuple[str, ...] = ("-c", LOCK)' in text
    # `floors` is there to leave the lock, and `pubsub_libp2p` has one of its own.
    assert text.count("pins=") == 2
    assert text.count('pins=("-c", APART["libp2p"])') == 1
    assert '-c constraints.txt "nox[uv]"' in (ROOT / ".ci/run").read_text()
