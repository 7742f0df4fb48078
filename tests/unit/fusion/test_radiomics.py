"""Prediction from radiomics: what models see, selection in the folds, and a leak that is found."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from commissure.errors import ConfigError
from commissure.fusion.falsification import leakage_audit as audit
from commissure.fusion.settings import FusionSettings
from commissure.models import imported
from commissure.models.registry import model_specs
from commissure.study.study import Study

PEOPLE, FEATURES = 60, 200


@pytest.fixture(scope="module")
def prediction(repository):
    """The benchmark of prediction from radiomics."""
    where = importlib.util.spec_from_file_location(
        "lesion_prediction", repository / "benchmarks" / "lesion_prediction.py"
    )
    module = importlib.util.module_from_spec(where)
    where.loader.exec_module(module)
    return module


def with_models(study, *models):
    settings = FusionSettings(**{**study.settings.model_dump(), "models": list(models)})
    return Study(settings, study.design, study.y)


def test_models_see_the_blocks_that_they_name(prediction):
    study = prediction.labelled(0, PEOPLE, FEATURES, planted=False)
    specs, cautions = model_specs(study)
    seen = {spec.name: tuple(block.name for block in spec.blocks) for spec in specs}
    assert cautions == []
    assert seen["with_clinical"] == ("radiomics", "clinical")
    assert seen["svm"] == seen["radiomics"] == ("radiomics",)
    assert seen["lesion"] == ("lesion",) and seen["clinical"] == ("clinical",)
    assert seen["early"] == ("lesion", "radiomics")
    strange = {"name": "svm", "estimator": "sklearn.svm.SVC", "blocks": ["genes"]}
    with pytest.raises(ConfigError, match=r"genes.*lesion, radiomics, clinical"):
        model_specs(with_models(study, strange))


def test_a_model_whose_block_few_people_have_is_left_out_in_words(prediction):
    study = prediction.labelled(0, PEOPLE, FEATURES, planted=False)
    study.design.values[5:, list(study.design.blocks["radiomics"].columns)] = np.nan
    specs, cautions = model_specs(study)
    assert {"svm", "with_clinical", "radiomics"}.isdisjoint(spec.name for spec in specs)
    assert any("The svm model is left out: it lacks radiomics." in line for line in cautions)


@pytest.mark.filterwarnings("ignore")
def test_selection_over_everybody_is_found_and_selection_in_the_folds_raises_no_alarm(prediction):
    found = [prediction.leak(seed, PEOPLE, FEATURES) for seed in range(3)]
    assert [one["audit finds the leak"] for one in found] == [1.0] * 3
    assert [one["audit alarms of the svm"] for one in found] == [0.0] * 3
    assert np.mean([one["AUC with the leak"] for one in found]) > 0.75


@pytest.mark.filterwarnings("ignore")
def test_a_model_that_selects_by_the_labels_of_everybody_is_found(prediction, monkeypatch):
    study = prediction.labelled(1, PEOPLE, FEATURES, planted=False)
    specs, _ = model_specs(study)
    spec = next(spec for spec in specs if spec.name == "svm")
    fold = prediction.divisions(study)[0]
    columns = list(spec.blocks[0].columns)
    everybody = np.nan_to_num(study.design.values[:, columns])
    honest, seen = imported.selecting, {}

    class Leaking(imported.SelectKBest):
        """It has learnt which columns to keep before."""

        def fit(self, X, y=None):
            super().fit(X, y)
            self.scores_ = imported.f_classif(everybody[:, : X.shape[1]], seen["labels"])[0]
            return self

    def selecting(model, kept, *, measured):
        made = honest(model, kept, measured=measured)
        made.steps[0] = ("selectkbest", Leaking(imported.f_classif, k=kept))
        return made

    procedure = audit.study_procedure(spec, study.settings)

    def told(values, labels, fold):
        seen["labels"] = labels
        return procedure(values, labels, fold)

    assert audit.sees_test_labels(told, study.design.values, study.y, fold, trials=2) == 0
    monkeypatch.setattr(imported, "selecting", selecting)
    assert audit.sees_test_labels(told, study.design.values, study.y, fold, trials=2) == 2


def test_the_main_model_may_see_clinical_columns(make_study):
    study = make_study(n=60)
    metrics = study.run(
        models=[
            {"name": "both", "estimator": "sklearn.linear_model.LogisticRegression",
             "blocks": ["mrs", "clinical"], "select": [2]},
            "clinical", "modalities",
        ],
        primary="both", permutations=0, repeats=1, secondary_analyses=True,
    )  # fmt: skip
    assert metrics["primary"] == "both" and metrics["models"]["both"]["modalities"] == ["mrs"]
    assert metrics["models"]["both"]["auc_within_site"]["value"] > 0.8
    assert sorted(row["name"] for row in metrics["modalities"]) == ["clinical", "mrs"]
    assert (study.results / "model" / "model.skops").is_file()
