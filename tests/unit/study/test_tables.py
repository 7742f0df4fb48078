import numpy as np
import pandas as pd

from commissure.fusion.settings import FusionSettings
from commissure.study.study import Study
from commissure.study.tables import ONE_SITE, UNKNOWN_SITE, read_study, sites_of


def test_the_same_people_under_other_exclusions(make_study) -> None:
    study = make_study()
    rules = pd.DataFrame({"participant_id": ["sub-002", "sub-003"], "session": None,
                          "modality": ["func", "all"], "rule": ["motion", "scanner"]})  # fmt: skip
    rules.to_csv(study.folder / "exclusions.tsv", sep="\t", index=False, na_rep="n/a")
    read = read_study(**study.tables(), settings=FusionSettings())
    assert isinstance(read, Study) and read.question["n"] == 32
    everything = read.under(read.rules.iloc[:0]).design
    markers = pd.read_csv(study.folder / "markers.tsv", sep="\t")
    has = markers.groupby("participant_id")["modality"].agg(set)
    for design, who, gone in (
        (read.design, "sub-002", {"func"}), (read.design, "sub-003", {"anat", "func", "mrs"}),
        (everything, "sub-002", set()), (everything, "sub-003", set()),
    ):  # fmt: skip
        row = design.values[design.participants.tolist().index(who)]
        there = {name for name in design.modalities
                 if np.isfinite(row[list(design.blocks[name].columns)]).any()}  # fmt: skip
        assert there == has[who] - gone
    assert (everything.participants == read.design.participants).all()


def test_sites_in_words() -> None:
    people = pd.DataFrame({"site": ["north", None, 3.0], "empty": None})
    assert sites_of(people).tolist() == ["north", UNKNOWN_SITE, "3.0"]
    for column in ("empty", "scanner"):
        assert sites_of(people, column).tolist() == [ONE_SITE] * 3
