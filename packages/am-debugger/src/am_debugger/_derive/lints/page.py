"""What was found, as facts and as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..reader import Fact, Jump
from ..text import inert

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .finding import Finding

NOTHING = "Nothing looks wrong."


def findings_page(found: Sequence[Finding], unseen: int = 0) -> list[Fact]:
    """Each finding with a link to where it is, and below it why, and how to silence it; last how
    many machines nobody has gone through yet."""
    if not found and not unseen:
        return [Fact(NOTHING)]
    told = []
    for one in found:
        number = one.number if one.client.first <= one.number <= one.client.last else None
        jump = Jump(one.client, number)
        told.append(Fact(f"! {one.title}", jump, about=one.state))
        told += [Fact(f"    {reason}", jump, about=one.state) for reason in one.why]
        told.append(Fact(f"    {one.silence}"))
    if unseen:
        told.append(Fact(f"machines still to be looked at: {unseen}"))
    return told


def finding_lines(one: Finding) -> Iterator[str]:
    """A finding as text: rule, what and the address; then why, and how to silence it."""
    yield f"{one.rule}: {inert(one.title)} {inert(one.url())}"
    for reason in one.why:
        yield f"  {inert(reason)}"
    yield f"  {inert(one.silence)}"
