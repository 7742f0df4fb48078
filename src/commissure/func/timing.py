"""When the volumes of a BOLD series were taken."""

from __future__ import annotations

from commissure.errors import DatasetError
from commissure.names import Scan, sidecar_path


def repetition_time_s(scan: Scan) -> float:
    """Repetition time from the sidecar, in seconds.

    Raises
    ------
    DatasetError
        The field is missing, no number, or not between 0.1 and 20 s (then mostly milliseconds).
    """
    value = scan.metadata().get("RepetitionTime")
    sidecar = sidecar_path(scan.path).name
    if value is None:
        raise DatasetError(
            scan.who,
            found=f"RepetitionTime is missing in the sidecar of {scan.path.name}",
            wanted="the time between volumes in seconds",
            mend=f"Add RepetitionTime to {sidecar}",
        )
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.1 <= value <= 20:
        raise DatasetError(
            scan.who,
            found=f"RepetitionTime is {value} in the sidecar of {scan.path.name}",
            wanted="seconds (0.1 to 20), not milliseconds",
            mend=f"Write RepetitionTime in seconds in {sidecar}",
        )
    return float(value)
