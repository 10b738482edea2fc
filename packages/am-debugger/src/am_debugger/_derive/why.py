"""Why a state is as it is: the causes that made it active, or what stands in its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._store.layout import MOST
from .obstacles import Teller
from .url import MachineUrl

if TYPE_CHECKING:
    from .._store.client import Client
    from .._store.store import Store
    from .reader import Fact


def why(store: Store, client: Client, number: int, state: str) -> list[Fact]:
    """What made a state active at a transition, or what keeps it from that: facts in order, those
    that belong below another one indented. Each that is about a transition leads there.

    Of other machines it tells what was at that time; after the last transition of the machine, what
    is now.

    :raises ValueError: if the machine has no such state then.
    """
    index = client.version_at(number).names.index(state)
    moment = (
        MOST
        if number >= client.last
        else client.columns.times.searched(max(number - client.first, 0))
    )
    teller = Teller(store, moment)
    if client.clock_after(number)[index] % 2:
        teller.active(client, number, state)
    else:
        teller.inactive(client, number, state)
    return teller.facts


def why_lines(facts: list[Fact]) -> list[str]:
    """The same as text; after what is about a transition stands its address."""
    return [f"{fact.text}{_address(fact)}" for fact in facts]


def _address(fact: Fact) -> str:
    if fact.jump is None or fact.jump.number is None:
        return ""
    client, number = fact.jump
    if number is None or not client.first <= number <= client.last:
        return ""
    return f" {MachineUrl(client.id, client.columns.id_of(number))}"
