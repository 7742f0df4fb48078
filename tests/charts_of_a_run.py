"""The files of reference charts as a run leaves them, made up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from commissure.files import write_json, write_table
from commissure.outputs import NORMATIVE_CHARTS

REGIONS = ("Hippocampus_L", "Amygdala_R")
RECORD = {
    "source": "controls", "n_controls": 40, "n_reference": 0, "extreme": 1.96, "ages": [20, 60],
    "held_out": {"charts": 2, "expected_percent": 5.0, "extreme_percent": 5.2},
    "sites": [{"site": "A", "controls": 40, "people": 80}],
    "new_site": [{"controls": 10, "offset_sd": 0.28}], "without_chart": ["dwi GCC fa"],
    "cautions": ["B has 3 controls."], "head_size": "residual",
}  # fmt: skip


def write_charts(folder: Path, kinds: Mapping[str, str]) -> None:
    """Deviations of two markers: the resistant are low in the first."""
    low = np.array([kind == "resistant" for kind in kinds.values()])
    spread = np.linspace(-1, 1, len(low))
    rows = [
        (who, "anat", region, "volume", 4000.0 + 300 * z, z, 50.0)
        for region, shift in zip(REGIONS, (-2.5, 0.0), strict=True)
        for who, z in zip(kinds, spread + shift * low, strict=True)
    ]
    names = ["participant_id", "modality", "region", "marker", "value", "z", "centile"]
    ages = np.linspace(15, 80, 10)
    tables = {
        "deviations": pd.DataFrame(rows, columns=names),
        "people": pd.DataFrame(
            {
                "participant_id": list(kinds), "n_markers": 2, "n_low": low.astype(int),
                "n_high": 0, "mean_z": spread, "rms_z": 1.0, "extreme_centile": 50.0,
                "site_controls": 40,
            }
        ),
        "curves": pd.concat(
            [
                pd.DataFrame(
                    {"modality": "anat", "region": region, "marker": "volume", "sex": sex,
                     "age": ages, "p5": 3500.0, "p25": 3800.0, "p50": 4000.0, "p75": 4200.0,
                     "p95": 4500.0}
                )
                for region in REGIONS for sex in "FM"
            ]
        ),
        "charts": NORMATIVE_CHARTS.frame(),
    }  # fmt: skip
    for name, table in tables.items():
        write_table(table, folder / "normative" / f"{name}.tsv")
    write_json(RECORD, folder / "normative" / "normative.json")
