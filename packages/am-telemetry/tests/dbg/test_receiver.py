"""The debugger's receiving side for tests keeps nothing when it cannot listen."""

from __future__ import annotations

import gc
import warnings
from typing import TYPE_CHECKING

import pytest

from am_telemetry.testing import Receiver

if TYPE_CHECKING:
    from pathlib import Path


def test_a_receiver_that_cannot_listen_leaves_no_socket_open(tmp_path: Path) -> None:
    with Receiver() as other, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for address in (f"unix:{tmp_path / 'nowhere' / 'dbg.sock'}", other.address):
            with pytest.raises(OSError, match=r"No such file|in use"):
                Receiver(address)
        gc.collect()
    assert told == []
