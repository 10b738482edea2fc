"""A profile as a page of facts, each of which leads to its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .reader import Fact, Jump, called_text
from .text import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._store.store import Store
    from .profile import Profile, StateUse

_PERCENT = 100


def profile_page(store: Store, profile: Profile) -> list[Fact]:
    """The lists, one after another."""
    return list(_page(store, profile))


def _page(store: Store, profile: Profile) -> Iterator[Fact]:
    yield Fact("Busiest states")
    for use in profile.busiest:
        told = f"  {use.client.id} {use.state}: changed {use.changed}, called {use.called}"
        yield Fact(told, Jump(use.client), about=use.state)
    if not profile.busiest:
        yield Fact("  none")
    yield Fact("Longest handlers")
    for one in profile.handlers:
        told = (
            f"  {one.client.id} {one.handler}: {format_duration(one.longest)} in {one.number}, "
            f"{format_duration(one.total)} in {one.runs} runs"
        )
        yield Fact(told, Jump(one.client, one.number))
    if not profile.handlers:
        yield Fact("  not told: machines tell it at the level everything (alt+i)")
    yield Fact("Longest transitions")
    for long in profile.transitions:
        if long.number < long.client.first:
            continue  # dropped in the meantime
        called = called_text(long.client, store.tx(long.client, long.number))
        told = f"  {long.client.id}/{long.number} {called}: {format_duration(long.duration)}"
        yield Fact(told, Jump(long.client, long.number))
    if not profile.transitions:
        yield Fact("  not told")
    yield Fact("Longest active")
    for use in profile.active:
        yield Fact(f"  {_active(use)}", Jump(use.client), about=use.state)
    if not profile.active:
        yield Fact("  none")
    yield Fact(f"{profile.count} transitions, durations of the latest {profile.read}")


def _active(use: StateUse) -> str:
    share = f" ({_PERCENT * use.active // use.known} %)" if use.known else ""
    return f"{use.client.id} {use.state}: {format_duration(use.active)}{share}"
