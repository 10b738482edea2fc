"""The options of this interpreter, for others that are to behave alike."""

from __future__ import annotations

import sys


def interpreter_options() -> tuple[str, ...]:
    """Return the options that make another interpreter of this program's kind.

    What the environment says is inherited by itself; what stands on the command line (``-O``,
    ``-W``, ``-X`` and so on) is not, so it is said again, as `multiprocessing` does.
    """
    flags, options = sys.flags, []
    if flags.optimize:
        options.append("-" + "O" * flags.optimize)
    if flags.bytes_warning:
        options.append("-" + "b" * flags.bytes_warning)
    if flags.dont_write_bytecode:
        options.append("-B")
    if flags.no_site:
        options.append("-S")
    if flags.isolated:
        options.append("-I")
    else:
        options += ["-E"] * flags.ignore_environment + ["-s"] * flags.no_user_site
    if flags.ignore_environment:
        # Then nobody reads PYTHONUNBUFFERED, without which a killed worker takes its log with it.
        options.append("-u")
    for name, value in _x_options().items():
        options += ["-X", name if value is True else f"{name}={value}"]
    return (*options, *(f"-W{line}" for line in _own_warning_filters()))


def _x_options() -> dict[str, str | bool]:
    given: dict[str, str | bool] = dict(sys._xoptions)
    if sys.flags.dev_mode:
        given["dev"] = True
    if sys.flags.utf8_mode:
        given["utf8"] = True
    return given


def _own_warning_filters() -> list[str]:
    """What ``-W`` said, without what an interpreter adds for ``-X dev`` and ``-b``."""
    filters = list(sys.warnoptions)
    implied = ["default"] if sys.flags.dev_mode else []
    if sys.flags.bytes_warning:
        implied.append(("error" if sys.flags.bytes_warning > 1 else "default") + "::BytesWarning")
    for line in implied:
        if line in filters:
            filters.remove(line)
    return filters
