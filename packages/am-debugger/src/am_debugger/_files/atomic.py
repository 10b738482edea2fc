"""Files that are there as a whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 100


def path_of(text: str) -> Path:
    """A path as somebody typed it.

    :raises OSError: if no file can have that name: it has a zero byte, or half a character.
    """
    try:
        if b"\0" not in os.fsencode(text):
            return Path(text)
    except UnicodeEncodeError:
        pass
    raise OSError(errno.EINVAL, "no file can have this name", text)


@contextlib.contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """A file to write to that takes the place of `path` at the end; not if the body raises.

    Only its owner may read it. A link stays one, and what it names is replaced; a device or a pipe
    is written to as it is.

    :raises OSError: if it cannot be written.
    """
    if path.exists() and not path.is_file():
        with path.open("wb") as there:
            yield there
        return
    path = Path(os.path.realpath(path))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:50]}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def file_name(text: str) -> str:
    """A file name made of what others named: no folders, no hidden files, of bounded length."""
    name = _UNSAFE.sub("_", text).lstrip(".")[:_LONGEST]
    return name or "_"
