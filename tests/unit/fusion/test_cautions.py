import json
from dataclasses import replace

import numpy as np

from commissure.evaluation.null_distribution import NullDistribution
from commissure.fusion.cautions import best_baseline, reading_cautions


def test_a_reader_is_told_of_few_people_of_a_rival_and_of_the_choice(fitted) -> None:
    rival = best_baseline(fitted)
    best = fitted.aucs[rival]["within"]
    cautions = reading_cautions(fitted)
    assert any("are too few for a claim" in caution for caution in cautions)
    assert any("Riley et al. 2019" in caution for caution in cautions)
    assert any("the best of 6 models is better by chance alone" in caution for caution in cautions)
    assert not any("sees no image" in caution for caution in cautions)
    as_good = {**fitted.aucs[fitted.main.name], "within": best}
    worse = replace(fitted, aucs={**fitted.aucs, fitted.main.name: as_good})
    assert any(f"The {rival} model, which sees no image" in c for c in reading_cautions(worse))


def test_without_permutations_chance_is_told_from_the_numbers_of_people(stored_study) -> None:
    metrics = json.loads((stored_study.results / "metrics.json").read_text())
    [caution] = [text for text in metrics["cautions"] if "not permuted" in text]
    assert "exceeds an AUC within site of 0.6" in caution or "of 0.7" in caution


def test_with_permutations_they_tell_it(fitted_study) -> None:
    metrics = json.loads((fitted_study.results / "metrics.json").read_text())
    assert not any("not permuted" in text for text in metrics["cautions"])
    assert any("labels meant nothing" in text for text in metrics["cautions"])


def test_with_more_than_six_modalities_a_reader_is_told_that_shares_are_not_there(fitted) -> None:
    def about_shares(study) -> list[str]:
        return [text for text in reading_cautions(study) if "What each modality adds" in text]

    many = replace(fitted, main=replace(fitted.main, blocks=fitted.main.blocks * 3))
    assert about_shares(fitted) == [] and len(about_shares(many)) == 1
    settings = fitted.study.settings.model_copy(update={"secondary_analyses": False})
    assert about_shares(replace(many, study=replace(many.study, settings=settings))) == []


def test_permutations_that_compare_nobody_are_told_and_scatter_by_no_nan(fitted) -> None:
    table = np.r_[0.6, np.full(60, np.nan)][None]
    null = NullDistribution(table, table)
    cautions = reading_cautions(replace(fitted, nulls={fitted.main.name: null}))
    assert any("could anybody be compared" in text for text in cautions)
    assert not any("nan" in text for text in cautions)
