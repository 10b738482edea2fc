"""The process that draws: requests on stdin, answers on stdout, until stdin ends.

Run as `python -m am_debugger._files.diagrams.worker` by `drawer`.
"""

from __future__ import annotations

import sys
from typing import IO

from .draw import draw_all
from .request import HEADER, Answer, Request, pack_answer, unpack_request


def answer_to(request: Request) -> Answer:
    """Draw, and tell what came of it, whatever that is: the next picture may be drawn."""
    try:
        return draw_all(request)
    except OSError as exc:
        return Answer((), (str(exc),))
    except Exception as exc:
        return Answer((), (f"{type(exc).__name__}: {exc}",))


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer each request until there are no more."""
    while True:
        head = source.read(HEADER)
        if len(head) < HEADER:
            return
        data = source.read(int.from_bytes(head, "big"))
        packed = pack_answer(answer_to(unpack_request(data)))
        sink.write(len(packed).to_bytes(HEADER, "big") + packed)
        sink.flush()


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
