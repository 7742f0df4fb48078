"""A study with its models fitted, as the analyses and the checks take it."""

from __future__ import annotations

import pytest

from commissure.fusion.fitted import FittedStudy, fit_study
from commissure.fusion.settings import FusionSettings
from commissure.models.registry import model_specs
from commissure.study.study import Study
from commissure.study.tables import read_study


@pytest.fixture
def fitted(make_study) -> FittedStudy:
    """A small study, fitted without permutations."""
    settings = FusionSettings(
        repeats=2, inner_folds=3, permutations=0, penalties=[1.0, 10.0], min_per_class=5
    )
    study = read_study(settings=settings, **make_study().tables())
    assert isinstance(study, Study)
    specs, _ = model_specs(study)
    return fit_study(study, specs, specs[0], None, lambda line: None)
