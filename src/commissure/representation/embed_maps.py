"""``commissure embed`` by an encoder of maps: embeddings, and where people deviate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from commissure.images.template import TEMPLATE
from commissure.models.encoders.stored_map_encoder import load_map_encoder
from commissure.representation.embed import write_embedded
from commissure.representation.grey_matter import read_maps
from commissure.representation.map_people import region_volumes
from commissure.representation.people import read_marked_people
from commissure.representation.regions import grey_regions
from commissure.torch_device import require_packages
from commissure.transport.encoder_people import map_learnt_on

#: Marker of a region of a map.
MARKER = "grey_matter"


def embed_maps(
    encoder: Path,
    dataset: Path,
    *,
    out: Path,
    participants: Path | None = None,
    site_column: str = "site",
    work: Path | None = None,
    say: Callable[[str], None] | None = None,
) -> pd.DataFrame:
    """Embed the grey-matter maps of a run's people. Needs torch.

    Parameters
    ----------
    dataset
        Output folder of a run with T1w images, in the template space of the encoder.
    work
        As :func:`~commissure.representation.grey_matter.read_maps` takes it.
    encoder, out, participants, site_column, say
        As :func:`~commissure.representation.embed.embed` takes them.

    Raises
    ------
    DatasetError, ConfigError
        The encoder cannot be read, the images lie in another template space, or torch is absent.
    """
    require_packages("an encoder of maps")
    stored = load_map_encoder(encoder)
    data = read_marked_people(dataset, participants, site_column)
    grid = stored.encoder.scale.grid
    maps, numbers, cautions = read_maps(dataset, data, grid, work=work, say=say)
    data = data.of(numbers)
    if grid.space != TEMPLATE:
        cautions.append(
            f"The regions are those of {TEMPLATE}, laid on {grid.space} by millimetres: "
            "approximate."
        )
    names, shares = grey_regions(grid)
    trained = map_learnt_on(stored, region_volumes(maps, shares))
    added = stored.encoder.deviation_map(maps, data.ages, shares)
    rows, columns = np.nonzero(np.isfinite(added))
    regions = pd.DataFrame({
        "participant_id": data.participants[rows],
        "modality": "anat",
        "region": np.array(names)[columns],
        "marker": MARKER,
        "added": added[rows, columns],
    })  # fmt: skip
    embedding = stored.encoder.embed(maps)
    assert stored.encoder.healthy is not None
    deviation = stored.encoder.healthy.distance(embedding, data.ages)
    return write_embedded(
        out, data, embedding, deviation, trained if stored.digests else None, regions,
        [*data.cautions, *cautions], say,
    )  # fmt: skip
