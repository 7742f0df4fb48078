"""The files of resting-state BOLD: what an engine and measuring write, and reading them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import nibabel as nib
import pandas as pd

from commissure.derivatives import Derivatives
from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.images.load import load_image, same_grid
from commissure.images.template import SPACES, TEMPLATE
from commissure.names import Scan, sidecar_path

#: Keys under which the further echoes of a run are associated with its first.
ECHO = re.compile(r"echo\d+")


def combined_scan(scan: Scan) -> Scan:
    """The run as its derivatives are named: where echoes are combined, without ``echo-``."""
    if not any(ECHO.fullmatch(key) for key in scan.associated):
        return scan
    entities = {key: value for key, value in scan.entities.items() if key != "echo"}
    return replace(scan, entities=entities)


@dataclass(frozen=True)
class FuncFiles(Derivatives):
    """What an engine writes for one BOLD run.

    Attributes
    ----------
    series, sidecar
        ``space-<template>_desc-preproc_bold``.
    mask
        ``space-<template>_desc-brain_mask``, on the grid of the series.
    boldref
        ``space-<template>_boldref``: mean volume, on the grid of the series.
    t2star
        ``space-<template>_T2starmap`` in s, on the grid of the series; only where a run has several
        echoes.
    confounds, confounds_sidecar
        ``desc-confounds_timeseries``: fMRIPrep's columns, one row per volume.
    space
        TemplateFlow name of the template space.
    """

    optional: ClassVar[frozenset[str]] = frozenset({"sidecar", "confounds_sidecar", "t2star"})

    series: Path
    sidecar: Path
    mask: Path
    boldref: Path
    t2star: Path
    confounds: Path
    confounds_sidecar: Path
    space: str

    @classmethod
    def of(cls, scan: Scan, folder: Path, *, space: str = TEMPLATE) -> FuncFiles:
        """Name the derivatives of the run ``scan`` in ``folder``, a person's ``func/``."""
        scan = combined_scan(scan)
        series = folder / scan.derivative("bold", ".nii.gz", space=space, desc="preproc")
        confounds = folder / scan.derivative("timeseries", ".tsv", desc="confounds")
        return cls(
            series=series,
            sidecar=sidecar_path(series),
            mask=folder / scan.derivative("mask", ".nii.gz", space=space, desc="brain"),
            boldref=folder / scan.derivative("boldref", ".nii.gz", space=space),
            t2star=folder / scan.derivative("T2starmap", ".nii.gz", space=space),
            confounds=confounds,
            confounds_sidecar=sidecar_path(confounds),
            space=space,
        )


@dataclass(frozen=True)
class FuncMeasured(Derivatives):
    """What measuring writes for one BOLD run.

    Attributes
    ----------
    markers, quality
        Marker rows and quality record.
    carpet_figure, registration_figure
        Movement over the parcels' series, and the mean volume in the template.
    connectivity_figure
        Only where there is connectivity.
    strategies
        ``desc-strategies_relmat.npz``: connectivity by every strategy
        (:class:`commissure.func.strategy_edges.StrategyEdges`), only where one leaves some.
    """

    optional: ClassVar[frozenset[str]] = frozenset({"connectivity_figure", "strategies"})

    markers: Path
    quality: Path
    carpet_figure: Path
    registration_figure: Path
    connectivity_figure: Path
    strategies: Path

    @classmethod
    def of(cls, scan: Scan, folder: Path) -> FuncMeasured:
        """Name the results for the run ``scan`` in ``folder``, a person's ``func/``."""
        scan = combined_scan(scan)
        figures = folder / "figures"
        return cls(
            markers=folder / scan.derivative("markers", ".tsv"),
            quality=folder / scan.derivative("qc", ".json"),
            carpet_figure=figures / scan.derivative("bold", ".svg", desc="carpet"),
            registration_figure=figures / scan.derivative("bold", ".svg", desc="registration"),
            connectivity_figure=figures / scan.derivative("bold", ".svg", desc="connectivity"),
            strategies=folder / scan.derivative("relmat", ".npz", desc="strategies"),
        )


@dataclass(frozen=True)
class PreprocessedRun:
    """A preprocessed BOLD run.

    Attributes
    ----------
    space
        Name of the template space.
    series, mask, boldref
        Series, brain mask and mean volume on one grid.
    confounds, metadata
        The confounds table and the JSON beside it, empty where there is none.
    sidecar
        The JSON beside the series, empty where there is none.
    """

    space: str
    series: nib.Nifti1Image
    mask: nib.Nifti1Image
    boldref: nib.Nifti1Image
    confounds: pd.DataFrame
    metadata: dict[str, Any]
    sidecar: dict[str, Any]


def read_preprocessed(scan: Scan, folder: Path) -> PreprocessedRun:
    """Read a preprocessed run with all that belongs to it, whichever engine wrote it.

    Parameters
    ----------
    scan
        The raw run; only its name is used.
    folder
        Where the derivatives lie.

    Raises
    ------
    DatasetError
        A file is missing or unreadable, or two of them do not fit each other.
    """
    candidates = [FuncFiles.of(scan, folder, space=space) for space in SPACES]
    files = next((candidate for candidate in candidates if candidate.series.exists()), None)
    if files is None:
        raise DatasetError(
            scan.who,
            found=f"no preprocessed series of {scan.path.name} in the spaces {list(SPACES)}",
            wanted=candidates[0].series.name,
            mend="Run the engine again, with an MNI space among its output spaces",
        )
    series = load_image(files.series, who=scan.who, ndim=4)
    mask = load_image(files.mask, who=scan.who, ndim=3)
    boldref = load_image(files.boldref, who=scan.who, ndim=3)
    if not (same_grid(series, mask) and same_grid(series, boldref)):
        raise DatasetError(
            scan.who,
            found=f"series {series.shape[:3]}, mask {mask.shape} and boldref {boldref.shape} do "
            "not lie on one grid",
            mend="Run the engine again",
        )
    confounds = _read_confounds(scan, files.confounds, series.shape[3])
    metadata = _read_json(scan, files.confounds_sidecar)
    sidecar = _read_json(scan, files.sidecar)
    return PreprocessedRun(files.space, series, mask, boldref, confounds, metadata, sidecar)


def _read_confounds(scan: Scan, path: Path, volumes: int) -> pd.DataFrame:
    table = read_table(path)
    if len(table) != volumes:
        problem = f"{path.name} has {len(table)} rows for {volumes} volumes"
    elif "framewise_displacement" not in table:
        problem = f"{path.name} has no column framewise_displacement"
    else:
        return table
    raise DatasetError(
        scan.who,
        found=problem,
        wanted="one row per volume, with framewise_displacement",
        mend="Run the engine again",
    )


def _read_json(scan: Scan, path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DatasetError(scan.who, found=f"{path.name} is not JSON ({error})") from error
