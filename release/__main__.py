"""Make a release of one distribution: `nox -s release -- am-rpc minor`.

Everything happens in a work tree of its own: version, change log, ranges of dependants, one commit,
the files, and their checks. Only when all of that succeeded does the branch move to the commit and
get its tag, and only then are the files put into `dist/`: what lies there was released. In a
repository without a remote, or with `--dry-run`, what would have happened is told, and the tree is
left as it was. Nothing is ever pushed: pushing the tag is what publishes, and that is for a person
to do.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from release.checks import check_files
from release.ranges import widen_all
from release.tree import Package, next_version, packages, tag_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EPILOG = """examples:
  nox -s release -- am-rpc minor               the next minor version of am-rpc
  nox -s release -- am-machine 1.0.0           this very version
  nox -s release -- am-rpc patch --dry-run     tell what would happen, keep nothing of it
  nox -s release -- am-rpc patch --local       commit and tag although there is no remote
"""


class ReleaseError(Exception):
    """Something stands in the way of a release; the text says what."""


def git(root: Path, *args: str) -> str:
    """What a command of git prints.

    :raises ReleaseError: if it fails.
    """
    done = subprocess.run(["git", *args], cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"git {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout.strip()


@contextmanager
def work_tree(root: Path) -> Iterator[Path]:
    """A copy of the last commit to work in, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder).resolve() / "tree"
        git(root, "worktree", "add", "--detach", str(copy))
        try:
            yield copy
        finally:
            git(root, "worktree", "remove", "--force", str(copy))


def stands_in_the_way(root: Path, package: Package, version: str, *, empty: bool) -> str | None:
    """Why a release cannot be made of the tree as it is; None if it can."""
    if git(root, "status", "--porcelain"):
        return "there are changes that are not committed"
    if git(root, "tag", "--list", tag_of(package.name, version)):
        return f"{tag_of(package.name, version)} is there already"
    if not package.fragments and not empty:
        return f"{package.name} has no news to tell; --empty makes a release all the same"
    return None


def prepare(copy: Path, name: str, version: str) -> list[str]:
    """Write version, change log and ranges, and commit them; the dependants that were changed."""
    tree = packages(copy)
    tree[name].write_version(version)
    changed = widen_all(tree, name, version)
    command = (sys.executable, "-m", "towncrier", "build", "--yes", "--version", version)
    config = ("--config", str(tree[name].build_file), "--dir", str(tree[name].folder))
    subprocess.run([*command, *config], cwd=copy, check=True, stdout=subprocess.DEVNULL)
    git(copy, "add", "--all")
    git(copy, "commit", "-m", f"{name} {version}")
    return changed


def build(copy: Path, name: str) -> list[Path]:
    """A source distribution, and a wheel made from it, beside the copy; their paths."""
    into = copy.with_name("dist")
    command = (sys.executable, "-m", "build", "-n", "-o", str(into), f"packages/{name}")
    subprocess.run(command, cwd=copy, check=True, stdout=subprocess.DEVNULL)
    return sorted(into.iterdir())


def release(root: Path, name: str, part: str, *, keep: bool, empty: bool) -> str:
    """Make a release, and say what was done; nothing at all lasts unless `keep`.

    :raises ReleaseError: if something stands in the way, or a file fails its checks.
    """
    known = packages(root)
    if name not in known:
        raise ReleaseError(f"no such distribution: {name}; there are {', '.join(known)}")
    package = known[name]
    try:
        version = next_version(package.version, part)
    except ValueError as why:
        raise ReleaseError(str(why)) from why
    if why_not := stands_in_the_way(root, package, version, empty=empty):
        raise ReleaseError(why_not)
    told = [f"{name} {package.version} -> {version}"]
    tag = tag_of(name, version)
    with work_tree(root) as copy:
        changed = prepare(copy, name, version)
        if changed:
            told.append(f"ranges widened, so due for a release themselves: {', '.join(changed)}")
        files = build(copy, name)
        told += [f"built {path.name}" for path in files]
        if faults := check_files(files):
            raise ReleaseError("\n".join(faults))
        commit = git(copy, "rev-parse", "HEAD")
        told.append(git(copy, "show", "--stat", "--format=commit: %s", commit))
        if keep:
            git(root, "merge", "--ff-only", commit)
            git(root, "tag", "-a", tag, "-m", f"{name} {version}", commit)
            (root / "dist").mkdir(exist_ok=True)
            for path in files:
                shutil.copy(path, root / "dist")
    if keep:
        told.append(f"committed and tagged; `git push --follow-tags` publishes {tag}")
    else:
        told.append(f"dry run: no commit, no tag {tag}, no file")
    return "\n".join(told)


def main(arguments: Sequence[str] | None = None, root: Path | None = None) -> int:
    """Run the command; the exit code is 1 if something stood in the way."""
    parser = argparse.ArgumentParser(
        prog="release",
        description="Make a release of one distribution of this tree.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", help="the distribution, as in am-rpc")
    parser.add_argument("part", help="major, minor, patch, or the version itself")
    parser.add_argument(
        "--dry-run", action="store_true", help="tell what would happen, and keep nothing"
    )
    parser.add_argument("--local", action="store_true", help="commit and tag without a remote too")
    parser.add_argument("--empty", action="store_true", help="although there is no news")
    chosen = parser.parse_args(arguments)
    here = root or Path(__file__).resolve().parent.parent
    try:
        keep = not chosen.dry_run and (chosen.local or bool(git(here, "remote")))
        print(release(here, chosen.name, chosen.part, keep=keep, empty=chosen.empty))
    except ReleaseError as why:
        print(f"no release: {why}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
