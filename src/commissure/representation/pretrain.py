"""``commissure pretrain``: an encoder of markers, learnt on the healthy people of a dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.files import remove_drafts
from commissure.markers.units import check_units
from commissure.models.encoders.pretraining import Learnt, pretrain_markers
from commissure.models.encoders.settings import ENCODER, PretrainingSettings
from commissure.models.encoders.stored_encoder import StoredEncoder, store_encoder
from commissure.representation.people import read_marked_people
from commissure.study.design import DesignColumn, side_by_side
from commissure.torch_device import Device
from commissure.transport.encoder_people import encoder_digests

#: State of a run that is not finished.
CHECKPOINT = "checkpoint.npz"
#: Share of the healthy people who must have a marker.
FEWEST_MEASURED = 0.8


def pretrain(
    dataset: Path,
    *,
    out: Path,
    settings: PretrainingSettings,
    participants: Path | None = None,
    site_column: str = "site",
    device: Device = "auto",
    digests: bool = True,
    say: Callable[[str], None] | None = None,
) -> StoredEncoder:
    """Learn an encoder on the controls of a run, or on a dataset of healthy people.

    Parameters
    ----------
    dataset, participants, site_column
        As :func:`~commissure.representation.people.read_marked_people` takes them.
    out
        Folder of ``encoder.npz`` and ``encoder.json``; while it is learnt, of ``checkpoint.npz``,
        from which the same call goes on after it was killed.
    settings
        How it is learnt.
    device
        ``auto`` takes a graphics processor where there is one.
    digests
        Whether the encoder keeps digests of the people on whom it was learnt. Without them it may
        leave a hospital, and nobody is then kept from testing it on these people.
    say
        Takes a line on how far the work is.

    Raises
    ------
    DatasetError, ConfigError
        The tables cannot be read, there are fewer healthy people than a batch or no markers, the
        checkpoint is of something else, or torch is absent.
    """
    say = say or (lambda line: None)
    data = read_marked_people(dataset, participants, site_column)
    healthy, sentence = data.healthy()
    check_units(data.markers)
    wide, cautions = side_by_side(data.markers, data.participants)
    values = wide.to_numpy(float).reshape(len(data.people), -1)
    chosen = healthy & np.isfinite(data.ages) & np.isfinite(values).any(axis=1)
    refuse_few(data.source, int(chosen.sum()), "an age and markers", settings)
    people = values[chosen]
    measured = np.isfinite(people).mean(axis=0) >= FEWEST_MEASURED
    usable = measured & (np.nan_to_num(people).std(axis=0) > 0)
    if not usable.any():
        raise DatasetError(
            data.source, found=f"no marker is measured in {FEWEST_MEASURED:.0%} of the healthy "
            "people and varies",
            wanted="markers that most of them have",
        )  # fmt: skip
    lines = [*data.cautions, *cautions, *([sentence] if sentence else [])]
    if not usable.all():
        lines.append(
            f"{int((~usable).sum())} markers are not used: fewer than {FEWEST_MEASURED:.0%} of the "
            "healthy people have them, or they do not vary."
        )
    out.mkdir(parents=True, exist_ok=True)
    remove_drafts(out)
    encoder, learnt = pretrain_markers(
        people[:, usable], data.ages[chosen], settings, device=device,
        checkpoint=out / CHECKPOINT, say=say,
    )  # fmt: skip
    columns = [
        DesignColumn(str(key[0]), str(key[2]), str(key[1]))
        for key, kept in zip(list(wide.columns), usable, strict=True)
        if kept
    ]
    unit_of = data.markers.drop_duplicates("marker").set_index("marker")["unit"]
    sites = data.people["site"].to_numpy(str)[chosen]
    about = card_of(data.ages[chosen], sites, settings, learnt, lines)
    stored = store_encoder(
        out, encoder, columns, [str(unit_of[c.marker]) for c in columns], about,
        encoder_digests(people[:, usable], columns, encoder) if digests else (),
    )  # fmt: skip
    (out / CHECKPOINT).unlink(missing_ok=True)
    for line in lines:
        say(line)
    say(
        f"{ENCODER}: {len(columns)} markers to {encoder.dimensions} numbers, learnt on "
        f"{about['n']} healthy people on {about['device']}."
    )
    return stored


def refuse_few(
    source: str, people: int, what_they_have: str, settings: PretrainingSettings
) -> None:
    """Refuse fewer healthy people than a batch.

    Raises
    ------
    DatasetError
        There are fewer.
    """
    if people < settings.batch:
        raise DatasetError(
            source, found=f"{people} healthy people have {what_they_have}",
            wanted=f"{settings.batch} at least, which is a batch",
            mend="Take a smaller batch (--batch), or a larger dataset of healthy people",
        )  # fmt: skip


def card_of(
    ages: np.ndarray,
    sites: np.ndarray,
    settings: PretrainingSettings,
    learnt: Learnt,
    lines: Sequence[str],
) -> dict[str, Any]:
    """What the card of an encoder says of its people and of how it was learnt."""
    return {
        "n": len(ages),
        "n_sites": len(set(sites)),
        "ages": [float(ages.min()), float(ages.max())],
        "settings": settings.model_dump(mode="json"),
        "losses": learnt.losses,
        "cautions": list(lines),
        **learnt.record,
    }
