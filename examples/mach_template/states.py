"""The schema of the service: what `am-gen` wrote, and which args its states take."""

from __future__ import annotations

from dataclasses import dataclass

import am_machine as am
from examples.mach_template.ss_service import ServiceStates


@dataclass(frozen=True)
class Job:
    """What is asked for."""

    number: int


@dataclass(frozen=True)
class Outcome:
    """What came of a job."""

    number: int
    factors: tuple[int, ...]


class TemplateStates(ServiceStates, am.States):
    """Relations are those of the generated file; args are told here."""

    Working = ServiceStates.Working.extend(args=Job, doc="A job is being done.")
    Done = ServiceStates.Done.extend(args=Outcome, doc="A job was done.")
