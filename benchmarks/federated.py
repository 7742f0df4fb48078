"""Hospitals that compute together against one that has everybody.

``python benchmarks/federated.py [PART ...] [--data ../shared/data/tables]``. Parts:

``simulated``
    3 to 20 sites of uneven sizes, one with a single label: the largest difference of each result from
    the same computation on pooled people, and how much left. Charts are of controls, and pooled with
    the same knots; RVI takes the first markers for tracts.
``uneven``
    the same with 18 to 500 people a site and 12 markers.
``impac``
    autism and controls at the sites of IMPAC (volumes of FreeSurfer): the same, and the AUC within
    the site left out, whose shuffled labels are the sites' own.
``encoder``
    healthy people of FCON1000 (thickness, volumes): an encoder that is averaged over the sites against
    one of pooled people and one that has learnt nothing. Years by which a ridge on the embedding
    misses the age of people who are in no training; needs the extra ``deep``.
``faults``
    sites that lie, repeat themselves, fall silent or are alone, planted at 3 to 20 sites in each kind of
    sum: how many are refused in words or survived, and how many are not seen.
``priors``
    ComBat of healthy people (thickness, FCON1000) with the prior of a site over its markers (Johnson
    2007) and of a marker over the sites (combatlearn): how much the markers differ.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import statsmodels.api as sm
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression

from commissure.errors import CommissureError
from commissure.evaluation.auc import auc
from commissure.evaluation.pairs import pairwise_comparisons
from commissure.federated import combat, coordinator, logistic
from commissure.federated.charts import federated_charts
from commissure.federated.federation import Federation, restarted
from commissure.federated.site import Site
from commissure.federated.vulnerability import indices, ranked_traits
from commissure.markers.effect_patterns import EffectPattern, effect_pattern
from commissure.markers.vulnerability import published_vulnerability
from commissure.models.chart_sums import People
from commissure.models.charts import ReferenceCharts

#: How often labels are shuffled.
SHUFFLES = 199


def simulated(count: int, markers: int, seed: int, uneven: bool = False) -> list[Site]:
    rng = np.random.default_rng(seed)
    sites = []
    for number in range(count):
        # Uneven: the largest of 20 sites has some thirty times the people of the smallest.
        n = (
            int(np.exp(rng.uniform(np.log(18), np.log(500))))
            if uneven
            else int(rng.integers(40, 120))
        )
        labels = (np.arange(n) < rng.uniform(0.2, 0.8) * n).astype(float)
        age = rng.normal(35, 9, n)
        values = rng.normal(size=(n, markers)) + rng.normal(size=markers) + 0.02 * age[:, None]
        values[:, : markers // 4] += 0.4 * labels[:, None]
        values[rng.random(values.shape) < 0.02] = np.nan
        sex = rng.integers(0, 2, n).astype(float)
        people = People(age, sex, np.full(n, f"site{number}", object), rng.normal(1500, 120, n))
        sites.append(
            Site(
                f"site{number}", values, np.column_stack([labels, age]), labels,
                people=people, controls=rng.random(n) < 0.6,
            )
        )  # fmt: skip
    sites[1] = replace(sites[1], labels=np.ones_like(sites[1].labels))
    return sites


def impac(data: Path, markers: int) -> list[Site]:
    folder = data / "impac-autism-freesurfer"
    people = pd.read_csv(folder / "participants.csv", dtype={"subject_id": str})
    anatomy = pd.read_csv(folder / "anatomy.csv", dtype={"subject_id": str})
    joined = people.merge(anatomy, on="subject_id")
    names = list(anatomy.select_dtypes("number").columns)[:markers]
    sites = []
    for name, rows in joined.groupby("site"):
        labels = rows["asd"].to_numpy(float)
        design = np.column_stack([labels, rows["age"], rows["sex"] == "M"])
        if len(rows) >= 15:
            values = rows[names].to_numpy(float)
            female = 1.0 - design[:, 2].astype(float)
            place = np.full(len(rows), f"site{name}", object)
            people = People(rows["age"].to_numpy(float), female, place)
            sites.append(
                Site(
                    f"site{name}", values, design.astype(float), labels,
                    people=people, controls=labels == 0,
                )
            )  # fmt: skip
    return sites


def rows_of(sites: list[Site], name: str, table: Table) -> None:
    sent = []

    def watched(site: Site):
        def answer(request):
            message = site.answer(request)
            sent.append(sum(np.asarray(array).size for array in message.arrays.values()))
            return message

        return answer

    federation = Federation({site.name: watched(site) for site in sites})
    values = np.vstack([site.markers for site in sites])
    design = np.vstack([site.design for site in sites])
    labels = np.concatenate([site.labels for site in sites])
    place = np.repeat(np.arange(len(sites)), [len(site.labels) for site in sites])
    started = time.process_time()
    scale = coordinator.moments(federation)
    apart = {
        "means": relative(scale.mean, np.nanmean(values, axis=0)),
        "spreads": relative(scale.sd, np.nanstd(values, axis=0, ddof=1)),
    }
    usable = scale.sd > 0
    found = coordinator.regressions(federation)
    known = np.full_like(found.slopes, np.nan)
    for marker in np.flatnonzero(usable):
        rows = np.isfinite(values[:, marker]) & np.isfinite(design).all(axis=1)
        x = np.column_stack([design, np.eye(len(sites))[place]])[rows]
        known[marker] = sm.OLS(values[rows, marker], x).fit().params[: design.shape[1]]
    apart["slopes"] = relative(found.slopes[usable], known[usable])
    parts = coordinator.principal_components(federation, scale, 10)
    whole = (values - scale.mean) / scale.sd
    whole = whole[np.isfinite(whole).all(axis=1)]
    apart["components"] = relative(
        parts.variances, np.linalg.eigvalsh(np.cov(whole.T))[::-1][: len(parts.variances)]
    )
    model = logistic.logistic(federation, scale, ridge=100.0)
    x = np.nan_to_num((values - scale.mean) / scale.sd)
    pooled = LogisticRegression(C=0.01, tol=1e-12, max_iter=20000).fit(x, labels)
    apart["logistic model"] = float(
        np.abs(model.coefficients - [pooled.intercept_[0], *pooled.coef_[0]]).max()
    )
    models = logistic.left_out(federation, ridge=100.0)
    judged = logistic.auc_within_site(federation, models, permutations=SHUFFLES)
    scores = np.concatenate([
        np.column_stack([np.ones(len(site.labels)), np.nan_to_num((site.markers - m.scale.mean) / m.scale.sd)])
        @ m.coefficients
        for site, (_, m) in zip(sites, models, strict=True)
    ])  # fmt: skip
    expected = auc([pairwise_comparisons(labels, scores, place)])
    apart["AUC"] = abs(judged.auc - expected.value)
    # The same labels, shuffled within each site, of everybody in one place.
    shuffled = np.vstack([shuffles_of(site) for site in sites])
    beyond = sum(
        auc([pairwise_comparisons(column, scores, place)]).value >= expected.value
        for column in shuffled.T
    )
    apart["p"] = abs(judged.p - (beyond + 1) / (SHUFFLES + 1))
    apart["charts"], charted = charts_apart(federation, sites)
    apart["RVI"] = indices_apart(sites)
    cost = time.process_time() - started
    table.add_row(
        name, str(len(sites)), str(len(labels)), str(values.shape[1]),
        *(f"{value:.0e}" for value in apart.values()),
        f"{judged.auc:.3f}, p {judged.p:.3f}", charted, f"{len(sent)}", f"{sum(sent) / len(sites):.2g}",
        f"{cost:.1f}",
    )  # fmt: skip


def shuffles_of(site: Site) -> np.ndarray:
    """Labels as the site shuffles them, (people, shuffles)."""
    rng = np.random.default_rng([0, *site.name.encode()])
    return np.column_stack([rng.permutation(site.labels) for _ in range(SHUFFLES)])


def charts_apart(federation: Federation, sites: list[Site]) -> tuple[float, str]:
    """Largest difference of a control's score from charts of pooled controls with the same knots."""
    charts = federated_charts(federation)
    some = [site for site in sites if site.name in charts.sites_]
    values = np.vstack([enough(site, charts.knots) for site in some])
    heads = [site.people.head_size for site in some]
    people = People(
        *(np.concatenate([getattr(s.people, n)[s.controls] for s in some]) for n in ("age", "female", "site")),
        None if any(head is None for head in heads)
        else np.concatenate([head[s.controls] for head, s in zip(heads, some, strict=True)]),
    )  # fmt: skip
    pooled = ReferenceCharts(knots=charts.knots).fit(values, people)
    apart = np.abs(charts.scores(values, people) - pooled.scores(values, people))
    inside = int(charts.within_ages(people.age).sum())
    return float(np.nanmax(apart)), f"{inside} of {len(people)}"


def enough(site: Site, knots: np.ndarray) -> np.ndarray:
    """Controls' markers without those of which the site sends nothing: too few have them."""
    values, age = site.markers[site.controls].copy(), site.people.age[site.controls]
    inside = (age >= knots[0]) & (age <= knots[-1])
    values[:, np.isfinite(values[inside]).sum(axis=0) < site.min_people] = np.nan
    return values


def indices_apart(sites: list[Site]) -> float:
    """Largest difference of a person's RVI from the published index of pooled people."""
    pattern = effect_pattern("fa", "schizophrenia")
    count = min(len(pattern.traits), sites[0].markers.shape[1])
    pattern = EffectPattern(pattern.traits[:count], pattern.d[:count], pattern.source)
    ranked = [ranked_traits(site, [[trait] for trait in range(count)]) for site in sites]
    nobody = [np.zeros(len(site.labels)) for site in sites]
    views = [
        replace(site, markers=scores, people=People(zeros, zeros, zeros))
        for site, scores, zeros in zip(sites, ranked, nobody, strict=True)
    ]
    some = [
        site
        for site in views
        if np.isfinite(site.markers[site.controls]).any(axis=1).sum() >= site.min_people
    ]
    of_controls = coordinator.moments(
        Federation({site.name: site.answer for site in some}), among="controls"
    )
    rvi = np.concatenate([
        indices(site.markers, of_controls.mean, of_controls.sd, pattern.values).rvi for site in some
    ])  # fmt: skip
    chosen = [site for site in sites if site.name in {view.name for view in some}]
    known = published_vulnerability(
        pd.DataFrame(np.vstack([s.markers[:, :count] for s in chosen]), columns=pattern.traits),
        pattern,
        controls=np.concatenate([s.controls for s in chosen]),
        covariates=np.vstack([s.design[:, 1:] for s in chosen]),
        sites=np.concatenate([np.full(len(s.labels), s.name) for s in chosen]),
    ).rvi
    return float(np.nanmax(np.abs(rvi - known)))


def priors(data: Path, console: Console) -> None:
    """How far markers differ that are harmonised with one prior or the other; needs ``combat``."""
    from combatlearn import ComBat

    people = pd.read_csv(data / "fcon1000-freesurfer" / "fcon1000.csv")
    people = people[(people["site"] != "NewYork_a_ADHD") & people["age"].notna()]
    names = [name for name in people.columns if name.endswith("_thickness")]
    people = people.dropna(subset=[*names, "sex"])
    design = people[["age", "sex"]].to_numpy(float)
    sites = [
        Site(str(name), rows[names].to_numpy(float), design[people["site"] == name], np.zeros(len(rows)), min_people=2)
        for name, rows in people.groupby("site")
    ]  # fmt: skip
    scale = combat.common_scale(
        Federation({site.name: site.answer for site in sites}, min_people=2)
    )
    over_markers = np.vstack([combat.harmonised(site, scale) for site in sites])
    order = np.concatenate([np.flatnonzero(people["site"] == site.name) for site in sites])
    covariates = pd.DataFrame(design, columns=["age", "sex"])
    model = ComBat(
        batch=people["site"].to_numpy(str),
        continuous_covariates=covariates.to_numpy(),
        method="fortin",
    )
    over_sites = np.asarray(model.fit_transform(people[names].to_numpy(float)))[order]
    sd = people[names].to_numpy(float)[order].std(axis=0)
    apart = np.abs(over_markers - over_sites) / sd
    size = np.array([len(site.labels) for site in sites]).repeat(
        [len(site.labels) for site in sites]
    )
    console.print(
        f"priors: {len(people)} people, {len(sites)} sites, {len(names)} markers; difference in SD of people: "
        f"median {np.median(apart):.3f}, 95 % {np.quantile(apart, 0.95):.3f}, largest {apart.max():.2f}; "
        f"sites under 30 people: median {np.median(apart[size < 30]):.3f}, 95 % {np.quantile(apart[size < 30], 0.95):.3f}; "
        f"smallest correlation of a marker {min(np.corrcoef(a, b)[0, 1] for a, b in zip(over_markers.T, over_sites.T, strict=True)):.4f}; "
        f"raw against ComBat {np.median(np.abs(over_markers - people[names].to_numpy(float)[order]) / sd):.3f}"
    )


def encoder(data: Path, seeds: int, epochs: int, console: Console) -> None:
    """Averaged over sites against pooled: both with the same people, half of each site."""
    from sklearn.linear_model import RidgeCV

    from commissure.federated.encoders import EncoderPlan, federated_encoder
    from commissure.models.encoders.pretraining import pretrain_markers, random_marker_encoder
    from commissure.models.encoders.settings import PretrainingSettings

    people = pd.read_csv(data / "fcon1000-freesurfer" / "fcon1000.csv")
    people = people[(people["site"] != "NewYork_a_ADHD") & people["age"].notna()]
    names = [n for n in people.columns if n.endswith(("_thickness", "_volume"))]
    people = people.dropna(subset=names)
    people = people.groupby("site").filter(lambda rows: len(rows) >= 32)
    found: dict[str, list[float]] = {}
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        inside = np.zeros(len(people), dtype=bool)
        for rows in people.reset_index().groupby("site").indices.values():
            inside[rng.permutation(rows)[: len(rows) // 2]] = True
        values, age = people[names].to_numpy(float), people["age"].to_numpy(float)
        sites = []
        for name in sorted(set(people["site"])):
            rows = inside & (people["site"] == name).to_numpy()
            n, nobody = rows.sum(), np.full(rows.sum(), np.nan)
            who = People(age[rows], np.zeros(n), np.full(n, name, object))
            sites.append(Site(name, values[rows], nobody[:, None], nobody, people=who,
                              controls=np.ones(n, bool)))  # fmt: skip
        settings = PretrainingSettings(batch=16, epochs=epochs, seed=seed)
        said = settings.model_dump(mode="json")
        made = {
            "pooled": pretrain_markers(values[inside], age[inside], settings, device="cpu")[0],
            "nothing learnt": random_marker_encoder(values[inside], age[inside], settings),
        }
        for label, local, proximal in (
            ("averaged, 1 epoch a round", 1, 0.0), ("averaged, 5 epochs", 5, 0.0),
            ("FedProx .1, 5 epochs", 5, 0.1),
        ):  # fmt: skip
            federation = Federation({site.name: site.answer for site in sites})
            made[label] = federated_encoder(federation, EncoderPlan(said, local, proximal))[0]
        for label, learnt in made.items():
            ridge = RidgeCV(np.logspace(-2, 4, 13)).fit(learnt.embed(values[inside]), age[inside])
            away = np.abs(ridge.predict(learnt.embed(values[~inside])) - age[~inside])
            found.setdefault(label, []).append(float(away.mean()))
    sizes = people["site"].value_counts() // 2
    table = Table("encoder", "years missed", "minus pooled", title=f"FCON1000, {inside.sum()} people "
                  f"at {len(sizes)} sites ({sizes.min()} to {sizes.max()}), {len(names)} markers, "
                  f"{epochs} epochs; mean and SD of {seeds} halves")  # fmt: skip
    pooled = np.array(found["pooled"])
    for label, errors in found.items():
        apart = np.array(errors) - pooled
        spread = [np.std(numbers, ddof=1) if seeds > 1 else 0.0 for numbers in (errors, apart)]
        table.add_row(
            label,
            f"{np.mean(errors):.2f} ± {spread[0]:.2f}",
            f"{apart.mean():+.2f} ± {spread[1]:.2f}",
        )
    console.print(table)


def _twice_people(message):
    arrays = {
        name: 2 * array if name == "people" else array for name, array in message.arrays.items()
    }
    return replace(message, people=2 * message.people, arrays=arrays)


#: What a site does wrong with an answer, given the one before of that kind.
FAULTS = {
    "people counted twice": lambda message, before: _twice_people(message),
    "everything twice": lambda message, before: replace(
        message, people=2 * message.people, arrays={n: 2 * a for n, a in message.arrays.items()}
    ),
    "an old answer again": lambda message, before: before or message,
    "an answer of another site": lambda message, before: replace(message, site="site1"),
    "not finite": lambda message, before: replace(
        message, arrays={n: a * np.nan for n, a in message.arrays.items()}
    ),
    "silent": None,
}


def faults(counts: list[int], markers: int, console: Console) -> None:
    """A fault from the second answer of a kind on, at one site; all results without and with it."""
    table = Table("sites", "fault", "planted", "refused in words", "survived without the site",
                  "not seen")  # fmt: skip
    for count in counts:
        sites = simulated(count, markers, count)
        for fault, change in FAULTS.items():
            outcomes = []
            for kind in ("sums", "products", "covariance", "gradient"):
                for first in (True, False):
                    outcomes.append(_outcome(sites, change, kind, first))
            outcomes = [outcome for outcome in outcomes if outcome]
            table.add_row(
                str(count), fault, str(len(outcomes)),
                *(str(outcomes.count(name)) for name in ("refused", "survived", "not seen")),
            )  # fmt: skip
    console.print(table)


def _outcome(sites: list[Site], change, kind: str, first: bool) -> str:
    """What comes of a fault at site 0; nothing where it was never planted."""
    earlier, planted = [], []

    def answer(request):
        message = sites[0].answer(request)
        if request.kind != kind or not (first or earlier):
            earlier.extend([message] * (request.kind == kind))
            return message
        if change is None:
            planted.append(kind)
            raise TimeoutError("no answer")
        wrong = change(message, earlier[-1] if earlier else None)
        if wrong is not message:
            planted.append(kind)
        earlier.append(message)
        return wrong

    asked = {site.name: site.answer for site in sites} | {"site0": answer}
    federation = Federation(asked)
    # What a hospital says when it builds its table, before any sum.
    federation._most.update({site.name: len(site.labels) for site in sites})

    def everything():
        scale = coordinator.moments(federation)
        coordinator.regressions(federation)
        coordinator.principal_components(federation, scale, 2)
        logistic.logistic(federation, scale, ridge=10.0)

    try:
        restarted(federation, everything)
    except CommissureError:
        return "refused" if planted else ""
    if not planted:
        return ""
    return "survived" if federation.lost else "not seen"


def relative(found: np.ndarray, known: np.ndarray) -> float:
    return float(np.nanmax(np.abs(found - known) / np.maximum(np.abs(known), 1e-12)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["simulated", "impac"])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tables"))
    parser.add_argument("--sites", type=int, nargs="*", default=[3, 8, 20])
    parser.add_argument("--markers", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    table = Table(
        "people", "sites", "n", "markers", "means", "spreads", "slopes", "components", "logistic", "AUC", "p",
        "charts", "RVI", "AUC, site left out", "controls charted", "answers", "numbers a site sent", "CPU s",
        title="largest difference from pooled (of the logistic model, scores of charts and RVI absolute, else relative)",
    )  # fmt: skip
    if "simulated" in arguments.parts:
        for count in arguments.sites:
            rows_of(simulated(count, arguments.markers, count), "simulated", table)
    if "uneven" in arguments.parts:
        for count in arguments.sites:
            rows_of(simulated(count, 12, count, uneven=True), "simulated, uneven", table)
    if "impac" in arguments.parts:
        if not (arguments.data / "impac-autism-freesurfer").is_dir():
            sys.exit(f"{arguments.data}: impac-autism-freesurfer is not there")
        rows_of(impac(arguments.data, arguments.markers), "IMPAC", table)
    console = Console(width=200)
    if table.rows:
        console.print(table)
    if "encoder" in arguments.parts:
        encoder(arguments.data, arguments.seeds, arguments.epochs, console)
    if "faults" in arguments.parts:
        faults(arguments.sites, min(arguments.markers, 8), console)
    if "priors" in arguments.parts:
        priors(arguments.data, console)


if __name__ == "__main__":
    main()
