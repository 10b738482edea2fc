"""What waits to be sent to one debugger, what was sent and not acknowledged yet, and what was lost.

At all times `acked + dropped + buffered == produced`. Entries stay until they are acknowledged;
where a connection ends, those sent on it wait again. When there are too many, the oldest of those
that wait are dropped: a gap takes their place, which knows how many they were and the clock after
them. So it is known at each place what the clock was there, and an entry whose predecessor the
other side did not get is sent as a keyframe.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .items import Ended, Gap, Position, Rebound, Run, Track, keyframe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .._hub import MachineLink
    from .items import Item

KEYFRAME_EACH = 1000
"""Transitions of a machine between two keyframes."""
FLIGHT = 8192
"""Entries sent and not acknowledged, at most."""
LEAST_TIDIED = 1000
DROP_SHARE = 10
"""Of a full buffer the tenth part is dropped at once."""


class Outbox:
    """The entries of all machines for one debugger, in order. Values in, values out; for one thread
    at a time.

    `limit` entries are kept at most.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.produced = 0
        self.acked = 0
        self.dropped = 0
        # Sent on this connection, and not yet.
        self._flying: deque[Item] = deque()
        self._waiting: deque[Item] = deque()
        self._flying_count = self._waiting_count = 0
        # Entries acknowledged on this connection, and how many of the first run in flight.
        self._acked_here = self._acked_of_first = 0
        # What waits is tidied up when a marker comes and there is more of it.
        self._tidy_at = LEAST_TIDIED
        self.tracks: dict[int, Track] = {}

    @property
    def buffered(self) -> int:
        """Entries kept."""
        return self._flying_count + self._waiting_count

    @property
    def unsent(self) -> int:
        """Entries that were not sent on this connection."""
        return self._waiting_count

    @property
    def has_news(self) -> bool:
        """Whether there are entries or markers that were not sent on this connection."""
        return bool(self._waiting)

    # ------------------------------------------------------------------ in

    def track(self, link: MachineLink, clock: Iterable[int]) -> Track:
        """Begin with a machine at a clock; one that is known goes on."""
        found = self.tracks.get(link.number)
        if found is None:
            found = self.tracks[link.number] = Track(link, clock)
        return found

    def add(self, run: Run, at: int) -> None:
        """Keep entries; the oldest are dropped if these are too many. `at` is for the gap."""
        count, track = len(run), run.track
        if not count:
            return
        self.produced += count
        track.entries += count
        track.rebound = None
        self._waiting.append(run)
        self._waiting_count += count
        if self.buffered > self.limit:
            self._drop_oldest(at)

    def lose(self, track: Track, count: int, at: int, clock: Sequence[int]) -> None:
        """So many entries of a machine were lost before they came here; next is this clock."""
        self.count_lost(count)
        self._mark(Gap(track, count, at, clock))

    def count_lost(self, count: int) -> None:
        """So many entries were lost of which nothing more is to be told."""
        self.produced += count
        self.dropped += count

    def rebind(self, track: Track, handlers: tuple[str, ...]) -> None:
        """The machine's handlers are others from here on."""
        track.tail_handlers = handlers
        if track.rebound is not None:
            # Nothing happened in between.
            track.rebound.handlers = handlers
            return
        track.rebound = Rebound(track, handlers)
        self._mark(track.rebound)

    def end(self, track: Track, at: int) -> None:
        """Nothing more comes of a machine."""
        if track.is_gone:
            return
        track.is_gone = True
        if track.entries or track.is_known:
            self._mark(Ended(track, at))
        else:
            # Nobody heard of it, and there is nothing to hear.
            self.tracks.pop(track.h, None)

    def _mark(self, marker: Gap | Rebound | Ended) -> None:
        self._waiting.append(marker)
        if len(self._waiting) > self._tidy_at:
            self._tidy()

    def _tidy(self) -> None:
        """Forget the markers of machines that nobody will hear of."""
        self._waiting = deque(
            [item for item in self._waiting if isinstance(item, Run) or item.track.h in self.tracks]
        )
        self._tidy_at = max(LEAST_TIDIED, 2 * len(self._waiting))

    def _drop_oldest(self, at: int) -> None:
        """Drop the oldest tenth of the limit of what waits, and all that is above it; gaps take
        their place, in front."""
        wanted = max(1, self.limit // DROP_SHARE, self.buffered - self.limit)
        count = min(wanted, self._waiting_count)
        gaps: dict[Track, Gap] = {}
        rebound: dict[Track, Item] = {}
        ended: list[Item] = []
        places: dict[Track, Position] = {}
        while count:
            item = self._waiting.popleft()
            track = item.track
            place = places.get(track)
            if place is None:
                place = places[track] = track.cursor.copy()
            if isinstance(item, Run):
                if len(item) > count:
                    item, rest = item.split(count)
                    self._waiting.appendleft(rest)
                place.move(item)
                gap = gaps.setdefault(track, Gap(track, 0, at, ()))
                gap.count += len(item)
                gap.at = at
                count -= len(item)
                self._waiting_count -= len(item)
                self.dropped += len(item)
                track.entries -= len(item)
            elif isinstance(item, Gap):
                place.clock = list(item.clock)
                gap = gaps.setdefault(track, item)
                if gap is not item:
                    gap.count += item.count
            elif isinstance(item, Rebound):
                rebound[track] = item
            elif track.entries or track.is_known:
                ended.append(item)
            else:
                # All that there was of it is lost, and nobody heard of it.
                self.tracks.pop(track.h, None)
                gaps.pop(track, None)
                rebound.pop(track, None)
        for track, gap in gaps.items():
            gap.clock = places[track].clock
        self._waiting.extendleft(reversed([*gaps.values(), *rebound.values(), *ended]))

    def drop_all(self) -> int:
        """Give up everything that is kept; returns how many entries these were."""
        count = self.buffered
        self.dropped += count
        self._flying.clear()
        self._waiting.clear()
        self._flying_count = self._waiting_count = self._acked_of_first = 0
        self.tracks.clear()
        return count

    # ------------------------------------------------------------------ out

    def take(self, most: int, size: int) -> Iterator[Item]:
        """What is to be sent next, at most so many entries and about so many bytes; an entry comes
        as a keyframe where its predecessor is not known on the other side. While an item is looked
        at, the cursor of its machine is before it, but for markers, which are passed."""
        most = min(most, self.in_flight - self._flying_count)
        while self._waiting and most > 0 and size > 0:
            item = self._waiting.popleft()
            track = item.track
            if isinstance(item, Run):
                item, bytes_of = self._piece(item, most, size)
                self._flying.append(item)
                sent = self._sent(item)
                most -= len(item)
                size -= bytes_of + len(sent.wires[0]) - len(item.wires[0])
                yield sent
                track.cursor.move(item)
                continue
            self._flying.append(item)
            if isinstance(item, Gap):
                track.cursor.clock = list(item.clock)
                track.needs_keyframe = True
            elif isinstance(item, Rebound):
                track.cursor.handlers = item.handlers
                # Told as it is now; what comes is another change.
                track.rebound = None
            yield item

    def _piece(self, run: Run, most: int, size: int) -> tuple[Run, int]:
        """As much of a run as goes at once, with its bytes; the others wait. A keyframe is the
        first of its piece."""
        track = run.track
        if track.since_keyframe >= KEYFRAME_EACH:
            track.needs_keyframe = True
        until = KEYFRAME_EACH - (0 if track.needs_keyframe else track.since_keyframe)
        count = min(len(run), most, until)
        bytes_of = sum(map(len, run.wires))
        if bytes_of > size:
            bytes_of = at = 0
            while at < count and bytes_of < size:
                bytes_of += len(run.wires[at])
                at += 1
            count = at
        if count < len(run):
            run, rest = run.split(count)
            self._waiting.appendleft(rest)
        self._waiting_count -= count
        self._flying_count += count
        return run, bytes_of

    def _sent(self, run: Run) -> Run:
        """A piece as it is sent now; it may have to be sent again in another way."""
        track, sent = run.track, run
        if track.needs_keyframe:
            wires = [keyframe(run.wires[0], track.cursor.clock), *run.wires[1:]]
            sent = Run(track, wires, run.changes, run.after)
            track.needs_keyframe = False
            track.since_keyframe = 0
        track.since_keyframe += len(run)
        return sent

    @property
    def in_flight(self) -> int:
        """Most entries that are sent and not acknowledged: there are always some to be dropped."""
        return min(FLIGHT, max(1, self.limit // 2))

    def ack(self, count: int) -> bool:
        """The other side has taken so many entries of this connection. False if that cannot be."""
        newly = count - self._acked_here
        if not 0 <= newly <= self._flying_count:
            return False
        self._acked_here = count
        self._flying_count -= newly
        self.acked += newly
        while self._flying:
            item = self._flying[0]
            if isinstance(item, Run):
                left = len(item) - self._acked_of_first
                item.track.entries -= min(newly, left)
                if newly < left:
                    self._acked_of_first += newly
                    break
                newly -= left
                self._acked_of_first = 0
                item.track.base.move(item)
            else:
                self._pass_marker(item)
            self._flying.popleft()
        return True

    def _pass_marker(self, item: Gap | Rebound | Ended) -> None:
        """Nothing that is kept is before it any more."""
        track = item.track
        if isinstance(item, Gap):
            track.base.clock = list(item.clock)
        elif isinstance(item, Rebound):
            track.base.handlers = item.handlers
        else:
            self.tracks.pop(track.h, None)

    def restart(self) -> None:
        """The connection is another: what was sent and not acknowledged waits again."""
        if self._acked_of_first:
            run = self._flying.popleft()
            assert isinstance(run, Run)
            acked, rest = run.split(self._acked_of_first)
            run.track.base.move(acked)
            self._flying.appendleft(rest)
            self._acked_of_first = 0
        self._waiting.extendleft(reversed(self._flying))
        self._flying.clear()
        self._waiting_count += self._flying_count
        self._flying_count = 0
        self._acked_here = 0
        for track in self.tracks.values():
            track.cursor = track.base.copy()
            track.needs_keyframe = True
            track.is_known = False
        for item in self._waiting:
            if isinstance(item, Run):
                break
            if isinstance(item, Gap):
                # Nothing before it will be told any more.
                item.track.base.clock = list(item.clock)
                item.track.cursor.clock = list(item.clock)
