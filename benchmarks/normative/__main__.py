"""Whether reference charts tell the truth about people and sites whom they have not seen.

``folds``: 1053 controls of 22 sites (FCON1000, FreeSurfer), in ten parts: share of deviations
beyond 1.96, shape, cost. Beside it splines and sites by ridge regression alone.
``sites``: each large site left out, learnt from 0, 10, 25 and 50 of its controls; how far off the
mean deviation of the rest is.
``few``: how the charts of 20 to 100 controls of one or two sites do.
``simulated``: centiles of skewed markers whose spread grows with age, and a planted loss.
``patients``: patients against controls (MCIC, IMPAC).
``peer``: the same charts by PCNtoolkit (warped Bayesian linear regression) in an environment of
its own, which ``--peer-python`` names.

    python -m benchmarks.normative [folds sites few simulated patients peer]
        [--data ../shared/data/tables] [--markers N] [--draws N] [--peer-python PATH]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.preprocessing import SplineTransformer

from commissure.models.charts import SITES, People, ReferenceCharts
from commissure.normative.held_out import fold_numbers, held_out_scores

PARTS = ("folds", "sites", "few", "simulated", "patients", "peer")
LIMIT = 1.96
PEER = Path(__file__).with_name("peer.py")


def fcon(data: Path, most: int | None) -> tuple[np.ndarray, People, list[str]]:
    """The controls of FCON1000: markers that are measured in everybody and take many values."""
    table = pd.read_csv(data / "fcon1000-freesurfer/fcon1000.csv")
    site = table["sub_id"].str.rsplit("_sub", n=1).str[0]
    table, site = table[site != "NewYork_a_ADHD"], site[site != "NewYork_a_ADHD"]
    names = [
        name for name in table.columns[3:]
        if table[name].dtype.kind in "fi" and table[name].nunique() >= 100
        and (table[name] == 0).mean() <= 0.002
    ][:most]  # fmt: skip
    people = People(
        table["age"].to_numpy(float), 1.0 - table["sex"].to_numpy(float), site.to_numpy(object)
    )
    return table[names].to_numpy(float), people, names


def told(z: np.ndarray, label: str, seconds: float | None = None) -> None:
    """One row: how sound deviations of healthy people are."""
    z = z[np.isfinite(z).all(axis=1)]
    share = (np.abs(z) > LIMIT).mean(axis=0)
    low, high = stats.binom.ppf([0.025, 0.975], len(z), 0.05) / len(z)
    rejected = np.mean([stats.kstest(column, "norm").pvalue < 0.05 for column in z.T])
    cost = "" if seconds is None else f"{seconds:8.2f}"
    print(
        f"{label:34} {share.mean():8.2%} {((share >= low) & (share <= high)).mean():8.1%} "
        f"{share.min():6.1%}-{share.max():5.1%} {rejected:8.1%} {z.std():6.3f} {cost}", flush=True
    )  # fmt: skip


def folds(args: argparse.Namespace) -> None:
    values, people, _ = fcon(args.data, args.markers)
    print(f"\n{len(people)} controls, {len(set(people.site))} sites, {values.shape[1]} markers")
    print(f"{'in ten parts':34} {'beyond':>8} {'in band':>8} {'range':>12} {'shape p<.05':>8} "
          f"{'SD':>6} {'CPU s':>8}")  # fmt: skip
    started = time.process_time()
    z, _ = held_out_scores(ReferenceCharts(), values, people, 10)
    told(z, "charts", (time.process_time() - started) / 10)
    numbers = fold_numbers(people.site, 10)
    z = np.empty_like(values)
    for fold in range(10):
        out = numbers == fold
        z[out] = plain(values[~out], people.some(~out), values[out], people.some(out))
    told(z, "splines and sites by ridge")
    charts = ReferenceCharts().fit(values, people)
    spread = np.exp(charts.variance_.coefficients[:, 0] / 2)
    offsets = 1 / np.sqrt(charts.mean_.penalties) / spread[:, None]
    levels = 1 / np.sqrt(charts.variance_.penalties)
    print("medians of the widths of priors (bends, sites, bends of one sex; levels): mean "
          f"{np.median(offsets, axis=0).round(2)}, log variance {np.median(levels, axis=0).round(2)}")  # fmt: skip


def plain(values: np.ndarray, people: People, new: np.ndarray, them: People) -> np.ndarray:
    """Deviations by a spline of age, sex and sites with one penalty and one variance."""
    spline = SplineTransformer(n_knots=6).fit(people.age[:, None])
    names = sorted(set(people.site))

    def columns(who: People) -> np.ndarray:
        return np.column_stack(
            [spline.transform(who.age[:, None]), who.female, who.site[:, None] == np.array(names)]
        )

    fitted = Ridge(alpha=1.0).fit(columns(people), values)
    left = values - fitted.predict(columns(people))
    return (new - fitted.predict(columns(them))) / left.std(axis=0, ddof=columns(people).shape[1])


def sites(args: argparse.Namespace) -> None:
    values, people, _ = fcon(args.data, args.markers)
    rng = np.random.default_rng(1)
    counts = (0, 10, 25, 50)
    print("\nsite left out, learnt from so many of its controls: mean |mean z| of the others")
    print(f"{'site':20} {'people':>6} " + " ".join(f"{count:>8}" for count in counts)
          + "   beyond 1.96")  # fmt: skip
    rows: dict[int, list[tuple[int, float]]] = {count: [] for count in counts}
    for site in sorted(set(people.site)):
        there = np.flatnonzero(people.site == site)
        if len(there) <= 25:
            continue
        away = people.site != site
        charts = ReferenceCharts().fit(values[away], people.some(away))
        cells, shares = [], []
        for count in counts:
            off, beyond = [], []
            for _ in range(args.draws if count else 1):
                drawn = rng.permutation(there)
                known, others = drawn[:count], drawn[count:]
                charts.site_offsets_.pop(site, None)
                if count:
                    charts.learn_site(site, values[known], people.some(known))
                z = charts.scores(values[others], people.some(others))
                z = z[np.isfinite(z).all(axis=1)]
                if len(z):
                    off.append(np.abs(z.mean(axis=0)).mean())
                    beyond.append((np.abs(z) > LIMIT).mean())
            if not off:
                cells.append("       -")
                continue
            rows[count].append((len(there) - count, float(np.mean(off))))
            cells.append(f"{np.mean(off):8.3f}")
            shares.append(f"{np.mean(beyond):.1%}")
        print(f"{site:20} {len(there):6} {' '.join(cells)}   {' '.join(shares)}", flush=True)
    for label, pick in (("of all, by people left", 1), ("20 people left or more", 20)):
        means = [
            np.average([off for left, off in of if left >= pick],
                       weights=[left if pick == 1 else 1 for left, _ in of if left >= pick])
            if any(left >= pick for left, _ in of) else np.nan
            for of in rows.values()
        ]  # fmt: skip
        print(f"{label:27} " + " ".join(f"{mean:8.3f}" for mean in means))
    noise = [
        np.average([np.sqrt(2 / np.pi / left) for left, _ in of], weights=[left for left, _ in of])
        for of in rows.values()
    ]
    print(f"{'chance alone, by people left':27} " + " ".join(f"{mean:8.3f}" for mean in noise))
    tau = 1 / charts.mean_.penalties[:, SITES] / np.exp(charts.variance_.coefficients[:, 0])
    best = [
        np.average(
            [np.mean(np.sqrt(2 / np.pi * (1 / (1 / tau + count) + 1 / left))) for left, _ in of],
            weights=[left for left, _ in of],
        )
        for count, of in rows.items()
    ]
    print(f"{'best that can be expected':27} " + " ".join(f"{mean:8.3f}" for mean in best))


def few(args: argparse.Namespace) -> None:
    values, people, _ = fcon(args.data, args.markers)
    rng = np.random.default_rng(2)
    print("\nfew controls: deviations of 100 others of the same sites")
    print(f"{'sites':40} {'controls':>8} {'beyond':>8} {'SD':>6}")
    for names in (["Cambridge_Buckner"], ["ICBM"], ["Beijing_Zang", "Cambridge_Buckner"]):
        there = np.flatnonzero(np.isin(people.site, names))
        for count in (20, 30, 50, 100):
            if count + 20 > len(there):
                continue
            z = []
            for _ in range(args.draws):
                drawn = rng.permutation(there)
                known, others = drawn[:count], drawn[count : count + 100]
                charts = ReferenceCharts().fit(values[known], people.some(known))
                z.append(charts.scores(values[others], people.some(others)))
            z = np.vstack(z)
            z = z[np.isfinite(z).all(axis=1)]
            print(f"{' '.join(names):40} {count:8} {(np.abs(z) > LIMIT).mean():8.2%} "
                  f"{z.std():6.3f}", flush=True)  # fmt: skip


SITE_NAMES = np.array(["A", "B", "C", "D"], dtype=object)


def drawn_people(rng: np.random.Generator, count: int) -> tuple[np.ndarray, ...]:
    """Ages, sexes and places among four sites."""
    return (
        rng.uniform(18, 80, count), rng.integers(0, 2, count).astype(float),
        rng.integers(0, 4, count),
    )  # fmt: skip


def marker_values(
    scores: np.ndarray, age: np.ndarray, female: np.ndarray, shift: np.ndarray, skew: np.ndarray
) -> np.ndarray:
    """Skewed markers whose median bends and whose spread triples with age, from normal scores."""
    shaped = np.where(skew > 0, np.expm1(skew * scores) / np.maximum(skew, 1e-9), scores)
    spread = 0.5 + (age[:, None] - 18) / 62
    return np.sin((age[:, None] - 18) / 20) + 0.4 * female[:, None] + shift + spread * shaped


def simulated(args: argparse.Namespace) -> None:
    for people, markers in ((1000, args.markers or 200), (20000, min(args.markers or 40, 40))):
        centiles_found(people, markers)
    planted(args)


def centiles_found(people: int, markers: int) -> None:
    """How far the centiles of charts of drawn people are from the true ones."""
    rng = np.random.default_rng(3)
    shift = rng.normal(0, 0.5, (4, markers))
    skew = np.linspace(0, 0.6, markers)
    age, female, place = drawn_people(rng, people)
    values = marker_values(rng.normal(size=(people, markers)), age, female, shift[place], skew)
    started = time.process_time()
    charts = ReferenceCharts().fit(values, People(age, female, SITE_NAMES[place]))
    cost = time.process_time() - started
    print(f"\nsimulated: {people} controls, {markers} markers, {cost:.2f} CPU s")
    print(f"{'true centile':>12} {'mean found':>11} {'SD of markers':>13} {'youngest fifth':>15} "
          f"{'oldest fifth':>13}")  # fmt: skip
    age, female, place = drawn_people(rng, 5000)
    worst = 0.0
    for centile in (2.5, 5, 25, 50, 75, 95, 97.5):
        true = np.full((len(age), markers), stats.norm.ppf(centile / 100))
        values = marker_values(true, age, female, shift[place], skew)
        inside = charts.within_ages(age)
        z = charts.scores(values, People(age, female, SITE_NAMES[place]))[inside]
        found, edge = stats.norm.cdf(z) * 100, age[inside]
        young, old = edge < np.quantile(edge, 0.2), edge > np.quantile(edge, 0.8)
        worst = max(
            worst, *(abs(part.mean() - centile) for part in (found, found[young], found[old]))
        )
        print(f"{centile:12} {found.mean():11.2f} {found.mean(axis=0).std():13.2f} "
              f"{found[young].mean():15.2f} {found[old].mean():13.2f}", flush=True)  # fmt: skip
    print(f"largest error of a centile, mean over markers: {worst:.2f} points")


def planted(args: argparse.Namespace) -> None:
    """A loss of one standard deviation in the hippocampus of real people who had no part."""
    if not (args.data / "fcon1000-freesurfer").is_dir():
        print("planted loss: needs fcon1000-freesurfer")
        return
    values, people, names = fcon(args.data, None)
    chosen = [names.index(name) for name in ("Left-Hippocampus", "Right-Hippocampus")]
    values = values[:, chosen]
    numbers = fold_numbers(people.site, 10)
    moved = []
    for fold in range(10):
        out = numbers == fold
        charts = ReferenceCharts().fit(values[~out], people.some(~out))
        left = people.some(out)
        before = charts.scores(values[out], left)
        sd = np.exp(charts.variance_.coefficients[:, 0] / 2) * charts.spread_
        after = charts.scores(values[out] - sd, left)
        moved.append(after - before)
    moved = np.vstack(moved)
    print(f"planted -1 SD hippocampus (of people of one age, sex and site): mean change of z "
          f"{np.nanmean(moved, axis=0).round(3)}")  # fmt: skip


def patients(args: argparse.Namespace) -> None:
    table = pd.read_csv(args.data / "mcic-vbm-aal/gm_density_aal116.csv")
    names = [name for name in table if name.startswith("gm_")][: args.markers]
    print("\nMCIC: charts of one side of is_control, the other side scored")
    for control in (False, True):
        compared(table, names, table["is_control"] == control, f"is_control = {control}")
    source = args.data / "impac-autism-freesurfer"
    table = pd.read_csv(source / "anatomy.csv").merge(pd.read_csv(source / "participants.csv"))
    names = [name for name in table if name.endswith(("_thickness", "Hippocampus", "Amygdala"))]
    print("IMPAC: charts of people without autism, those with autism scored")
    compared(table, names[: args.markers], table["asd"] == 0, "asd = 0")


def compared(table: pd.DataFrame, names: list[str], healthy: pd.Series, label: str) -> None:
    """How extreme healthy people whom the charts have not seen are, and everybody else."""
    people = People(
        table["age"].to_numpy(float), (table["sex"] == "F").to_numpy(float),
        table["site"].astype(str).to_numpy(object),
    )  # fmt: skip
    values, who = table[names].to_numpy(float), healthy.to_numpy()
    z, _ = held_out_scores(ReferenceCharts(), values[who], people.some(who), 10)
    charts = ReferenceCharts().fit(values[who], people.some(who))
    scores = charts.scores(values[~who], people.some(~who))
    print(f"charts of {label} ({who.sum()}): held out mean z {np.nanmean(z):.2f}, low "
          f"{np.nanmean(z < -LIMIT):.1%}, high {np.nanmean(z > LIMIT):.1%}; the others: mean z "
          f"{np.nanmean(scores):.2f}, low {np.nanmean(scores < -LIMIT):.1%}, high "
          f"{np.nanmean(scores > LIMIT):.1%}", flush=True)  # fmt: skip


def peer(args: argparse.Namespace) -> None:
    if args.peer_python is None:
        print("\npeer: name the Python of an environment with pcntoolkit 1.3 by --peer-python")
        return
    values, people, _ = fcon(args.data, args.markers or 20)
    out = fold_numbers(people.site, 10) == 0
    with tempfile.TemporaryDirectory() as folder:
        np.savez(
            Path(folder) / "in.npz", values=values, age=people.age, female=people.female,
            site=people.site.astype(str), out=out,
        )  # fmt: skip
        done = subprocess.run(
            [str(args.peer_python), str(PEER), folder], capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        theirs = np.load(Path(folder) / "out.npz")
        started = time.process_time()
        charts = ReferenceCharts().fit(values[~out], people.some(~out))
        ours = charts.scores(values[out], people.some(out))
        cost = time.process_time() - started
        print(f"\n{values.shape[1]} markers, {out.sum()} people left out: CPU s {cost:.2f} against "
              f"{float(theirs['seconds']):.1f}")  # fmt: skip
        for name in [key for key in theirs.files if key != "seconds"]:
            r = [
                stats.pearsonr(a[k], b[k]).statistic
                for a, b in zip(ours.T, theirs[name].T, strict=True)
                for k in [np.isfinite(a) & np.isfinite(b)]
            ]  # fmt: skip
            print(f"{name:30} r of z: median {np.median(r):.4f}, least {np.min(r):.4f}; beyond "
                  f"{(np.abs(theirs[name]) > LIMIT).mean():.2%} (ours "
                  f"{(np.abs(ours[np.isfinite(ours)]) > LIMIT).mean():.2%})")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="part")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tables"))
    parser.add_argument("--markers", type=int)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--peer-python", type=Path)
    args = parser.parse_args()
    runs = {run.__name__: run for run in (folds, sites, few, simulated, patients, peer)}
    for part in args.parts:
        runs[part](args)


if __name__ == "__main__":
    main()
