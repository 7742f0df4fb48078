"""ENIGMA-DTI's names and averages, against its own example."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from commissure.dwi.enigma_names import AVERAGES, corrected_names
from commissure.dwi.tracts import Average, averaged_tracts
from commissure.errors import DatasetError
from commissure.images.atlas import jhu_dti81


@pytest.fixture(scope="module")
def example(shared_data: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """ENIGMA's example subject: labels, and what its own script makes of them."""
    stem = shared_data.parent / "science" / "enigma_dti_subject1_ROIout"
    if not stem.with_suffix(".csv").exists():
        pytest.skip("ENIGMA's example is not on this machine")
    return pd.read_csv(stem.with_suffix(".csv")), pd.read_csv(f"{stem}_avg.csv")


@pytest.mark.real
def test_averages_are_those_of_enigmas_example(example) -> None:
    labels, expected = example
    names = corrected_names(labels["Tract"], who="labels")
    measured = {names[t]: Average(v, n) for t, v, n in labels.itertuples(index=False, name=None)}
    found = measured | averaged_tracts(measured)
    ours = corrected_names(expected["Tract"], who="averages")
    assert set(AVERAGES) <= set(ours.values())
    for tract, value, voxels in expected.itertuples(index=False, name=None):
        assert found[ours[tract]].voxels == voxels
        # The file has six digits.
        assert found[ours[tract]].value == pytest.approx(value, abs=1e-6)


def test_a_larger_side_weighs_more_and_an_absent_one_leaves_no_average() -> None:
    sides = {"ACR_L": Average(0.4, 30), "ACR_R": Average(0.6, 10), "PCR_L": Average(0.5, 9)}
    assert averaged_tracts(sides) == {"ACR": Average(pytest.approx(0.45), 40)}
    empty = sides | {"PCR_R": Average(float("nan"), 0)}
    assert set(averaged_tracts(empty)) == {"ACR"}


def test_compounds_are_of_labels_that_the_atlas_has() -> None:
    labels = set(jhu_dti81().groups("tract"))
    assert {part for parts in AVERAGES.values() for part in parts} == labels - {"FX"}
    assert len(AVERAGES["CC"]) == 3 and len(AVERAGES["IC"]) == len(AVERAGES["CR"]) == 6
    assert not set(AVERAGES) & labels


def test_labels_45_to_48_have_the_corrected_names() -> None:
    names = jhu_dti81().labels.set_index("index")["tract"]
    assert names[[45, 46, 47, 48]].tolist() == ["UNC_R", "UNC_L", "TAP_R", "TAP_L"]
    old = corrected_names(["IFO-R", "UNC-L", "FX/ST-L", "CC"], who="x")
    assert list(old.values()) == ["UNC_R", "TAP_L", "FXST_L", "CC"]
    assert list(corrected_names(["UNC", "TAP"], who="x").values()) == ["UNC", "TAP"]


@pytest.mark.parametrize("names", [["UNC"], ["IFO", "UNC", "TAP"]])
def test_names_that_may_be_either_tract_are_refused(names: list[str]) -> None:
    with pytest.raises(DatasetError, match="45 and 46 of the atlas are UNC"):
        corrected_names(names, who="x")
