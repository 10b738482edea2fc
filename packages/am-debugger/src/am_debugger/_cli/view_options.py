"""Options of what is shown at the beginning: each stands for states of the debugger's machine."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

VIEWS = {"tree-log": "TreeLogView", "tree-matrix": "TreeMatrixView", "matrix": "MatrixView"}
THEMES = ("dark", "light")


@dataclass(frozen=True, slots=True)
class Switch:
    """An option with a `--no-` twin that switches a state."""

    name: str
    state: str
    default: bool
    help: str

    @property
    def dest(self) -> str:
        """The name that its value has."""
        return self.name.replace("-", "_")


SWITCHES = (
    Switch("filter-canceled", "FilterCanceledTx", False, "hide canceled transitions"),
    Switch("filter-queued", "FilterQueuedTx", False, "hide queued mutations"),
    Switch("filter-auto", "FilterAutoTx", False, "hide all automatic transitions"),
    Switch("filter-auto-canceled", "FilterAutoCanceledTx", True, "hide canceled automatic ones"),
    Switch("filter-empty", "FilterEmptyTx", False, "hide transitions that changed no clock"),
    Switch("filter-health", "FilterHealth", True, "hide health checks and heartbeats"),
    Switch("filter-checks", "FilterChecks", False, "hide checks"),
    Switch("filter-group", "FilterOutGroup", True, "hide those outside of the chosen group"),
    Switch("filter-disconn", "FilterDisconn", False, "do not list disconnected machines"),
    Switch("filter-rpc", "FilterRpcMachs", False, "do not list machines of RPC"),
    Switch("filter-traces", "FilterTraces", False, "fold stack traces to their first line"),
    Switch("reader", "LogReaderEnabled", True, "show the log reader"),
    Switch("rain", "MatrixRain", False, "show the rain"),
    Switch("narrow", "UserNarrowLayout", False, "lay out for few columns"),
    Switch("wrap", "LogWrap", False, "wrap long lines of the log"),
)


def add_view_options(add: Callable[..., argparse.Action]) -> None:
    """Options of filters and of the view."""
    for switch in SWITCHES:
        usually = " (usual)" if switch.default else ""
        add(
            f"--{switch.name}",
            action=argparse.BooleanOptionalAction,
            default=switch.default,
            help=switch.help + usually,
        )
    add("-v", "--view", choices=tuple(VIEWS), default="tree-log", help="which panes are shown")
    add("--tail", action=argparse.BooleanOptionalAction, default=True, help="follow what comes")
    add(
        "--log-level",
        type=int,
        choices=range(6),
        default=2,
        help="what the log tells: 0 nothing, 1 external, 2 changes (usual), 3 ops, 4 decisions, "
        "5 everything",
    )
    add("--timelines", type=int, choices=(0, 1, 2), default=1, help="how many timelines are shown")
    add("--theme", choices=THEMES, default="dark", help="colors for a dark or a light terminal")


def beginning(options: argparse.Namespace) -> dict[str, bool]:
    """States of the debugger's machine and whether they are active at the beginning."""
    wanted = {switch.state: bool(getattr(options, switch.dest)) for switch in SWITCHES}
    if wanted["FilterAutoTx"]:
        del wanted["FilterAutoCanceledTx"]  # all of them are hidden anyway
    view = options.view
    if wanted["MatrixRain"] and view == "tree-log":
        view = "tree-matrix"  # where there is room for it
    wanted[VIEWS[view]] = True
    wanted["TimelineStepsHidden"] = options.timelines < 2
    wanted["TimelineTxHidden"] = options.timelines < 1
    return wanted


def begin(machine: am.Machine, options: argparse.Namespace) -> None:
    """Bring a machine that was just started to what the options ask for."""
    wanted = beginning(options)
    machine.add(*[state for state, is_on in wanted.items() if is_on and state not in machine])
    gone = [state for state, is_on in wanted.items() if not is_on and state in machine]
    if gone:
        machine.remove(*gone)
    machine.add("SetLogLevel", level=options.log_level)


def arguments(options: argparse.Namespace) -> list[str]:
    """The arguments that make another instance begin as this one does."""
    made = [
        f"--{'' if getattr(options, switch.dest) else 'no-'}{switch.name}" for switch in SWITCHES
    ]
    made += [f"--view={options.view}", f"--timelines={options.timelines}"]
    made += [f"--log-level={options.log_level}"]
    made += [f"--theme={options.theme}", "--tail" if options.tail else "--no-tail"]
    return made
