"""The command line of `am-gen`.

Exit codes: 0 done, 1 the file is there and differs or cannot be written, 2 wrong input, 3 no
renderer is installed. Nothing is written unless all is well, and a file appears whole or not at
all.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import am_machine as am

from ..__about__ import __version__
from .._diagrams.d2 import d2
from .._diagrams.dot import dot
from .._diagrams.mermaid import mermaid
from .._diagrams.render import render
from .._errors import RendererMissing, RenderError
from ..completion import offer_completion
from ._bases import GenError, find_base
from ._handlers_file import class_name, handlers_file
from ._specs import GroupSpec, StateSpec
from ._states_file import file_name, states_file
from ._target import load_target

if TYPE_CHECKING:
    from collections.abc import Sequence

STATES_HELP = "State1,State2:multi,State3:auto:require(State1;State2):remove(State4),State4"
_LANGUAGES = {"mermaid": mermaid, "d2": d2, "dot": dot}
PICTURES = {".svg", ".png", ".pdf"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = _parser().parse_args(argv)
    try:
        code: int = args.run(args)
    except GenError as exc:
        return _fail(2, exc)
    except RendererMissing as exc:
        return _fail(3, exc)
    except (RenderError, OSError) as exc:
        return _fail(1, exc)
    return code


def _fail(code: int, reason: object) -> int:
    print(f"am-gen: {reason}", file=sys.stderr)
    return code


_EXAMPLES = """examples:
  am-gen states-file --states "Ready:auto:require(Start),Job:multi" --inherit basic --name MyMach
  am-gen handlers states.py:MyMachStates --out handlers.py
  am-gen diagram states.py:MyMachStates --out states.svg
  source <(am-gen --print-completion bash)
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="am-gen",
        description="States files, classes of handlers and diagrams.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    offer_completion(parser)
    parser.add_argument("--version", action="version", version=f"am-gen {__version__}")
    commands = parser.add_subparsers(required=True)
    states = commands.add_parser("states-file", help="write a module with a States class")
    states.add_argument("--states", required=True, help=STATES_HELP)
    states.add_argument("--inherit", default="", help="basic,connected,connpool,disposed,…")
    states.add_argument("--groups", default="", help="Group1,Group2(State1;State2)")
    states.add_argument("--name", required=True, help="the machine's name, as MyMach")
    states.add_argument("--out", type=Path, default=Path("."), help="folder, by default this one")
    states.add_argument("--force", action="store_true", help="replace a file that differs")
    states.add_argument("--stdout", action="store_true", help="print the file instead")
    states.set_defaults(run=_states_file)
    handlers = commands.add_parser("handlers", help="write a typed base class of handlers")
    handlers.add_argument("target", metavar="FILE.py:STATES", help="or MODULE:STATES")
    handlers.add_argument("--pairs", action="store_true", help="with those of two states, FooBar")
    handlers.add_argument("--name", help="of the class, by default FooHandlers for FooStates")
    handlers.add_argument("--out", type=Path, help="a file, by default it is printed")
    handlers.add_argument("--force", action="store_true", help="replace a file that differs")
    handlers.set_defaults(run=_handlers)
    diagram = commands.add_parser("diagram", help="print the diagram of a States class")
    diagram.add_argument("target", metavar="MODULE:STATES", help="or FILE.py:STATES")
    diagram.add_argument("--format", choices=tuple(_LANGUAGES), default="mermaid")
    diagram.add_argument("--only", action="append", default=[], metavar="REGEX")
    diagram.add_argument("--skip", action="append", default=[], metavar="REGEX")
    diagram.add_argument("--out", type=Path, help="a file for the text, or a picture: x.svg")
    diagram.set_defaults(run=_diagram)
    return parser


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if text.strip() else []


def _states_file(args: argparse.Namespace) -> int:
    specs = [StateSpec.parse(part) for part in _split(args.states)]
    bases = [find_base(key) for key in _split(args.inherit)]
    if not specs and not bases:
        raise GenError("--states names no state, and nothing is inherited")
    groups = [GroupSpec.parse(part) for part in _split(args.groups)]
    text = states_file(args.name, specs, bases, groups)
    if args.stdout:
        _print(text)
        return 0
    if not args.out.is_dir():
        raise GenError(f"{args.out} is no folder")
    return _save(args.out / file_name(args.name), text, args.force)


def _handlers(args: argparse.Namespace) -> int:
    target = load_target(args.target)
    try:
        schema = am.compile_schema(target)
    except (TypeError, am.SchemaError) as exc:
        raise GenError(f"{args.target}: {exc}") from exc
    name = args.target.rpartition(":")[2].rpartition(".")[2]
    text = handlers_file(args.name or class_name(name), schema, pairs=args.pairs)
    if args.out is None:
        _print(text)
        return 0
    return _save(args.out, text, args.force)


def _diagram(args: argparse.Namespace) -> int:
    obj = load_target(args.target)
    draw = _LANGUAGES[args.format]
    try:
        text = draw(obj, only=tuple(args.only), skip=tuple(args.skip))
    except (TypeError, am.SchemaError) as exc:
        raise GenError(f"{args.target}: {exc}") from exc
    except re.error as exc:
        raise GenError(f"not a regular expression: {exc}") from exc
    if args.out is None:
        _print(text)
    elif args.out.suffix.lower() in PICTURES:
        render(text, args.out)
    else:
        _write(args.out, text)
    return 0


def _save(path: Path, text: str, force: bool) -> int:
    """Write a file unless one is there that differs, and tell what became of it."""
    if path.is_file():
        if path.read_bytes() == text.encode():
            print(f"{path}: unchanged")
            return 0
        if not force:
            return _fail(1, f"{path} is there and differs; --force replaces it")
    _write(path, text)
    print(path)
    return 0


def _print(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _write(path: Path, text: str) -> None:
    """Write a file in one step: to a temporary one beside it, then rename.

    A link stays one, and what it names is replaced; a device or a pipe is written to.
    """
    if path.exists() and not path.is_file():
        path.write_bytes(text.encode())
        return
    path = Path(os.path.realpath(path))
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


if __name__ == "__main__":
    sys.exit(main())
