"""What a learnt representation is worth beside linear models on the markers themselves.

``python benchmarks/representation.py [PART ...] [--data ../shared/data/tables]``. Needs torch. Parts:

``simulated``
    150 correlated markers of simulated people of several sites. The encoder, PCA and a random encoder
    see healthy people only; a linear probe learns a planted disease from 50 and 100 labels. AUC in
    400 new people over seeds, its paired difference, the accuracy of a probe of the site, and how
    often the deviation map names a planted region.
``fcon1000``
    age from FreeSurfer's regions with the site left out, by ridge on markers, PCA-50, a random and the
    learnt encoder, and by fine-tuning; the encoder never sees the site.
``impac``
    autism on sites left out: the encoder is learnt on controls of the other sites.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import pandas as pd
from scipy.stats import t as student
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import GroupKFold, StratifiedKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from commissure.models.encoders.encoder import MarkerEncoder
from commissure.models.encoders.fine_tuning import fine_tune
from commissure.models.encoders.pretraining import pretrain_markers, random_marker_encoder
from commissure.models.encoders.settings import PretrainingSettings, Start

FEATURES = ("markers", "PCA-50", "PCA-64", "random", "y-aware", "SimCLR")
#: Fine-tuned encoders by where they start: what pre-training adds to fine-tuning is their difference.
TUNED = {"fine-tuned": "y-aware", "tuned from drawn": "random"}
PENALTIES = np.logspace(0, 5, 11)


def representations(
    healthy: np.ndarray, ages: np.ndarray, settings: PretrainingSettings
) -> dict[str, MarkerEncoder]:
    """The learnt encoders and the random one, of healthy people."""
    simclr = settings.model_copy(update={"sigma": 0.0})
    return {
        "random": random_marker_encoder(healthy, ages, settings),
        "y-aware": pretrain_markers(healthy, ages, settings, device="cpu")[0],
        "SimCLR": pretrain_markers(healthy, ages, simclr, device="cpu")[0],
    }


def features(
    healthy: np.ndarray, encoders: dict[str, MarkerEncoder], values: np.ndarray
) -> dict[str, np.ndarray]:
    """People in each representation."""
    scale = encoders["random"]
    z, learnt_on = scale.standardised(values), scale.standardised(healthy)
    named = {"markers": z}
    for most in (50, 64):
        pca = PCA(min(most, *healthy.shape), random_state=0).fit(learnt_on)
        named[f"PCA-{most}"] = pca.transform(z)
    return named | {name: encoder.embed(values) for name, encoder in encoders.items()}


def probe(x: np.ndarray, y: np.ndarray) -> Pipeline:
    """A ridge regression, on 0 and 1 of labels, whose penalty leaving one out chooses."""
    return make_pipeline(StandardScaler(), RidgeCV(PENALTIES)).fit(x, y)


def site_accuracy(x: np.ndarray, sites: np.ndarray) -> float:
    """Balanced accuracy of a probe of the site, each fifth by the others."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=300))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return balanced_accuracy_score(sites, cross_val_predict(model, x, sites, cv=folds))


def interval(differences: np.ndarray) -> str:
    """Mean of paired differences with its 95 % interval."""
    n = len(differences)
    if n < 2:
        return f"{differences.mean():+.3f}"
    half = student.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)
    mean = differences.mean()
    return f"{mean:+.3f} ({mean - half:+.3f} to {mean + half:+.3f})"


class Population:
    """People of one world: how markers hang together, age with them, and what a disease does."""

    def __init__(self, rng: np.random.Generator, markers: int, sites: int = 6) -> None:
        self.rng = rng
        self.loadings = rng.normal(size=(12, markers)) / 12**0.5
        self.aging = 0.6 * rng.normal(size=markers) / 20
        self.sites = 0.5 * rng.normal(size=(sites, markers))
        self.affected = rng.choice(markers, markers // 10, replace=False)

    def drawn(self, people: int, d: float) -> tuple[np.ndarray, ...]:
        """Markers, ages, sites and labels of people, half of them ill where ``d`` is not 0."""
        rng, markers = self.rng, self.loadings.shape[1]
        ages, site = rng.uniform(18, 70, people), rng.integers(0, len(self.sites), people)
        ill = np.arange(people) % 2 if d else np.zeros(people, int)
        x = rng.normal(size=(people, 12)) @ self.loadings + 0.7 * rng.normal(size=(people, markers))
        x += self.aging * (ages[:, None] - 44) + self.sites[site]
        x[:, self.affected] -= d * ill[:, None]
        return x, ages, site, ill


def simulated(asked: argparse.Namespace, settings: PretrainingSettings) -> None:
    """A planted disease."""
    aucs: dict[tuple[int, str], list[float]] = {}
    of_site: dict[str, list[float]] = {name: [] for name in FEATURES}
    named_region: dict[str, list[float]] = {"map": [], "|z|": []}
    for seed in range(asked.seeds):
        world = Population(np.random.default_rng([seed, 22]), asked.markers)
        healthy, ages, site, _ = world.drawn(asked.healthy, 0.0)
        encoders = representations(healthy, ages, settings.model_copy(update={"seed": seed}))
        test, _, _, ill = world.drawn(400, asked.d)
        tested = features(healthy, encoders, test)
        for labels in asked.labels:
            train, _, _, y = world.drawn(labels, asked.d)
            for name, x in features(healthy, encoders, train).items():
                said = probe(x, y).predict(tested[name])
                aucs.setdefault((labels, name), []).append(roc_auc_score(ill, said))
        for name, x in features(healthy, encoders, healthy).items():
            of_site[name].append(site_accuracy(x, site))
        planted, their_ages, _, _ = world.drawn(150, 0.0)
        where = world.rng.integers(0, asked.markers, 150)
        planted[np.arange(150), where] -= 3.0
        maps = encoders["y-aware"].deviation_map(planted, their_ages)
        z = np.abs(encoders["y-aware"].standardised(planted))
        for name, table in (("map", maps), ("|z|", z)):
            named_region[name].append(float((table.argmax(axis=1) == where).mean()))
    print(f"simulated: {asked.healthy} healthy people, {asked.markers} markers, d {asked.d} in a "
          f"tenth of them, {asked.seeds} seeds")  # fmt: skip
    for labels in asked.labels:
        learnt = np.array(aucs[labels, "y-aware"])
        for name in FEATURES:
            values = np.array(aucs[labels, name])
            print(f"  {labels:3d} labels  {name:8s} AUC {values.mean():.3f}   y-aware less it "
                  f"{interval(learnt - values)}")  # fmt: skip
    for name, accuracies in of_site.items():
        print(f"  site probe  {name:8s} balanced accuracy {np.mean(accuracies):.3f}")
    for name, shares in named_region.items():
        print(f"  one region 3 SD low: named first by {name} in {np.mean(shares):.2f} of people")


def left_out(
    values: np.ndarray, sites: np.ndarray, few: int | None
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Training and test people with each site left out, or with groups of sites."""
    if few:
        yield from GroupKFold(few).split(values, groups=sites)
        return
    for site in np.unique(sites):
        yield np.flatnonzero(sites != site), np.flatnonzero(sites == site)


def clustered(errors: np.ndarray, sites: np.ndarray) -> str:
    """Mean of paired differences of people with its 95 % interval over sites (bootstrap)."""
    rng = np.random.default_rng(0)
    total = np.array([errors[sites == site].sum() for site in np.unique(sites)])
    count = np.array([(sites == site).sum() for site in np.unique(sites)])
    drawn = rng.integers(0, len(total), (4000, len(total)))
    means = total[drawn].sum(axis=1) / count[drawn].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{errors.mean():+.3f} ({low:+.3f} to {high:+.3f})"


def fcon1000(asked: argparse.Namespace, settings: PretrainingSettings) -> None:
    """Age of healthy people of 22 sites."""
    table = pd.read_csv(asked.data / "fcon1000-freesurfer/fcon1000.csv")
    table = table[~table["sub_id"].str.startswith("NewYork_a_ADHD")]
    sites = table["sub_id"].str.extract(r"^(.*)_sub")[0].to_numpy(str)
    regions = table.drop(columns=["sub_id", "age", "sex", "site"]).apply(pd.to_numeric)
    values = regions.loc[:, regions.nunique() > 5].to_numpy(float)
    ages = table["age"].to_numpy(float)
    errors = {name: np.full(len(ages), np.nan) for name in (*FEATURES, *TUNED, "mean")}
    for train, test in left_out(values, sites, asked.groups):
        encoders = representations(values[train], ages[train], settings)
        trained = features(values[train], encoders, values[train])
        for name, x in features(values[train], encoders, values[test]).items():
            said = probe(trained[name], ages[train]).predict(x)
            errors[name][test] = np.abs(said - ages[test])
        if asked.fine_tune:
            for name, start in TUNED.items():
                tuned = fine_tune(encoders[start], values[train], ages[train], kind="number")
                errors[name][test] = np.abs(tuned.predict(values[test]) - ages[test])
        errors["mean"][test] = np.abs(ages[train].mean() - ages[test])
    print(f"fcon1000: {len(ages)} people, {len(set(sites))} sites, {values.shape[1]} regions; age "
          f"error with {'groups of sites' if asked.groups else 'the site'} left out")  # fmt: skip
    for name, error in errors.items():
        if np.isfinite(error).all():
            print(f"  {name:10s} MAE {error.mean():.2f} years   less ridge on markers "
                  f"{clustered(error - errors['markers'], sites)}")  # fmt: skip
    site_probes(values, ages, sites, settings)


def site_probes(
    values: np.ndarray, ages: np.ndarray, sites: np.ndarray, settings: PretrainingSettings
) -> None:
    """How well a probe tells the sites with 25 people and more."""
    names, counts = np.unique(sites, return_counts=True)
    large = np.isin(sites, names[counts >= 25])
    if large.sum() < settings.batch:
        print(f"  no site probe: {large.sum()} people at sites of 25 and more")
        return
    encoders = representations(values[large], ages[large], settings)
    for name, x in features(values[large], encoders, values[large]).items():
        print(f"  site probe  {name:8s} balanced accuracy {site_accuracy(x, sites[large]):.3f}")


def impac(asked: argparse.Namespace, settings: PretrainingSettings) -> None:
    """Autism at sites of which the encoder knows nobody."""
    folder = asked.data / "impac-autism-freesurfer"
    people = pd.read_csv(folder / "participants.csv", dtype={"subject_id": str})
    anatomy = pd.read_csv(folder / "anatomy.csv", dtype={"subject_id": str})
    joined = people.merge(anatomy, on="subject_id")
    names = [name for name in anatomy.select_dtypes("number") if joined[name].nunique() > 5]
    values, ages = joined[names].to_numpy(float), joined["age"].to_numpy(float)
    sites, y = joined["site"].astype(str).to_numpy(), joined["asd"].to_numpy(int)
    models = (*FEATURES, "markers + y-aware", *TUNED)
    scores = {name: np.full(len(y), np.nan) for name in models}
    errors = {name: np.full(len(y), np.nan) for name in FEATURES}
    for train, test in left_out(values, sites, asked.groups):
        controls = train[y[train] == 0]
        encoders = representations(values[controls], ages[controls], settings)
        trained = features(values[controls], encoders, values[train])
        tested = features(values[controls], encoders, values[test])
        for name in FEATURES:
            scores[name][test] = probe(trained[name], y[train]).predict(tested[name])
            ridge = probe(trained[name][y[train] == 0], ages[controls])
            errors[name][test] = np.abs(ridge.predict(tested[name]) - ages[test])
        both = [np.hstack([part["markers"], part["y-aware"]]) for part in (trained, tested)]
        scores["markers + y-aware"][test] = probe(both[0], y[train]).predict(both[1])
        if asked.fine_tune:
            for name, start in TUNED.items():
                tuned = fine_tune(encoders[start], values[train], y[train], kind="labels")
                scores[name][test] = tuned.predict(values[test])
    print(f"impac: {len(y)} people, {len(set(sites))} sites, {len(names)} markers; autism with "
          f"{'groups of sites' if asked.groups else 'the site'} left out, AUC within site")  # fmt: skip
    won, pairs = {}, None
    for name, said in scores.items():
        if np.isfinite(said).all():
            won[name], pairs = pairs_won(y, said, sites)
    for name, wins in won.items():
        print(f"  {name:18s} AUC {wins.sum() / pairs.sum():.3f}   less markers "
              f"{over_sites(wins - won['markers'], pairs)}")  # fmt: skip
    healthy = y == 0
    for name, error in errors.items():
        print(f"  age of controls  {name:8s} MAE {error[healthy].mean():.2f} years   less ridge on "
              f"markers {clustered((error - errors['markers'])[healthy], sites[healthy])}")  # fmt: skip
    site_probes(values[healthy], ages[healthy], sites[healthy], settings)


def pairs_won(y: np.ndarray, said: np.ndarray, sites: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a site that are put in order, and all pairs, of each site."""
    won, pairs = [], []
    for site in np.unique(sites):
        ill, well = (said[(sites == site) & (y == label)] for label in (1, 0))
        above = ill[:, None] - well[None]
        won.append((above > 0).sum() + (above == 0).sum() / 2)
        pairs.append(above.size)
    return np.array(won, float), np.array(pairs, float)


def over_sites(won: np.ndarray, pairs: np.ndarray) -> str:
    """A difference of AUCs with its 95 % interval over sites (bootstrap)."""
    drawn = np.random.default_rng(0).integers(0, len(won), (4000, len(won)))
    total = pairs[drawn].sum(axis=1)
    low, high = np.percentile(won[drawn].sum(axis=1) / np.maximum(total, 1), [2.5, 97.5])
    return f"{won.sum() / pairs.sum():+.3f} ({low:+.3f} to {high:+.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["simulated", "fcon1000", "impac"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tables"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--healthy", type=int, default=800)
    parser.add_argument("--markers", type=int, default=150)
    parser.add_argument("--labels", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--d", type=float, default=0.5)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--sigma", type=float, default=5.0)
    parser.add_argument("--start", choices=get_args(Start), default=PretrainingSettings().start)
    parser.add_argument(
        "--reconstruction", type=float, default=PretrainingSettings().reconstruction
    )
    parser.add_argument("--cutout", type=float, default=PretrainingSettings().cutout)
    parser.add_argument("--groups", type=int, help="Groups of sites, which is quicker than sites.")
    parser.add_argument("--fine-tune", action="store_true")
    asked = parser.parse_args()
    if find_spec("torch") is None:
        print("torch is not installed: this benchmark needs the extra deep.")
        return
    settings = PretrainingSettings(
        epochs=asked.epochs, sigma=asked.sigma, start=asked.start,
        reconstruction=asked.reconstruction, cutout=asked.cutout,
    )  # fmt: skip
    begun = time.process_time()
    for part in asked.parts:
        folder = {"fcon1000": "fcon1000-freesurfer", "impac": "impac-autism-freesurfer"}.get(part)
        if folder and not (asked.data / folder).is_dir():
            sys.exit(f"{asked.data}: {folder} is not there")
        {"simulated": simulated, "fcon1000": fcon1000, "impac": impac}[part](asked, settings)
    print(f"{time.process_time() - begun:.0f} CPU s")


if __name__ == "__main__":
    main()
