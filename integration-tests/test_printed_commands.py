"""No command that a page prints fetches one of our distributions from an index.

As long as none of them was released there, whatever an index has under one of these names is
somebody else's. So a printed line installs from paths of the tree, and brings along by path
whatever siblings that needs.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from release.printed import installing, paths_and_names
from release.tree import packages

ROOT = Path(__file__).parent.parent
PACKAGES = packages(ROOT)
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "packages/*/*.md")
    for path in [*ROOT.glob(pattern), *(ROOT.glob("packages/*/docs/**/*.md"))]
    if not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    and path.name != "CHANGELOG.md"
)


def lacking(paths: list[str]) -> set[str]:
    """Siblings that some path needs and no path brings."""
    asked = [Requirement(path.removeprefix("./packages/")) for path in paths]
    brought = {requirement.name for requirement in asked}
    needed = {
        need.name
        for requirement in asked
        for need in PACKAGES[requirement.name].needs(extras=bool(requirement.extras))
    }
    return (needed & {*PACKAGES}) - brought


PRINTED = {
    (str(page.relative_to(ROOT)), command)
    for page in PAGES
    for command in installing(page.read_text())
}


def test_pages_print_commands_that_install() -> None:
    pages = {page for page, _ in PRINTED}
    assert {f"packages/{name}/README.md" for name in PACKAGES} <= pages


@pytest.mark.parametrize(("page", "command"), sorted(PRINTED))
def test_a_printed_command_takes_ours_from_paths_alone(page: str, command: str) -> None:
    paths, names = paths_and_names(command, PACKAGES)
    assert names == [], f"{page} fetches {names} from an index"
    assert lacking(paths) == set(), f"{page} leaves siblings to an index"


def test_a_command_that_would_ask_an_index_is_found() -> None:
    page = '```console\n$ python -m pip install -q \\\n  "am-rpc[ws]>=0.1"\n```\nor `uvx am-dbg`.'
    first, *others = installing(page)
    assert len(others) == 1
    assert paths_and_names(first, PACKAGES) == ([], ["am-rpc[ws]>=0.1"])
    assert lacking(["./packages/am-rpc[ws]", "./packages/am-machine"]) == {"am-helpers"}


def dry_run(*what: str) -> subprocess.CompletedProcess[str]:
    """Resolve with the index off; what others make counts as installed, ours does not."""
    anew = [f"--reinstall-package={name}" for name in PACKAGES]
    flags = ("--dry-run", "--no-index", "--offline", "--no-build-isolation")
    command = (sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable)
    command += (*flags, *anew, *what)
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_with_the_index_off_a_printed_command_resolves_as_it_does_with_it() -> None:
    # The longest of them; that the others bring all they need by path was looked at above.
    paths = max((paths_and_names(command, PACKAGES)[0] for _, command in PRINTED), key=len)
    assert len(paths) >= 5
    done = dry_run(*paths)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", list(PACKAGES))
def test_with_the_index_off_no_name_of_ours_is_found(name: str) -> None:
    assert dry_run(name).returncode != 0


def test_what_programs_say_to_install_is_an_extra_of_what_is_installed() -> None:
    # pip then looks for what the extra names, and never for the package, which is there.
    own_extra = re.compile(r"""pip install ["']?(am-[a-z]+)(\[?)""")
    for source in ROOT.glob("packages/*/src/**/*.py"):
        own = source.relative_to(ROOT).parts[1]
        for name, bracket in own_extra.findall(source.read_text()):
            assert (name, bracket) == (own, "["), f"{source} says to install {name}"
