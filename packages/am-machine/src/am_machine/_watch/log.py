"""Log lines of machines: levels, where they go, and which args they show.

One stdlib logger, `am_machine`, serves all machines, since loggers are never freed; each record
carries the machine's id as `record.machine`. Lines also go to tracers and to the transition.
"""

from __future__ import annotations

import logging
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from .._text import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .._engine.telling import Telling
    from .listening import Listening

LOGGER = logging.getLogger("am_machine")
DEFAULT_ARGS = ("name", "id", "port", "addr", "err", "path", "url", "uri")
# Lines kept for the next transition while none runs.
MAX_PRE_LOG = 1000
# Immediate repeats of other lines between transitions are dropped.
_REPEATABLE = ("[pipe-", "[ctx", "[when")


class LogLevel(IntEnum):
    """What a machine tells: a line is emitted if its level is at most the machine's `log_level`.

    In the stdlib logger `am_machine` lines of EXTERNAL and CHANGES have the level INFO, OPS has
    DEBUG, DECISIONS 8 and EVERYTHING 5; errors have ERROR, whatever the machine's level is.
    """

    NOTHING = 0
    EXTERNAL = 1
    CHANGES = 2
    OPS = 3
    DECISIONS = 4
    EVERYTHING = 5


# The same as plain numbers, which compare faster than members.
CHANGES, OPS, EVERYTHING = (int(LogLevel[name]) for name in ("CHANGES", "OPS", "EVERYTHING"))


class LogEntry(NamedTuple):
    """One emitted line."""

    level: LogLevel
    text: str


# stdlib levels by am level
_STDLIB = (0, logging.INFO, logging.INFO, logging.DEBUG, 8, 5)


class LogArgs:
    """Which keywords of mutations are shown in log lines, and how long their values may be.

    Values are shown by `str()`; what is longer than `max_len` characters ends in an ellipsis.
    """

    __slots__ = ("max_len", "names")

    def __init__(self, *names: str, max_len: int = 20) -> None:
        self.names = names
        self.max_len = max_len

    def shown(self, args: Mapping[str, Any], more: Iterable[str] = ()) -> dict[str, str]:
        """The logged keywords of `args` as text, sorted; `more` names are logged too."""
        return {key: self._cut(value) for key, value in self.chosen(args, more).items()}

    def chosen(self, args: Mapping[str, Any], more: Iterable[str] = ()) -> dict[str, Any]:
        """The same as they are."""
        wanted = {*self.names, *more}
        return {key: args[key] for key in sorted(args) if key in wanted}

    def _cut(self, value: Any) -> str:
        text = text_of(value)
        return text if len(text) <= self.max_len else text[: self.max_len - 1] + "…"


def emit(
    machine: Telling,
    level: LogLevel,
    text: str,
    *,
    std: int | None = None,
    exc_info: BaseException | None = None,
) -> None:
    """Emit a line, if the machine's level admits it."""
    listening = machine._listening
    if level > listening.log_level:
        return
    number = _STDLIB[level] if std is None else std
    if _is_heard(number):
        LOGGER.log(number, text, extra={"machine": machine.id}, exc_info=exc_info)
    _keep(machine, listening, level, text)


def log_error(
    machine: Telling, text: str, exc: BaseException | None, *, std: int = logging.ERROR
) -> None:
    """Log a failure at ERROR (or at `std`, if it was handled) whatever the machine's level is.

    Tracers hear of it as a line of level CHANGES, if the machine's level admits that.
    """
    log_listener_error(machine, text, exc, std=std)
    listening = machine._listening
    if std >= logging.ERROR and listening.log_level >= CHANGES:
        _keep(machine, listening, LogLevel.CHANGES, text)


def log_listener_error(
    machine: Telling, text: str, exc: BaseException | None, *, std: int = logging.ERROR
) -> None:
    """The same for a failure of something that only listens: no tracer hears of it, for that might
    fail again."""
    LOGGER.log(std, text, extra={"machine": machine.id}, exc_info=exc)


def _keep(machine: Telling, listening: Listening, level: LogLevel, text: str) -> None:
    """Hand an emitted line to the running transition or the next one, and to tracers."""
    transition = machine._transition
    # Not by LogEntry(…), whose generated constructor takes twice the time.
    entry: LogEntry = tuple.__new__(LogEntry, (level, text))
    if transition is not None:
        transition.log_entries.append(entry)
    else:
        _keep_for_next(listening, entry)
    if listening.noting is not None and machine._plan is not None:
        listening.noting.lines.append(entry)
    hooks = listening.hooks
    if hooks is not None and hooks.log:
        hooks.fire("log", machine, level, text)


def _keep_for_next(listening: Listening, entry: LogEntry) -> None:
    kept = listening.pre_log
    if kept is None:
        kept = listening.pre_log = []
    if kept and kept[-1] == entry and not entry.text.startswith(_REPEATABLE):
        return
    if len(kept) < MAX_PRE_LOG:
        kept.append(entry)


def is_muted(level: int) -> bool:
    """Whether lines of this level are asked for and thrown away: the logger is enabled for them and
    has nothing but null handlers. Then they need not be made."""
    handlers = LOGGER.handlers
    return (
        not LOGGER.propagate
        and bool(handlers)
        and LOGGER.isEnabledFor(_STDLIB[level])
        and all([type(handler) is logging.NullHandler for handler in handlers])
    )


def _is_heard(level: int) -> bool:
    """Whether a record would reach a handler that does something; making records is dear."""
    if not LOGGER.isEnabledFor(level):
        return False
    own = LOGGER.handlers
    if not LOGGER.propagate and len(own) == 1 and type(own[0]) is logging.NullHandler:
        return False
    logger: logging.Logger | None = LOGGER
    while logger is not None:
        for handler in logger.handlers:
            if type(handler) is not logging.NullHandler:
                return True
        logger = logger.parent if logger.propagate else None
    return level >= logging.WARNING
