"""Reading an atlas that a study brings along, or takes from a TemplateFlow home."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from commissure.errors import ConfigError
from commissure.files import read_table
from commissure.images.atlas import Atlas
from commissure.images.atlas_settings import AtlasFiles
from commissure.images.load import load_image
from commissure.images.template import SPACES, template

#: Less of the labelled voxels than this in the template's brain: another space than it says.
INSIDE_MIN = 0.7


def chosen_atlas(files: AtlasFiles, usual: Atlas, *, key: str) -> Atlas:
    """The atlas that the settings name, or the usual one.

    Parameters
    ----------
    files
        From the settings.
    usual
        What is used where ``files`` names none.
    key
        Of the settings, as errors name it: ``func.atlas``.

    Returns
    -------
    Atlas
        Its labels have ``index``, ``name``, ``hemisphere``, ``network``, ``tissue``, ``structure``,
        ``tract`` and the centroid ``x_mm``, ``y_mm``, ``z_mm``. A missing hemisphere is told by the
        centroid, a missing network is ``Cortex``, a missing tissue ``GM``; structure and tract are
        the name.

    Raises
    ------
    ConfigError
        The image is not 3-D or holds no labels, its space is not named or not known, or it lies
        beside the template's brain; the table lacks a column or a label, or repeats one.
    """
    return _read(files, key) if files.image else usual


@lru_cache(maxsize=4)
def _read(files: AtlasFiles, key: str) -> Atlas:
    space = _space(files, key)
    image = load_image(Path(files.image), who=key, ndim=3)
    values = np.asanyarray(image.dataobj)
    data = np.rint(values).astype(np.int32)
    if not np.array_equal(values, data) or data.min() < 0 or data.max() == 0:
        raise ConfigError(
            key,
            found=f"{files.image} holds values from {values.min():g} to {values.max():g}",
            wanted="an image of labels: whole numbers, 0 for none",
            mend=f"Name a label image (dseg) under {key}.image",
        )
    _check_place(data, image.affine, files.image, space, key)
    labels = _labels(files, data, image.affine, key)
    name = re.search(r"atlas-([A-Za-z0-9]+)", Path(files.image).name)
    called = name.group(1) if name else Path(files.image).name.split(".")[0]
    return Atlas(called, space, nib.Nifti1Image(data, image.affine), labels)


def _space(files: AtlasFiles, key: str) -> str:
    named = re.search(r"(?:tpl|space)-([A-Za-z0-9]+)", Path(files.image).name)
    space = files.space or (named.group(1) if named else "")
    if space not in SPACES:
        raise ConfigError(
            key,
            found=f"the space of {files.image} is {space or 'not said'}",
            wanted=f"one of {', '.join(SPACES)}",
            mend=f"Name it under {key}.space, or take the atlas in one of these spaces",
        )
    return space


def _check_place(data: np.ndarray, affine: np.ndarray, image: str, space: str, key: str) -> None:
    brain = template("mask")
    places = nib.affines.apply_affine(
        np.linalg.inv(brain.affine) @ affine, np.argwhere(data)[:: max(1, data.size // 2_000_000)]
    )
    index = np.rint(places).astype(int)
    within = ((index >= 0) & (index < brain.shape)).all(axis=1)
    inside = np.asanyarray(brain.dataobj)[tuple(index[within].T)].sum() / len(index)
    if inside < INSIDE_MIN:
        raise ConfigError(
            key,
            found=f"{100 * inside:.0f} % of the labelled voxels of {image} lie in the brain of MNI",
            wanted=f"a label image in {space}",
            mend=f"Check the header of {image}, or name another file under {key}.image",
        )


def _labels(files: AtlasFiles, data: np.ndarray, affine: np.ndarray, key: str) -> pd.DataFrame:
    labels = read_table(files.labels, text=("name", "hemisphere", "network", "tissue"))
    for column in ("index", "name"):
        if column not in labels or labels[column].isna().any():
            raise ConfigError(
                key,
                found=f"{files.labels} has no {column} for every label; its columns are "
                f"{', '.join(map(str, labels.columns))}",
                wanted="columns index and name, as TemplateFlow's tables have them",
                mend=f"Correct {files.labels}, or name another table under {key}.labels",
            )
    labels = labels[labels["index"] != 0].reset_index(drop=True)
    counts = np.bincount(data.ravel())
    unnamed = sorted(set(np.flatnonzero(counts)) - {0} - set(labels["index"]))
    empty = sorted(set(labels["index"]) - set(np.flatnonzero(counts)))
    twice = sorted({str(n) for n in labels["name"][labels["name"].duplicated()]})
    twice += sorted({str(n) for n in labels["index"][labels["index"].duplicated()]})
    for wrong, words in (
        (unnamed, f"{files.labels} does not name the labels"),
        (empty, f"{files.image} has no voxel of the labels"),
        (twice, f"{files.labels} has more than once"),
    ):
        if wrong:
            some = ", ".join(map(str, wrong[:5])) + (" ..." if len(wrong) > 5 else "")
            raise ConfigError(
                key,
                found=f"{words} {some}",
                wanted="every label of the image once in the table, and no other",
                mend=f"Correct {files.labels}",
            )
    labels[["x_mm", "y_mm", "z_mm"]] = _centroids(data, labels["index"].to_numpy(), affine)
    side = np.where(labels["x_mm"] < 0, "L", "R")
    given = labels.get("hemisphere", pd.Series(index=labels.index, dtype=object))
    labels["hemisphere"] = given.where(given.isin(["L", "R"]), side)
    for column, usual in (("network", "Cortex"), ("tissue", "GM")):
        labels[column] = labels[column].fillna(usual) if column in labels else usual
    if wrong := sorted(set(labels["tissue"]) - {"GM", "WM", "CSF"}):
        raise ConfigError(
            key,
            found=f"{files.labels} has the tissue {', '.join(wrong)}",
            wanted="GM, WM or CSF",
            mend=f"Correct the column tissue of {files.labels}",
        )
    labels["structure"] = labels["tract"] = labels["name"]
    return labels


def _centroids(data: np.ndarray, numbers: np.ndarray, affine: np.ndarray) -> np.ndarray:
    places = np.nonzero(data)
    found = data[places]
    count = np.bincount(found)
    means = [np.bincount(found, axis)[numbers] / count[numbers] for axis in places]
    return nib.affines.apply_affine(affine, np.stack(means, axis=1))
