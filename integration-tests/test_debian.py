"""What brings programs of Debian for tests, against an apt of ours."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

APT = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
  *-s*) echo "Inst libsky1 (1.0 Debian [amd64])"; echo "Inst sky (2.0 Debian [amd64])"
        echo "Conf sky (2.0 Debian [amd64])";;
  *download*) for name; do :; done; touch "$name.deb";;
esac
"""
# A package holds a program that tells what it was given, a library, and one that is its own.
DPKG = """#!/bin/sh
mkdir -p "$3/usr/bin" "$3/usr/lib/here" "$3/usr/lib/sky-parts"
touch "$3/usr/lib/here/libsky.so.1" "$3/usr/lib/sky-parts/libskyparts-16.1.so"
printf '#!/bin/sh\\necho "$LD_LIBRARY_PATH" "$@"\\n' > "$3/usr/bin/sky"
chmod +x "$3/usr/bin/sky"
"""


@pytest.fixture
def debian(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module, which stands beside `.ci/run`."""
    monkeypatch.syspath_prepend(root / ".ci")
    import debian  # type: ignore[import-not-found] # found by now

    return debian  # type: ignore[no-any-return]


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What apt is asked for."""
    found = tmp_path / "log"
    folder = tmp_path / "tools"
    folder.mkdir()
    for name, text in {"apt-get": APT, "dpkg-deb": DPKG}.items():
        (folder / name).write_text(text.format(log=found) if name == "apt-get" else text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("LD_LIBRARY_PATH", raising=False)
    return found


def test_a_missing_program_comes_with_the_libraries_it_needs(
    debian: ModuleType, log: Path, tmp_path: Path
) -> None:
    place = tmp_path / "a place"
    folders = debian.bring({"sky": "sky"}, place, libraries=True)
    assert log.read_text().splitlines()[-1].endswith("download -qq libsky1 sky")
    program = Path(folders[0], "sky")
    done = subprocess.run([program, "a b"], capture_output=True, text=True, check=True)
    libraries = place / "root" / "usr" / "lib"
    assert done.stdout == f"{libraries}/here:{libraries}/sky-parts a b\n"


def test_a_program_that_has_a_folder_of_its_own_is_started_there(
    debian: ModuleType, log: Path, tmp_path: Path
) -> None:
    unpacked = 'mkdir -p "$3/usr/lib/sky"; cp "$3/usr/bin/sky" "$3/usr/lib/sky/sky"'
    tool = tmp_path / "tools" / "dpkg-deb"
    tool.write_text(f'{DPKG}{unpacked}; echo exit 7 > "$3/usr/bin/sky"\n')
    folders = debian.bring({"sky": "sky"}, tmp_path / "place", libraries=True)
    subprocess.run([Path(folders[0], "sky")], check=True)


def test_what_was_brought_is_not_asked_for_again(
    debian: ModuleType, log: Path, tmp_path: Path
) -> None:
    debian.bring({"sky": "sky"}, tmp_path / "place")
    assert log.read_text().splitlines()[-1].endswith("download -qq sky")
    asked = log.read_text()
    assert debian.bring({"sky": "sky", "sh": "dash"}, tmp_path / "place")
    assert log.read_text() == asked


def test_what_cannot_be_had_is_told(
    debian: ModuleType, log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tools" / "dpkg-deb").write_text("#!/bin/sh\nexit 7\n")
    debian.bring({"sky": "sky"}, tmp_path / "place", libraries=True)
    assert "No sky, install them by other means: " in capsys.readouterr().out
    assert not (tmp_path / "place" / "bin").exists()
