# /// script
# requires-python = ">=3.11"
# dependencies = ["am-machine"]
#
# [tool.uv.sources]
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""A nondeterministic automaton: does a string of bits have a 1 in the third place from its end?

An automaton that may be in several steps at once just tries everything: each 1 could be the one in
question. So several states are active, and each input moves all of them.
"""

from __future__ import annotations

import am_machine as am


class BitStates(am.States):
    """Step0 is always there; Step3 says that the string may end here."""

    Step0 = am.State()
    Step1 = am.State()
    Step2 = am.State()
    Step3 = am.State()
    Input0 = am.State(multi=True)
    Input1 = am.State(multi=True)

    class Groups:
        """The steps of the automaton."""

        Steps = ("Step0", "Step1", "Step2", "Step3")


# Where an input leads from a step; nowhere means that this try is over.
MOVES = {
    ("Step0", "Input0"): ("Step0",),
    ("Step0", "Input1"): ("Step0", "Step1"),
    ("Step1", "Input0"): ("Step2",),
    ("Step1", "Input1"): ("Step2",),
    ("Step2", "Input0"): ("Step3",),
    ("Step2", "Input1"): ("Step3",),
}


class Handlers:
    """Both inputs do the same: they move every active step."""

    def Input0State(self, event: am.Event) -> None:
        """A 0 was read."""
        move(event.machine, "Input0")

    def Input1State(self, event: am.Event) -> None:
        """A 1 was read."""
        move(event.machine, "Input1")


def move(mach: am.Machine, read: str) -> None:
    """Set the steps that the input leads to; what is not among them is left."""
    steps = [step for step in mach.active if step in BitStates.groups()["Steps"]]
    mach.set(*(goal for step in steps for goal in MOVES.get((step, read), ())))


def machine() -> am.Machine:
    """An automaton that has read nothing."""
    mach = am.Machine(BitStates, handlers=Handlers(), id="bits")
    mach.set("Step0")
    return mach


def accepts(bits: str) -> bool:
    """Whether the automaton accepts a string of 0 and 1."""
    mach = machine()
    for bit in bits:
        mach.add(f"Input{bit}")
    return "Step3" in mach


WORDS = ("", "1", "100", "011", "0110", "10101", "11001", "1110111")


def story() -> am.Machine:
    """Follow one string, then judge some."""
    mach = machine()
    for bit in "01100":
        mach.add(f"Input{bit}")
        print(f"{bit}: {' '.join(mach.active)}")
    for word in WORDS:
        print(f"{word or 'nothing'}: {'accepted' if accepts(word) else 'rejected'}")
    print("in the end:", mach.string_all())
    return mach


def main() -> None:
    """Run the story; no event loop is needed."""
    story()


if __name__ == "__main__":
    main()
