"""The command line of `am-history`: the machines of a history file, or the records of one.

It only reads, also while the file is written. Exit codes: 0 done, 1 the file cannot be read or has
no such machine, 2 wrong input. What comes from the file is escaped, so that it cannot command the
terminal.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

from .._errors import HistoryError, QueryError
from ..completion import offer_completion
from ._file import HistoryFile
from ._model import Bound, Query

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ._model import MachineRecord, TimeRecord, TransitionRecord

LIMIT = 50
_CONDITIONS = ("active", "inactive", "activated", "deactivated")
_ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = _parsed(argv)
    if sys.stdout is None:
        return _fail(1, "stdout is closed")
    if isinstance(sys.stdout, TextIOWrapper):  # an old encoding lacks most of what names may have
        sys.stdout.reconfigure(errors="backslashreplace")
    is_empty = True
    try:
        with HistoryFile(args.file) as file:
            for line in _lines(file, args):
                print(line)
                is_empty = False
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough
        _forget_output()
    except OSError as exc:
        _forget_output()
        return _fail(1, f"stdout: {exc}")
    except QueryError as exc:
        return _fail(2, exc)
    except HistoryError as exc:
        return _fail(1, exc)
    if is_empty and args.id is None:
        beside = (
            "what is new stands in the file beside it that ends with -wal, until it is taken in"
        )
        _fail(0, f"{args.file} holds no machine ({beside})")
    return 0


def _fail(code: int, reason: object) -> int:
    print(f"am-history: {escaped(str(reason))}", file=sys.stderr)
    return code


def _forget_output() -> None:
    """Have Python not complain at its end about what it cannot write then either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_EXAMPLES = """examples:
  am-history history.sqlite                                the machines
  am-history history.sqlite m1 --activated Ready --limit 1 when m1 last became ready
  am-history history.sqlite m1 --since 2026-01-31T12:00 --json
  source <(am-history --print-completion bash)
"""


def _parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _parser()
    # Of records, since a list of machines knows none: nothing that is asked for is left out unsaid.
    of_records = (*_CONDITIONS, "since", "until", "transitions")
    args = parser.parse_intermixed_args(argv)
    asked = [f"--{name}" for name in of_records if getattr(args, name)]
    if args.id is None and asked:
        parser.error(f"{', '.join(asked)}: of which machine? Its ID follows the FILE")
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="am-history",
        description="What a history file holds: machines, or records of one.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    offer_completion(parser)
    parser.add_argument("file", metavar="FILE")
    help_ = "a machine; without it all are listed"
    parser.add_argument("id", type=_text, metavar="ID", nargs="?", help=help_)
    help_ = f"how many records, newest first; 0 for all, {LIMIT} by default"
    parser.add_argument("--limit", type=_count, default=LIMIT, metavar="N", help=help_)
    for name in _CONDITIONS:
        help_ = f"only records in which the state is {name}"
        parser.add_argument(
            f"--{name}", type=_text, action="append", default=[], metavar="STATE", help=help_
        )
    for name in ("since", "until"):
        parser.add_argument(f"--{name}", type=_time, metavar="TIME", help="as 2026-11-29T12:00Z")
    parser.add_argument("--transitions", action="store_true", help="who called what, if stored")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")
    return parser


def _text(text: str) -> str:
    """A name as files hold it, also where an old encoding made no characters of its bytes."""
    try:
        return text if text.isascii() else _without_surrogates(text)
    except UnicodeError:
        raise argparse.ArgumentTypeError(f"'{escaped(text)}' is not UTF-8") from None


def _without_surrogates(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text).decode()
    return text


def _count(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        count = -1
    if count < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of records, 0 or more")
    return count


def _time(text: str) -> datetime:
    """A time of day; without a zone it is that of this computer."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time of the years 1 to 9999, as 2026-11-29T12:00Z"
        ) from None


def _lines(file: HistoryFile, args: argparse.Namespace) -> Iterator[str]:
    if args.id is None:
        for machine in file.machines():
            yield _json(machine) if args.json else _machine(machine)
        return
    start, end = Bound(), Bound()
    if args.since or args.until:
        start, end = Bound(at=args.since or _ALWAYS[0]), Bound(at=args.until or _ALWAYS[1])
    conditions = {name: tuple(getattr(args, name)) for name in _CONDITIONS}
    query = Query(start=start, end=end, **conditions)
    for record in file.records(args.id, query, args.limit, args.transitions):
        yield _json(record) if args.json else _record(record)


def _machine(machine: MachineRecord) -> str:
    clock = zip(machine.state_names, machine.time, strict=False)
    active = " ".join(escaped(name) for name, tick in clock if tick & 1)
    return (
        f"{escaped(machine.machine_id)}  {_at(machine.last_sync)}"
        f"  last record {machine.next_id - 1}, restored {machine.machine_tick} times  [{active}]"
    )


def _record(record: TimeRecord) -> str:
    moved = []
    ticks = zip(record.states, record.tracked_time, record.tracked_diff, strict=True)
    for name, tick, diff in ticks:
        if diff:
            moved.append(f"{'+' if tick & 1 else '-'}{escaped(name)}:{tick}")
    line = (
        f"{record.id:>6}  {_at(record.at)}  {escaped(record.kind)} {' '.join(moved) or '='}"
        f"  [{' '.join(map(escaped, record.active))}]"
    )
    return line if record.transition is None else f"{line}  {_transition(record.transition)}"


def _transition(tx: TransitionRecord) -> str:
    args = ", ".join(f"{name}={value}" for name, value in tx.args.items())
    words = [f"{'auto ' * tx.is_auto}{' '.join(tx.called_states)}({args})"]
    if tx.source_machine:
        words.append(f"from {tx.source_machine}")
    if not tx.is_accepted:
        words.append("broken" if tx.is_broken else "canceled")
    return escaped(", ".join(words))


def _at(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json(value: Any) -> str:
    return json.dumps(asdict(value), default=lambda at: at.isoformat())


def escaped(text: str) -> str:
    """Return the text with all that is not printable as Python would write it in a literal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


if __name__ == "__main__":
    sys.exit(main())
