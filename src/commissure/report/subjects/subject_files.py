"""Which files of a person a page shows: figures, quality records, and images for the viewer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from commissure.dwi.derivatives import DwiFiles, DwiMeasured
from commissure.func.derivatives import FuncFiles
from commissure.images.anat_files import AnatFiles
from commissure.images.template import SPACES
from commissure.markers.status import Status
from commissure.names import Scan, parse_name
from commissure.report import text
from commissure.report.subjects.viewer_images import ViewerSource


def listed_files(rows: Iterable[Status], output_dir: Path, pattern: str) -> list[Path]:
    """Files that the steps recorded and that are there, by a pattern of their path."""
    paths = (
        output_dir / row.folder / name
        for row in rows
        if row.state == "present"
        for name in row.files
    )
    return sorted(path for path in paths if path.match(pattern) and path.is_file())


def viewer_sources(rows: Sequence[Status], output_dir: Path) -> list[ViewerSource]:
    """Images of one person for the viewer, in the order of the rows.

    Parameters
    ----------
    rows
        Status rows of the person, of all modalities and steps.
    output_dir
        The run's output folder.
    """
    sources: list[ViewerSource] = []
    for row in rows:
        if row.state != "present" or row.step != "preprocess":
            continue
        entities, suffix, _ = parse_name(Path(row.scan).name)
        scan = Scan(Path(row.scan), entities, suffix)
        folder = output_dir / row.folder
        make = {"anat": _t1w, "func": _bold, "dwi": _anisotropy}.get(row.modality)
        if make is not None:
            sources += make(scan, folder, _title(row, scan))
    return sources


def _title(row: Status, scan: Scan) -> str:
    extra = [f"{key} {scan.entities[key]}" for key in ("task", "acq", "dir", "run")
             if scan.entities.get(key)]  # fmt: skip
    return ", ".join(filter(None, [text.capital(text.modality(row.modality)), row.session, *extra]))


def _t1w(scan: Scan, folder: Path, title: str) -> list[ViewerSource]:
    files = AnatFiles.in_any_space(scan, folder)
    labels = files.aseg if files.aseg.is_file() else files.dseg
    return [
        ViewerSource(
            f"anat-{scan.label}", title, files.preproc, files.mask,
            labels if labels.is_file() else None,
        )
    ]  # fmt: skip


def _bold(scan: Scan, folder: Path, title: str) -> list[ViewerSource]:
    for space in SPACES:
        files = FuncFiles.of(scan, folder, space=space)
        if files.boldref.is_file():
            return [
                ViewerSource(
                    f"func-{scan.label}", f"{title}: mean volume", files.boldref, files.mask
                )
            ]
    return []


def _anisotropy(scan: Scan, folder: Path, title: str) -> list[ViewerSource]:
    fa = DwiMeasured.of(scan, folder).fa
    in_t1w, own = DwiFiles.of(scan, folder), DwiFiles.of(scan, folder, space="")
    mask = in_t1w.mask if in_t1w.mask.is_file() else own.mask
    return [ViewerSource(f"dwi-{scan.label}", f"{title}: FA", fa, mask, largest=1.0)]
