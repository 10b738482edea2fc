"""A program whose machines do something, as fast as they may, with a debugger listening.

    python machines.py ADDRESS [--first 0] [--machines 100] [--transitions 10000] [--rate 0]

With `--rate` so many transitions a second are made, of all machines together. Whenever all machines
have had their turn, a line tells the seconds of the monotonic clock and how many transitions there
were; the last line begins with `done`. Nothing is lost: the machines wait for the debugger. It ends
with its standard input, wherever it is: so with whoever began it, however that ended.
"""

from __future__ import annotations

import argparse
import os
import threading
import time

import am_machine as am
from am_telemetry.dbg import DbgExporter

STEPS = 8


class Worker(am.States):
    """It goes through steps, each of which drives out the one before."""

    Start = am.State()
    Ready = am.State(require=[Start])
    Heartbeat = am.State(multi=True)
    Refused = am.State(require=["Step7"])
    Done = am.State(auto=True, require=["Step3"])
    Step0 = am.State(remove=["Step7"])
    Step1 = am.State(remove=["Step0"])
    Step2 = am.State(remove=["Step1"])
    Step3 = am.State(remove=["Step2"])
    Step4 = am.State(remove=["Step3", "Done"])
    Step5 = am.State(remove=["Step4"])
    Step6 = am.State(remove=["Step5"])
    Step7 = am.State(remove=["Step6"])


def start(first: int, count: int, exporter: DbgExporter) -> list[am.Machine]:
    """Machines that have started, and are listened to."""
    machines = []
    for k in range(first, first + count):
        machine = am.Machine(Worker, id=f"worker-{k}", tags=("bench",))
        machine.log_args = am.LogArgs("id", "name")
        exporter.bind(machine)
        machine.add("Start")
        machine.add("Ready")
        machines.append(machine)
    return machines


def turn(machines: list[am.Machine], k: int) -> int:
    """Each machine takes a step, which may bring about another one; now and then one is refused, or
    beats. How many transitions that were of all of them."""
    made = 1 + (k % STEPS == 3) + (k % STEPS == 2) + (k % 50 == 7)
    step, name = f"Step{k % STEPS}", f"job {k}"
    for machine in machines:
        machine.add(step, id=k, name=name)
    if k % STEPS == 2:
        for machine in machines:
            machine.add("Refused")
    if k % 50 == 7:
        for machine in machines:
            machine.add("Heartbeat")
    return made * len(machines)


def end_with_input() -> None:
    """The end of standard input is the end of this, in the middle of whatever it does."""
    while os.read(0, 1 << 12):  # without a lock, which the end of the interpreter would wait for
        pass
    os._exit(0)


def main() -> None:
    """Do so much, and wait."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--transitions", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=0)
    parser.add_argument("--detail", type=int, default=1)
    options = parser.parse_args()
    ending = threading.Thread(target=end_with_input, daemon=True)
    ending.start()
    with DbgExporter(options.address, lossless=True, detail=options.detail) as exporter:
        machines = start(options.first, options.machines, exporter)
        began, made, k = time.monotonic(), 2 * len(machines), 0
        while made < options.transitions:
            made += turn(machines, k)
            k += 1
            print(f"{time.monotonic():.6f} {made}", flush=True)
            ahead = made / options.rate - (time.monotonic() - began) if options.rate else 0
            if ahead > 0:
                time.sleep(ahead)
            if made >= options.transitions:
                while not exporter.flush(60):
                    pass
                made = exporter.stats.acked
        print(f"done {exporter.stats.acked}", flush=True)
        ending.join()


if __name__ == "__main__":
    main()
