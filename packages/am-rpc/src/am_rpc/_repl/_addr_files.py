"""Address files: `DIR/<machine id>.addr`, one line that says where a machine is served.

They are written by the served side and read by `arpc`. What is read is untrusted: only regular
files, only so many and so long, only well-formed addresses.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
from pathlib import Path
from typing import Final, NamedTuple

from .._transport.address import parse_address
from .._transport.user_sockets import user_sockets
from ._files import read_bounded

SUFFIX: Final = ".addr"
# A list for -f may be long; a single address never is.
MAX_BYTES: Final = 64 * 1024
MAX_FILES: Final = 4096
MAX_FOLDERS: Final = 4096
# Lines of one file that are complained of.
_MOST_FAULTS: Final = 8
_MAX_NAME: Final = 100
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")


def file_name(machine_id: str) -> str:
    """Return a name that is safe in any directory and differs for different ids."""
    safe = _UNSAFE.sub("_", machine_id)[:_MAX_NAME]
    if safe != machine_id or safe[:1] in ("", "."):
        digest = hashlib.sha256(machine_id.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        safe = f"{safe.lstrip('.') or 'machine'}-{digest}"
    return safe + SUFFIX


def make_private(folder: Path) -> None:
    """Make a directory and those above it that are missing, for this user only.

    :raises OSError: if it cannot be made.
    """
    for part in (*reversed(folder.parents), folder):
        if not part.is_dir():
            with contextlib.suppress(FileExistsError):
                part.mkdir(mode=0o700)
                part.chmod(0o700)  # whatever the umask took away


def write(folder: Path, machine_id: str, addr: str) -> Path:
    """Put an address into its file, all at once and readable by this user only; return its path.

    Raises:
        OSError: the directory cannot be made or written.
    """
    make_private(folder)
    path = folder / file_name(machine_id)
    draft = folder / f".{path.name}.{secrets.token_hex(4)}"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.fchmod(handle, 0o600)  # whatever the umask took away
        with open(handle, "w", encoding="utf-8") as file:
            file.write(addr + "\n")
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return path


def remove(path: Path, addr: str) -> None:
    """Take a file away, unless another process has put its own address there meanwhile."""
    try:
        if read_bounded(path, MAX_BYTES).decode("utf-8", errors="replace").strip() == addr:
            path.unlink()
    except (OSError, ValueError):
        return


def read(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the addresses in a file, one a line, and the faults of lines that are none.

    Blank lines and `#` comments do not count.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no regular file, or is too long.
    """
    found, faults = [], []
    for line in read_bounded(path, MAX_BYTES).decode("utf-8", errors="replace").split("\n"):
        text = line.strip()
        if text and not text.startswith("#"):
            try:
                found.append(str(parse_address(text)))
            except ValueError as error:
                faults.append(f"{path}: {error}")
    return tuple(found), tuple(faults[:_MOST_FAULTS])


class Source(NamedTuple):
    """Where addresses come from: given ones, a file of them, a directory of address files."""

    addrs: tuple[str, ...] = ()
    file: Path | None = None
    folder: Path | None = None
    # Whether the sockets in this user's directory count.
    user: bool = False

    @property
    def changes(self) -> bool:
        """Tell whether looking again can give something else."""
        return self.user or self.file is not None or self.folder is not None

    def files(self) -> list[Path]:
        """Return the files to read, in order of their paths."""
        if self.file is not None:
            return [self.file]
        if self.folder is None:
            return []
        found: list[Path] = []
        for number, (parent, folders, names) in enumerate(os.walk(self.folder)):
            folders.sort()
            found += [Path(parent, name) for name in names if name.endswith(SUFFIX)]
            if len(found) > MAX_FILES or number > MAX_FOLDERS:
                break
        return sorted(path for path in found if not path.name.startswith("."))[:MAX_FILES]

    def stamp(self) -> tuple[tuple[str, int, int, int], ...]:
        """Return what differs once a file came, went or was written again."""
        seen = []
        for path in self.files():
            try:
                status = path.stat()
            except OSError:  # it went since it was listed
                continue
            seen.append((str(path), status.st_ino, status.st_mtime_ns, status.st_size))
        seen += [(address, 0, 0, 0) for address in (user_sockets() if self.user else ())]
        return tuple(seen)

    def load(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the addresses in order, each once, and the faults of files that were no use."""
        addrs = list(self.addrs)
        faults: list[str] = []
        if self.user:
            addrs += user_sockets()
        for path in self.files():
            try:
                good, bad = read(path)
                addrs += good
                faults += bad
            except FileNotFoundError:
                if path == self.file:
                    faults.append(f"{path}: no such file")
            except (OSError, ValueError) as error:
                told = str(error)
                faults.append(told if told.startswith(str(path)) else f"{path}: {told}")
        return tuple(dict.fromkeys(addrs)), tuple(faults)
