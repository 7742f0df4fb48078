"""Whether groups are found where they are, and only there: planted, by chance, and in real cohorts.

    python -m benchmarks.subtypes [noise planted power drysdale indices trap cohorts kernel]
        [--runs N] [--markers N] [--people N] [--data ../shared/data/tables]

noise, planted   one cloud, a gradient and a skewed cloud must give no clusters, four clusters four
power            two clusters 2, 3 and 4 standard deviations apart
drysdale         the published recipe on noise: in-sample and held-out correlation side by side
indices          silhouette, Calinski-Harabasz, bootstrap Jaccard of a cloud and of four clusters
trap, cohorts    IMPAC's autism group, MCIC's patients, FCON1000; need the tables
kernel           k-means of many samples at once beside scikit-learn's
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

# Small matrices: threads of the linear algebra cost two hundred times what they save.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from benchmarks.subtypes.cohorts import cohort
from benchmarks.subtypes.planted import CORNERS, four, gradient, noise, question, skewed, two
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from commissure.models.clusters import k_means, ward
from commissure.study.settings import StudySettings
from commissure.subtypes.indices import calinski_harabasz, silhouette
from commissure.subtypes.run import run_subtypes
from commissure.subtypes.search import NO_CLUSTERS, search
from commissure.subtypes.settings import SubtypesSettings
from commissure.subtypes.stability import stability

PARTS = ("noise", "planted", "power", "drysdale", "indices", "trap", "cohorts", "kernel")
#: What the parts that count verdicts look for.
TABLES = {
    "noise": lambda n, p: {"one cloud": noise(n, p), "skewed": skewed(n, p)},
    "planted": lambda n, p: {
        "gradient": gradient(n, p),
        "gradient, few markers": gradient(n, 10),
        "four clusters": four(n, p),
    },
    "power": lambda n, p: {f"two, {d} apart": two(n, p, d) for d in (2, 3, 4)},
}


def verdicts(part: str, asked: argparse.Namespace) -> None:
    """Verdicts on drawn cohorts."""
    settings = SubtypesSettings(search=True, simulations=99)
    for name, draw in TABLES[part](asked.people, asked.markers).items():
        started, counts, alike = time.process_time(), Counter(), []
        for seed in range(asked.first_seed, asked.first_seed + asked.runs):
            values, labels = draw(np.random.default_rng(seed))
            answer = search(question(values, seed), settings, thorough=False)
            counts[answer.verdict if answer.chosen is None else f"{answer.chosen.k} clusters"] += 1
            if labels is not None:
                found = np.zeros(len(values)) if answer.chosen is None else answer.chosen.labels
                alike.append(adjusted_rand_score(labels, found))
        seconds = time.process_time() - started
        said = ", ".join(f"{word} {100 * n / asked.runs:.1f} %" for word, n in counts.most_common())
        ari = f"; ARI mean {np.mean(alike):.3f}, least {min(alike):.3f}" if alike else ""
        print(f"{name:24s}{said}{ari}  ({asked.runs} runs, {seconds:.0f} CPU s)", flush=True)


def drysdale(asked: argparse.Namespace) -> None:
    """The published recipe on noise: 220 people, 5000 markers, 17 items, and 220 held out."""
    print(f"{'markers chosen':>15s}{'in sample':>11s}{'by chance':>11s}{'held out':>10s}  verdict")
    for selected in (150, 20):
        rows, said = [], Counter()
        for seed in range(max(1, asked.runs // 20)):
            rng = np.random.default_rng(seed)
            values, items = rng.normal(size=(440, 5000)), rng.normal(size=(440, 17))
            settings = SubtypesSettings(
                search=True, items=["*"], recipe="drysdale", selected_markers=selected,
                permutations=19, simulations=99, seed=seed,
            )  # fmt: skip
            answer = search(question(values, seed, items=items), settings, thorough=False)
            said[answer.verdict] += 1
            rows += [(v.in_sample, v.by_chance, v.held_out) for v in answer.variates[:1]]
        one, two_, three = np.mean(rows, axis=0)
        print(f"{selected:15d}{one:11.3f}{two_:11.3f}{three:10.3f}  {dict(said)}", flush=True)


def indices(asked: argparse.Namespace) -> None:
    """Indices of one cloud in two dimensions, 220 people, and of four clusters."""
    rng = np.random.default_rng(0)
    numbers = range(2, 7)
    cloud, jaccard, clear = [], [], []
    for seed in range(asked.runs):
        values = np.random.default_rng(seed).normal(size=(220, 2))
        labels = [ward(values, k) for k in numbers]
        cloud.append([[silhouette(values, x), calinski_harabasz(values, x)] for x in labels])
        found = [k_means(values, k, rng, starts=10).labels[0] for k in (2, 4)]
        jaccard.append([stability(values, x, rng).jaccard.mean() for x in found])
        corners = values + CORNERS[np.arange(220) % 4]
        four_ = k_means(corners, 4, rng, starts=10).labels[0]
        clear.append([silhouette(corners, four_), stability(corners, four_, rng).jaccard.mean()])
    mean, high = np.mean(cloud, axis=0), np.quantile(cloud, 0.95, axis=0)
    print("one cloud, Ward, k 2 to 6")
    print("  silhouette           ", " ".join(f"{x:7.3f}" for x in mean[:, 0]))
    print("  its 95th percentile  ", " ".join(f"{x:7.3f}" for x in high[:, 0]))
    print("  Calinski-Harabasz    ", " ".join(f"{x:7.1f}" for x in mean[:, 1]))
    jaccards = np.array(jaccard)
    print(f"  bootstrap Jaccard, k-means: k 2 {jaccards[:, 0].mean():.2f} (to "
          f"{jaccards[:, 0].max():.2f}), k 4 {jaccards[:, 1].mean():.2f}")  # fmt: skip
    print("four clusters: silhouette {:.3f}, Jaccard {:.2f}".format(*np.mean(clear, axis=0)))


def real(name: str, asked: argparse.Namespace, freed: bool) -> dict:
    """What the search says of a real cohort."""
    more = {} if freed else {"remove": []}
    settings = SubtypesSettings(search=True, **more)
    started = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        tables = cohort(name, asked.data, Path(folder))
        run_subtypes(
            study=StudySettings(clinical=[]),
            settings=settings,
            out=Path(folder) / "subtypes",
            **tables,
        )
        record = json.loads((Path(folder) / "subtypes/subtypes.json").read_text(encoding="utf-8"))
    two_ = record["solutions"][0]
    told = {row["confound"]: row for row in two_["confounds"]}
    head, site = told.get("head size"), told.get("site")
    print(
        f"{name:6s}{'freed' if freed else 'as is':8s}{record['people']['compared']:5d} people: "
        f"{record['verdict']}; two of {two_['sizes']}, silhouette {two_['silhouette']:.3f}, "
        f"SigClust p {record['sigclust']['p']:.3f}, "
        f"head size AUC {'n/a' if head is None else round(head['value'], 3)}, "
        f"site V {'n/a' if site is None else round(site['value'], 3)}, "
        f"no valley p {two_['valley_p']:.2f}, replication {two_['replication']:.2f}  "
        f"({time.process_time() - started:.0f} CPU s)"
    )
    for reason in record["reasons"]:
        print(f"      {reason}")
    return record


def kernel(asked: argparse.Namespace) -> None:
    """CPU and sum of squares of k-means over 500 samples of 200 people, beside scikit-learn."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(min(500, 10 * asked.runs), 200, 10))
    started = time.process_time()
    ours = k_means(values, 2, rng, starts=5).within
    middle = time.process_time()
    theirs = [KMeans(2, n_init=5, random_state=0).fit(one).inertia_ for one in values]
    ended = time.process_time()
    print(f"{len(values)} samples: here {middle - started:.2f} CPU s, scikit-learn "
          f"{ended - middle:.2f}; sum of squares by {100 * (ours / theirs - 1).mean():+.3f} % "
          f"(worst {100 * (ours / theirs - 1).max():+.2f} %)")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=PARTS, help=f"of {', '.join(PARTS)}")
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--markers", type=int, default=50)
    here = Path(__file__).resolve().parents[3]
    parser.add_argument("--data", type=Path, default=here / "shared/data/tables")
    asked = parser.parse_args()
    for part in asked.parts:
        if part in TABLES:
            verdicts(part, asked)
        elif part in ("trap", "cohorts"):
            if not asked.data.is_dir():
                sys.exit("benchmarks.subtypes: the tables are not on this machine.")
            for name in ("impac",) if part == "trap" else ("mcic", "fcon"):
                for freed in (False, True):
                    if real(name, asked, freed)["verdict"] != NO_CLUSTERS:
                        print("      THIS IS NOT WHAT WAS MEASURED BEFORE")
        else:
            {"drysdale": drysdale, "indices": indices, "kernel": kernel}[part](asked)


if __name__ == "__main__":
    main()
