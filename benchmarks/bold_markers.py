r"""Regional activity, seeds and QC-FC: cost, equality with SciPy, reliability on real runs, planted motion.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \
        python benchmarks/bold_markers.py [--data DATA] [--kept FOLDER] [--volumes 240] [--cohorts 60]

Without ``--data`` the tables of cost, equality and cohorts come from simulated series alone. ``DATA`` is
the folder of real images: each run is preprocessed without a T1w image (kept in FOLDER, where it is read
from if it is there already), its parcels' signal-to-noise ratios are listed, and its two halves are measured
separately: r over the parcels, and difference of each network's mean, tell how reliable a value is.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy.signal import lombscargle, periodogram
from scipy.stats import rankdata

from commissure.func.builtin.preprocess import preprocess
from commissure.func.connectivity import fisher_z, seed_connectivity_values
from commissure.func.derivatives import FuncFiles
from commissure.func.joined_runs import cleaning_in_band, run_model
from commissure.func.measure import measure
from commissure.func.parcels import parcel_tsnr
from commissure.func.quality import temporal_snr
from commissure.func.regional import (
    Cleaning,
    parcel_values,
    regional_values,
    unfiltered_cleaning,
    voxel_measures,
)
from commissure.func.runs import ParcelRun, parcel_run
from commissure.func.settings import FuncSettings
from commissure.images.atlas import schaefer
from commissure.images.template import template
from commissure.names import Scan, parse_name, sidecar_path
from commissure.rows import read_markers
from commissure.study.motion_edges import motion_in_edges
from commissure.study.qc_fc import motion_left

RUNS = {
    "sf02": "bids/sub-sf02/func/sub-sf02_task-oneback_run-01_bold.nii.gz",
    "pu01": "bids/sub-pu01/func/sub-pu01_task-rest_bold.nii.gz",
    "xa01": "bids-more/sub-xa01/func/sub-xa01_task-fa_bold.nii.gz",
}  # fmt: skip
SETTINGS = FuncSettings(tasks=None)
BAND = {"low_hz": SETTINGS.band_low_hz, "high_hz": SETTINGS.band_high_hz}
TR_S = 2.0


def confounds_of(volumes: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Some confounds, and the volumes that count: one in twelve is censored."""
    confounds = np.cumsum(rng.normal(size=(volumes, 22)), axis=0)
    return confounds, rng.random(volumes) > 1 / 12


def cleaning_of(confounds: np.ndarray, good: np.ndarray) -> Cleaning:
    """Without a filter; that of denoising is linear likewise."""
    matrix = unfiltered_cleaning(confounds, good)
    return Cleaning(matrix, matrix, good)


def cost(volumes: int, console: Console) -> None:
    """CPU seconds of the voxel measures on a brain of 3 mm."""
    rng = np.random.default_rng(1)
    brain = np.asanyarray(template("mask", resolution_mm=3).dataobj) > 0.5
    series = 1000 + rng.normal(size=(brain.sum(), volumes)).astype(np.float32)
    cleaning = cleaning_of(*confounds_of(volumes, rng))
    table = Table("measure", "CPU s", title=f"{brain.sum()} voxels of 3 mm, {volumes} volumes")
    for asked in (("alff", "falff"), ("reho",)):
        begin = time.process_time()
        voxel_measures(series, brain, cleaning, tr_s=TR_S, asked=asked, **BAND)
        table.add_row(", ".join(asked), f"{time.process_time() - begin:.2f}")
    console.print(table)


def kendall_w(series: np.ndarray) -> float:
    """Of K series (K, n), by ranks."""
    k, n = series.shape
    sums = np.array([rankdata(row) for row in series]).sum(axis=0)
    return 12 * ((sums - sums.mean()) ** 2).sum() / (k**2 * (n**3 - n))


def spectrum(series: np.ndarray, good: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies above 0 and amplitudes of one series by SciPy, as XCP-D takes them."""
    kept = series[good] - series[good].mean()
    if good.all():
        hz, power = periodogram(kept, 1 / TR_S, scaling="spectrum", detrend=False)
        return hz[1:], np.sqrt(power[1:])
    hz = np.arange(1, len(series) // 2 + 1) / (len(series) * TR_S)
    power = lombscargle(np.flatnonzero(good) * TR_S, kept, 2 * np.pi * hz) * 2 / good.sum()
    return hz, np.sqrt(power)


def equality(console: Console) -> None:
    """Largest relative differences to SciPy, on 6 x 6 x 6 voxels of 121 volumes."""
    rng = np.random.default_rng(2)
    brain = np.ones((6, 6, 6), bool)
    waves = np.cumsum(rng.normal(size=(216, 121)), axis=1) + 0.5 * np.cumsum(rng.normal(size=121))
    table = Table("volumes", "ALFF", "fALFF", "ReHo", title="Largest relative difference to SciPy")
    for name, good in (
        ("all", np.ones(121, bool)),
        ("one in twelve censored", confounds_of(121, rng)[1]),
    ):
        cleaning = cleaning_of(np.zeros((121, 0)), good)
        values = voxel_measures(waves, brain, cleaning, tr_s=TR_S, **BAND)
        cleaned = (cleaning.unfiltered @ waves.T).T
        alff, falff, reho = [], [], []
        for voxel, (x, y, z) in enumerate(np.argwhere(brain)):
            hz, root = spectrum(cleaned[voxel], good)
            band = (hz >= BAND["low_hz"]) & (hz <= BAND["high_hz"])
            alff.append(2 * root[band].mean())
            falff.append(root[band].sum() / root.sum())
            cube = cleaned.reshape(6, 6, 6, -1)[
                max(0, x - 1) : x + 2, max(0, y - 1) : y + 2, max(0, z - 1) : z + 2
            ]
            whole = cube.shape[:3] == (3, 3, 3)
            reho.append(kendall_w(cube.reshape(27, -1)[:, good]) if whole else np.nan)
        truth = {"alff": alff / np.mean(alff), "falff": np.array(falff), "reho": np.array(reho)}
        worst = [
            np.nanmax(np.abs(values[key] / truth[key] - 1)) for key in ("alff", "falff", "reho")
        ]
        table.add_row(name, *(f"{each:.1e}" for each in worst))
    console.print(table)


def scan_of(path: Path) -> Scan:
    """A raw run."""
    entities, suffix, _ = parse_name(path.name)
    return Scan(path, entities, suffix, [sidecar_path(path)])


def half_of(run: ParcelRun, which: slice) -> ParcelRun:
    """The volumes of one half."""
    good = np.zeros(len(run.good), bool)
    good[which] = run.good[which]
    return ParcelRun(**{**vars(run), "good": good})


def measured(run: ParcelRun, voxels: np.ndarray, brain: np.ndarray) -> dict[str, np.ndarray]:
    """Values of the parcels by each measure, and Fisher's z of all pairs with the seeds."""
    strategy = "aCompCor"  # Others leave a half of three minutes no degree of freedom.
    filtered = cleaning_in_band(run, strategy, SETTINGS)
    model, penalty = run_model(run, strategy, SETTINGS)
    cleaning = Cleaning(unfiltered_cleaning(model, run.good, penalty), filtered, run.good)
    values = voxel_measures(voxels, brain, cleaning, tr_s=run.tr_s, **BAND)
    by_parcel = {name: parcel_values(each, brain, run.parcels) for name, each in values.items()}
    return {**by_parcel, "z": fisher_z(filtered @ run.series)}


def real(name: str, data: Path, kept: Path, console: Console) -> None:
    """Signal-to-noise ratios of the parcels, cost, and agreement of the halves of a run."""
    scan = scan_of(data / RUNS[name])
    folder = kept / f"sub-{name}" / "func"
    spent = {}
    if not FuncFiles.of(scan, folder).complete():
        begin = time.process_time()
        preprocess(scan, folder, anat=None, settings=SETTINGS)
        spent["preprocess"] = time.process_time() - begin
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        for path in folder.iterdir():
            if path.is_file():
                (work / path.name).symlink_to(path.resolve())
        for path in (scan.derivative("markers", ".tsv"), scan.derivative("qc", ".json")):
            (work / path).unlink(missing_ok=True)
        begin = time.process_time()
        measure(scan, work, anat=None, settings=SETTINGS)
        spent["measure"] = time.process_time() - begin
        rows = read_markers(work / scan.derivative("markers", ".tsv"))
    run, preprocessed, voxels = parcel_run(scan, folder, schaefer(100), SETTINGS)
    brain = np.asanyarray(preprocessed.mask.dataobj) > 0
    snr = parcel_tsnr(temporal_snr(voxels), brain, run.parcels)
    order = np.argsort(snr)[:4]
    poorest = ", ".join(
        f"{run.parcels.names[k].removeprefix('7Networks_')} {snr[k]:.0f}" for k in order
    )
    console.print(
        f"\n[bold]{name}[/bold]: {voxels.shape[1]} volumes, {len(voxels)} voxels; CPU s "
        f"{', '.join(f'{key} {value:.1f}' for key, value in spent.items())}; {len(rows)} markers; "
        f"poorest parcels (tSNR): {poorest}; under {SETTINGS.min_parcel_tsnr:g}: {run.dark.sum()}"
    )  # fmt: skip
    if voxels.shape[1] < 120:
        console.print("too short for halves")
        return
    middle = voxels.shape[1] // 2
    halves = [
        measured(half_of(run, part), voxels, brain)
        for part in (slice(0, middle), slice(middle, None))
    ]
    usable = np.isfinite(run.series[:, : len(run.parcels.names)]).all(axis=0)
    table = Table("measure", "r over parcels", "mean |difference| of regions", "of mean",
                  title=f"Halves of {name}, {middle} volumes each")  # fmt: skip
    for measure_name in ("alff", "falff", "reho"):
        both = np.array([half[measure_name] for half in halves])
        known = np.isfinite(both).all(axis=0) & usable
        regions = [
            [value for _, _, value in regional_values({measure_name: each}, usable, run.parcels)]
            for each in both
        ]
        apart = np.nanmean(np.abs(np.subtract(*regions)))
        table.add_row(measure_name, f"{np.corrcoef(both[:, known])[0, 1]:.2f}", f"{apart:.3f}",
                      f"{np.nanmean(regions):.3f}")  # fmt: skip
    count = len(run.parcels.labels)
    pairs = [half["z"][np.triu_indices(count, 1)] for half in halves]
    known = np.isfinite(pairs).all(axis=0)
    table.add_row("fc, pairs", f"{np.corrcoef(pairs[0][known], pairs[1][known])[0, 1]:.2f}", "", "")
    seeds = np.array(
        [[v for *_, v in seed_connectivity_values(half["z"], run.parcels)] for half in halves]
    )
    known = np.isfinite(seeds).all(axis=0)
    table.add_row("fc, seeds", f"{np.corrcoef(seeds[:, known])[0, 1]:.2f}",
                  f"{np.abs(np.subtract(*seeds[:, known])).mean():.3f}", f"{seeds[:, known].mean():.3f}")  # fmt: skip
    console.print(table)


def people_of(
    count: int, effect: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Connectivity, displacement and distances; ``effect`` per SD of displacement in nearest pairs.

    Each person has a level, a smoothness and four networks of their own.
    """
    places = schaefer(100).labels[["x_mm", "y_mm", "z_mm"]].to_numpy(float)
    first, second = np.triu_indices(100, 1)
    distances = np.linalg.norm(places[first] - places[second], axis=1)
    networks = rng.normal(size=(4, 100))
    patterns = [np.ones(len(distances)), np.exp(-distances / 30)]
    patterns += [0.5 * each[first] * each[second] for each in networks]
    z = 0.12 * rng.normal(size=(count, len(distances)))
    z += 0.06 * rng.normal(size=(count, 6)) @ np.array(patterns)
    moved = np.exp(rng.normal(np.log(0.15), 0.6, count))
    near = np.exp(-distances / 40)
    z += effect * ((moved - moved.mean()) / moved.std())[:, None] * near
    return z, moved, distances


def cohorts(repeats: int, console: Console) -> None:
    """How often motion is found, by people and by what was planted."""
    rng = np.random.default_rng(3)
    rows = []
    for count in (20, 40, 100):
        for effect in (0.0, 0.02, 0.05):
            begin = time.process_time()
            results = []
            for _ in range(repeats):
                z, moved, distances = people_of(count, effect, rng)
                none = np.zeros((count, 0))
                results.append(motion_in_edges(z, moved, distances, none, permutations=199))
            rows.append(
                {
                    "people": count, "planted": effect,
                    "found": np.mean([motion_left(each) for each in results]),
                    "median |r|": np.mean([each.median_abs_r for each in results]),
                    "expected": results[0].expected_abs_r,
                    "rho": np.mean([each.distance_rho for each in results]),
                    "CPU s each": (time.process_time() - begin) / repeats,
                }
            )  # fmt: skip
    table = Table(*rows[0], title=f"Cohorts with planted motion, {repeats} of each")
    for row in pd.DataFrame(rows).itertuples(index=False):
        table.add_row(*(f"{value:.3g}" for value in row))
    console.print(table)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of real images")
    parser.add_argument("--kept", type=Path, help="folder of preprocessed runs")
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=list(RUNS))
    parser.add_argument("--volumes", type=int, default=240)
    parser.add_argument("--cohorts", type=int, default=60)
    given = parser.parse_args()
    console = Console(width=160)
    cost(given.volumes, console)
    equality(console)
    cohorts(given.cohorts, console)
    with tempfile.TemporaryDirectory() as scratch:
        for name in given.runs if given.data else ():
            real(name, given.data, given.kept or Path(scratch), console)


if __name__ == "__main__":
    main()
