"""``--launcher NAME --set KEY=VALUE``: the launchers that a command line can name."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import TYPE_CHECKING, Any

from .options import value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._launchers.base import Launcher

# By the name of the public module.
_LAUNCHERS = {
    "ssh": "SshLauncher",
    "slurm": "SlurmLauncher",
    "ray": "RayLauncher",
    "kubernetes": "KubernetesLauncher",
}
NAMES = tuple(_LAUNCHERS)


def launcher(name: str | None, settings: Sequence[str]) -> Launcher | None:
    """Make the launcher `name` with ``KEY=VALUE`` settings; None without a name.

    A value is JSON, or a text; where the launcher wants a list, commas may stand between texts.

    :raises ValueError: for a setting that it does not have, or with an impossible value, or for a
        launcher that lacks what it needs.
    """
    if name is None:
        if settings:
            raise ValueError("--set needs --launcher")
        return None
    try:
        make: Callable[..., Any] = getattr(import_module(f"am_node.{name}"), _LAUNCHERS[name])
    except ImportError as exc:
        raise ValueError(f"the launcher {name} needs am-node[{name}]: {exc}") from exc
    known = inspect.signature(make).parameters
    given = dict(_setting(text, known) for text in settings)
    try:
        made: Launcher = make(**given)
    except TypeError as exc:
        raise ValueError(f"launcher {name}: {exc}") from exc
    return made


def _setting(text: str, known: Any) -> tuple[str, Any]:
    key, equals, told = text.partition("=")
    key = key.strip().replace("-", "_")
    if not equals or key not in known:
        raise ValueError(f"--set {text}: there are {', '.join(known)}")
    found = value(told)
    wanted = str(known[key].annotation)
    if "Sequence" in wanted and not isinstance(found, list):
        found = told.split(",")
    elif wanted.startswith("str") and not isinstance(found, str) and "int" not in wanted:
        found = told  # a name that looks like a number
    return key, found
