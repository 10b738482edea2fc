"""Install each combination of two made-up releases: `python -m release.matrix`.

The environment has to hold what others make already, and uv. What the pins allow is installed from
wheels alone, the index being off, and imported, each in a process of its own; of what they forbid,
whatever differs in one distribution from what they allow has to be refused.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from release.made_up import Releases, allowed, both, choices

if TYPE_CHECKING:
    from release.tree import Package

# Imports all, from the wheels that were chosen, and all that a command begins with.
LOOK = """
import importlib, importlib.metadata, sys
chosen = dict(pair.split("==") for pair in sys.argv[1:])
for name, version in chosen.items():
    assert importlib.metadata.version(name) == version, name
    module = importlib.import_module(name.replace("-", "_"))
    assert "site-packages" in module.__file__, module.__file__
    for public in module.__all__:
        getattr(module, public)
for script in importlib.metadata.entry_points(group="console_scripts"):
    if script.dist.name in chosen:
        script.load()
"""


def uv(command: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Let uv change this environment."""
    words = (sys.executable, "-m", "uv", "pip", command, "--python", sys.executable)
    return subprocess.run([*words, *options], capture_output=True, text=True, check=False)


def install(wheels: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Install from these wheels, and from nowhere else."""
    return uv("install", "--no-index", "--offline", "--find-links", str(wheels), *options)


def build_into(wheels: Path, tree: dict[str, Package]) -> None:
    """One wheel of each package."""
    for package in tree.values():
        subprocess.run(
            [sys.executable, "-m", "build", "-n", "-w", "-o", str(wheels), str(package.folder)],
            check=True,
            stdout=subprocess.DEVNULL,
        )


def pinned(choice: dict[str, str]) -> list[str]:
    """A choice as a resolver and a reader understand it."""
    return [f"{name}=={version}" for name, version in choice.items()]


def differing(one: dict[str, str], other: dict[str, str]) -> int:
    """In how many distributions two choices differ."""
    return sum(one[name] != other[name] for name in one)


def fault_of_allowed(wheels: Path, choice: dict[str, str]) -> str | None:
    """Install a choice and import it; what is wrong with it, if anything is."""
    text = pinned(choice)
    installed = install(wheels, *text)
    if installed.returncode:
        return f"{' '.join(text)} is allowed, and not installed:\n{installed.stderr}"
    looked = subprocess.run(
        [sys.executable, "-W", "error", "-c", LOOK, *text],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return f"{' '.join(text)} does not work:\n{looked.stderr}" if looked.returncode else None


def fault_of_forbidden(wheels: Path, choice: dict[str, str]) -> str | None:
    """Have a choice refused; what is wrong if it is not."""
    if install(wheels, "--dry-run", *pinned(choice)).returncode:
        return None
    return f"{' '.join(pinned(choice))} is forbidden, and would be installed"


def faults(releases: Releases, wheels: Path) -> list[str]:
    """What is wrong, a text each."""
    good = allowed(releases)
    bad = [
        choice
        for choice in choices(releases)
        if choice not in good and any(differing(choice, one) == 1 for one in good)
    ]
    broken = [fault for choice in good if (fault := fault_of_allowed(wheels, choice))]
    let_in = [fault for choice in bad if (fault := fault_of_forbidden(wheels, choice))]
    print(
        f"installed and imported: {len(good) - len(broken)} of {len(good)} combinations; "
        f"refused: {len(bad) - len(let_in)} of {len(bad)}"
    )
    return broken + let_in


def main() -> int:
    """Go through all combinations; the exit code is 1 if one is not as it should be."""
    with tempfile.TemporaryDirectory() as folder:
        wheels = Path(folder, "wheels")
        releases = both(Path(folder, "tree"), lambda tree: build_into(wheels, tree))
        # What is installed already has the version of a choice, and is not of its wheel.
        uv("uninstall", *releases).check_returncode()
        found = faults(releases, wheels)
    print("\n".join(found) or "as the pins say")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
