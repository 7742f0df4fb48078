"""``commissure pretrain --maps``: an encoder of grey-matter maps, learnt on healthy people."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from commissure.files import remove_drafts
from commissure.models.encoders.map_encoder import MapScale
from commissure.models.encoders.pretraining import pretrain_maps as learn
from commissure.models.encoders.settings import ENCODER, PretrainingSettings
from commissure.models.encoders.stored_map_encoder import StoredMapEncoder, store_map_encoder
from commissure.representation.grey_matter import read_maps
from commissure.representation.map_people import region_volumes
from commissure.representation.people import read_marked_people
from commissure.representation.pretrain import CHECKPOINT, card_of, refuse_few
from commissure.representation.regions import grey_regions
from commissure.torch_device import Device, require_packages
from commissure.transport.encoder_people import map_digests


def pretrain_maps(
    dataset: Path,
    *,
    out: Path,
    settings: PretrainingSettings,
    resolution_mm: float = 4.0,
    smoothing_mm: float = 0.0,
    participants: Path | None = None,
    site_column: str = "site",
    work: Path | None = None,
    device: Device = "auto",
    digests: bool = True,
    say: Callable[[str], None] | None = None,
) -> StoredMapEncoder:
    """Learn an encoder on the grey-matter maps of the controls of a run.

    Parameters
    ----------
    dataset
        Output folder of a run with T1w images.
    resolution_mm, smoothing_mm
        Voxels of the maps, and the full width at half maximum by which they are smoothed.
    work
        As :func:`~commissure.representation.grey_matter.read_maps` takes it.
    out, settings, participants, site_column, device, digests, say
        As :func:`~commissure.representation.pretrain.pretrain` takes them.

    Raises
    ------
    DatasetError, ConfigError
        The tables or images cannot be read, there are fewer healthy people than a batch, the
        images lie in several template spaces, the checkpoint is of something else, or torch is
        absent.
    """
    say = say or (lambda line: None)
    require_packages("pre-training")
    data = read_marked_people(dataset, participants, site_column)
    healthy, sentence = data.healthy()
    chosen = healthy & np.isfinite(data.ages)
    refuse_few(data.source, int(chosen.sum()), "an age", settings)
    maps, numbers, cautions = read_maps(
        dataset, data.of(chosen), resolution_mm=resolution_mm, smoothing_mm=smoothing_mm,
        work=work, say=say,
    )  # fmt: skip
    refuse_few(data.source, len(maps), "an age and a map of grey matter", settings)
    people = np.flatnonzero(chosen)[numbers]
    lines = [*data.cautions, *cautions, *([sentence] if sentence else [])]
    out.mkdir(parents=True, exist_ok=True)
    remove_drafts(out)
    ages = data.ages[people]
    encoder, learnt = learn(
        maps, ages, MapScale.of(maps, maps.grid), settings, device=device,
        checkpoint=out / CHECKPOINT, say=say,
    )  # fmt: skip
    names, shares = grey_regions(maps.grid)
    volumes = region_volumes(maps, shares)
    scale = volumes.mean(axis=0), volumes.std(axis=0)
    about = card_of(ages, data.people["site"].to_numpy(str)[people], settings, learnt, lines)
    known = map_digests(volumes, *scale) if digests else []
    stored = store_map_encoder(out, encoder, names, scale, about, known)
    (out / CHECKPOINT).unlink(missing_ok=True)
    for line in lines:
        say(line)
    say(
        f"{ENCODER}: maps of grey matter ({maps.grid}) to {encoder.dimensions} numbers, learnt on "
        f"{about['n']} healthy people on {about['device']}."
    )
    return stored
