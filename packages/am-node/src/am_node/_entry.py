"""Entry points: naming a class so that another process can import it.

``package.module:Class`` or ``path/to/file.py:Class``. They come only from the supervisor's own
configuration, never from a peer.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ._errors import EntryPointError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


# What a worker's process exits with if its class cannot be imported.
EXIT_ENTRY = 78
_loading_worker = False


@contextmanager
def loading_worker() -> Iterator[None]:
    """A worker's process imports the program of its class inside this block."""
    global _loading_worker
    _loading_worker = True
    try:
        yield
    finally:
        _loading_worker = False


def refuse_while_loading() -> None:
    """Refuse to start workers from what a worker imports: each of them would do the same.

    :raises RuntimeError: if a worker's class is being imported.
    """
    if _loading_worker:
        raise RuntimeError(
            "a worker that imports its class came to the lines that open a supervisor, which would "
            'start workers without end: put these lines under `if __name__ == "__main__":`'
        )


def is_frozen() -> bool:
    """Whether this is a program with an interpreter of its own, made by PyInstaller or the like."""
    return bool(getattr(sys, "frozen", False))


def entry_point_of(cls: type) -> str:
    """Name `cls` so that `load_entry_point` finds it in another process.

    :raises ValueError: if the class is not at the top of a module, or lives in a ``__main__`` that
    is no file.
    """
    name = cls.__qualname__
    if "<locals>" in name:
        raise ValueError(
            f"{name} is defined inside a function: another process cannot import it; "
            "move it to the top of a module"
        )
    if cls.__module__ != "__main__":
        return f"{cls.__module__}:{name}"
    main = sys.modules["__main__"]
    if is_frozen():  # each worker is this program, up to `freeze_support`
        return f"__main__:{name}"
    spec = getattr(main, "__spec__", None)
    # Started with -m the module's own name imports it again; a folder or an archive has none.
    if spec is not None and spec.name != "__main__":
        return f"{spec.name}:{name}"
    path = getattr(main, "__file__", None)
    if path is None or not Path(path).is_file():
        raise ValueError(
            f"{name} lives in __main__, which is not a file: another process cannot import it; "
            "put the class into a module"
        )
    return f"{Path(path).resolve()}:{name}"


def load_entry_point(entry: str) -> type:
    """Import the class that `entry` names.

    :raises EntryPointError: if the text is malformed, the module fails to import, or it has no
    such class.
    """
    place, colon, name = entry.rpartition(":")
    if not colon or not place or not all(part.isidentifier() for part in name.split(".")):
        raise EntryPointError(f"{entry!r} is neither module:Class nor path/to/file.py:Class")
    try:
        found: object = _module_of(place)
    except EntryPointError:
        raise
    except Exception as exc:
        raise EntryPointError(f"importing {place} failed: {type(exc).__name__}: {exc}") from exc
    for part in name.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise EntryPointError(f"{place} has no class {name}")
    return found


def _module_of(place: str) -> ModuleType:
    if not place.endswith(".py"):
        return importlib.import_module(place)
    path = Path(place).resolve()
    if not path.is_file():
        raise EntryPointError(f"there is no file {place}")
    loaded = sys.modules.get(path.stem)
    if loaded is not None and getattr(loaded, "__file__", None) == str(path):
        return loaded
    # A file's siblings are importable from it, as they are when Python runs the file.
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    name = path.stem if loaded is None else f"_am_node_entry_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise EntryPointError(f"{place} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
