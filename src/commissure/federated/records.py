"""What the coordinator makes of the sites' sums: the table, and the parts of ``federated.json``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.errors import DatasetError
from commissure.federated.allowed import MIN_PEOPLE, MIN_SITES
from commissure.federated.charts import federated_charts
from commissure.federated.combat import common_scale
from commissure.federated.coordinator import (
    Moments,
    Regressions,
    moments,
    principal_components,
    regressions,
)
from commissure.federated.encoders import EncoderPlan
from commissure.federated.federation import Federation
from commissure.federated.hospital import COMBAT, INDICES, TRAITS
from commissure.federated.logistic import (
    auc_of_folds,
    auc_within_site,
    folds_left_out,
    left_out,
    logistic,
)
from commissure.federated.private import Privacy, tell_privacy
from commissure.federated.question import Question
from commissure.markers.trait_regions import TRAIT_SETS, marker_of_traits
from commissure.normative.matrix import adjusted_columns
from commissure.normative.stored_charts import StoredCharts, store_charts
from commissure.study.design import DesignColumn

#: What is written: the table of markers, everything else, what left each site, and charts.
TABLE, RESULT, LOGS, CHARTS = "federated_markers.tsv", "federated.json", "left", "charts"
#: What is made for a site and stays there.
STAYS = "stays"
_COMPONENTS = 10

Column = tuple[str, ...]


@dataclass(frozen=True)
class Options:
    """How it is computed.

    Attributes
    ----------
    ridge
        Penalty of the logistic model.
    permutations
        How often labels are shuffled within sites.
    seed
        Of the shuffles.
    min_people, min_sites
        Below which nothing is sent, and nothing computed.
    combat
        Whether each site writes its markers without what is of its scanner, covariates kept, into
        ``markers.tsv`` of what stays there. They enter nothing else: the group is no covariate.
    masked
        Whether the coordinator sees sums over all sites alone.
    encoder
        How an encoder of the controls is learnt; None for none.
    privacy
        How a private model is learnt, and nothing else computed; None for no noise.
    """

    ridge: float = 1.0
    permutations: int = 999
    seed: int = 0
    min_people: int = MIN_PEOPLE
    min_sites: int = MIN_SITES
    combat: bool = False
    masked: bool = False
    privacy: Privacy | None = None
    encoder: EncoderPlan | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Options:
        """From what a job says."""
        privacy, encoder = said.get("privacy"), said.get("encoder")
        return cls(
            **{
                **said,
                "privacy": None if privacy is None else Privacy.of(privacy),
                "encoder": None if encoder is None else EncoderPlan(**encoder),
            }
        )


def marker_table(
    columns: Sequence[tuple[str, ...]],
    units: Mapping[tuple[str, ...], str],
    scale: Moments,
    compared: Regressions,
) -> pd.DataFrame:
    """Means, spreads and group differences; d is the difference over the residual SD."""
    d = compared.slopes[:, 0] / compared.residual_sd
    error = compared.errors[:, 0] / compared.residual_sd
    return pd.DataFrame(
        {
            "modality": [c[0] for c in columns],
            "region": [c[1] for c in columns],
            "marker": [c[2] for c in columns],
            "unit": [units[tuple(c)] for c in columns],
            "n": scale.people.astype(int),
            "mean": scale.mean,
            "sd": scale.sd,
            "n_compared": compared.people.astype(int),
            "difference": compared.slopes[:, 0],
            "d": d,
            "d_low": d - 1.959964 * error,
            "d_high": d + 1.959964 * error,
            "p": compared.p[:, 0],
        }
    )


def attempted(analysis: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """An analysis, or why there is none: what is known already is kept."""
    try:
        done = analysis()
    except DatasetError as error:
        return {"status": "not computed", "reason": str(error)}
    return {"status": "computed", **done}


def component_record(federation: Federation, scale: Moments, markers: int) -> dict[str, Any]:
    """How much of the people's variance each component takes."""
    found = principal_components(federation, scale, min(_COMPONENTS, markers))
    return {"n": found.people, "explained": (found.variances / markers).tolist()}


def model_record(
    federation: Federation,
    scale: Moments,
    columns: Sequence[Column],
    options: Options,
) -> dict[str, Any]:
    """The model of all sites, and how well models do on people whom they have not seen.

    In the clear these are the people of each site by a model of the others. Of masked sums the
    difference of two that differ by a site would be that site's, so that people are left out and
    no site.
    """
    shuffled = {"permutations": options.permutations, "seed": options.seed}
    judged_on = "the site left out"
    if federation.masked is None:
        models = left_out(federation, ridge=options.ridge)
        judged = auc_within_site(federation, models, **shuffled)
    else:
        of_folds = folds_left_out(federation, ridge=options.ridge)
        judged = auc_of_folds(federation, of_folds, **shuffled)
        judged_on = f"people left out at every site ({len(of_folds)} folds)"
    everybody = logistic(federation, scale, ridge=options.ridge)
    weights = dict(
        zip(("intercept", *(" ".join(c) for c in columns)), everybody.coefficients, strict=True)
    )
    return {
        "ridge": options.ridge,
        "judged_on": judged_on,
        "auc_within_site": judged.auc,
        "pairs": judged.pairs,
        "p": judged.p,
        "permutations": options.permutations,
        "coefficients": {name: float(value) for name, value in weights.items()},
    }


def _design_columns(columns: Sequence[Column]) -> tuple[DesignColumn, ...]:
    return tuple(DesignColumn(*column) for column in columns)


def chart_record(
    federation: Federation,
    columns: Sequence[Column],
    units: Mapping[Column, str],
    out: Path,
) -> dict[str, Any]:
    """Charts of the controls, stored as those of a study are."""
    named = _design_columns(columns)
    charts = federated_charts(federation, adjusted=adjusted_columns(named, {}))
    about = {
        "n_controls": int(charts.counts_.max(initial=0)), "n_sites": len(charts.sites_),
        "charted": int(charts.charted_.sum()), "low_age": charts.low_age_,
        "high_age": charts.high_age_,
    }  # fmt: skip
    unit_of = tuple(units[column] for column in columns)
    store_charts(StoredCharts(charts, named, unit_of, about), out / CHARTS)
    return about | {"sites": charts.sites_, "folder": CHARTS}


def vulnerability_record(
    federation: Federation, columns: Sequence[Column], question: Question
) -> dict[str, Any]:
    """Indices by controls of all sites, which stay at the sites, and how the groups differ."""
    regions: dict[tuple[str, str], dict[str, int]] = {}
    for number, (modality, region, marker) in enumerate(columns):
        regions.setdefault((modality, marker), {})[region] = number
    records = []
    for traits in TRAIT_SETS:
        measured = marker_of_traits(regions, traits, question.disorder)
        if measured is None:
            continue
        key, names = measured
        pattern = traits.pattern(question.disorder)
        of_trait = [[regions[key][n] for n in names.get(t, ())] for t in pattern.traits]
        on = federation.of_view(TRAITS)
        on.ask("done", task="rank traits", traits=of_trait, with_head=int(traits.head_size))
        controls = moments(on, among="controls")
        on.ask(
            "done", task="align", name=traits.name, mean=np.nan_to_num(controls.mean),
            sd=np.nan_to_num(controls.sd), effects=np.array(pattern.d),
        )  # fmt: skip
        compared = regressions(federation.of_view(INDICES))
        d = compared.slopes[:, 0] / compared.residual_sd
        records.append(
            {
                "traits": traits.name,
                "n_controls": int(controls.people.max(initial=0)),
                "n_compared": int(compared.people[0]),
                "rvi_d": float(d[0]), "rvi_p": float(compared.p[0, 0]),
                "avi_d": float(d[1]), "avi_p": float(compared.p[1, 0]),
            }
        )  # fmt: skip
    if not records:
        raise DatasetError(
            "vulnerability index", found="no marker has four fifths of the traits of a pattern",
            wanted="tracts, deep structures or thickness", mend="Nothing is to be done",
        )  # fmt: skip
    return {"disorder": question.disorder, "indices": records, "folder": STAYS}


def combat_record(federation: Federation, question: Question) -> dict[str, Any]:
    """Each site writes its markers without what is of its scanner."""
    on = federation.of_view(COMBAT)
    scale = common_scale(on)
    on.ask("done", task="harmonise", slopes=scale.slopes, mean=scale.mean, sd=scale.sd)
    return {"covariates": list(question.covariates), "folder": STAYS}


def tell(result: Mapping[str, Any], table: pd.DataFrame, say: Callable[[str], None]) -> None:
    """Say in a few lines what came of it, and what left each site."""
    if "privacy" in result:
        tell_privacy(result, say)
    else:
        _tell_results(result, table, say)
    for name, kinds in result["left"].items():
        say(f"{name} sent {sum(kinds.values())} sums: {LOGS}/{name}.jsonl")
    for caution in result["cautions"]:
        say(caution)


def _tell_results(
    result: Mapping[str, Any], table: pd.DataFrame, say: Callable[[str], None]
) -> None:
    sites, markers = len(result["sites"]), result["markers"]
    say(f"{sites} sites, {markers} markers; {TABLE} has their means and differences.")
    known = table.dropna(subset=["d"]).sort_values("d", key=np.abs)
    for most in known.tail(1).to_dict("records"):
        say(
            f"Largest difference: {most['region']} {most['marker']}, d {most['d']:.2f} "
            f"({most['d_low']:.2f} to {most['d_high']:.2f})."
        )
    model = result["model"]
    if model["status"] == "computed":
        say(
            f"A model of the others, AUC within site of {model['judged_on']}: "
            f"{model['auc_within_site']:.3f} ({model['pairs']} pairs), p {model['p']:.3f}."
        )
    else:
        say(f"No model: {model['reason']}")
    charts = result["charts"]
    if charts["status"] == "computed":
        say(
            f"Charts of {charts['charted']} markers from {charts['n_controls']} controls at "
            f"{charts['n_sites']} sites: {CHARTS}"
        )
    encoder = result.get("encoder", {})
    if encoder.get("status") == "computed":
        say(
            f"An encoder of {encoder['markers']} markers, averaged over {encoder['n']} controls at "
            f"{encoder['n_sites']} sites: {encoder['folder']}"
        )
    elif encoder:
        say(f"No encoder: {encoder['reason']}")
