"""MRIQC: image quality metrics of T1w images and BOLD runs, from its group tables."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from commissure.definitions import Definition
from commissure.engines.ingress.results import Ingested, number_of, person_of, task_matches
from commissure.engines.ingress.settings import IngressSettings
from commissure.errors import DatasetError
from commissure.rows import Marker
from commissure.tables.delimited import read_cells

#: Metrics that are read, by group table, with their units.
METRICS = {
    "group_T1w.tsv": ("anat", {
        "cjv": "1", "cnr": "1", "efc": "1", "fber": "1", "fwhm_avg": "voxel", "inu_range": "1",
        "qi_1": "1", "snr_total": "1", "snrd_total": "1", "wm2max": "1",
    }),
    "group_bold.tsv": ("func", {
        "aor": "1", "aqi": "1", "dvars_std": "1", "efc": "1", "fber": "1", "fd_mean": "mm",
        "fwhm_avg": "voxel", "gcor": "1", "snr": "1", "tsnr": "1",
    }),
}  # fmt: skip

#: On which side of its limit a metric is bad, by marker (documentation of MRIQC's metrics).
WORSE = {
    "mriqc_cjv": "above", "mriqc_cnr": "below", "mriqc_efc": "above", "mriqc_fber": "below",
    "mriqc_fwhm_avg": "above", "mriqc_inu_range": "above", "mriqc_qi_1": "above",
    "mriqc_snr_total": "below", "mriqc_snrd_total": "below", "mriqc_wm2max": "either",
    "mriqc_bold_aor": "above", "mriqc_bold_aqi": "above", "mriqc_bold_dvars_std": "above",
    "mriqc_bold_efc": "above", "mriqc_bold_fber": "below", "mriqc_bold_fd_mean": "above",
    "mriqc_bold_fwhm_avg": "above", "mriqc_bold_gcor": "above", "mriqc_bold_snr": "below",
    "mriqc_bold_tsnr": "below",
}  # fmt: skip

_SOURCE = "Esteban O et al., PLoS ONE 2017;12:e0184661"
_WORDS = {
    "cjv": "coefficient of joint variation of grey and white matter",
    "cnr": "contrast-to-noise ratio",
    "efc": "entropy focus criterion",
    "fber": "foreground-background energy ratio",
    "fwhm_avg": "smoothness, mean of three axes",
    "inu_range": "range of the shading field",
    "qi_1": "share of artefact in the air",
    "snr_total": "signal-to-noise ratio, mean of the tissues",
    "snrd_total": "signal-to-noise ratio after Dietrich, mean of the tissues",
    "wm2max": "white matter over the 95th percentile",
    "aor": "mean share of outlier voxels (AFNI)",
    "aqi": "mean quality index (AFNI)",
    "dvars_std": "mean standardised DVARS",
    "fd_mean": "mean framewise displacement",
    "gcor": "global correlation",
    "snr": "signal-to-noise ratio",
    "tsnr": "temporal signal-to-noise ratio",
}


def definitions() -> tuple[Definition, ...]:
    """What the markers mean: ``mriqc_<metric>`` of the T1w, ``mriqc_bold_<metric>`` of BOLD."""
    return tuple(
        Definition(
            _marker(modality, metric), modality, unit, f"MRIQC: {_WORDS[metric]} ({metric}).",
            _SOURCE, role="confound", given_by="table",
        )
        for modality, metrics in METRICS.values()
        for metric, unit in metrics.items()
    )  # fmt: skip


def files(settings: IngressSettings) -> list[str]:
    """The group tables that are there."""
    folder = Path(settings.folder)
    return [name for name in METRICS if (folder / name).is_file()]


def read(settings: IngressSettings) -> Ingested:
    """Metrics of everybody.

    Raises
    ------
    DatasetError
        There is no group table, it has none of the metrics, a name is none of BIDS, a visit has
        images of several acquisitions, or a cell is no number.
    """
    folder, ingested = Path(settings.folder), Ingested()
    names = files(settings)
    if not names:
        raise DatasetError(
            folder.name,
            found="it has no " + " and no ".join(METRICS),
            wanted="the tables of MRIQC's group level",
            mend="Run mriqc BIDS FOLDER group, or correct ingress[].folder",
        )
    for name in names:
        _read_table(folder / name, settings, ingested)
    return ingested


def _marker(modality: str, metric: str) -> str:
    return f"mriqc_{metric}" if modality == "anat" else f"mriqc_bold_{metric}"


def _read_table(path: Path, settings: IngressSettings, ingested: Ingested) -> None:
    """Add the rows of one group table; several runs of a visit become their mean later."""
    modality, metrics = METRICS[path.name]
    table = read_cells(path)
    present = {metric: unit for metric, unit in metrics.items() if metric in table.header}
    if "bids_name" not in table.header or not present:
        raise DatasetError(
            path.name,
            found="it has no column bids_name" if present else f"it has none of {list(metrics)}",
            wanted="a group table of MRIQC",
            mend="Run mriqc BIDS FOLDER group again",
        )
    acquisitions: dict[tuple[str, str], set[str]] = defaultdict(set)
    passed_over = 0
    for number, name in enumerate(table.column("bids_name")):
        who = person_of(name, settings.session)
        if who is None:
            raise DatasetError(
                table.where(number),
                found=f"bids_name is '{name}'",
                wanted="a name of BIDS as sub-01_T1w",
            )
        if modality == "func" and not task_matches(name, settings.tasks):
            passed_over += 1
            continue
        acquisition = re.search(r"_acq-([a-zA-Z0-9]+)", name)
        acquisitions[who].add(acquisition[1] if acquisition else "")
        for metric, unit in present.items():
            cell = table.column(metric)[number]
            if not cell:
                continue
            value = number_of(cell, path=path, what=f"{metric} of {name}")
            ingested.rows.append(
                Marker(*who, modality, "brain", _marker(modality, metric), value, unit)
            )
        ingested.versions.setdefault(who, "")
    several = next((who for who, labels in sorted(acquisitions.items()) if len(labels) > 1), None)
    if several is not None:
        raise DatasetError(
            f"{path.name}, {' '.join(filter(None, several))}",
            found=f"it has images of the acquisitions {sorted(acquisitions[several])}",
            wanted="one acquisition of each visit, because different ones have no mean",
            mend=f"Leave the rows of the other acquisition out of {path.name}",
        )
    if passed_over:
        ingested.notes.append(
            f"MRIQC: {passed_over} of {len(table.rows)} runs of {path.name} are of other tasks "
            f"than {', '.join(settings.tasks)} and are left out."
        )
