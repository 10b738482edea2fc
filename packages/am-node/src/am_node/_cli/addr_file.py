"""``--addr-file``: a supervisor's address in a file, for as long as it takes clients."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from .._address import is_wildcard

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUFFIX = ".addr"
_LONGEST = 256


def check_addr_file(path: str, addr: str | None) -> None:
    """Refuse a file that no client would find, or find nothing of use in.

    :raises ValueError: if its name does not end as it must, or `addr` is nobody's.
    :raises OSError: if there is no folder for it.
    """
    if not path.endswith(_SUFFIX):
        raise ValueError(f"--addr-file {path}: clients look for names that end with {_SUFFIX}")
    if addr is not None and is_wildcard(addr):
        raise ValueError(f"--addr-file: nobody can connect to {addr}; --addr has to name this host")
    folder = Path(path).parent
    if not folder.is_dir():
        raise FileNotFoundError(f"--addr-file {path}: there is no folder {folder}")


@contextlib.contextmanager
def written(path: str, addr: str) -> Iterator[None]:
    """Have the address in a file, which is whole whenever somebody reads it.

    At the end it is removed, unless another supervisor has written its own there meanwhile.
    """
    # Hosts that share the folder have processes of the same ids.
    new = f"{path}.{socket.gethostname()}.{os.getpid()}.new"
    try:
        with open(new, "w") as file:
            file.write(f"{addr}\n")
        os.replace(new, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(new)
        raise
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if _read(path) == addr:
                os.unlink(path)


def _read(path: str) -> str:
    with open(path) as file:
        return file.read(_LONGEST + 1).strip()
