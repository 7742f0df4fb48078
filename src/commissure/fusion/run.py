"""From the marker table to tested models and their files."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from commissure.evaluation.measures.registry import permuted_measure
from commissure.evaluation.null_distribution import NullDistribution
from commissure.evaluation.permutation import permutation_test
from commissure.evaluation.permutation_parts import BLOCK, part_of
from commissure.files import read_table, write_table
from commissure.fusion import writers
from commissure.fusion.divided import divide
from commissure.fusion.falsification.registry import separate_attempts
from commissure.fusion.fitted import FittedStudy, fit_study, fold_cautions
from commissure.fusion.kinds import RESULT_KINDS
from commissure.fusion.pretrained import refuse_pretrained_people
from commissure.fusion.separate import read_parts, results_of_part, write_part
from commissure.fusion.settings import FusionSettings
from commissure.models.registry import model_specs, primary_name
from commissure.outputs import PERMUTATIONS
from commissure.study.splits import CV, LEAVE_SITE_OUT
from commissure.study.study import Study, Unfittable
from commissure.study.tables import read_study


def fuse(
    *,
    settings: FusionSettings,
    out: Path,
    nulls: Sequence[Path] = (),
    parts: Sequence[Path] = (),
    block: int = BLOCK,
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
    parts
        Parts of the rest from :func:`fuse_part`; what is in none of them is computed here.
    block
        Permutations that are worked on together: those of
        :func:`commissure.evaluation.permutation_parts.block_of`.
    progress
        Takes a line on how far the work is.
    tables
        As :func:`read_study` takes them, and raises its errors.
    """
    say = progress or (lambda message: None)
    study = read_study(settings=settings, **tables)
    out.mkdir(parents=True, exist_ok=True)
    writers.write_labels(study, out)
    counts = study.question
    say(f"fusion: {counts['n']} people with an outcome")
    if isinstance(study, Unfittable):
        reason = study.reason
    else:
        reason = _fit(study, nulls, read_parts(parts), block, out, say)
    if reason:
        writers.write_unfitted(study, reason, out)
        say(f"fusion: no model is fitted: {reason}")


def permute(
    *,
    settings: FusionSettings,
    part: int,
    parts: int,
    out: Path,
    block: int = BLOCK,
    **tables: Any,
) -> None:
    """Run one part of the permutation test: a job of its own.

    Parameters
    ----------
    settings
        The settings.
    part, parts
        Number of the part, from 0, and how many there are.
    out
        A table :data:`commissure.outputs.PERMUTATIONS`; permutation 0 is the observed labelling.
        Without rows where no model can be fitted.
    block
        As :func:`fuse` takes it.
    tables
        As :func:`read_study` takes them.
    """
    study = read_study(settings=settings, **tables)
    rows: list[tuple[str, str, int, int, float, float, float]] = []
    divisions, numbers = part_of(part, parts, permutations=settings.permutations, block=block)
    first = numbers.start
    if isinstance(study, Study) and numbers:
        refuse_pretrained_people(study)
        specs, _ = model_specs(study)
        nulls = permutation_test(
            study, specs, first=first, count=len(numbers), block=block,
            measure=permuted_measure(settings.outcome.kind), divisions=divisions,
        )  # fmt: skip
        for name, null in nulls.items():
            rows += [
                (
                    name,
                    scheme,
                    repeat,
                    first + number if number else 0,
                    auc,
                    variance,
                    math.nan if of_scheme.of_mean is None else of_scheme.of_mean[number],
                )
                for scheme, of_scheme in ((CV, null), (LEAVE_SITE_OUT, null.left_out))
                if of_scheme is not None
                for repeat, of_repeat in enumerate(
                    zip(of_scheme.aucs, of_scheme.variances, strict=True)
                )
                for number, (auc, variance) in enumerate(zip(*of_repeat, strict=True))
            ]
    write_table(PERMUTATIONS.frame(rows), out)


def fuse_part(*, settings: FusionSettings, part: str, out: Path, **tables: Any) -> None:
    """Compute one part of what :func:`fuse` needs beside the permutations: a job of its own.

    Parameters
    ----------
    settings
        The settings.
    part
        One of :func:`commissure.fusion.part_names.part_names`.
    out
        A JSON file; empty where no model can be fitted.
    tables
        As :func:`read_study` takes them.
    """
    study = read_study(settings=settings, **tables)
    results: dict[str, Any] = {}
    if isinstance(study, Study):
        refuse_pretrained_people(study)
        specs, _ = model_specs(study)
        main = next((s for s in specs if s.name == primary_name(specs, settings)), None)
        if main is not None:
            results = results_of_part(divide(study, specs, main), part)
    write_part(results, out)


def _fit(
    study: Study[FusionSettings],
    null_parts: Sequence[Path],
    stored: Mapping[str, Any],
    block: int,
    out: Path,
    say: Callable[[str], None],
) -> str:
    """Fit, test and write; the reason where there is no model to fit, else an empty text."""
    left_out = refuse_pretrained_people(study)
    specs, messages = model_specs(study)
    left_out += messages
    primary = primary_name(specs, study.settings)
    if primary is None:
        return _no_model(study, left_out)
    main = next(spec for spec in specs if spec.name == primary)
    nulls = _joined_nulls(null_parts) if null_parts else None
    fitted = fit_study(study, specs, main, nulls, say, block, stored)
    say("fusion: attempts to prove it wrong")
    kind = RESULT_KINDS[study.settings.outcome.kind]
    separate = fitted.result_of(separate_attempts)
    checks = [separate.get(check.name) or check.record(fitted) for check in kind.checks]
    secondary = kind.secondary(fitted, say)
    cautions = [
        *kind.cautions(fitted),
        *study.cautions,
        *left_out,
        *fold_cautions(fitted),
    ]
    write_table(fitted.splits, out / "splits.tsv")
    writers.write_predictions(fitted, out)
    writers.write_importance(fitted, out)
    writers.write_falsification(checks, out)
    writers.write_model(fitted, out)
    writers.write_metrics(fitted, secondary, cautions, out)
    say(_result(fitted))
    return ""


def _no_model(study: Study[FusionSettings], left_out: Sequence[str]) -> str:
    if left_out:
        return " ".join(left_out)
    if study.design.modalities:
        return "fusion.models names no model of a modality."
    return "The markers hold no modality to fit."


def _result(fitted: FittedStudy) -> str:
    within = fitted.main_auc
    return (
        f"fusion: the {fitted.main.name} model reaches within site a {fitted.measure.name} of "
        f"{within.value:.2f} "
        f"({within.ci_low:.2f} to {within.ci_high:.2f})"
    )


def _joined_nulls(parts: Sequence[Path]) -> Mapping[str, NullDistribution]:
    """The permutation test from its parts."""
    # Numbers are read as text and made by NumPy: pandas' own reader may miss their last bit.
    tables = [read_table(part, text=PERMUTATIONS.text) for part in parts]
    whole = pd.concat([table for table in tables if len(table)] or tables)
    once = whole.drop_duplicates(["model", "scheme", "repeat", "permutation"])

    def null(
        name: str, scheme: str, left_out: NullDistribution | None = None
    ) -> NullDistribution | None:
        rows = once[(once["model"] == name) & (once["scheme"] == scheme)]
        ordered = rows.sort_values(["repeat", "permutation"])
        aucs, variances = (
            ordered[column].to_numpy(float).reshape(max(1, rows["repeat"].nunique()), -1)
            for column in ("auc", "delong_variance")
        )
        if not len(rows):
            return None
        of_mean = None
        if len(aucs) > 1:
            of_mean = ordered["delong_variance_of_mean"].to_numpy(float)[: aucs.shape[1]]
        return NullDistribution(aucs, variances, left_out, of_mean)

    nulls = {name: null(name, CV, null(name, LEAVE_SITE_OUT)) for name in once["model"].unique()}
    return {name: made for name, made in nulls.items() if made is not None}
