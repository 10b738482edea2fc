"""A program that is watched from outside: it does what its stdin says and tells what it knows.

Commands, one a line: `run N` makes N toggles of each machine, `errors N` lets N handlers fail,
`queue N` leaves N mutations waiting until `drain`, `count` prints what each machine has done by its
own account, `end` ends it; so does the end of stdin.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import am_helpers as amh
import am_machine as am

IDS = ("worker", 'odd "one" \\ $machine')


class WorkStates(am.States):
    Ready = am.State(auto=True)
    Working = am.State(require=[Ready])
    Resting = am.State(remove=[Working], multi=True)
    Never = am.State(require=["Missing"])
    Missing = am.State()
    ErrDisk = am.State(require=["Exception"])


class Counting(am.Tracer):
    """Counts transitions by itself, but for auto ones that came to nothing."""

    inheritable = False

    def __init__(self) -> None:
        self.by_result = {"accepted": 0, "canceled": 0}

    def transition_end(self, tx: am.Transition) -> None:
        if tx.accepted or not tx.auto:
            self.by_result["accepted" if tx.accepted else "canceled"] += 1


class Handlers:
    def WorkingState(self, e: am.Event) -> None:
        if e.args.get("fail"):
            raise OSError("planted")


class Program:
    def __init__(self) -> None:
        first = am.Machine(WorkStates, id=IDS[0], handlers=Handlers())
        second = am.Machine(WorkStates, id=IDS[1], handlers=Handlers(), parent=first)
        self.machines = [first, second]
        self.counts = [Counting() for _ in self.machines]
        for machine, count in zip(self.machines, self.counts, strict=True):
            machine.log_traceback = False
            machine.log_level = am.LogLevel.CHANGES
            machine.bind_tracer(count)
        amh.debug_env(first)
        second.sem_log.steps = first.sem_log.steps

    def run(self, times: int) -> None:
        for machine in self.machines:
            for _ in range(times):
                machine.add("Working")
                machine.add("Resting")
                machine.add("Never")
                machine.remove("Resting")

    def errors(self, times: int) -> None:
        for machine in self.machines:
            for _ in range(times):
                machine.add("Working", fail=True)
                machine.add_err("ErrDisk", OSError("planted, too"))
                machine.remove("Exception")

    def count(self) -> dict[str, Any]:
        return {
            machine.id: {"ticks": sum(machine.time()), **count.by_result}
            for machine, count in zip(self.machines, self.counts, strict=True)
        }


def main() -> None:
    """Read commands until there are no more."""
    program = Program()
    print(json.dumps(program.count()), flush=True)
    for line in sys.stdin:
        command, _, number = line.strip().partition(" ")
        if command == "end":
            break
        if command != "count":
            getattr(program, command)(int(number))
        print(json.dumps(program.count()), flush=True)
    print(json.dumps(program.count()), flush=True)
    for machine in reversed(program.machines):
        machine.dispose()


if __name__ == "__main__":
    main()
