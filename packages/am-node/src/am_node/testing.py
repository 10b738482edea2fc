"""What the tests of a launcher need: its conformance suite, written once for all of them."""

from __future__ import annotations

from ._conformance import LAUNCHER_CHECKS as LAUNCHER_CHECKS
from ._conformance import LauncherCheck as LauncherCheck
from ._conformance import Scenario as Scenario
from ._conformance import scenario_command as scenario_command

__all__ = ["LAUNCHER_CHECKS", "LauncherCheck", "Scenario", "scenario_command"]
