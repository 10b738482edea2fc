"""What the tests of a launcher need: its conformance suite, written once for all of them."""

from __future__ import annotations

from ._testing.conformance import LAUNCHER_CHECKS as LAUNCHER_CHECKS
from ._testing.conformance import LauncherCheck as LauncherCheck

__all__ = ["LAUNCHER_CHECKS", "LauncherCheck"]
