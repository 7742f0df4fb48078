"""Shortfalls of recovery against what the resolution of the images can give, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from commissure.definitions import RecoveryGoal
from commissure.report import text
from commissure.report.resolution import (
    COARSE_MM,
    Attainable,
    attainable_connectivity,
    attainable_diffusion,
    attainable_volumes,
)
from commissure.report.results import Results

_Key = tuple[str, str, str]

#: From which share of a bias on the voxels count for what, and how that is said.
_VERDICTS = (
    (0.75, ("explained", "they explain it")),
    (0.25, ("partly", "they explain a part")),
    (float("-inf"), ("not", "they do not explain it")),
)


@dataclass(frozen=True)
class Resolution:
    """What the images of a run can give at best.

    Attributes
    ----------
    voxel_mm
        Voxel size by modality, the median over scans.
    markers
        What a voxel of this size alone leaves, by modality, marker and region.
    minutes
        Minutes of BOLD that were kept, the median over scans; NaN where unknown.
    """

    voxel_mm: Mapping[str, float]
    markers: Mapping[_Key, Attainable]
    minutes: float

    def words(
        self, key: _Key, r: Any, bias_percent: Any, goal: RecoveryGoal
    ) -> tuple[list[str], str]:
        """Say what the resolution gives where a marker falls short.

        Returns
        -------
        sentences
            For each shortfall that resolution bears on.
        verdict
            Of the bias: ``explained``, ``partly``, ``not``; empty where nothing is known.
        """
        if key[0] == "func":
            return self._connectivity(key, r, goal), ""
        best = self.markers.get(key)
        if best is None:
            return [], ""
        said, verdict, most = [], "", goal.bias_percent_max
        voxels = f"voxels of {text.number(self.voxel_mm[key[0]])} mm"
        if text.is_number(r) and r < goal.r_min and text.is_number(best.r):
            said.append(
                f"{voxels} alone leave r at {text.fixed(best.r)}"
                + ("" if best.r < goal.r_min else ": they do not explain it")
            )
        if most is not None and text.is_number(bias_percent) and abs(bias_percent) > most:
            share = best.mean_percent / bias_percent
            verdict, explained = next(words for least, words in _VERDICTS if share >= least)
            said.append(f"{voxels} alone give {text.fixed(best.mean_percent, 1)} %: {explained}")
        return said, verdict

    def _connectivity(self, key: _Key, r: Any, goal: RecoveryGoal) -> list[str]:
        if key[1] != "fc" or not (self.minutes > 0 and text.is_number(r) and r < goal.r_min):
            return []
        return [
            f"the planted signals themselves reach about r {text.fixed(self.attainable_fc)} in "
            f"{text.number(self.minutes, 2)} minutes"
        ]

    @property
    def attainable_fc(self) -> float:
        """Mean r of connectivity that the minutes allow."""
        return attainable_connectivity(self.minutes)

    def summary(self, rows: Sequence[Mapping[str, Any]]) -> list[str]:
        """A sentence for each modality whose bias falls short at coarse voxels."""
        said = []
        for modality, size in self.voxel_mm.items():
            judged = list(
                {row["key"]: row["verdict"] for row in rows if row["modality"] == modality
                 and row["verdict"]}.values()
            )  # fmt: skip
            if not judged:
                continue
            counts = [judged.count(name) for _, (name, _) in _VERDICTS]
            said.append(
                f"{text.capital(text.modality(modality))}, {text.number(size)} mm: "
                f"{text.count(len(judged), 'marker has', 'markers have')} too large a bias. The "
                f"voxels explain {counts[0] or 'none'} of them, {counts[1]} in part, and "
                f"{counts[2]} not."
            )
        return said


def resolution_of(results: Results) -> Resolution | None:
    """What the images of a run can give; None where their voxels are not coarse, or not known."""
    acquired = results.tables["acquisition.tsv"]
    sizes = {
        str(modality): float(size)
        for modality, size in acquired.groupby("modality")["voxel_mm"].median().items()
        if modality in ("anat", "dwi") and size >= COARSE_MM
    }
    pairs = results.tables["recovery_pairs.tsv"]
    if not sizes or pairs.empty:
        return None
    truth = pairs.groupby(["marker", "region"])["true"].agg(["mean", "std"])
    markers: dict[_Key, Attainable] = {}
    if "anat" in sizes:
        volumes = attainable_volumes(sizes["anat"], _of(truth, "volume"))
        markers |= {("anat", "volume", region): best for region, best in volumes.items()}
    if "dwi" in sizes:
        tracts = attainable_diffusion(sizes["dwi"], _of(truth, "fa"), _of(truth, "md"))
        markers |= {("dwi", *key): best for key, best in tracts.items()}
    quality = results.tables["quality.tsv"]
    minutes = quality.loc[quality["check"] == "minutes_kept", "value"].astype(float).median()
    return Resolution(sizes, markers, float(minutes))


def _of(truth: pd.DataFrame, marker: str) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation over people of a marker, by region."""
    if marker not in truth.index.get_level_values("marker"):
        return {}
    rows = truth.loc[marker].dropna()
    return {str(region): (float(row["mean"]), float(row["std"])) for region, row in rows.iterrows()}
