"""What the squaring service and its users have in common."""

from __future__ import annotations

import am_machine as am
import am_rpc


class SquareStates(am_rpc.StateSource):
    """A service that squares numbers. `Square` takes `n`, `Counted` follows each answer."""

    Square = am.State(multi=True, require=["Ready"])
    Counted = am.State(multi=True)
    Ready = am.State()
