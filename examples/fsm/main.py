# /// script
# requires-python = ">=3.11"
# dependencies = ["am-machine"]
#
# [tool.uv.sources]
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""A turnstile: two states, two inputs. What does not fit is canceled, which is no error."""

from __future__ import annotations

import am_machine as am


class TurnstileStates(am.States):
    """Locked or unlocked; inputs are states, too, which last for one transition."""

    Locked = am.State(remove=["Unlocked"])
    Unlocked = am.State(remove=[Locked])
    InputCoin = am.State(multi=True)
    InputPush = am.State(multi=True)


class Turnstile:
    """Negotiation decides whether an input fits; final handlers do what follows from it."""

    def __init__(self) -> None:
        self.coins = 0

    def InputCoinEnter(self, event: am.Event) -> bool:
        """An unlocked turnstile gives the coin back."""
        return "Locked" in event.machine

    def InputCoinState(self, event: am.Event) -> None:
        """Keep the coin, unlock."""
        self.coins += 1
        event.set("Unlocked")

    def InputPushEnter(self, event: am.Event) -> bool:
        """A locked turnstile does not move."""
        return "Unlocked" in event.machine

    def InputPushState(self, event: am.Event) -> None:
        """Let one person through, lock."""
        event.set("Locked")


INPUTS = ("InputPush", "InputCoin", "InputCoin", "InputPush", "InputPush")


def story() -> am.Machine:
    """Push and pay, in a wrong order and in a right one."""
    turnstile = Turnstile()
    mach = am.Machine(TurnstileStates, handlers=turnstile, id="turnstile")
    mach.set("Locked")
    for name in INPUTS:
        before = mach.active
        result = mach.add(name)
        print(f"{' '.join(before):8} + {name} = {result}, {' '.join(mach.active)}")
    print("coins:", turnstile.coins, "errors:", mach.err)
    print("in the end:", mach.string_all())
    return mach


def main() -> None:
    """Run the story; no event loop is needed."""
    story()


if __name__ == "__main__":
    main()
