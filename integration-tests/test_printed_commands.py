"""No command that a page prints fetches one of our distributions from an index.

As long as none of them was released there, whatever an index has under one of these names is
somebody else's. So a printed line installs from paths of the tree, and brings along by path
whatever siblings that needs.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

from release.tree import packages

from .printed import PAGES, ROOT, shell_lines

PACKAGES = packages(ROOT)
# `pip install X`, `uv pip install X`, `uv add X`, `uv tool install X`, `pipx install X`, `uvx X`, …
INSTALLS = re.compile(
    r"(?:\bpip3?|\buv(?: tool)?|\bpipx)(?: \S+)*? (?:install|add|run|download|wheel)\b|\buvx\b"
)


def commands(page: str) -> list[str]:
    """The lines of a page's code that install something."""
    lines = shell_lines(page)
    parts = [part.strip().removeprefix("$ ") for line in lines for part in line.split("&&")]
    return [part for part in parts if INSTALLS.search(part)]


def paths_and_names(command: str) -> tuple[list[str], list[str]]:
    """What of ours a command installs by path, and what by name."""
    words = shlex.split(command, comments=True)
    paths: list[str] = []
    names: list[str] = []
    for word in words:
        bare = re.split(r"[\[=<>~!@ ]", word)[0]
        if bare == "./packages/am-*":
            paths += [f"./packages/{name}" for name in PACKAGES]
        elif bare.startswith("./packages/"):
            paths.append(word)
        elif bare in PACKAGES:
            names.append(word)
    return paths, names


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
    for command in commands(page.read_text())
}


def test_pages_print_commands_that_install() -> None:
    pages = {page for page, _ in PRINTED}
    assert {f"packages/{name}/README.md" for name in PACKAGES} <= pages


@pytest.mark.parametrize(("page", "command"), sorted(PRINTED))
def test_a_printed_command_takes_ours_from_paths_alone(page: str, command: str) -> None:
    paths, names = paths_and_names(command)
    assert names == [], f"{page} fetches {names} from an index"
    assert lacking(paths) == set(), f"{page} leaves siblings to an index"


def test_a_command_that_would_ask_an_index_is_found() -> None:
    page = '```console\n$ python -m pip install -q \\\n  "am-rpc[ws]>=0.1"\n```\nor `uvx am-dbg`.'
    assert len(commands(page)) == 2
    assert paths_and_names(commands(page)[0]) == ([], ["am-rpc[ws]>=0.1"])
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
    paths = max((paths_and_names(command)[0] for _, command in PRINTED), key=len)
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
