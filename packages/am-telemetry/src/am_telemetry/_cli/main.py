"""The command line of `am-telemetry`.

Exit codes: 0 done, 1 something cannot be reached, written or is missing, 2 wrong input.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..__about__ import __version__
from .._errors import GrafanaError
from .._grafana.alerts import Thresholds, alert_rules, rules_text
from .._grafana.api import FOLDER, upsert_dashboard
from .._grafana.dashboard import grafana_dashboard
from .check import check
from .completion import SHELLS, PrintCompletion
from .reference import reference

if TYPE_CHECKING:
    from collections.abc import Sequence

TOKEN_ENV = "AM_GRAFANA_TOKEN"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = _parser().parse_args(argv)
    try:
        code: int = args.run(args)
    except ValueError as exc:
        return _fail(2, exc)
    except BrokenPipeError:
        # Whoever read has left, which is no failure; nothing may be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (GrafanaError, OSError) as exc:
        return _fail(1, exc)
    return code


def _fail(code: int, reason: object) -> int:
    print(f"am-telemetry: {reason}", file=sys.stderr)
    return code


_EXAMPLES = """examples:
  am-telemetry check                                                 what is set, and who answers
  am-telemetry grafana --ids worker,pool --name "My machines" --source demo --out board.json
  am-telemetry alerts --source demo --out asyncmachine.yml
  source <(am-telemetry --print-completion bash)
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="am-telemetry",
        description="Dashboards, alerts and a check of the environment.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--print-completion",
        action=PrintCompletion,
        choices=SHELLS,
        default=argparse.SUPPRESS,
        help="print a script for the shell, which completes this command, and end",
    )
    parser.add_argument("--version", action="version", version=f"am-telemetry {__version__}")
    commands = parser.add_subparsers(required=True)
    _add_grafana(commands.add_parser("grafana", help="print a dashboard, or put it into Grafana"))
    _add_alerts(commands.add_parser("alerts", help="print alert rules for Prometheus"))
    checks = commands.add_parser(
        "check", help="tell which switches are set, what is missing, and who answers"
    )
    checks.set_defaults(run=lambda args: check(sys.stdout))
    pages = commands.add_parser("reference", help="print the tables of switches and instruments")
    pages.set_defaults(run=_reference)
    return parser


def _add_grafana(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--ids", required=True, help="ids of machines, a,b,…; * for any")
    parser.add_argument("--name", required=True, help="title of the dashboard")
    parser.add_argument("--source", required=True, help="the service, as AM_SERVICE names it")
    parser.add_argument("--datasource", help="name of the Prometheus in Grafana")
    parser.add_argument("--logs", metavar="LOKI", help="name of a Loki: adds rows of log lines")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the JSON to a file")
    parser.add_argument("--url", help="create or replace the dashboard in this Grafana")
    parser.add_argument(
        "--token-env",
        default=TOKEN_ENV,
        metavar="VAR",
        help=f"variable with the token: {TOKEN_ENV}",
    )
    parser.add_argument("--folder", default=FOLDER, help=f"title of its folder: {FOLDER}")
    parser.set_defaults(run=_grafana)


def _add_alerts(parser: argparse.ArgumentParser) -> None:
    usual = Thresholds()
    parser.add_argument("--source", required=True, help="the service, as AM_SERVICE names it")
    parser.add_argument(
        "--queue", type=int, default=usual.queue, help=f"mutations that may wait: {usual.queue}"
    )
    parser.add_argument(
        "--quiet",
        type=int,
        default=usual.quiet,
        metavar="MINUTES",
        help=f"how long a machine may do nothing: {usual.quiet}",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the rules to a file")
    parser.set_defaults(run=_alerts)


def _grafana(args: argparse.Namespace) -> int:
    ids = [part.strip() for part in args.ids.split(",")]
    board = grafana_dashboard(
        ids, args.name, args.source, datasource=args.datasource, logs=args.logs
    )
    if args.out is not None or args.url is None:
        _emit(json.dumps(board, indent=2) + "\n", args.out)
    if args.url is not None:
        token = os.environ.get(args.token_env, "").strip()
        print(upsert_dashboard(args.url, token or None, board, folder=args.folder))
    return 0


def _alerts(args: argparse.Namespace) -> int:
    limits = Thresholds(queue=args.queue, quiet=args.quiet)
    _emit(rules_text(alert_rules(args.source, limits)), args.out)
    return 0


def _reference(args: argparse.Namespace) -> int:
    _emit(reference(), None)
    return 0


def _emit(text: str, path: Path | None) -> None:
    data = text.encode()
    if path is None:
        # What it is read by expects this encoding, whatever the terminal has.
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    if path.exists() and not path.is_file():
        path.write_bytes(data)  # a device or a pipe, which a file must not take the place of
        return
    # A file appears whole or not at all; a link stays one, and what it names is replaced.
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
