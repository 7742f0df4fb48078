"""What denoising takes out of BOLD: by run length, of runs fitted together, of heads that move and lie still.

    python benchmarks/bold_denoising.py [--parts length steady runs traces] [--data DATA] [--people 8]

`length` repeats one movement; `steady` plants volumes before the steady state; `runs` cuts 16 minutes
into four; `traces` takes the measured movement of 60 people (DATA, tables/impac-autism-freesurfer) and
gives it the realignment's error, which follows the brain's signal. `bold_strategies.py` compares the
strategies.
"""

from __future__ import annotations

import argparse
import gzip
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from commissure.func.builtin.confounds import (
    components,
    cosine_drifts,
    expanded,
)
from commissure.func.builtin.steady import non_steady_volumes
from commissure.func.connectivity import fisher_z
from commissure.func.denoising import band_passed, denoised, detrended
from commissure.func.joined_runs import denoised_runs
from commissure.func.parcels import Parcels, ParcelSeries
from commissure.func.regressors import good_volumes, movement_penalties
from commissure.func.runs import Length, ParcelRun, strategy_for
from commissure.func.settings import FuncMeasureSettings
from commissure.func.strategies import MOTION
from commissure.images.atlas import schaefer
from commissure.images.connectivity_sets import NETWORK_PAIRS, NETWORKS, SUBCORTEX, network_parcels
from commissure.images.rigid import framewise_displacement
from commissure.names import Scan
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.cohort.visits import draw_scans
from commissure.phantom.person import Person
from commissure.phantom.scanner.bold_signal import (
    haemodynamic_signals,
    latent_correlation,
)
from commissure.phantom.scanner.echo_planar import drawn_motion
from commissure.phantom.scanner.simulator import random_streams

PARTS = ("length", "steady", "runs", "traces")

#: Settings as they are without any choice.
SETTINGS = FuncMeasureSettings()

#: Radius in mm that turns rotations into mm.
RADIUS_MM = SETTINGS.fd_radius_mm
IN_MM = np.array([1.0, 1.0, 1.0, RADIUS_MM, RADIUS_MM, RADIUS_MM])

#: Error of the realignment of a head that lies still, in the band: root mean square in mm (rotations
#: on the sphere), and the share of it that the mean signals of seven networks explain. Medians of
#: eleven people whom `people` simulates.
ERROR_MM = np.array([0.003, 0.006, 0.005, 0.004, 0.003, 0.004])
ERROR_EXPLAINED = np.array([0.16, 0.43, 0.28, 0.26, 0.24, 0.15])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["length", "steady", "runs"])
    parser.add_argument("--data", type=Path, help="folder with tables/")
    parser.add_argument("--people", type=int, default=8, help="people of `runs`")
    parser.add_argument("--draws", type=int, default=4, help="signals for each measured movement")
    given = parser.parse_args()
    if "length" in given.parts:
        length()
    if "steady" in given.parts:
        steady()
    if "runs" in given.parts:
        runs(given.people)
    if "traces" in given.parts:
        traces(given.data, given.draws)


def band(columns: np.ndarray, tr_s: float) -> np.ndarray:
    """Detrended and filtered as connectivity is."""
    return band_passed(
        detrended(columns),
        tr_s=tr_s,
        low_hz=SETTINGS.band_low_hz,
        high_hz=SETTINGS.band_high_hz,
        order=SETTINGS.filter_order,
    )


def cleaned(
    series: np.ndarray,
    model: pd.DataFrame,
    tr_s: float,
    *,
    good: np.ndarray | None = None,
    half_mm: float | None = None,
) -> tuple[np.ndarray, float, float]:
    """Series without the columns of a model, its rank and the degrees of freedom."""
    penalty = None
    if half_mm is not None:
        penalty = movement_penalties(list(model), half_mm=half_mm, radius_mm=RADIUS_MM)
    rest, freedom = denoised(
        series,
        model.to_numpy(float),
        np.ones(len(series), bool) if good is None else good,
        tr_s=tr_s,
        low_hz=SETTINGS.band_low_hz,
        high_hz=SETTINGS.band_high_hz,
        order=SETTINGS.filter_order,
        penalty=penalty,
    )
    return rest, freedom.rank, freedom.degrees


def movement_24(parameters: np.ndarray) -> pd.DataFrame:
    """24 movement regressors of (T, 6) mm and radians."""
    return expanded(pd.DataFrame(parameters, columns=list(MOTION)), MOTION).fillna(0.0)


def length() -> None:
    """The rank that is taken out of one movement, repeated."""
    rng = np.random.default_rng(2)
    once = gaussian_filter1d(rng.normal(size=(150, 6)), 4, axis=0, mode="wrap")
    once *= 0.05 / once.std(axis=0) / IN_MM
    print("regressors taken out of the same movement (of 24), 2 s")
    print(f"{'volumes':>8}{'whole':>8}{'ridge':>8}{'sums, not means':>17}")
    for times in (1, 2, 4, 8):
        model = movement_24(np.tile(once, (times, 1)))
        nothing = np.zeros((len(model), 1))
        whole = cleaned(nothing, model, 2.0)[1]
        ridge = cleaned(nothing, model, 2.0, half_mm=SETTINGS.ridge_half_mm)[1]
        # What a penalty on the summed square does: half is taken out at a length, not at a size.
        summed = cleaned(
            nothing, model, 2.0, half_mm=SETTINGS.ridge_half_mm * (240 / len(model)) ** 0.5
        )[1]
        print(f"{len(model):>8}{whole:>8.2f}{ridge:>8.2f}{summed:>17.2f}")


def steady() -> None:
    """Energy of the first components in planted volumes before the steady state."""
    excess = np.array([3.6, 2.0, 1.1, 0.6, 0.4])
    print("\nfive volumes brighter by 3.6, 2.0, 1.1, 0.6, 0.4 %")
    print(f"{'person':>7}{'counted':>9}{'first component in them, all volumes / steady ones':>52}")
    for person in range(5):
        rng = np.random.default_rng(person)
        series = rng.normal(1350, 15, (300, 150))
        wave = gaussian_filter1d(rng.normal(size=150), 3)
        series *= 1 + 0.004 * wave / wave.std()
        series[:, :5] += 1350 * rng.uniform(1, 4, (300, 1)) * excess / 100
        drifts = cosine_drifts(150, tr_s=2.0, period_s=128.0)
        first = non_steady_volumes(series, tr_s=2.0)
        shares = [
            (components(series, drifts, tissue="CSF", count=5, first=k).series[:5, 0] ** 2).sum()
            for k in (0, first)
        ]
        print(f"{person:>7}{first:>9}{shares[0]:>42.0%} / {shares[1]:.0%}")


def people_of(number: int, motion: float) -> list[Person]:
    """A fifth are controls; the others are resistant or responsive in equal numbers."""
    controls = number // 5
    resistant = (number - controls) // 2
    request = CohortRequest(
        controls=controls, responsive=number - controls - resistant, resistant=resistant,
        sites=1, missing=0.0, seed=11, motion=motion,
    )  # fmt: skip
    return draw_scans(draw_cohort(request), request)


def parcel_run(
    number: int, series: np.ndarray, confounds: pd.DataFrame, metadata: dict, tr_s: float
) -> ParcelRun:
    """A run as :mod:`commissure.func.runs` takes it."""
    names = (*schaefer(100).labels["name"], *SUBCORTEX)
    scan = Scan(Path(f"sub-01_task-rest_run-{number}_bold.nii.gz"),
                {"sub": "01", "task": "rest", "run": str(number)}, "bold", [])  # fmt: skip
    count = len(names)
    return ParcelRun(
        scan=scan, tr_s=tr_s, confounds=confounds, metadata=metadata, displacement="",
        parcels=Parcels(schaefer(100).labels, names, np.zeros((1, 1, 1), np.int32)),
        means=ParcelSeries(series, np.ones(count)), series=series, dark=np.zeros(count, bool),
        good=good_volumes(confounds, fd_threshold_mm=SETTINGS.fd_threshold_mm), tsnr=60.0, checks=[],
    )  # fmt: skip


def long_series(person: Person, volumes: int) -> tuple[np.ndarray, pd.DataFrame, dict, np.ndarray]:
    """Parcel series with movement and physiology planted, its confounds, and the truth."""
    streams = random_streams(person, 2)
    rng = streams.scan
    signals = haemodynamic_signals(latent_correlation(person, streams.lasting), volumes=volumes,
                                   tr_s=2.0, rng=rng, lasting=streams.lasting)  # fmt: skip
    motion = drawn_motion(volumes, person.motion_scale_mm, rng)
    table = movement_24(motion)
    table["framewise_displacement"] = framewise_displacement(motion)
    waves = gaussian_filter1d(rng.normal(size=(volumes, 10)), 2, axis=0)
    series = 1.2 * signals.series[:, :-1]
    moved = detrended(motion * IN_MM)
    series = series + moved @ rng.normal(size=(6, series.shape[1])) * 3
    series += waves / waves.std(axis=0) @ rng.normal(size=(10, series.shape[1])) * 0.3
    series += rng.normal(size=series.shape) * 0.5 + 100
    metadata = {}
    for k in range(10):
        table[f"a_comp_cor_{k:02d}"] = waves[:, k]
        metadata[f"a_comp_cor_{k:02d}"] = {"Method": "aCompCor", "Mask": "CSF" if k < 5 else "WM",
                                           "SingularValue": float(10 - k)}  # fmt: skip
    return series, table, metadata, signals.correlation[:-1, :-1]


def runs(number: int) -> None:
    """Four runs of four minutes beside one of sixteen of the same signals."""
    print("\nr of connectivity with that of 16 minutes in one run: network means (28), all pairs; of all pairs "
          "with the truth; of the halves with each other, for 16 minutes by Spearman and Brown; and what "
          "4 x 4 can have by it and the degrees of freedom")  # fmt: skip
    print(f"{'person':>7}{'strategies':>20}{'df':>8}{'means: 4 x 4':>14}{'one of 4':>10}"
          f"{'pairs: 4 x 4':>14}{'one of 4':>10}{'truth: 16':>11}{'4 x 4':>7}{'one':>6}"
          f"{'halves':>9}{'16':>6}{'limit':>7}")  # fmt: skip
    upper = np.triu_indices(100, 1)
    for index, person in enumerate(people_of(5 * ((number + 4) // 5), 1.0)[:number]):
        series, table, metadata, truth = long_series(person, 480)
        whole = [parcel_run(1, series, table, metadata, 2.0)]
        parts = [
            parcel_run(k + 1, series[cut], table[cut].reset_index(drop=True), metadata, 2.0)
            for k, cut in enumerate(slice(120 * k, 120 * (k + 1)) for k in range(4))
        ]
        z, used, degrees = [], [], []
        halves = [
            [parcel_run(k + 1, series[cut], table[cut].reset_index(drop=True), metadata, 2.0)]
            for k, cut in enumerate((slice(0, 240), slice(240, 480)))
        ]
        for each in (whole, parts, parts[:1], *halves):
            name = strategy_for([Length(r.scan, len(r.good), r.tr_s) for r in each], SETTINGS)
            result = denoised_runs(each, name, SETTINGS)
            assert result.residuals is not None and result.freedom is not None, result.cause
            z.append(fisher_z(result.residuals)[:100, :100])
            used.append(name)
            degrees.append(result.freedom.degrees)
        means, pairs = [network_means(each) for each in z], [each[upper] for each in z]
        true = np.arctanh(truth[upper])
        r = [np.corrcoef(kind[0], kind[k])[0, 1] for kind in (means, pairs) for k in (1, 2)]
        right = [np.corrcoef(true, each)[0, 1] for each in pairs]
        half = np.corrcoef(pairs[3], pairs[4])[0, 1]
        reliable = 2 * half / (1 + half)
        # 4 x 4 has a part of the samples of 16: the error of these is in both.
        limit = (reliable + (1 - reliable) * degrees[0] / degrees[1]) ** -0.5
        print(f"{index:>7}{', '.join(dict.fromkeys(used[:3])):>20}{degrees[0]:>5.0f}{degrees[1]:>3.0f}{r[0]:>14.3f}{r[1]:>10.3f}"
              f"{r[2]:>14.3f}{r[3]:>10.3f}{right[0]:>11.3f}{right[1]:>7.3f}{right[2]:>6.3f}"
              f"{half:>9.3f}{reliable:>6.2f}{limit:>7.3f}")  # fmt: skip


def measured_movements(data: Path) -> list[tuple[float, np.ndarray]]:
    """Repetition time and movement (T, 6), mm and radians, of people in the scanner.

    AFNI's order: roll, pitch, yaw in degrees, then superior, left and posterior in mm.
    """
    folder = data / "tables" / "impac-autism-freesurfer"
    times = pd.read_csv(folder / "fmri_repetition_time.csv", dtype={"subject_id": str})
    tr_s = dict(zip(times["subject_id"], times["repetition_time"].astype(float), strict=True))
    found = []
    for path in sorted((folder / "motion").glob("*.txt.gz")):
        with gzip.open(path, "rt") as file:
            columns = np.loadtxt(file)
        parameters = np.column_stack([columns[:, [4, 5, 3]], np.deg2rad(columns[:, [1, 2, 0]])])
        found.append((tr_s[path.name.partition(".")[0]], parameters))
    return found


def network_means(z: np.ndarray) -> np.ndarray:
    """Mean connectivity within the seven networks and between them, shape (28,)."""
    labels = schaefer(100).labels
    sets = {network: network_parcels(labels, network) for network in NETWORKS}
    pairs = [*((n, n) for n in NETWORKS), *NETWORK_PAIRS]
    return np.array([np.nanmean(z[np.ix_(sets[a], sets[b])]) for a, b in pairs])


def error_of(signals: np.ndarray, tr_s: float, rng: np.random.Generator) -> np.ndarray:
    """Error of the realignment (T, 6), mm and radians, of which the brain's signal explains a part."""
    labels = schaefer(100).labels
    nets = np.column_stack([signals[:, network_parcels(labels, n)].mean(axis=1) for n in NETWORKS])
    error = np.empty((len(signals), 6))
    for axis in range(6):
        followed = nets @ rng.normal(size=len(NETWORKS))
        noise = rng.normal(size=len(signals))
        share = ERROR_EXPLAINED[axis]
        parts = [part / band(part[:, None], tr_s).std() for part in (followed, noise)]
        error[:, axis] = np.sqrt(share) * parts[0] + np.sqrt(1 - share) * parts[1]
    return error * ERROR_MM / IN_MM


def traces(data: Path, draws: int) -> None:
    """What the realignment's error costs people who move as they did in the scanner."""
    person = people_of(5, 1.0)[0]
    latent = latent_correlation(person, random_streams(person, 2).lasting)
    rows = []
    for number, (tr_s, movement) in enumerate(measured_movements(data)):
        size = np.median(band(movement * IN_MM, tr_s).std(axis=0))
        fd = framewise_displacement(movement)[1:].mean()
        row = {"fd": fd, "size": size}
        for draw in range(draws):
            rng = np.random.default_rng([number, draw])
            signals = haemodynamic_signals(latent, volumes=len(movement), tr_s=tr_s, rng=rng).series
            series = signals[:, :100] + 0.3 * rng.normal(size=(len(signals), 100))
            error = error_of(signals[:, :100], tr_s, rng)
            still, true, seen = (movement_24(m) for m in (error, movement, movement + error))
            for words, half in (("whole", None), ("ridge", SETTINGS.ridge_half_mm)):
                with_error, without, lying = (
                    cleaned(series, model, tr_s, half_mm=half) for model in (seen, true, still)
                )
                values = [
                    network_means(fisher_z(c[0]))[:7].mean() for c in (with_error, without, lying)
                ]
                add = {"rank": with_error[1], "error": values[0] - values[1],
                       "still": values[0] - values[2]}  # fmt: skip
                for key, value in add.items():
                    row[f"{words} {key}"] = row.get(f"{words} {key}", 0.0) + value / draws
        rows.append(row)
    table = pd.DataFrame(rows)
    print(f"\nmeasured movement of {len(table)} people; FC is the mean within seven networks")
    print(
        "rank: of 24; error: FC with the realignment's error less without; still: less lying still"
    )
    groups = pd.cut(table["fd"], [0, 0.1, 0.2, 0.4, 9], labels=["< 0.1", "-0.2", "-0.4", "> 0.4"])
    summary = table.groupby(groups, observed=True).median(numeric_only=True)
    summary.insert(0, "people", table.groupby(groups, observed=True).size())
    print(summary.drop(columns="fd").round(3).to_string())
    r = {
        name: np.corrcoef(table["fd"], table[f"{name} error"])[0, 1] for name in ("whole", "ridge")
    }
    print("r of that error with mean FD over people:",
          ", ".join(f"{name} {value:+.2f}" for name, value in r.items()))  # fmt: skip


if __name__ == "__main__":
    main()
