"""What the files of a release have to pass: `python -m release.checks dist/*`.

Each source distribution and each wheel is looked at by twine (metadata that an index would refuse,
READMEs that do not render), wheels by check-wheel-contents, source distributions by pyroma.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from release.urls import base

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent
# What pyroma asks for and no release has: a person to write to, since the authors are a group;
# and an address of the project, as long as there is none.
NO_PERSON = "AuthorEmail"
NO_ADDRESS = "Url"
RATING = re.compile(r"Final rating: (\d+)/10")

# pytest imports a plugin before anything can look on; so that is a package beside the other one.
TOPLEVEL = {"am_helpers": "am_helpers,am_helpers_pytest"}


def run(*command: str) -> tuple[int, str]:
    """Exit code and all output of a command."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def absent() -> tuple[str, ...]:
    """The tests of pyroma that no release passes."""
    return (NO_PERSON,) if base(ROOT) else (NO_PERSON, NO_ADDRESS)


def rated(path: Path, *without: str) -> tuple[int, str]:
    """Pyroma's rating of a source distribution, up to ten, without some tests, and all it says.

    What it cannot rate has none of ten.
    """
    left_out = ("--skip-tests", ",".join(without)) if without else ()
    _, told = run(sys.executable, "-m", "pyroma", "-n", "1", *left_out, str(path))
    match = RATING.search(told)
    return (int(match[1]) if match else 0), told


def check_files(files: Sequence[Path]) -> list[str]:
    """What is wrong with the files of a release, a text each."""
    faults: list[str] = []
    code, told = run(sys.executable, "-m", "twine", "check", "--strict", *map(str, files))
    if code:
        faults.append(told)
    for path in files:
        if path.suffix == ".whl":
            allowed = TOPLEVEL.get(path.name.partition("-")[0])
            options = ("--toplevel", allowed) if allowed else ()
            code, told = run(sys.executable, "-m", "check_wheel_contents", *options, str(path))
            if code:
                faults.append(told)
        if path.suffix == ".gz":
            rating, told = rated(path, *absent())
            if rating < 10:
                faults.append(f"pyroma of {path.name}: {told}")
    return faults


def main() -> int:
    """Check the files of the command line; the exit code is 1 if anything is wrong."""
    files = [Path(name) for name in sys.argv[1:]]
    faults = check_files(files)
    print("\n".join(faults) or f"{len(files)} files: nothing to complain of")
    for path in files:
        if path.suffix == ".gz":
            whole, rest = rated(path)[0], rated(path, *absent())[0]
            print(f"{path.name}: pyroma {whole}/10, without {' and '.join(absent())} {rest}/10")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
