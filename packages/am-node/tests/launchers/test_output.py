"""What a worker prints: lines of bounded length, read at a bounded rate."""

import pytest
import trio

from am_node._launchers.output import MAX_BYTES_PER_SECOND, MAX_TAIL_BYTES, Tail, read_lines

pytestmark = pytest.mark.trio
MIB = 1024 * 1024


class Source(trio.abc.ReceiveStream):
    """Gives `chunks`, one a call, each after its pause in seconds; then ends, or breaks."""

    def __init__(self, *chunks: tuple[float, bytes], breaks: bool = False) -> None:
        self._chunks = list(chunks)
        self._breaks = breaks

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        if not self._chunks:
            if self._breaks:
                raise trio.BrokenResourceError
            return b""
        pause, data = self._chunks.pop(0)
        await trio.sleep(pause)
        assert max_bytes is not None
        if len(data) > max_bytes:
            self._chunks.insert(0, (0.0, data[max_bytes:]))
        return data[:max_bytes]

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


async def _read(source: Source) -> tuple[list[str], list[float]]:
    lines: list[str] = []
    floods: list[float] = []
    await read_lines(source, lines.append, floods.append)
    return lines, floods


@pytest.mark.parametrize("breaks", [False, True])
async def test_lines_are_whole_however_they_arrive(breaks: bool) -> None:
    text = "one\ntwo\r\n\nschön\nlast".encode()
    for size in (1, 2, 5, 100):
        chunks = [(0.0, text[i : i + size]) for i in range(0, len(text), size)]
        lines, floods = await _read(Source(*chunks, breaks=breaks))
        assert lines == ["one", "two", "", "schön", "last"]
        assert floods == []


async def test_a_line_without_end_is_passed_on_in_pieces(autojump_clock: trio.abc.Clock) -> None:
    lines, _ = await _read(Source((0.0, b"x" * 100_000)))
    assert max(map(len, lines)) == 8192
    assert "".join(lines) == "x" * 100_000


async def test_a_flood_is_slowed_and_told_of_by_the_second(
    autojump_clock: trio.abc.Clock,
) -> None:
    began = trio.current_time()
    lines, floods = await _read(Source((0.0, (b"y" * 1023 + b"\n") * 4 * 1024)))
    assert len(lines) == 4 * 1024
    assert trio.current_time() - began >= 4 * MIB // MAX_BYTES_PER_SECOND - 1
    assert floods == sorted(floods)
    assert floods[-1] >= 3.0


async def test_a_burst_that_is_over_is_told_of_as_calm(autojump_clock: trio.abc.Clock) -> None:
    burst = (b"z" * 1023 + b"\n") * 1536
    _, floods = await _read(Source((0.0, burst), (2.0, b"calm\n"), (2.0, b"calm\n")))
    assert floods[0] > 0.0
    assert floods[-1] == 0.0


async def test_a_tail_keeps_the_last_lines_only() -> None:
    tail = Tail()
    for number in range(20_000):
        tail.add(f"line {number}")
    assert str(tail).endswith("line 19998\nline 19999")
    assert len(str(tail)) <= MAX_TAIL_BYTES
