r"""Strategies of denoising side by side: on simulated people who move and lie still, and on measured runs.

    python benchmarks/bold_strategies.py [--parts people moved study real cohort] [--data DATA]
                                         [--folder FOLDER] [--people 20] [--study STUDY] [--run PATH ...]

`people` simulates runs of people who move and lie still, realigns them and denoises them by every
strategy (45 CPU s a person, kept in FOLDER); `moved` does so with measured movement (DATA,
tables/impac-autism-freesurfer), drawn evenly by its size. `study` compares the connectivity that each
strategy leaves in a finished simulated study with what was planted (STUDY, the output folder). `real`
asks of measured runs (RUN, `*_desc-confounds_timeseries.tsv` of this program, and two of DATA,
derivatives/halfpipe-ds000030) how much movement regressors explain after aCompCor, beside the movement
of other people. `cohort` correlates the connectivity of 78 measured people with their movement
(DATA, tables/abide-ho-timeseries: 24 movement regressors and CompCor taken out by C-PAC).
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import pickle
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

import nibabel as nib
import numpy as np
import pandas as pd
from bold_denoising import (
    RADIUS_MM,
    SETTINGS,
    cleaned,
    measured_movements,
    movement_24,
    network_means,
    people_of,
)
from scipy.stats import spearmanr
from scipy.stats import t as student

from commissure.files import read_table
from commissure.func.builtin.confounds import components, confounds_table, cosine_drifts
from commissure.func.builtin.normalisation import brain_mask, dilated, resampled_series
from commissure.func.builtin.realign import realign
from commissure.func.connectivity import fisher_z
from commissure.func.parcels import parcel_series, parcels_on_grid
from commissure.func.regressors import compcor_columns, good_volumes, regressors
from commissure.func.strategies import MOTION, STRATEGIES
from commissure.func.strategy_edges import StrategyEdges
from commissure.images.atlas import schaefer
from commissure.images.connectivity_sets import NETWORK_PAIRS, NETWORKS
from commissure.images.rigid import framewise_displacement, rigid_matrix
from commissure.phantom.head.anatomy import draw_anatomy
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol, chosen_protocol
from commissure.phantom.scanner.bold import nodes_at, simulate_bold
from commissure.phantom.scanner.bold_signal import OTHER, node_names
from commissure.phantom.scanner.echo_planar import fine_head, voxel_means
from commissure.phantom.scanner.simulator import random_streams
from commissure.study.motion_edges import motion_in_edges

PARTS = ("people", "moved", "study", "real", "cohort")

#: Factor on the movement of simulated people: as it is drawn, and not at all, which nobody does.
STATES = {"moving": 1.0, "still": 0.0}

REGIONS = [*NETWORKS, *("-".join(pair) for pair in NETWORK_PAIRS)]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=["people"])
    parser.add_argument("--data", type=Path, help="folder with tables/ and derivatives/")
    parser.add_argument("--folder", type=Path, help="where simulated runs are kept")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--study", type=Path, help="output folder of a simulated study")
    parser.add_argument("--run", type=Path, nargs="*", default=[], help="confounds of a run")
    parser.add_argument("--voxel-mm", type=float, default=3.0)
    given = parser.parse_args()
    if "people" in given.parts:
        people(given.folder, given.people, given.voxel_mm)
    if "moved" in given.parts:
        moved(given.folder, given.data, given.people, given.voxel_mm)
    if "study" in given.parts:
        study(given.study)
    if "real" in given.parts:
        real(given.data, given.run)
    if "cohort" in given.parts:
        cohort(given.data)


def people(folder: Path, number: int, voxel_mm: float) -> None:
    """Every strategy on people who move, and on the same people lying still."""
    protocol = protocol_of(voxel_mm)
    both = {
        state: [
            kept_run(folder / f"{index:02d}_{state}.pkl", person, protocol)
            for index, person in enumerate(people_of(5 * ((number + 4) // 5), motion)[:number])
        ]
        for state, motion in STATES.items()
    }
    compared(both, dict.fromkeys(range(number), 2.0))


def moved(folder: Path, data: Path, number: int, voxel_mm: float) -> None:
    """Every strategy on simulated people who move as measured ones did, and who lie still."""
    traces = measured_movements(data)
    fd = [framewise_displacement(movement)[1:].mean() for _, movement in traces]
    order = np.argsort(fd)[np.linspace(0, len(fd) - 1, number + 2).round().astype(int)[1:-1]]
    both: dict[str, list[Run]] = {"moving": [], "still": []}
    tr_s = {}
    for index, (person, trace) in enumerate(
        zip(people_of(5 * ((number + 4) // 5), 0.0), order, strict=False)
    ):
        tr_s[index], movement = traces[trace]
        movement = movement - movement[0]
        protocol = protocol_of(voxel_mm).changed(
            {"func.volumes": len(movement), "func.repetition_time_s": tr_s[index]}
        )
        for state, motion in (("moving", movement), ("still", None)):
            path = folder / f"measured_{index:02d}_{state}.pkl"
            both[state].append(kept_run(path, person, protocol, motion))
    compared(both, tr_s)


def protocol_of(voxel_mm: float) -> Protocol:
    """Protocol of the simulated runs."""
    return chosen_protocol("clinical").changed(
        {"anat.voxel_mm": 2.0, "off_resonance_hz": 0, "func.voxel_mm": voxel_mm}
    )


def kept_run(
    path: Path, person: Person, protocol: Protocol, motion: np.ndarray | None = None
) -> Run:
    """A run of a person, simulated unless it is kept."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(pickle.dumps(vars(realigned_run(person, protocol, motion))))
    return Run(**pickle.loads(path.read_bytes()))


def compared(both: dict[str, list[Run]], tr_s: dict[int, float]) -> None:
    """The table of every strategy; the last state lies still."""
    true = np.array([[run.truth["fc", region] for region in REGIONS] for run in both["still"]])
    number = len(true)
    print()
    for state, measured in both.items():
        fd = [run.truth["mean_fd", "brain"] for run in measured]
        print(f"{state}: true mean FD {np.mean(fd):.3f} ({np.min(fd):.3f} to {np.max(fd):.3f}) mm")
    rests = [state for state in both if state != "moving"]
    print(f"{number} simulated people: FC of seven networks, moving less {' and '.join(rests)}, over the SD of "
          "people (largest, mean); of all pairs rho of that difference with distance; r with the truth; "
          "RMSE of 28 means; degrees of freedom")  # fmt: skip
    print(f"{'strategy':<20}{'censored':>9}" + "".join(f"{'less ' + s:>14}" for s in rests) + f"{'rho':>7}"
          + "".join(f"{'r ' + s:>10}" for s in both) + "".join(f"{'RMSE ' + s:>13}" for s in both)
          + f"{'df':>5}")  # fmt: skip
    differences = {}
    far = distances()
    upper = np.triu_indices(100, 1)
    for name, strategy in STRATEGIES.items():
        for threshold in (SETTINGS.fd_threshold_mm, None):
            value, freedom, pairs = {}, {}, {}
            for state, measured in both.items():
                done = [_by(run, name, strategy.ridge, threshold, tr_s[k])
                        for k, run in enumerate(measured)]  # fmt: skip
                z = [fisher_z(each[0][:, :100]) for each in done]
                value[state] = np.array([network_means(each) for each in z])
                pairs[state] = np.nanmean([each[upper] for each in z], axis=0)
                freedom[state] = np.mean([each[2] for each in done])
            spread = value["still"].std(axis=0, ddof=1)[:7] if number > 1 else np.ones(7)
            differences[name, threshold] = (value["moving"] - value["still"])[:, :7] / spread
            d = [(value["moving"] - value[s]).mean(axis=0)[:7] / spread for s in rests]
            shown = [f"{each[np.abs(each).argmax()]:+.2f}, {each.mean():+.2f}" for each in d]
            rho = spearmanr(far, pairs["moving"] - pairs["still"], nan_policy="omit")[0]
            r = [np.mean([np.corrcoef(value[s][:, k], true[:, k])[0, 1] for k in range(7)])
                 if number > 2 else np.nan for s in both]  # fmt: skip
            rmse = [np.sqrt(((value[s] - true) ** 2).mean()) for s in both]
            print(f"{name:<20}{'yes' if threshold else 'no':>9}" + "".join(f"{each:>14}" for each in shown)
                  + f"{rho:>+7.2f}" + "".join(f"{each:>10.2f}" for each in r)
                  + "".join(f"{each:>13.3f}" for each in rmse) + f"{freedom['moving']:>5.0f}",
                  flush=True)  # fmt: skip
    if number > 2:
        by_default = differences[SETTINGS.strategy, SETTINGS.fd_threshold_mm]
        half = student.ppf(0.975, number - 1) * by_default.std(axis=0, ddof=1) / np.sqrt(number)
        shown = (f"{name} {mean:+.3f} ({mean - h:+.2f} to {mean + h:+.2f})"
                 for name, mean, h in zip(NETWORKS, by_default.mean(axis=0), half, strict=True))  # fmt: skip
        print(f"moving less still over the SD of people, 95 % interval, {SETTINGS.strategy}:",
              ", ".join(shown))  # fmt: skip


def distances() -> np.ndarray:
    """Distance in mm between the centres of all pairs of the hundred parcels."""
    atlas = schaefer(100)
    data = np.asanyarray(atlas.image.dataobj)
    centres = np.array(
        [atlas.image.affine[:3] @ [*np.argwhere(data == k).mean(axis=0), 1] for k in range(1, 101)]
    )
    return np.linalg.norm(centres[:, None] - centres, axis=2)[np.triu_indices(100, 1)]


def _by(
    run: Run, name: str, ridge: bool, threshold: float | None, tr_s: float
) -> tuple[np.ndarray, float, float]:
    model = regressors(run.confounds, run.metadata, strategy=name,
                       components=SETTINGS.compcor_components, who="")  # fmt: skip
    good = good_volumes(run.confounds, fd_threshold_mm=threshold)
    half_mm = SETTINGS.ridge_half_mm if ridge else None
    return cleaned(run.series, model, tr_s, good=good, half_mm=half_mm)


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


def realigned_run(person: Person, protocol: Protocol, motion: np.ndarray | None = None) -> Run:
    """Simulate a run and realign it; no registration stands between parcels and truth."""
    anatomy = draw_anatomy(person, protocol, random_streams(person, 0).lasting)
    streams = random_streams(person, 2)
    bold = simulate_bold(
        anatomy, person, protocol, streams.scan, lasting=streams.lasting, motion=motion
    )
    head = fine_head(anatomy, protocol.func.voxel_mm, pose=bold.since_t1w)
    middle = bold.data.shape[3] // 2
    bright = brain_mask(bold.data[..., middle], bold.affine)
    found = realign(bold.data, bold.affine, mask=dilated(bright, bold.affine, radius_mm=6))

    # Where the tissue of the first volume lies in the reference of the realignment.
    estimated = rigid_matrix(found.parameters[middle], found.centre_mm)
    true = rigid_matrix(bold.motion[middle], head.centre_mm)
    shape = head.shape
    grid = np.moveaxis(np.indices(shape), 0, -1) @ head.affine[:3, :3].T + head.affine[:3, 3]
    to_reference = np.linalg.inv(estimated) @ true
    places = grid @ to_reference[:3, :3].T + to_reference[:3, 3]
    tissue = {name: voxel_means(head.maps[name]) for name in ("gm", "wm", "csf")}
    brain = sum(tissue.values()) > 0.5
    values, _ = resampled_series(bold.data, bold.affine, found, places, brain)

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
        found,
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


def study(folder: Path) -> None:
    """Connectivity of every strategy against what was planted, of a simulated study.

    Where the study was not run to its end, the truth is read beside it, in ``../bids``.
    """
    beside = folder.parent / "bids/sourcedata/truth/markers.tsv"
    if (folder / "recovery_pairs.tsv").is_file():
        pairs = read_table(folder / "recovery_pairs.tsv")
    else:
        pairs = read_table(beside).rename(columns={"value": "true"})
    pairs = pairs[pairs["marker"] == "fc"].assign(session=pairs["session"].fillna("").astype(str))
    rows = []
    for path in sorted(folder.glob("sub-*/**/func/*_desc-strategies_relmat.npz")):
        edges = StrategyEdges.read(path)
        entities = dict(part.split("-", 1) for part in path.name.split("_") if "-" in part)
        visit = {"participant_id": f"sub-{entities['sub']}",
                 "session": f"ses-{entities['ses']}" if "ses" in entities else ""}  # fmt: skip
        for name, z, degrees in zip(edges.strategies, edges.z, edges.degrees, strict=True):
            square = np.full((len(edges.parcels),) * 2, np.nan)
            square[np.triu_indices(len(square), 1)] = z
            square = np.where(np.isnan(square), square.T, square)
            means = dict(zip(REGIONS, network_means(square), strict=True))
            rows += [
                {**visit, "strategy": name, "region": region, "found": value, "df": degrees}
                for region, value in means.items()
            ]
    keys = ["participant_id", "session", "region"]
    both = pd.DataFrame(rows).merge(pairs, on=keys, how="inner")
    print(f"\n{len(both) // (len(REGIONS) * both['strategy'].nunique())} runs of {folder}")
    print("r with the truth over people: 7 networks, 28 means; RMSE, bias of 28 means; df")
    for name, part in both.groupby("strategy", sort=False):
        r = part.groupby("region")[["found", "true"]].apply(lambda t: np.corrcoef(t.T)[0, 1])
        off = part["found"] - part["true"]
        print(f"{name:<20}{r[list(NETWORKS)].mean():>7.2f}{r.mean():>7.2f}{np.sqrt((off**2).mean()):>8.3f}"
              f"{off.mean():>+8.3f}{part['df'].median():>5.0f}")  # fmt: skip


@dataclass(frozen=True)
class RealRun:
    """Parcel series (T, P) of a measured run, its aCompCor components and movement."""

    name: str
    series: np.ndarray
    networks: np.ndarray
    components: pd.DataFrame
    confounds: pd.DataFrame
    tr_s: float


def own_run(path: Path) -> RealRun:
    """A run that this program preprocessed, by the path of its confounds."""
    stem = path.name.partition("_desc-")[0]
    image = nib.load(next(path.parent.glob(f"{stem}_space-*_desc-preproc_bold.nii.gz")))
    mask = nib.load(next(path.parent.glob(f"{stem}_space-*_desc-brain_mask.nii.gz")))
    atlas = schaefer(100)
    parcels = parcels_on_grid(atlas, image.shape[:3], image.affine)
    means = parcel_series(np.asanyarray(image.dataobj), np.asanyarray(mask.dataobj) > 0, parcels,
                          min_coverage=0.5)  # fmt: skip
    table = read_table(path)
    columns = compcor_columns(
        table, json.loads(path.with_suffix(".json").read_text()), components=5, who=stem
    )
    return RealRun(stem, means.series[:, :100], atlas.labels["network"].to_numpy(), table[columns],
                   table, float(image.header.get_zooms()[3]))  # fmt: skip


def halfpipe_runs(data: Path) -> list[RealRun]:
    """Two people of UCLA's CNP: CSF components are out of the series already."""
    folder = data / "derivatives" / "halfpipe-ds000030"
    names = pd.read_csv(next((folder / "atlas").glob("*.tsv")), sep="\t", header=None)[1]
    networks = names.str.extract(r"Networks_[LR]H_([A-Za-z]+)")[0].to_numpy()
    runs = []
    for path in sorted(folder.glob("derivatives/fmriprep/*/func/*_timeseries.tsv")):
        person = path.name.partition("_")[0]
        beside = folder / "derivatives" / "halfpipe" / person / "func" / "task-rest"
        series = pd.read_csv(next(beside.glob("*_timeseries.tsv")), sep="\t", header=None)
        tr_s = float(
            json.loads(next(beside.glob("*_timeseries.json")).read_text())["RepetitionTime"]
        )
        table = read_table(path)
        columns = [f"{tissue}_comp_cor_{k:02d}" for tissue in "cw" for k in range(5)]
        runs.append(RealRun(person, series.to_numpy(float), networks, table[columns], table, tr_s))
    return runs


def real(data: Path, paths: list[Path]) -> None:
    """What movement regressors take out of measured runs after aCompCor, and those of others."""
    others = [movement for _, movement in measured_movements(data)]
    print("\nmeasured runs: share of the variance in the band that regressors take out after aCompCor, and what "
          "they change of the mean FC within networks; of the run's movement, and of that of others "
          "(mean, 5 to 95 %)")  # fmt: skip
    for run in [*map(own_run, paths), *halfpipe_runs(data)]:
        known = np.isfinite(run.series).all(axis=0) & pd.notna(run.networks)
        series, networks = run.series[:, known], run.networks[known]
        same = np.triu(networks[:, None] == networks, 1)
        good = good_volumes(run.confounds, fd_threshold_mm=SETTINGS.fd_threshold_mm)
        volumes = len(series)
        base = cleaned(series, run.components, run.tr_s, good=good)
        z0 = fisher_z(base[0])[same].mean()
        variance = np.nanvar(base[0], axis=0).sum()
        print(f"{run.name}: {volumes} volumes of {run.tr_s:g} s, mean FD "
              f"{run.confounds['framewise_displacement'].mean():.2f} mm, {good.sum()} kept; aCompCor: "
              f"FC {z0:.3f}, df {base[2]:.0f}")  # fmt: skip
        for count in (6, 12, 24):
            shares, changes, degrees = [], [], 0.0
            for movement in [None, *(m for m in others if len(m) >= volumes)]:
                table = run.confounds if movement is None else movement_24(movement[:volumes])
                wanted = STRATEGIES["24P+aCompCor"].columns()
                ends = ("", "_derivative1", "_power2", "_derivative1_power2")[: count // 6]
                wanted = [name for name in wanted if name in {m + e for m in MOTION for e in ends}]
                model = pd.concat([run.components, table[wanted].fillna(0.0)], axis=1)
                rest, _, left = cleaned(series, model, run.tr_s, good=good)
                shares.append(1 - np.nanvar(rest, axis=0).sum() / variance)
                changes.append(fisher_z(rest)[same].mean() - z0)
                degrees = left if movement is None else degrees
            own, other = (
                (shares[0], changes[0]),
                np.percentile([shares[1:], changes[1:]], (5, 95), axis=1),
            )
            print(f"  {count:>2}: {own[0]:.3f}, others {np.mean(shares[1:]):.3f} ({other[0, 0]:.3f} to "
                  f"{other[1, 0]:.3f}); FC {own[1]:+.3f}, others {np.mean(changes[1:]):+.3f} "
                  f"({other[0, 1]:+.3f} to {other[1, 1]:+.3f}); df {degrees:.0f}")  # fmt: skip


def cohort(data: Path) -> None:
    """QC-FC of 78 measured people by a strategy that another program published."""
    folder = data / "tables" / "abide-ho-timeseries"
    people = pd.read_csv(folder / "phenotype.csv").sort_values("FILE_ID")
    atlas = nib.load(next((data / "atlases").rglob("HarvardOxford-cort-*")))
    labels = np.asanyarray(atlas.dataobj)
    z, centres = [], []
    for name in people["FILE_ID"]:
        with gzip.open(folder / "timeseries" / f"{name}_rois_ho.1D.gz", "rt") as file:
            codes = [int(code.strip("#")) for code in file.readline().split()]
            series = np.loadtxt(file)
        cortical = [k for k, code in enumerate(codes) if code > 100]
        with np.errstate(invalid="ignore"):
            z.append(fisher_z(series[:, cortical])[np.triu_indices(len(cortical), 1)])
    for code in (codes[k] for k in cortical):
        places = nib.affines.apply_affine(atlas.affine, np.argwhere(labels == code // 100))
        centres.append(places[(places[:, 0] < 0) == (code % 100 == 1)].mean(axis=0))
    apart = np.linalg.norm(np.subtract.outer(centres, centres).diagonal(axis1=1, axis2=3), axis=2)
    sites = pd.get_dummies(people["SITE_ID"], drop_first=True)
    covariates = pd.concat([people[["AGE_AT_SCAN", "SEX", "DX_GROUP"]], sites], axis=1)
    result = motion_in_edges(np.array(z, np.float32), people["func_mean_fd"].to_numpy(),
                             apart[np.triu_indices(len(centres), 1)], covariates.to_numpy(float),
                             permutations=200)  # fmt: skip
    print(f"\nQC-FC of {result.people} measured people, 24 movement regressors and CompCor: median |r| "
          f"{result.median_abs_r:.3f}, by chance {result.expected_abs_r:.3f} (97.5 %: "
          f"{result.chance_high:.3f}); rho with distance {result.distance_rho:+.2f}, p "
          f"{result.p_distance:.3f}")  # fmt: skip


if __name__ == "__main__":
    main()
