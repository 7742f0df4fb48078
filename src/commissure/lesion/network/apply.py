"""A trained network on a dataset: masks of lesions where the workflow looks for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from commissure.dataset.index import survey
from commissure.dataset.tree import LESION_MASKS, tree_of
from commissure.errors import DatasetError
from commissure.files import write_json, write_table
from commissure.images.load import save_image
from commissure.lesion.marked_image import marked_image
from commissure.lesion.network.segment import (
    MarkedImage,
    Network,
    marked_by,
    marking_record,
    ready_network,
)
from commissure.names import Scan
from commissure.torch_device import Device


def mark_dataset(
    folder: Path,
    bids: Path,
    *,
    floor_mm3: float,
    passes: int,
    out: Path | None = None,
    device: Device = "auto",
    threads: int = 1,
    say: Callable[[str], object] = lambda message: None,
) -> list[Path]:
    """Mark the lesions in one image of each visit of a dataset.

    Written are ``*_label-lesion_desc-network_dseg`` (a mask that somebody drew is preferred to it),
    its table of lesions and sidecar, and ``*_probseg`` and ``*_desc-entropy_probseg``.

    Parameters
    ----------
    folder
        The network.
    bids
        The dataset.
    floor_mm3, passes
        See :func:`commissure.lesion.network.segment.marked_by`.
    out
        Where masks go; ``derivatives/lesions`` of the dataset by default.
    device, threads
        Where it is computed.
    say
        Told what is marked.

    Returns
    -------
    list of Path
        The masks.

    Raises
    ------
    ConfigError
        The extra ``deep`` is not installed, or no graphics processor can be used.
    DatasetError
        The network or an image cannot be used, or there is no image of its kind.
    """
    network = ready_network(folder, device=device, threads=threads)
    if not bids.is_dir():
        raise DatasetError(str(bids), found="there is no such folder", wanted="a BIDS dataset")
    entries, _ = survey(bids, tree_of(bids), unmarked=network.card.shape.image)
    scans = [entry.scan_in(bids) for entry in entries if entry.modality == "lesion" and entry.used]
    if not scans:
        raise DatasetError(
            str(bids),
            found=f"no {network.card.shape.image} image",
            wanted="images of the kind on which the network was trained",
        )
    masks = []
    for scan in scans:
        image = marked_image(scan)
        marked = marked_by(network, image, floor_mm3=floor_mm3, who=scan.who, passes=passes)
        place = (out or bids / LESION_MASKS) / scan.path.parent.relative_to(bids)
        masks.append(_write(network, marked, scan, image.affine, place))
        agreed = "" if marked.agreement is None else f", agreement {marked.agreement:.2f}"
        count = len(marked.lesions)
        say(f"{scan.who}: {count} lesion{'' if count == 1 else 's'}{agreed}")
    return masks


def _write(
    network: Network, marked: MarkedImage, scan: Scan, affine: np.ndarray, place: Path
) -> Path:
    def name(suffix: str, extension: str, desc: str) -> Path:
        return place / scan.derivative(suffix, extension, label="lesion", desc=desc)

    mask = name("dseg", ".nii.gz", "network")
    save_image(marked.probability, affine, name("probseg", ".nii.gz", "network"))
    save_image(marked.entropy, affine, name("probseg", ".nii.gz", "entropy"))
    rows = [
        {
            "index": lesion.label,
            "name": f"lesion {lesion.label}",
            "volume_mm3": round(lesion.volume_mm3, 1),
            "probability": round(lesion.probability, 4),
            "agreement": round(lesion.agreement, 4),
        }
        for lesion in marked.lesions
    ]
    columns = ["index", "name", "volume_mm3", "probability", "agreement"]
    write_table(pd.DataFrame(rows, columns=columns), name("dseg", ".tsv", "network"))
    about = {"Sources": [scan.path.name], "Network": marking_record(network, marked)}
    write_json(about, name("dseg", ".json", "network"))
    save_image(marked.labels, affine, mask)
    return mask
