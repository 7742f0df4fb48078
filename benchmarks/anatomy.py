"""The anatomical engine beside the usual chain of ANTs alone, on heads whose truth is known.

    python benchmarks/anatomy.py [--people 6] [--voxel-mm 3]

Both start from the same brain and the same coil brightness. The usual chain registers the brain's
T1w to the template's (SyN, mutual information), and segments by Atropos with the template's tissue
maps as priors. The engine registers contrast images made of tissue maps by the same SyN, and
segments with partial volumes; a third row has Atropos in the engine's own loop.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import nibabel as nib
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from commissure.anat.builtin import segmentation
from commissure.anat.builtin.brain import extract_brain
from commissure.anat.builtin.tissues import Segmentation
from commissure.anat.settings import AnatSettings
from commissure.anat.volumes import (
    cortical_volumes,
    label_volumes,
    reported_structures,
    template_coordinates,
    tissue_volumes,
    values_at,
)
from commissure.images.anat_files import TISSUES
from commissure.images.atlas import structures
from commissure.images.coil_brightness import coil_brightness
from commissure.images.load import zooms_mm
from commissure.images.registration import apply_transform, register, to_ants
from commissure.images.template import template
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.head.anatomy import Anatomy, draw_anatomy
from commissure.phantom.protocol import chosen_protocol
from commissure.phantom.scanner.t1w import simulate_t1w

SHOWN = ("GM", "TIV", "Hippocampus_L", "SFG_L", "LateralVentricle_L")

Chain = Callable[[nib.Nifti1Image, Path], tuple[np.ndarray, np.ndarray]]


def engine(t1w: nib.Nifti1Image, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Posteriors (3, X, Y, Z) and template coordinates by the built-in engine."""
    back = folder / "back.h5"
    found = segmentation.segmented(
        t1w,
        stripped=False,
        settings=AnatSettings(),
        to_template=folder / "there.h5",
        from_template=back,
    )
    return found.tissues.posterior, template_coordinates(t1w, back)


def atropos(
    flat: np.ndarray, mask: np.ndarray, priors: np.ndarray, affine: np.ndarray, weight: float
) -> np.ndarray:
    """Posteriors by ANTs' Atropos with spatial priors."""
    import ants

    def image(values: np.ndarray) -> ants.ANTsImage:
        return to_ants(nib.Nifti1Image(values.astype(np.float32), affine))

    total = np.maximum((priors + 0.02).sum(axis=0), 1e-6)
    found = ants.atropos(
        a=image(flat),
        x=image(mask),
        i=[image((prior + 0.02) / total * mask) for prior in priors],
        m="[0.1,1x1x1]",
        c="[8,0]",
        priorweight=weight,
    )
    return np.stack([part.numpy() for part in found["probabilityimages"]])


def engine_with_atropos(t1w: nib.Nifti1Image, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    def tissues(
        flat: np.ndarray, mask: np.ndarray, priors: np.ndarray, _: AnatSettings
    ) -> Segmentation:
        posterior = atropos(flat, mask, priors, t1w.affine, 0.25)
        return Segmentation(posterior, np.ones(mask.shape), np.zeros(3), np.zeros(3), 0)

    with patch.object(segmentation, "_tissues", tissues):
        return engine(t1w, folder)


def usual(t1w: nib.Nifti1Image, folder: Path) -> tuple[np.ndarray, np.ndarray]:
    mask = extract_brain(t1w, stripped=False).mask(t1w)
    flat = np.asanyarray(t1w.dataobj) / coil_brightness(t1w, mask)
    brain = nib.Nifti1Image(np.where(mask, flat, 0).astype(np.float32), t1w.affine)
    mm = max(AnatSettings().registration_resolution_mm, min(zooms_mm(t1w.affine)))
    there, back = folder / "there.h5", folder / "back.h5"
    fixed = template("T1w", resolution_mm=mm)
    register(fixed, brain, kind="syn", forward=there, inverse=back)
    priors = np.stack([apply_transform(template(n), t1w, [back]).get_fdata() for n in TISSUES])
    posterior = atropos(flat, mask, priors, t1w.affine, 0.25)
    return posterior, template_coordinates(t1w, back)


def judged(head: Anatomy, posterior: np.ndarray, coordinates: np.ndarray) -> dict[str, float]:
    """Errors of one head: mm, RMSE of tissue shares, volumes over true volumes."""
    true = np.stack([head.gm, head.wm, head.csf])
    brain = true.sum(axis=0) > 0.5
    off = np.linalg.norm(coordinates - head.template_mm, axis=3)[brain]
    volumes = tissue_volumes(posterior, head.affine)
    label = values_at(structures().image, coordinates)
    volumes |= reported_structures(label_volumes(label, head.affine))
    volumes |= cortical_volumes(posterior, coordinates, head.affine, label)
    return {
        "warp median mm": float(np.nanmedian(off)),
        "warp 95 % mm": float(np.nanpercentile(off, 95)),
        "RMSE GM": float(np.sqrt(((posterior[0] - true[0])[brain] ** 2).mean())),
        **{name: volumes[name] / head.truth["volume", name] for name in SHOWN},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--voxel-mm", type=float, default=3.0)
    given = parser.parse_args()
    protocol = chosen_protocol("demo", {"anat.voxel_mm": given.voxel_mm})
    people = draw_cohort(
        CohortRequest(
            controls=1, responsive=given.people // 2, resistant=given.people, missing=0.0, seed=3
        )
    )[: given.people]
    chains: dict[str, Chain] = {
        "engine": engine,
        "engine with Atropos": engine_with_atropos,
        "SyN on T1w, Atropos": usual,
    }
    results: dict[str, list[dict[str, float]]] = {name: [] for name in chains}
    for person in track(people, "heads"):
        head = draw_anatomy(person, protocol, np.random.default_rng(person.seed))
        image = simulate_t1w(head, person, protocol, np.random.default_rng(person.seed + 1))
        t1w = nib.Nifti1Image(image.data.astype(np.float32), image.affine)
        for name, chain in chains.items():
            with tempfile.TemporaryDirectory() as folder:
                begin = time.process_time()
                found = chain(t1w, Path(folder))
                cpu = time.process_time() - begin
            results[name].append({"CPU s": cpu, **judged(head, *found)})
    table = Table(title=f"{given.people} heads, voxels of {given.voxel_mm:g} mm, one thread")
    for column in ("", *results["engine"][0]):
        table.add_column(column, justify="right" if column else "left")
    for name, rows in results.items():
        cells = []
        for key in rows[0]:
            values = np.array([row[key] for row in rows])
            mean = f"{values.mean():.2f}"
            if key in SHOWN:
                mean = f"{100 * (values.mean() - 1):+.1f} % ± {100 * values.std(ddof=1):.1f}"
            cells.append(mean)
        table.add_row(name, *cells)
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
