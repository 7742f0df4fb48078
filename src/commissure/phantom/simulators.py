"""The simulators of all modalities: a further one costs its module and one entry here."""

from __future__ import annotations

from collections.abc import Mapping

from commissure.phantom.scanner import bold, dwi, mrs_files, t1w
from commissure.phantom.scanner.simulator import Simulator

#: By name of the modality, in the order of :data:`commissure.modalities.MODALITIES`.
SIMULATORS: Mapping[str, Simulator] = {
    "anat": t1w.SIMULATOR,
    "func": bold.SIMULATOR,
    "dwi": dwi.SIMULATOR,
    "mrs": mrs_files.SIMULATOR,
}
