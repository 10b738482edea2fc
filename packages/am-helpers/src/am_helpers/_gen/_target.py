"""``MODULE:STATES`` and ``path/to/file.py:STATES``: what a diagram is drawn of."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._bases import GenError

if TYPE_CHECKING:
    from types import ModuleType


def load_target(target: str) -> Any:
    """Import the object.

    :raises GenError: if it cannot be imported, or is not there.
    """
    place, colon, name = target.rpartition(":")
    if not (place and colon and name):
        raise GenError(f"{target!r} is neither MODULE:STATES nor FILE.py:STATES")
    try:
        found: Any = _module_from_file(Path(place)) if place.endswith(".py") else _module(place)
        for part in name.split("."):
            found = getattr(found, part)
    except SystemExit as exc:
        # A script without a main guard, say: it must not end this command as if all was done.
        raise GenError(f"{target} cannot be loaded: it exits when it is imported") from exc
    except Exception as exc:
        raise GenError(f"{target} cannot be loaded: {type(exc).__name__}: {exc}") from exc
    return found


def _module(name: str) -> ModuleType:
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does: the user's module is often right here
    return import_module(name)


def _module_from_file(path: Path) -> ModuleType:
    path = path.resolve()
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    # A file's siblings are importable from it, as they are when Python runs the file.
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no module")
    module = module_from_spec(spec)
    known = sys.modules.setdefault(path.stem, module)  # classes look their own module up
    try:
        spec.loader.exec_module(module)
    finally:
        if known is module:
            del sys.modules[path.stem]
    return module
