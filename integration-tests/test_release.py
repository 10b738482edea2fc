"""A release is made whole or not at all, and what it says of itself is so."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from trove_classifiers import classifiers

from release.__main__ import main
from release.ranges import ceiling, floor, widened
from release.tree import Package, next_version, packages
from release.urls import base, follows, urls, with_absolute_links, with_urls

ROOT = Path(__file__).parent.parent
PACKAGES = packages(ROOT)
STORY = "One of two made-up distributions, of which this is the page. " * 5
BUILD_FILE = """[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "{name}"
dynamic = ["version"]
description = "One of two made-up distributions"
readme = "README.md"
license = "MIT"
license-files = ["LICENSE"]
requires-python = ">=3.11"
authors = [{{ name = "The asyncmachine authors" }}]
keywords = ["made-up"]
classifiers = ["Development Status :: 4 - Beta", "Programming Language :: Python :: 3.11"]
dependencies = [{needs}]

[tool.hatch.version]
path = "src/{module}/__about__.py"
[tool.hatch.build.targets.wheel]
packages = ["src/{module}"]
[tool.towncrier]
directory = "newsfragments"
filename = "CHANGELOG.md"
start_string = "<!-- towncrier release notes start -->\\n"
title_format = "## {{version}} ({{project_date}})"
"""


def git(root: Path, *args: str) -> str:
    done = subprocess.run(["git", *args], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def make_package(root: Path, name: str, needs: str = "") -> None:
    module = name.replace("-", "_")
    folder = root / "packages" / name
    (folder / "src" / module).mkdir(parents=True)
    (folder / "newsfragments").mkdir()
    (folder / "pyproject.toml").write_text(BUILD_FILE.format(name=name, module=module, needs=needs))
    (folder / "src" / module / "__init__.py").write_text("")
    (folder / "src" / module / "__about__.py").write_text('__version__ = "0.1.0"\n')
    (folder / "README.md").write_text(f"# {name}\n\n{STORY}\n")
    (folder / "LICENSE").write_text("MIT License\n")
    (folder / "CHANGELOG.md").write_text("# Changelog\n\n<!-- towncrier release notes start -->\n")
    (folder / "newsfragments" / "+new.feature.md").write_text("It does what it did not do.\n")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository of two made-up distributions, the one on the other."""
    make_package(tmp_path, "am-low")
    make_package(tmp_path, "am-high", '"am-low[extra]>=0.1,<0.2"')
    (tmp_path / ".gitignore").write_text("dist/\n__pycache__/\n")
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "config", "user.name", "somebody")
    git(tmp_path, "config", "user.email", "somebody@example.invalid")
    git(tmp_path, "add", "--all")
    git(tmp_path, "commit", "-q", "-m", "Two distributions")
    return tmp_path


def test_a_release_is_one_commit_with_version_news_and_ranges(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["am-low", "minor", "--local"], tree) == 0, capsys.readouterr().err
    assert git(tree, "log", "--format=%s", "-1") == "am-low 0.2.0"
    assert git(tree, "tag", "--points-at", "HEAD") == "am-low-v0.2.0"
    assert git(tree, "status", "--porcelain") == ""
    low, high = packages(tree)["am-low"], packages(tree)["am-high"]
    assert low.version == "0.2.0"
    assert low.fragments == []
    assert "It does what it did not do." in (low.folder / "CHANGELOG.md").read_text()
    assert [str(need) for need in high.needs()] == ["am-low[extra]<0.3,>=0.1"]
    built = sorted(path.name for path in (tree / "dist").iterdir())
    assert built == ["am_low-0.2.0-py3-none-any.whl", "am_low-0.2.0.tar.gz"]
    assert "due for a release themselves: am-high" in capsys.readouterr().out


def test_without_a_remote_a_release_is_told_and_not_made(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = git(tree, "rev-parse", "HEAD")
    assert main(["am-low", "patch"], tree) == 0
    assert git(tree, "rev-parse", "HEAD") == before
    assert git(tree, "tag") == git(tree, "status", "--porcelain") == ""
    assert len(git(tree, "worktree", "list").splitlines()) == 1
    assert git(tree, "status", "--porcelain", "--ignored") == "", "files stayed behind"
    told = capsys.readouterr().out
    assert "am-low 0.1.0 -> 0.1.1" in told
    assert "dry run: no commit, no tag am-low-v0.1.1" in told


def test_a_file_that_an_index_would_refuse_ends_the_release(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build_file = packages(tree)["am-low"].build_file
    build_file.write_text(build_file.read_text().replace('keywords = ["made-up"]\n', ""))
    git(tree, "commit", "-qam", "No keywords")
    assert main(["am-low", "minor", "--local"], tree) == 1
    told = capsys.readouterr().err
    assert "keywords" in told
    assert "Final rating: 9/10" in told
    assert git(tree, "tag") == git(tree, "status", "--porcelain", "--ignored") == ""
    assert packages(tree)["am-low"].version == "0.1.0"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["am-nobody", "minor"], "no such distribution: am-nobody; there are am-high, am-low"),
        (["am-low", "0.0.9"], "0.0.9 does not come after 0.1.0"),
        (["am-low", "larger"], "neither major, minor, patch nor a version"),
    ],
)
def test_a_release_of_nothing_is_refused(
    tree: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], why: str
) -> None:
    assert main(arguments, tree) == 1
    assert why in capsys.readouterr().err


def test_what_is_not_committed_not_told_or_tagged_already_is_refused(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(tree, "tag", "am-low-v0.1.1")
    assert main(["am-low", "patch"], tree) == 1
    assert "am-low-v0.1.1 is there already" in capsys.readouterr().err
    git(tree, "rm", "-q", "-r", "packages/am-low/newsfragments")
    assert main(["am-low", "minor"], tree) == 1
    assert "not committed" in capsys.readouterr().err
    git(tree, "commit", "-qm", "No news")
    assert main(["am-low", "minor"], tree) == 1
    assert "no news to tell" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("version", "part", "follows_as"),
    [
        ("0.2.3", "patch", "0.2.4"),
        ("0.2.3", "minor", "0.3.0"),
        ("0.2.3", "major", "1.0.0"),
        ("0.9.0", "0.10.0", "0.10.0"),
    ],
)
def test_a_version_follows_another(version: str, part: str, follows_as: str) -> None:
    assert next_version(version, part) == follows_as


def test_a_range_is_widened_only_as_far_as_a_release_needs_and_never_raised() -> None:
    text = 'dependencies = ["am-rpc[ws]>=0.1,<0.2", "am-rpcs>=0.1,<0.2", "am-node>=0.1,<0.2"]'
    assert widened(text, "am-rpc", "0.1.7") == text
    wide = text.replace("am-rpc[ws]>=0.1,<0.2", "am-rpc[ws]>=0.1,<0.3")
    assert widened(text, "am-rpc", "0.2.0") == wide
    assert widened(wide, "am-rpc", "1.4.2") == wide.replace("<0.3", "<2")
    assert (ceiling("0.2.5"), ceiling("1.4.0")) == ("0.3", "2")


@pytest.mark.parametrize("package", PACKAGES.values(), ids=list(PACKAGES))
def test_metadata_says_what_a_stranger_looks_for(package: Package) -> None:
    project = package.project
    assert project["authors"] == [{"name": "The asyncmachine authors"}]
    assert {"asyncmachine", "trio"} & {*project["keywords"]}
    assert {*project["classifiers"]} <= classifiers
    assert list(project["classifiers"]) == sorted({*project["classifiers"]})
    assert not [line for line in project["classifiers"] if line.startswith("License")]
    for need in package.needs(extras=True):
        if need.name in PACKAGES:
            assert floor(package, need.name), str(need)


@pytest.mark.parametrize("package", PACKAGES.values(), ids=list(PACKAGES))
def test_addresses_follow_from_the_one_of_the_tree(package: Package) -> None:
    url = base(ROOT)
    assert follows(package, url), "python -m release.urls"


def test_one_address_makes_all_the_others() -> None:
    package = PACKAGES["am-rpc"]
    text = package.build_file.read_text()
    wanted = urls("https://example.invalid/am", "am-rpc")
    written = with_urls(text, wanted)
    assert with_urls(written, wanted) == written
    assert with_urls(written, {}) == text
    assert 'Source = "https://example.invalid/am/tree/main/packages/am-rpc"' in written
    readme = "[a](docs/x.md#y) ![b](docs/b.svg) [c](../am-node/README.md) [d](#here) [e](https://e)"
    assert with_absolute_links(readme, "", "packages/am-rpc") == readme
    blob, raw = (f"https://example.invalid/am/{kind}/main/packages" for kind in ("blob", "raw"))
    assert with_absolute_links(readme, "https://example.invalid/am", "packages/am-rpc") == (
        f"[a]({blob}/am-rpc/docs/x.md#y) ![b]({raw}/am-rpc/docs/b.svg) "
        f"[c]({blob}/am-node/README.md) [d](#here) [e](https://e)"
    )


def test_workflows_are_such_as_their_host_reads() -> None:
    files = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert [path.name for path in files] == ["ci.yml", "release.yml", "weekly.yml"]
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema")
    done = subprocess.run(
        [*command, "vendor.github-workflows", *files], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_workflows_run_sessions_that_there_are() -> None:
    noxfile = "\n".join(path.read_text() for path in [ROOT / "noxfile.py", *ROOT.glob(".ci/*.py")])
    there = {*re.findall(r"^@nox\.session(?:.*\n)+?def (\w+)", noxfile, re.MULTILINE), "docs"}
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        for line in re.findall(r"nox -s ([\w ]+)", path.read_text()):
            assert {*line.split()} <= there, f"{path.name}: {line}"
