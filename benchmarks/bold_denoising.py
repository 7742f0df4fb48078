"""What denoising takes out of BOLD: by run length, by strategy, of heads that move and lie still.

    python benchmarks/bold_denoising.py [--parts length steady runs traces people]
                                        [--data DATA] [--folder FOLDER] [--people 20]

`length` repeats one movement; `steady` plants volumes before the steady state; `runs` cuts 16 minutes
into four; `traces` takes the measured movement of 60 people (DATA, tables/impac-autism-freesurfer) and
gives it the realignment's error, which follows the brain's signal; `people` simulates runs, realigns
them and compares every strategy (45 CPU s a person, kept in FOLDER).
"""

from __future__ import annotations

import argparse
import gzip
import os
import pickle
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter1d

from commissure.func.builtin.confounds import (
    components,
    confounds_table,
    cosine_drifts,
    expanded,
)
from commissure.func.builtin.normalisation import brain_mask, dilated, resampled_series
from commissure.func.builtin.realign import realign
from commissure.func.builtin.steady import non_steady_volumes
from commissure.func.connectivity import fisher_z
from commissure.func.denoising import band_passed, denoised, detrended
from commissure.func.parcels import Parcels, ParcelSeries
from commissure.func.regressors import good_volumes, movement_penalties, regressors
from commissure.func.runs import Length, ParcelRun, denoised_runs, strategy_for
from commissure.func.settings import FuncMeasureSettings
from commissure.func.strategies import MOTION, STRATEGIES
from commissure.images.atlas import schaefer
from commissure.images.connectivity_sets import NETWORK_PAIRS, NETWORKS, SUBCORTEX, network_parcels
from commissure.images.rigid import framewise_displacement, rigid_matrix
from commissure.names import Scan
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.cohort.visits import draw_scans
from commissure.phantom.head.anatomy import draw_anatomy
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol, chosen_protocol
from commissure.phantom.scanner.bold import nodes_at, simulate_bold
from commissure.phantom.scanner.bold_signal import (
    OTHER,
    haemodynamic_signals,
    latent_correlation,
    node_names,
)
from commissure.phantom.scanner.echo_planar import drawn_motion, fine_head, voxel_means
from commissure.phantom.scanner.simulator import random_streams

PARTS = ("length", "steady", "runs", "traces", "people")

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

#: Factor on the movement of simulated people: as it is drawn, as still as the stillest of measured
#: people, and not at all, which nobody does.
STATES = {"moving": 1.0, "quiet": 0.35, "still": 0.0}

REGIONS = [*NETWORKS, *("-".join(pair) for pair in NETWORK_PAIRS)]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["length", "steady", "runs"])
    parser.add_argument("--data", type=Path, help="folder with tables/")
    parser.add_argument("--folder", type=Path, help="where simulated runs are kept")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--draws", type=int, default=4, help="signals for each measured movement")
    parser.add_argument("--voxel-mm", type=float, default=3.0)
    given = parser.parse_args()
    if "length" in given.parts:
        length()
    if "steady" in given.parts:
        steady()
    if "runs" in given.parts:
        runs(min(given.people, 8))
    if "traces" in given.parts:
        traces(given.data, given.draws)
    if "people" in given.parts:
        people(given.folder, given.people, given.voxel_mm)


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
    print("\nr of connectivity with that of 16 minutes in one run: network means (28), all pairs; and "
          "of all pairs with the truth")  # fmt: skip
    print(f"{'person':>7}{'strategies':>16}{'df':>8}{'means: 4 x 4':>14}{'one of 4':>10}"
          f"{'pairs: 4 x 4':>14}{'one of 4':>10}{'truth: 16':>11}{'4 x 4':>7}{'one':>6}")  # fmt: skip
    upper = np.triu_indices(100, 1)
    for index, person in enumerate(people_of(5 * ((number + 4) // 5), 1.0)[:number]):
        series, table, metadata, truth = long_series(person, 480)
        whole = [parcel_run(1, series, table, metadata, 2.0)]
        parts = [
            parcel_run(k + 1, series[cut], table[cut].reset_index(drop=True), metadata, 2.0)
            for k, cut in enumerate(slice(120 * k, 120 * (k + 1)) for k in range(4))
        ]
        z, used, degrees = [], [], []
        for each in (whole, parts, parts[:1]):
            name = strategy_for([Length(r.scan, len(r.good), r.tr_s) for r in each], SETTINGS)
            result = denoised_runs(each, name, SETTINGS)
            assert result.residuals is not None and result.freedom is not None, result.cause
            z.append(fisher_z(result.residuals)[:100, :100])
            used.append(name.partition("+")[0])
            degrees.append(result.freedom.degrees)
        means, pairs = [network_means(each) for each in z], [each[upper] for each in z]
        true = np.arctanh(truth[upper])
        r = [np.corrcoef(kind[0], kind[k])[0, 1] for kind in (means, pairs) for k in (1, 2)]
        right = [np.corrcoef(true, each)[0, 1] for each in pairs]
        print(f"{index:>7}{', '.join(used):>16}{degrees[0]:>5.0f}{degrees[1]:>3.0f}{r[0]:>14.3f}{r[1]:>10.3f}"
              f"{r[2]:>14.3f}{r[3]:>10.3f}{right[0]:>11.3f}{right[1]:>7.3f}{right[2]:>6.3f}")  # fmt: skip


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


def people(folder: Path, number: int, voxel_mm: float) -> None:
    """Every strategy on people who move, and on the same people moving less and lying still."""
    folder.mkdir(parents=True, exist_ok=True)
    protocol = chosen_protocol("clinical").changed(
        {"anat.voxel_mm": 2.0, "off_resonance_hz": 0, "func.voxel_mm": voxel_mm}
    )
    both: dict[str, list[Run]] = {}
    for state, motion in STATES.items():
        for index, person in enumerate(people_of(5 * ((number + 4) // 5), motion)[:number]):
            path = folder / f"{index:02d}_{state}.pkl"
            if not path.exists():
                path.write_bytes(pickle.dumps(vars(realigned_run(person, protocol))))
            both.setdefault(state, []).append(Run(**pickle.loads(path.read_bytes())))
    true = np.array([[run.truth["fc", region] for region in REGIONS] for run in both["still"]])
    print()
    for state, measured in both.items():
        fd = [run.truth["mean_fd", "brain"] for run in measured]
        print(f"{state}: true mean FD {np.mean(fd):.3f} ({np.min(fd):.3f} to {np.max(fd):.3f}) mm")
    print(f"{number} simulated people: FC of seven networks, moving less quiet and moving less still, over "
          "the SD of people (largest, mean); r with the truth; RMSE of 28 means; degrees of freedom")  # fmt: skip
    print(f"{'strategy':<20}{'censored':>9}{'less quiet':>14}{'less still':>14}{'r moving':>10}{'quiet':>7}"
          f"{'still':>7}{'RMSE':>7}{'quiet':>7}{'still':>7}{'df':>5}")  # fmt: skip
    for name, strategy in STRATEGIES.items():
        for threshold in (SETTINGS.fd_threshold_mm, None):
            value, freedom = {}, {}
            for state, measured in both.items():
                done = [_by(run, name, strategy.ridge, threshold) for run in measured]
                value[state] = np.array(
                    [network_means(fisher_z(each[0][:, :100])) for each in done]
                )
                freedom[state] = np.mean([each[2] for each in done])
            spread = value["still"].std(axis=0, ddof=1)[:7] if number > 1 else np.ones(7)
            d = [(value["moving"] - value[s]).mean(axis=0)[:7] / spread for s in ("quiet", "still")]
            shown = [f"{each[np.abs(each).argmax()]:+.2f}, {each.mean():+.2f}" for each in d]
            r = [np.mean([np.corrcoef(value[s][:, k], true[:, k])[0, 1] for k in range(7)])
                 if number > 2 else np.nan for s in STATES]  # fmt: skip
            rmse = [np.sqrt(((value[s] - true) ** 2).mean()) for s in STATES]
            print(f"{name:<20}{'yes' if threshold else 'no':>9}{shown[0]:>14}{shown[1]:>14}{r[0]:>10.2f}"
                  f"{r[1]:>7.2f}{r[2]:>7.2f}{rmse[0]:>7.3f}{rmse[1]:>7.3f}{rmse[2]:>7.3f}"
                  f"{freedom['moving']:>5.0f}", flush=True)  # fmt: skip


def _by(
    run: Run, name: str, ridge: bool, threshold: float | None
) -> tuple[np.ndarray, float, float]:
    model = regressors(run.confounds, run.metadata, strategy=name,
                       components=SETTINGS.compcor_components, who="")  # fmt: skip
    good = good_volumes(run.confounds, fd_threshold_mm=threshold)
    half_mm = SETTINGS.ridge_half_mm if ridge else None
    return cleaned(run.series, model, 2.0, good=good, half_mm=half_mm)


@dataclass(frozen=True)
class Run:
    """A simulated run after realignment: parcels where they truly lie, confounds as measured."""

    series: np.ndarray
    confounds: pd.DataFrame
    metadata: dict
    truth: dict[tuple[str, str], float]
    signals: np.ndarray
    correlation: np.ndarray
    motion: np.ndarray


def realigned_run(person: Person, protocol: Protocol) -> Run:
    """Simulate a run and realign it; no registration stands between parcels and truth."""
    anatomy = draw_anatomy(person, protocol, random_streams(person, 0).lasting)
    streams = random_streams(person, 2)
    bold = simulate_bold(anatomy, person, protocol, streams.scan, lasting=streams.lasting)
    head = fine_head(anatomy, protocol.func.voxel_mm, pose=bold.since_t1w)
    middle = bold.data.shape[3] // 2
    bright = brain_mask(bold.data[..., middle], bold.affine)
    motion = realign(bold.data, bold.affine, mask=dilated(bright, bold.affine, radius_mm=6))

    # Where the tissue of the first volume lies in the reference of the realignment.
    estimated = rigid_matrix(motion.parameters[middle], motion.centre_mm)
    true = rigid_matrix(bold.motion[middle], head.centre_mm)
    shape = head.shape
    grid = np.moveaxis(np.indices(shape), 0, -1) @ head.affine[:3, :3].T + head.affine[:3, 3]
    to_reference = np.linalg.inv(estimated) @ true
    places = grid @ to_reference[:3, :3].T + to_reference[:3, 3]
    tissue = {name: voxel_means(head.maps[name]) for name in ("gm", "wm", "csf")}
    brain = sum(tissue.values()) > 0.5
    values, _ = resampled_series(bold.data, bold.affine, motion, places, brain)

    nodes = nodes_at(head.template_mm[::2, ::2, ::2])[brain]
    grey = tissue["gm"][brain] > 0.5
    names = [name for name in node_names() if name != OTHER]
    series = np.full((values.shape[1], len(names)), np.nan)
    for number in range(len(names)):
        inside = grey & (nodes == number)
        if inside.any():
            series[:, number] = values[inside].mean(axis=0)
    drifts = cosine_drifts(len(series), tr_s=bold.tr_s, period_s=128.0)
    cores = {"CSF": tissue["csf"][brain] > 0.9, "WM": tissue["wm"][brain] > 0.9}
    table, metadata = confounds_table(
        motion,
        {
            "csf": values[cores["CSF"]].mean(axis=0),
            "white_matter": values[cores["WM"]].mean(axis=0),
            "global_signal": values.mean(axis=0),
        },
        values,
        tuple(components(values[core], drifts, tissue=t, count=5) for t, core in cores.items()),
        drifts,
        radius_mm=RADIUS_MM,
    )
    return Run(series, table, metadata, dict(bold.truth), bold.signals.series,
               bold.signals.correlation, bold.motion)  # fmt: skip


if __name__ == "__main__":
    main()
