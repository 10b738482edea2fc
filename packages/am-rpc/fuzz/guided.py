"""Inputs that grow towards code not reached yet, by atheris: `python guided.py core|sessions …`.

Arguments after the target go to libFuzzer: directories of inputs, `-max_total_time=`, `-runs=`.
An input that leads to anything but a refusal ends the run; it is written to a file whose name is
printed, and `python guided.py core FILE` plays it again.
"""

from __future__ import annotations

import random
import sys
import traceback

import atheris

with atheris.instrument_imports(include=["am_rpc"]):
    import am_rpc  # noqa: F401 - instrumented on its way in

import inputs
import sessions
import target


def mutate(data: bytes, most: int, seed: int) -> bytes:
    """Change bytes as libFuzzer does, or one value of a message, which keeps the framing."""
    rand = random.Random(seed)
    if len(data) < 2 or rand.random() < 0.5:
        return bytes(atheris.Mutate(data, most))
    return (data[:1] + inputs.reshaped(data[1:], rand))[:most]


def main(which: str, options: list[str]) -> None:
    """Fuzz until the options say that it is enough; ends the process."""
    if which == "core":
        play = target.feed
    else:
        findings = sessions.Findings()

        def play(data: bytes) -> object:
            return sessions.play(data, findings)

    def test_one_input(data: bytes) -> None:
        try:
            play(data)
        except BaseException:
            # atheris prints no causes.
            traceback.print_exc()
            raise

    atheris.Setup([sys.argv[0], *options], test_one_input, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
