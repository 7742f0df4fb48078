"""From the marker table to tested models and their files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.errors import DatasetError
from commissure.fusion import splits as split
from commissure.fusion.blocks import (
    CONFOUNDS,
    Design,
    build_design,
    check_people,
    kept_rows,
    refuse_post_outcome,
)
from commissure.fusion.depression import depression_labels
from commissure.fusion.labels import (
    CONTROL,
    INDETERMINATE,
    column_labels,
    treatment_labels,
    unchecked_criteria,
)
from commissure.fusion.settings import FusionSettings
from commissure.rows import read_markers, read_table, write_json, write_table

if TYPE_CHECKING:
    import pandas as pd

    from commissure.fusion.permutation import Null

PREDICTIONS = (
    "participant_id", "model", "scheme", "repeat", "fold", "site", "label", "probability",
)  # fmt: skip
IMPORTANCE = ("model", "modality", "region", "marker", "weight")
#: Site of everyone where the people have no site.
ONE_SITE = "all"
#: People of each label without whom a training fold is not used.
MIN_TRAINING = 5


@dataclass(frozen=True)
class Study:
    """What the tables of a study say.

    Attributes
    ----------
    labels, question
        Label and reason of everybody; the counts of metrics.json.
    reason
        Why nothing can be fitted, or an empty text; the rest is then None.
    design, y, text
        The matrix, labels as 1, 0 and -1, and in words.
    cautions
        Sentences for the reader.
    units
        Unit of each marker.
    rules
        The exclusions.
    rebuilt
        The same people's matrix under other exclusions.
    """

    labels: pd.DataFrame
    question: dict[str, Any]
    reason: str
    design: Any = None
    y: Any = None
    text: Any = None
    cautions: tuple[str, ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    rules: Any = None
    rebuilt: Any = None


def read_study(
    *,
    markers: Path,
    definitions: Path,
    exclusions: Path,
    participants: Path,
    treatments: Path | None,
    settings: FusionSettings,
    site_column: str | None = "site",
    treatment_columns: Mapping[str, str] | None = None,
) -> Study:
    """Label the people and lay their markers side by side.

    Parameters
    ----------
    markers, definitions, exclusions, participants
        ``markers.tsv``, ``markers.json``, ``exclusions.tsv`` and the people of the study.
    treatments
        The treatment history, or None where there is none.
    settings
        The settings.
    site_column
        The people's column with the site; None where there is one site.
    treatment_columns
        The lab's column names of the treatment history by ours, where they differ.

    Raises
    ------
    ConfigError
        A setting names what is not there, or a predictor that follows the outcome.
    DatasetError
        A table cannot be read, contradicts itself, or names a person twice.
    """
    refuse_post_outcome(settings)
    people, site_cautions = _people(participants, site_column)
    trials = None
    if treatments is not None and settings.label.source != "column":
        trials = read_table(treatments).rename(
            columns={theirs: ours for ours, theirs in (treatment_columns or {}).items()}
        )
    if settings.label.source == "treatments":
        labels = treatment_labels(trials, people, criteria=settings.trrip)
    elif settings.label.source == "depression":
        labels = depression_labels(trials, people, criteria=settings.depression)
    else:
        labels = column_labels(people, settings.label)
    question = _question(people, labels, settings)
    reason = _why_not(question, labels, settings)
    if reason:
        return Study(labels, question, reason)
    inside = labels["label"].isin([settings.label.positive, settings.label.negative, CONTROL])
    people = people[inside.to_numpy()].reset_index(drop=True)
    rules, every_row = _exclusions(exclusions), read_markers(markers)
    meanings = json.loads(definitions.read_text(encoding="utf-8"))
    rows = kept_rows(every_row, rules)

    def rebuilt(other: pd.DataFrame) -> Design:
        return build_design(kept_rows(every_row, other), meanings, people, settings=settings)

    design = build_design(rows, meanings, people, settings=settings)
    by_person = labels.set_index("participant_id")["label"]
    text = by_person.loc[list(design.participants)].to_numpy(str)
    y = np.select([text == settings.label.positive, text == settings.label.negative], [1, 0], -1)
    cautions = [*site_cautions, *design.cautions]
    if settings.label.source == "treatments":
        cautions += [
            f"TRRIP also asks for {point}, which was not checked."
            for point in unchecked_criteria(people, settings.trrip)
        ]
    units = {str(k): str(v) for k, v in rows.groupby("marker")["unit"].first().items()}
    return Study(labels, question, "", design, y, text, tuple(cautions), units, rules, rebuilt)


def fuse(
    *,
    settings: FusionSettings,
    out: Path,
    nulls: Sequence[Path] = (),
    progress: Callable[[str], None] | None = None,
    **tables: Any,
) -> None:
    """Fit and test all models, and write what came out of it.

    Parameters
    ----------
    settings
        The settings.
    out
        Folder of the results: ``labels.tsv``, ``splits.tsv``, ``predictions.tsv``,
        ``importance.tsv``, ``metrics.json``, ``falsification.json``, ``model/``. Where no model
        can be fitted, the tables have their headers only and the metrics say why.
    nulls
        Parts of the permutation test from :func:`permute`; it is run here where there are none.
    progress
        Takes a line on how far the work is.
    tables
        As :func:`read_study` takes them, and raises its errors.
    """
    say = progress or (lambda message: None)
    study = read_study(settings=settings, **tables)
    out.mkdir(parents=True, exist_ok=True)
    labels, question = study.labels, study.question
    write_table(labels.assign(reason=labels["reason"].replace("", None)), out / "labels.tsv")
    say(f"fusion: {question['n']} people with a label, {question['n_positive']} of them positive")
    if study.reason:
        _write_nothing(out, question, study.reason, settings)
        say(f"fusion: no model is fitted: {study.reason}")
        return
    _fit(study, nulls, settings, out, say)


def permute(*, settings: FusionSettings, part: int, out: Path, **tables: Any) -> None:
    """Run one part of the permutation test: a job of its own.

    Parameters
    ----------
    settings
        The settings; ``permutation_jobs`` says of how many parts this is one.
    part
        Number of the part, from 0.
    out
        A table ``model permutation auc``; permutation 0 is the observed labelling. Without rows
        where no model can be fitted.
    tables
        As :func:`read_study` takes them.
    """
    import pandas as pd

    from commissure.fusion.panel import model_specs
    from commissure.fusion.permutation import null_areas

    study = read_study(settings=settings, **tables)
    rows: list[tuple[str, int, float]] = []
    first, end = (
        (part + step) * settings.permutations // settings.permutation_jobs for step in (0, 1)
    )
    if not study.reason and end > first:
        specs, _ = model_specs(study.design, study.y, settings)
        own = settings.model_copy(update={"permutations": end - first})
        for name, null in null_areas(study.design, study.y, specs, own, first=first).items():
            rows.append((name, 0, null.observed))
            rows += [(name, first + at + 1, area) for at, area in enumerate(null.permuted)]
    write_table(pd.DataFrame(rows, columns=["model", "permutation", "auc"]), out)


def _joined_nulls(parts: Sequence[Path]) -> dict[str, Null]:
    """The permutation test from its parts."""
    import pandas as pd

    from commissure.fusion.permutation import Null

    tables = [read_table(part) for part in parts]
    whole = pd.concat([table for table in tables if len(table)] or tables)
    joined = {}
    for name, own in whole.groupby("model", sort=False):
        ordered = own.drop_duplicates("permutation").sort_values("permutation")
        areas = ordered["auc"].to_numpy(float)
        joined[str(name)] = Null(float(areas[0]), areas[1:])
    return joined


def _fit(
    study: Study,
    null_parts: Sequence[Path],
    settings: FusionSettings,
    out: Path,
    say: Callable[[str], None],
) -> None:
    import pandas as pd

    from commissure.fusion import falsification as falsify
    from commissure.fusion import further, transport
    from commissure.fusion.cautions import reading_cautions
    from commissure.fusion.panel import model_specs, primary_name
    from commissure.fusion.permutation import null_areas
    from commissure.fusion.scores import model_areas, model_record, out_of_fold, rounds_of

    design, y, question = study.design, study.y, study.question
    cautions = list(study.cautions)
    specs, left_out = model_specs(design, y, settings)
    primary = primary_name(specs, settings)
    if primary is None:
        reason = " ".join(left_out) or "The markers hold no modality to fit."
        _write_nothing(out, question, reason, settings)
        say(f"fusion: no model is fitted: {reason}")
        return
    main_spec = next(spec for spec in specs if spec.name == primary)
    table = split.split_table(
        pd.DataFrame(
            {"participant_id": design.participants, "label": study.text, "site": design.sites}
        ),
        outer_folds=settings.outer_folds, repeats=settings.repeats, seed=settings.seed,
    )  # fmt: skip
    folds = list(split.folds(table, design.participants))
    usable = [fold for fold in folds if _enough(y[fold.train]) and (y[fold.test] >= 0).any()]
    cautions += left_out
    for fold in folds:
        if fold.scheme == split.LEAVE_SITE_OUT and not _enough(y[fold.train]):
            cautions.append(
                f"Site {fold.name} cannot be left out: fewer than {MIN_TRAINING} people of a label "
                "would remain at the others."
            )
    scored, importance = out_of_fold(design, y, specs, usable, settings, say)
    areas = {spec.name: model_areas(scored[spec.name], y, design.sites) for spec in specs}
    nulls: Mapping[str, Null] = {}
    if null_parts:
        nulls = _joined_nulls(null_parts)
    elif settings.permutations:
        say(f"fusion: {settings.permutations} permutations of the labels")
        nulls = null_areas(design, y, specs, settings)
    say("fusion: attempts to prove it wrong")
    null = nulls.get(primary)
    n1, n0 = question["n_positive"], question["n"] - question["n_positive"]
    spread = (
        float(null.permuted.std())
        if null is not None
        else float(np.sqrt(settings.outer_folds * (n1 + n0 + 1) / (12 * n1 * n0)))
    )
    first = [fold for fold in usable if fold.scheme == split.CV and fold.repeat == 0]
    checks = [
        falsify.permuted_check(null),
        *falsify.drawn_checks(design, y, specs, primary, first, settings, spread),
        *falsify.baseline_checks(areas, primary),
        falsify.beyond_confounds_check(
            areas, primary, further.gap_to(CONFOUNDS, design, y, primary, scored)
        ),
        falsify.calibration_check(rounds_of(scored[primary], len(y)), y, primary),
        falsify.overlap_check(folds, design.participants),
        *falsify.audit_checks(design, y, main_spec, first, settings),
    ]
    names = np.where(y == 1, settings.label.positive, settings.label.negative)
    write_table(table, out / "splits.tsv")
    write_table(
        pd.DataFrame(
            [
                (design.participants[i], spec.name, one.fold.scheme, one.fold.repeat,
                 one.fold.name, design.sites[i], names[i], round(float(p), 6))
                for spec in specs
                for one in scored[spec.name]
                for i, p in zip(one.rows, one.probabilities, strict=True)
                if np.isfinite(p)
            ],
            columns=list(PREDICTIONS),
        ),
        out / "predictions.tsv",
    )  # fmt: skip
    order = sorted((s.name for s in specs), key=lambda name: (name != "early", name == primary))
    write_table(
        pd.DataFrame(importance.rows(order), columns=list(IMPORTANCE)).round({"weight": 6}),
        out / "importance.tsv",
    )
    write_json({"checks": checks}, out / "falsification.json")
    records = {
        spec.name: model_record(spec, scored[spec.name], areas[spec.name], nulls.get(spec.name), y)
        for spec in specs
    }
    beside = further.further_numbers(design, y, specs, main_spec, scored, first, settings, say)
    if settings.usefulness:
        beside["exclusion_sensitivity"] = further.exclusion_sensitivity(
            study.rules, study.rebuilt, y, main_spec, first, settings
        )
    transport.freeze(
        design, y, main_spec, settings, units=study.units, out=out / "model",
        about={
            "name": primary, "positive": settings.label.positive,
            "negative": settings.label.negative, "n": question["n"],
            "n_positive": question["n_positive"], "record": records[primary],
        },
    )  # fmt: skip
    write_json(
        {
            "status": "fitted",
            "primary": primary,
            "question": question,
            "models": records,
            **beside,
            "cautions": [
                *reading_cautions(
                    areas, nulls, specs, primary, question["n"], question["n_positive"]
                ),
                *cautions,
            ],
            "settings": settings.model_dump(mode="json"),
        },
        out / "metrics.json",
    )  # fmt: skip
    main = areas[primary]["within"]
    say(
        f"fusion: the {primary} model has an AUC within site of {main.value:.2f} "
        f"({main.ci_low:.2f} to {main.ci_high:.2f})"
    )


def _people(path: Path, site_column: str | None) -> tuple[pd.DataFrame, list[str]]:
    people = read_table(path)
    if "participant_id" not in people:
        raise DatasetError(
            path.name,
            found=f"the columns are {list(people.columns)}",
            wanted="a column participant_id",
            mend=f"Mend {path.name}, or name the column under participants.id in config.yaml",
        )
    check_people(people)
    people = people.sort_values("participant_id", ignore_index=True)
    if site_column is None or site_column not in people or people[site_column].isna().all():
        return people.assign(site=ONE_SITE), ["The people have no site: all count as one site."]
    unknown = int(people[site_column].isna().sum())
    site = people[site_column].map(lambda value: "n/a" if value != value else str(value))
    told = [f"{unknown} people without a site count as a site of their own."] if unknown else []
    if len(set(people[site_column].dropna())) == 1:
        told.append("There is one site: nothing is known of how the models do at another.")
    return people.assign(site=site.fillna("n/a")), told


def _exclusions(path: Path) -> pd.DataFrame:
    table = read_table(path, text=("participant_id", "session", "modality"))
    missing = [n for n in ("participant_id", "session", "modality") if n not in table]
    if missing:
        raise DatasetError(
            path.name, found=f"the columns {missing} are missing", wanted="the exclusion table"
        )
    return table


def _question(
    people: pd.DataFrame, labels: pd.DataFrame, settings: FusionSettings
) -> dict[str, Any]:
    label, site = labels["label"].to_numpy(str), people["site"].to_numpy(str)
    positive = label == settings.label.positive
    inside = positive | (label == settings.label.negative)
    return {
        "positive": settings.label.positive,
        "negative": settings.label.negative,
        "n": int(inside.sum()),
        "n_positive": int(positive.sum()),
        "n_indeterminate": int((label == INDETERMINATE).sum()),
        "n_controls": int((label == CONTROL).sum()),
        "sites": {
            name: {
                "n": int((inside & (site == name)).sum()),
                "n_positive": int((positive & (site == name)).sum()),
            }
            for name in sorted(set(site[inside]))
        },
    }


def _why_not(question: Mapping[str, Any], labels: pd.DataFrame, settings: FusionSettings) -> str:
    """One sentence on why nothing is fitted, or an empty text."""
    positive, negative = question["n_positive"], question["n"] - question["n_positive"]
    wanted = settings.min_per_class
    if min(positive, negative) >= max(wanted, settings.outer_folds):
        return ""
    told = (
        f"{positive} {question['positive']} and {negative} {question['negative']} among "
        f"{len(labels)} people are too few: {max(wanted, settings.outer_folds)} of each are needed"
    )
    unclear = labels.loc[labels["label"] == INDETERMINATE, "reason"]
    if len(unclear):
        common = unclear.value_counts().index[0]
        told += f" ({len(unclear)} people are indeterminate, most often because {common})"
    return told + "."


def _write_nothing(
    out: Path, question: Mapping[str, Any], reason: str, settings: FusionSettings
) -> None:
    import pandas as pd

    from commissure.fusion.transport import freeze_nothing

    for name, columns in (
        ("splits.tsv", split.COLUMNS), ("predictions.tsv", PREDICTIONS),
        ("importance.tsv", IMPORTANCE),
    ):  # fmt: skip
        write_table(pd.DataFrame(columns=list(columns)), out / name)
    freeze_nothing(out / "model", reason)
    write_json({"checks": []}, out / "falsification.json")
    write_json(
        {
            "status": "not_fitted",
            "reason": reason,
            "question": question,
            "models": {},
            "cautions": [],
            "settings": settings.model_dump(mode="json"),
        },
        out / "metrics.json",
    )


def _enough(y: np.ndarray) -> bool:
    return min((y == 1).sum(), (y == 0).sum()) >= MIN_TRAINING
