"""Output folders of hospitals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from tests.unit.federated.hospitals import simulated

from commissure.files import write_table
from commissure.rows import Marker, write_markers


@pytest.fixture
def folders(tmp_path):
    """Output folders of three sites, as runs leave them."""
    made = []
    for site in simulated(3, seed=5, people=(60, 80)):
        folder = tmp_path / site.name / "commissure"
        ids = [f"sub-{n:02d}" for n in range(len(site.labels))]
        folder.mkdir(parents=True)
        write_table(
            pd.DataFrame(
                {
                    "participant_id": ids,
                    "group": np.select(
                        [np.arange(len(ids)) % 3 == 0, site.labels == 1],
                        ["control", "resistant"],
                        "responsive",
                    ),
                    "age": site.design[:, 1].round(1),
                    "sex": np.where(np.arange(len(ids)) % 2, "F", "male"),
                }
            ),
            folder / "participants.tsv",
        )
        rows = [
            Marker(person, "", "anat", f"region{m}", "volume", float(value), "mm3")
            for person, values in zip(ids, site.markers, strict=True)
            for m, value in enumerate(values)
            if np.isfinite(value)
        ]
        write_markers(rows, folder / "markers.tsv")
        made.append(folder)
    return made
