"""From the marker table to tested models and their files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from commissure.files import read_table, write_json, write_table
from commissure.fusion.settings import FusionSettings
from commissure.outputs import IMPORTANCE, PERMUTATIONS, PREDICTIONS, SPLITS
from commissure.study import splits as split
from commissure.study.design import CONFOUNDS
from commissure.study.study import Study, Unfittable
from commissure.study.tables import read_study

if TYPE_CHECKING:
    from commissure.evaluation.permutation import Null


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
    if isinstance(study, Unfittable):
        _write_nothing(out, question, study.reason, settings, study.cautions)
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
        A table :data:`commissure.outputs.PERMUTATIONS`; permutation 0 is the observed labelling.
        Without rows where no model can be fitted.
    tables
        As :func:`read_study` takes them.
    """
    from commissure.evaluation.permutation import null_areas
    from commissure.models.registry import model_specs

    study = read_study(settings=settings, **tables)
    rows: list[tuple[str, str, int, int, float, float]] = []
    first, end = (
        (part + step) * settings.permutations // settings.permutation_jobs for step in (0, 1)
    )
    if isinstance(study, Study) and end > first:
        specs, _ = model_specs(study.design, study.y, settings)
        own = settings.model_copy(update={"permutations": end - first})
        for name, null in null_areas(study.design, study.y, specs, own, first=first).items():
            rows += [
                (name, scheme, repeat, first + at if at else 0, area, variance)
                for scheme, one in ((split.CV, null), (split.LEAVE_SITE_OUT, null.left_out))
                if one is not None
                for repeat, pair in enumerate(zip(one.areas, one.variances, strict=True))
                for at, (area, variance) in enumerate(zip(*pair, strict=True))
            ]
    write_table(PERMUTATIONS.frame(rows), out)


def _joined_nulls(parts: Sequence[Path]) -> dict[str, Null]:
    """The permutation test from its parts."""
    import pandas as pd

    from commissure.evaluation.permutation import Null

    # Numbers are read as text and made by NumPy: pandas' own reader may miss their last bit.
    tables = [read_table(part, text=PERMUTATIONS.text) for part in parts]
    whole = pd.concat([table for table in tables if len(table)] or tables)
    once = whole.drop_duplicates(["model", "scheme", "repeat", "permutation"])

    def null(name: str, scheme: str, left_out: Null | None = None) -> Null | None:
        own = once[(once["model"] == name) & (once["scheme"] == scheme)]
        ordered = own.sort_values(["repeat", "permutation"])
        areas, variances = (
            ordered[column].to_numpy(float).reshape(max(1, own["repeat"].nunique()), -1)
            for column in ("auc", "delong_variance")
        )
        return Null(areas, variances, left_out) if len(own) else None

    found = {name: null(name, split.CV, null(name, split.LEAVE_SITE_OUT))
             for name in once["model"].unique()}  # fmt: skip
    return {name: own for name, own in found.items() if own is not None}


def _fit(
    study: Study[FusionSettings],
    null_parts: Sequence[Path],
    settings: FusionSettings,
    out: Path,
    say: Callable[[str], None],
) -> None:
    import pandas as pd

    from commissure.evaluation import comparisons as further
    from commissure.evaluation.held_out import model_areas, model_record, out_of_fold, rounds_of
    from commissure.evaluation.permutation import FEWEST, null_areas
    from commissure.fusion.cautions import reading_cautions
    from commissure.fusion.falsification import checks as falsify
    from commissure.models.registry import FUSED_MODELS, model_specs, primary_name
    from commissure.transport.stored_model import store

    design, y, question = study.design, study.y, study.question
    cautions = list(study.cautions)
    specs, left_out = model_specs(design, y, settings)
    primary = primary_name(specs, settings)
    if primary is None:
        reason = " ".join(left_out) or (
            "fusion.models names no model of a modality."
            if design.modalities
            else "The markers hold no modality to fit."
        )
        _write_nothing(out, question, reason, settings, cautions)
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
    usable = [
        fold for fold in folds if split.enough_to_train(y[fold.train]) and (y[fold.test] >= 0).any()
    ]
    cautions += left_out
    for fold in folds:
        if fold.scheme == split.LEAVE_SITE_OUT and not split.enough_to_train(y[fold.train]):
            cautions.append(
                f"Site {fold.name} cannot be left out: fewer than {split.MIN_TRAINING} people of a "
                "label would remain at the others."
            )
    scored, importance = out_of_fold(design, y, specs, usable, settings, say)
    nulls: Mapping[str, Null] = {}
    if null_parts:
        nulls = _joined_nulls(null_parts)
    elif settings.permutations:
        say(f"fusion: {settings.permutations} permutations of the labels")
        nulls = null_areas(design, y, specs, settings)
    areas = {
        spec.name: model_areas(scored[spec.name], y, design.sites, nulls.get(spec.name))
        for spec in specs
    }
    say("fusion: attempts to prove it wrong")
    null = nulls.get(primary)
    n1, n0 = question["n_positive"], question["n"] - question["n_positive"]
    spread = (
        math.sqrt(null.variance(1))
        if null is not None and len(null.permuted) >= FEWEST
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
        PREDICTIONS.frame(
            (design.participants[i], spec.name, one.fold.scheme, one.fold.repeat,
             one.fold.name, design.sites[i], names[i], round(float(p), 6))
            for spec in specs
            for one in scored[spec.name]
            for i, p in zip(one.rows, one.probabilities, strict=True)
            if np.isfinite(p)
        ),
        out / "predictions.tsv",
    )  # fmt: skip
    # Models that weigh single markers come first, the main one last.
    weighing = {name for name, model in FUSED_MODELS.items() if model.weighs_markers}
    order = sorted((s.name for s in specs), key=lambda n: (n not in weighing, n == primary))
    write_table(
        IMPORTANCE.frame(importance.rows(order)).round({"weight": 6}),
        out / "importance.tsv",
    )
    write_json({"checks": checks}, out / "falsification.json")
    records = {
        spec.name: model_record(spec, scored[spec.name], areas[spec.name], nulls.get(spec.name), y)
        for spec in specs
    }
    beside = further.further_numbers(design, y, specs, main_spec, scored, first, settings, say)
    if settings.secondary_analyses:
        beside["exclusion_sensitivity"] = further.exclusion_sensitivity(
            study.rules, lambda rules: study.under(rules).design, y, main_spec, first, settings,
            widening=1.0 if null is None else null.widening(1),
        )  # fmt: skip
    store(study, main_spec, record=records[primary], out=out / "model")
    write_json(
        {
            "status": "fitted",
            "primary": primary,
            "question": question,
            "models": records,
            **beside,
            "cautions": [
                *reading_cautions(
                    areas, nulls, specs, primary, settings.primary, question["n"],
                    question["n_positive"],
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


def _write_nothing(
    out: Path,
    question: Mapping[str, Any],
    reason: str,
    settings: FusionSettings,
    cautions: Sequence[str],
) -> None:

    from commissure.transport.stored_model import store_reason

    for name, table in (
        ("splits.tsv", SPLITS), ("predictions.tsv", PREDICTIONS), ("importance.tsv", IMPORTANCE),
    ):  # fmt: skip
        write_table(table.frame(), out / name)
    store_reason(out / "model", reason)
    write_json({"checks": []}, out / "falsification.json")
    write_json(
        {
            "status": "not_fitted",
            "reason": reason,
            "question": question,
            "models": {},
            "cautions": list(cautions),
            "settings": settings.model_dump(mode="json"),
        },
        out / "metrics.json",
    )
