"""``snakemake representation``: an encoder of the controls of a run, beside its results."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from commissure.representation.pretrain import pretrain
from commissure.representation.pretrain_maps import pretrain_maps
from commissure.representation.settings import RepresentationSettings
from commissure.torch_device import Device


def run_representation(
    dataset: Path,
    *,
    out: Path,
    settings: RepresentationSettings,
    device: Device = "auto",
    progress: Callable[[str], None] | None = None,
) -> None:
    """Learn the encoder that a study asks for.

    Parameters
    ----------
    dataset
        Output folder of the run.
    out
        Folder of the encoder; a job that was killed goes on from the checkpoint in it.
    settings
        What is learnt, and how.
    device
        ``auto`` is a graphics processor where the job was given one.
    progress
        Takes a line on how far the work is.

    Raises
    ------
    DatasetError, ConfigError
        As :func:`~commissure.representation.pretrain.pretrain` and
        :func:`~commissure.representation.pretrain_maps.pretrain_maps` raise them.
    """
    if settings.of == "maps":
        pretrain_maps(
            dataset, out=out, settings=settings.pretraining, device=device,
            resolution_mm=settings.resolution_mm, smoothing_mm=settings.smoothing_mm,
            digests=settings.digests, say=progress,
        )  # fmt: skip
        return
    pretrain(
        dataset, out=out, settings=settings.pretraining, device=device, digests=settings.digests,
        say=progress,
    )  # fmt: skip
