"""Programs in containers by the name of their engine."""

from __future__ import annotations

from commissure.engines.containers.fmriprep import FMRIPREP
from commissure.engines.containers.program import Program
from commissure.engines.containers.qsiprep import QSIPREP

PROGRAMS: dict[str, Program] = {program.name: program for program in (FMRIPREP, QSIPREP)}
