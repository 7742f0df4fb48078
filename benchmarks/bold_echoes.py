r"""Several echoes of one BOLD run: what their combination gains, and T2*, on a simulated head.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/bold_echoes.py \
        [--times 0.014 0.038 0.062] [--voxel-mm 4] [--volumes 60] [--motion 0] [--tedana]

tSNR is the mean over the standard deviation after a straight line, its median over voxels that are
mostly grey matter; thermal noise is equal in all echoes. `contrast` is the correlation of a voxel's series with the true
signal of its node (median over the same voxels). `FC` is the correlation, over pairs of nodes, of their connectivity from 0.01 to 0.08 Hz with
that of the true signals. With `--motion 1` the head moves as people do, and is realigned. With `--tedana` the rejected components are taken out. T2* is compared with the truth where a voxel is of one tissue, air's loss of signal
included.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.table import Table

from commissure.func.builtin.echoes import (
    combined_echoes,
    echo_weights,
    resampled_echoes,
    t2star_s,
)
from commissure.func.builtin.normalisation import brain_mask, dilated
from commissure.func.builtin.realign import Motion, realign
from commissure.func.builtin.tedana import rejected_components
from commissure.func.denoising import band_passed, detrended
from commissure.func.quality import temporal_snr
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.head.anatomy import draw_anatomy
from commissure.phantom.protocol import chosen_protocol
from commissure.phantom.scanner.bold import (
    DROPOUTS,
    NEURAL_PERCENT,
    REFERENCE_TE_S,
    T2STAR_S,
    node_shares,
    simulate_bold,
)
from commissure.phantom.scanner.echo_planar import FineHead, fine_head, voxel_means


def true_t2star(head: FineHead, tissue: str) -> np.ndarray:
    """T2* in s of one tissue in each voxel: its own, shortened where air takes signal away."""
    rate = np.full(head.template_mm.shape[:3], 1 / T2STAR_S[tissue])
    for centre, extent, lost in DROPOUTS:
        far = (((head.template_mm - centre) / extent) ** 2).sum(axis=-1)
        rate -= np.log(1 - lost * np.exp(-far / 2)) / REFERENCE_TE_S
    return 1 / voxel_means(rate)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=float, nargs="+", default=[0.014, 0.038, 0.062])
    parser.add_argument("--voxel-mm", type=float, default=4.0)
    parser.add_argument("--volumes", type=int, default=60)
    parser.add_argument("--anat-mm", type=float, default=2.0)
    parser.add_argument("--motion", type=float, default=0.0, help="times the person's movement")
    parser.add_argument("--tedana", action="store_true", help="take rejected components out")
    given = parser.parse_args()
    first, *more = given.times
    protocol = chosen_protocol(
        "demo",
        {
            "func.voxel_mm": given.voxel_mm,
            "func.volumes": given.volumes,
            "func.repetition_time_s": 2.0,
            "func.echo_time_s": first,
            "func.more_echoes_s": more,
            "anat.voxel_mm": given.anat_mm,
        },
    )
    person = draw_cohort(CohortRequest(controls=1, responsive=1, resistant=1, missing=0.0, seed=2))[
        0
    ]
    moving = replace(person, motion_scale_mm=given.motion * person.motion_scale_mm)
    anatomy = draw_anatomy(person, protocol, np.random.default_rng(person.seed))
    bold = simulate_bold(anatomy, moving, protocol, np.random.default_rng(person.seed + 1))
    head = fine_head(anatomy, given.voxel_mm, pose=bold.since_t1w)
    echoes = [bold.data, *bold.more_echoes]
    grey = voxel_means(head.maps["gm"]) > 0.7
    grid = np.moveaxis(np.indices(head.shape), 0, -1) @ bold.affine[:3, :3].T + bold.affine[:3, 3]
    around = dilated(brain_mask(echoes[0].mean(axis=3), bold.affine), bold.affine, radius_mm=4)
    motion = (
        realign(echoes[len(echoes) // 2], bold.affine, mask=around)
        if given.motion
        else Motion(np.zeros((given.volumes, 6)), np.zeros(3))
    )
    box = around | grey
    lying, _ = resampled_echoes(echoes, bold.affine, motion, grid, box)
    combined, _ = combined_echoes(lying, given.times)
    series = {f"{1000 * t:.0f}": echo for t, echo in zip(given.times, lying, strict=True)}
    series["combined"] = combined
    if given.tedana:
        found = rejected_components(
            lying, box, around, times_s=given.times, affine=bold.affine, tr_s=2.0, first=0,
            who="benchmark",
        )  # fmt: skip
        print(found.sidecar())
        series["less rejected components"] = without(combined, found.series)
    shares = node_shares(head, np.argwhere(grey))
    neural = NEURAL_PERCENT * (shares @ bold.signals.series.T)
    true = connectivity(bold.signals.series.T)
    table = Table(title=f"{len(echoes)} echoes, grey matter")
    for column in ("echo, ms", "tSNR", "contrast", "FC"):
        table.add_column(column)
    for name, whole in series.items():
        values = whole[grey[box]]
        fc = np.corrcoef(connectivity(shares.T @ values), true)[0, 1]
        shown = np.median(temporal_snr(values)), np.nanmedian(correlations(values, neural)), fc
        table.add_row(name, *(f"{value:.3g}" for value in shown))
    Console().print(table)
    means = np.stack([echo.mean(axis=3) for echo in echoes])
    t2star = t2star_s(means, given.times)
    weights = echo_weights(t2star, given.times)
    print(f"weights in grey matter {np.round(np.median(weights[:, grey], axis=1), 3)}")
    for tissue in ("gm", "wm"):
        pure = voxel_means(head.maps[tissue]) > 0.95
        off = 100 * (t2star / true_t2star(head, tissue) - 1)[pure]
        low, middle, high = np.percentile(off, (5, 50, 95))
        print(
            f"T2* of {tissue}, {pure.sum()} voxels: off by {middle:+.1f} % "
            f"(5 to 95 %: {low:+.1f} to {high:+.1f})"
        )


def without(values: np.ndarray, regressors: np.ndarray) -> np.ndarray:
    """What columns leave of the rows, whose means stay."""
    basis, _ = np.linalg.qr(regressors - regressors.mean(axis=0))
    return values - (values @ basis) @ basis.T


def connectivity(nodes: np.ndarray) -> np.ndarray:
    """Fisher z of all pairs of nodes, shape (N, T), in the band."""
    filtered = band_passed(detrended(nodes.T), tr_s=2.0, low_hz=0.01, high_hz=0.08, order=2)
    r = np.corrcoef(filtered.T)
    return np.arctanh(r[np.triu_indices(len(r), 1)])


def correlations(values: np.ndarray, signals: np.ndarray) -> np.ndarray:
    """Correlation of each row with its signal, after a straight line; NaN where that is nought."""
    ramp = np.column_stack([np.ones(values.shape[1]), np.arange(values.shape[1])])
    basis, _ = np.linalg.qr(ramp)
    one, two = (x - (x @ basis) @ basis.T for x in (values, signals))
    lengths = np.sqrt((one**2).sum(axis=1) * (two**2).sum(axis=1))
    return np.divide(
        (one * two).sum(axis=1), lengths, out=np.full(len(one), np.nan), where=lengths > 0
    )


if __name__ == "__main__":
    main()
