"""Radiomic features of the lesions of a visit, and their change since the baseline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.lesion.definitions import RADIOMIC_FEATURE, RADIOMICS
from commissure.lesion.marked_image import marked_image
from commissure.lesion.matching import Track
from commissure.lesion.patient_files import ReadPatient, ReadVisit
from commissure.lesion.radiomics import CT, MRI, feature_changes, radiomic_features
from commissure.rows import Marker

_PRESETS = {"mri": MRI, "ct": CT}

#: The tag of the volume by which lesions weigh.
VOLUME = "morph_volume"

_COLUMNS = ["participant_id", "session", "lesion", "feature", "value", "change"]


def radiomics_table(
    read: ReadPatient, tracks: Sequence[Track], number: int, *, preset: str
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Features of every lesion of a visit.

    Parameters
    ----------
    read
        The person.
    tracks
        Which label is which lesion.
    number
        Place of the visit in the order.
    preset
        ``mri`` or ``ct``: how images are prepared.

    Returns
    -------
    table
        A row for each lesion and feature, with its change since the baseline
        (:func:`commissure.lesion.radiomics.feature_changes`); missing at the baseline itself.
    missing
        The product ``radiomics``, where it lacks lesions, with the cause.
    """
    now, before = _Features(read.visits[number], preset), _Features(read.visits[0], preset)
    rows: list[tuple[object, ...]] = []
    causes = []
    for track in tracks:
        if not track.labels[number] or track.merged_with[number]:
            continue
        try:
            features = now.of(track.lesion, track.labels[number])
            changes = {}
            if number and track.labels[0]:
                changes = feature_changes(before.of(track.lesion, track.labels[0]), features)
        except DatasetError as error:
            causes.append(str(error))
            continue
        person, session = read.visits[number].scan.participant_id, now.visit.scan.session or None
        rows += [
            (person, session, track.lesion, name, value, changes.get(f"delta_{name}"))
            for name, value in features.items()
        ]
    return pd.DataFrame(rows, columns=_COLUMNS), {"radiomics": " ".join(causes)} if causes else {}


def radiomic_markers(
    table: pd.DataFrame, tracks: Sequence[Track], visit: ReadVisit, *, flagged: bool
) -> list[Marker]:
    """Radiomic features of a person at a visit: means over lesions, weighted by their volume.

    Lesions that were there at the baseline count, so that change is that of the same lesions.

    Parameters
    ----------
    table
        Of :func:`radiomics_table`.
    tracks
        Which label is which lesion.
    visit
        The visit of the table.
    flagged
        Whether there is a doubt about the visit.
    """
    first = {track.lesion for track in tracks if track.labels[0]}
    rows = table[table["lesion"].isin(first)]
    volumes = rows[rows["feature"] == VOLUME].set_index("lesion")["value"]
    rows = rows[rows["lesion"].isin(volumes.index) & np.isfinite(rows["value"].astype(float))]
    weighted = rows.assign(weight=rows["lesion"].map(volumes).astype(float))
    weighted["value"] = weighted["value"].astype(float) * weighted["weight"]
    sums = weighted.groupby("feature", sort=True)[["value", "weight"]].sum()
    return [
        Marker.of(
            visit.scan, RADIOMICS, region=str(feature), marker=RADIOMIC_FEATURE,
            value=float(total / weight), unit="IBSI", flagged=flagged,
        )
        for feature, total, weight in sums.itertuples()
    ]  # fmt: skip


class _Features:
    """Features of a visit's lesions."""

    def __init__(self, visit: ReadVisit, preset: str) -> None:
        self.visit, self.settings = visit, _PRESETS[preset]
        self.image = marked_image(visit.scan)

    def of(self, lesion: str, labels: tuple[int, ...]) -> dict[str, float]:
        """Those of a lesion, of all its parts together."""
        mask = np.isin(self.visit.mask.labels, labels)
        name = f"{self.visit.scan.who}, lesion {lesion}"
        return radiomic_features(self.image, mask, self.settings, name=name)
