"""How many arrays and maps are in bytes of MessagePack, told without making them.

An array or a map takes memory many times its bytes. In a message that has come whole they can be
counted on the value; one that comes in parts would have been paid for by then.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

# Bytes that are walked through value by value: it takes less time than to compile the pattern.
_WALKED: Final = 1024
# First byte of a number -> bytes behind it.
_NUMBERS: Final = {
    0xCC: 1, 0xD0: 1, 0xCD: 2, 0xD1: 2, 0xCA: 4, 0xCE: 4, 0xD2: 4, 0xCB: 8, 0xCF: 8, 0xD3: 8,
}  # fmt: skip
# First byte of a longer text -> bytes of the length behind it.
_SIZED: Final = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4}
# First byte of a longer array or map -> bytes of the number of items behind it.
_CONTAINERS: Final = {0xDC: 2, 0xDE: 2, 0xDD: 4, 0xDF: 4}
_MAPS: Final = frozenset((0xDE, 0xDF))


@cache
def _run() -> re.Pattern[bytes]:
    """Values that say in their first byte how long they are, texts up to 31 bytes among them."""
    texts = (b"%s.{%d}" % (re.escape(bytes([0xA0 + size])), size) for size in range(1, 32))
    return re.compile(
        rb"(?:[\x00-\x7f\xc0\xc2\xc3\xe0-\xff]|[\xcc\xd0].|[\xcd\xd1]..|[\xca\xce\xd2].{4}"
        rb"|[\xcb\xcf\xd3].{8}|\xa0|" + b"|".join(texts) + rb")*+",
        re.DOTALL,
    )


class ContainerCount:
    """Counts in a stream of bytes that begins where a value begins.

    `total` is how many have come so far, `items` how many keys and values they announced.
    """

    __slots__ = ("_rest", "_skip", "items", "total")

    def __init__(self) -> None:
        self.total = 0
        self.items = 0
        # The beginning of a value whose length is not here yet, and bytes of a text to come.
        self._rest = b""
        self._skip = 0

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Count what is in more bytes. What is no MessagePack is passed over."""
        if self._skip >= len(data):
            self._skip -= len(data)
            return
        chunk = self._rest + bytes(data[self._skip :])
        self._skip = 0
        at = 0
        while at < len(chunk):
            if len(chunk) > _WALKED:
                found = _run().match(chunk, at)
                at = at if found is None else found.end()
                if at == len(chunk):
                    break
            after = self._pass(chunk, at)
            if after is None:
                break
            at = after
        self._rest = chunk[at:]
        if at > len(chunk):
            self._skip = at - len(chunk)

    def _pass(self, chunk: bytes, at: int) -> int | None:
        """Return where the value, or the container's first item, after `at` begins.

        It may be beyond the chunk; None if that is not told by what is here.
        """
        first = chunk[at]
        if 0xA0 <= first < 0xC0:
            return at + 1 + first - 0xA0
        if 0x80 <= first < 0xA0:
            self.total += 1
            self.items += first - 0x90 if first >= 0x90 else 2 * (first - 0x80)
            return at + 1
        width = _SIZED.get(first) or _CONTAINERS.get(first)
        if width is None:
            # What is no number takes no more; or the unpacker refuses it.
            return at + 1 + _NUMBERS.get(first, 0)
        if at + 1 + width > len(chunk):
            return None
        length = int.from_bytes(chunk[at + 1 : at + 1 + width], "big")
        if first in _CONTAINERS:
            self.total += 1
            self.items += 2 * length if first in _MAPS else length
            return at + 1 + width
        return at + 1 + width + length
