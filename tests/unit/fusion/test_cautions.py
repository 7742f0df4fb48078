import json
from dataclasses import replace

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
    assert any("labels that mean nothing" in text for text in metrics["cautions"])
