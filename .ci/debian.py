"""Bring programs of Debian for the tests that need them, out of their packages.

The packages are not installed: that would start services, and take the rights to do so.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_WRAPPER = """#!/bin/sh
LD_LIBRARY_PATH={libraries}${{LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}} exec {program} "$@"
"""


def bring(programs: Mapping[str, str], place: Path, *, libraries: bool = False) -> list[str]:
    """Unpack the packages of those programs that this machine lacks; return folders for the PATH.

    What cannot be had is told, and left to the tests: they know what to do without.

    :param programs: Packages, by the programs wanted of them.
    :param place: A folder to keep all in.
    :param libraries: Bring what else the packages need and this machine lacks; the program is
        then started through a script that knows where its libraries are.
    """
    folders = [place / "bin", place / "root" / "usr" / "bin"]
    known = os.pathsep.join([*map(str, folders), os.environ["PATH"]])
    missing = [name for name in programs if not shutil.which(name, path=known)]
    if missing:
        packages = [programs[name] for name in missing]
        try:
            with _alone(place):
                _unpack(packages, place, libraries=libraries)
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"No {', '.join(packages)}, install them by other means: {error}", flush=True)
        else:
            for name in missing if libraries else ():
                _wrap(name, place)
    return [str(folder) for folder in folders]


def install(programs: Mapping[str, str], place: Path) -> None:
    """Install the packages of those programs that this machine lacks, whose services do not start.

    That is for programs that need a user or folders of their own; it takes root.

    :param programs: Packages, by the programs wanted of them.
    :param place: A folder to work in.
    :raises CalledProcessError: if they cannot be had.
    """
    known = os.pathsep.join([os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"])
    packages = sorted({programs[name] for name in programs if not shutil.which(name, path=known)})
    if packages:
        with _alone(place):
            _run(place, "apt-get", "update", "-qq")
            options = ("-qq", "-y", "--no-install-recommends")
            # Without a runlevel there is nothing to start a service for.
            quiet = ("env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1")
            _run(place, *quiet, "apt-get", "install", *options, *packages)


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    """Other sessions that bring something to the same place wait meanwhile."""
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpack(packages: list[str], place: Path, *, libraries: bool) -> None:
    if os.getuid() == 0:
        _run(place, "apt-get", "update", "-qq")
    else:
        print("Not root: the lists of packages are taken as they are.", flush=True)
    if libraries:
        plan = _run(place, "apt-get", "-s", "-qq", "--no-install-recommends", "install", *packages)
        packages = re.findall(r"^Inst (\S+)", plan, re.MULTILINE)
    # Downloads into this folder by whoever runs this, not by apt's own user.
    _run(place, "apt-get", "-o", "APT::Sandbox::User=", "download", "-qq", *packages)
    for archive in sorted(place.glob("*.deb")):
        _run(place, "dpkg-deb", "-x", archive.name, "root")
        archive.unlink()


def _wrap(name: str, place: Path) -> None:
    """Write a script that starts the program with the libraries that were unpacked.

    Of some programs the one in `bin` is itself a script, for another in a folder of its own.
    """
    root = place / "root"
    own = root / "usr" / "lib" / name / name
    program = own if own.is_file() else root / "usr" / "bin" / name
    # Those of one package alone lie apart, without a number behind, as libpulsecommon-16.1.so does.
    found = {path.parent for path in root.glob("**/lib*.so*")}
    script = place / "bin" / name
    script.parent.mkdir(exist_ok=True)
    paths = os.pathsep.join(sorted(map(str, found)))
    script.write_text(_WRAPPER.format(libraries=f"'{paths}'", program=f"'{program}'"))
    script.chmod(0o755)


def _run(place: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=place, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout
