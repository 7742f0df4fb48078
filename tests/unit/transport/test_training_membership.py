"""The model's own training people are known again, and no number stands on them."""

import json
import shutil
import zipfile

import numpy as np
import pandas as pd

from commissure.study.design import Block
from commissure.transport.applicability_domain import training_domain
from commissure.transport.training_membership import in_training, training_digests


def with_outcome(study):
    """The people's table with the true group in a column ``tr``, as write_study deals it."""
    path = study.folder / "participants.tsv"
    people = pd.read_csv(path, sep="\t", na_values="n/a")
    groups = [("control", "resistant", "responsive")[i % 3 if i < 36 else 1 + i % 2]
              for i in range(len(people))]  # fmt: skip
    people.assign(tr=groups).to_csv(path, sep="\t", index=False, na_rep="n/a")
    return study


def recognisable(stored_study):
    """Who has enough: a marker carries 12 bits and 64 are asked for, so anat alone, or both others.

    (anat has six markers, func five, mrs three.)
    """
    table = pd.read_csv(stored_study.folder / "markers.tsv", sep="\t")
    has = table.groupby("participant_id")["modality"].agg(set)
    return set(
        has.index[has.map(lambda measured: "anat" in measured or measured >= {"func", "mrs"})]
    )


def joined(new, trained, folder):
    """The new people, and the training people under other names."""
    folder.mkdir()
    for name in ("markers.tsv", "participants.tsv"):
        tables = [pd.read_csv(study.folder / name, sep="\t", dtype=str, keep_default_na=False)
                  for study in (new, trained)]  # fmt: skip
        tables[1]["participant_id"] = tables[1]["participant_id"].str.replace("sub-", "sub-z")
        known = [who.replace("sub-", "sub-z") for who in recognisable(trained)]
        both = pd.concat([tables[0], tables[1][tables[1]["participant_id"].isin(known)]])
        if "tr" in both:
            both["tr"] = both["tr"].fillna("responsive")
        both.to_csv(folder / name, sep="\t", index=False)
    return folder


def test_all_are_training_people(applied, stored_study, tmp_path) -> None:
    shutil.copytree(stored_study.folder, tmp_path / "again")
    path = tmp_path / "again/markers.tsv"
    table = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    known = recognisable(stored_study)
    table[table["participant_id"].isin(known)].to_csv(path, sep="\t", index=False)
    report, scores, _ = applied(tmp_path / "again")
    assert (report["n"], report["n_training"], report["n_scored"]) == (42, 42, 0)
    assert set(scores["status"]) == {"training"} and scores["probability"].isna().all()
    assert scores["reason"].str.startswith("the model was trained on this person").all()
    # Their labels lie beside them, and yet there is no AUC.
    assert (tmp_path / "again/fusion/labels.tsv").is_file()
    assert report["performance"] == {
        "n": 0, "n_positive": 0, "reason": "nobody who is scored has one",
    }  # fmt: skip
    assert report["n_drifted"] == 0
    assert report["cautions"] == [
        "42 of 42 people are training people of this model: they are not scored, and drift, "
        "calibration and AUC stand on the other 0.",
        "2 training people of the model have too few markers to be recognised: were they here, "
        "they would be scored like new ones.",
    ]


def test_nobody_is_a_training_person(applied, make_study) -> None:
    new = with_outcome(make_study("new", seed=8))
    report, scores, _ = applied(new.folder, label_column="tr")
    assert report["n_training"] == 0 and "training" not in set(scores["status"])
    assert report["performance"]["n"] == 32 - report["n_abstained"]
    assert not any("training people of this model" in caution for caution in report["cautions"])


def test_training_people_under_other_names_change_no_number(
    applied, stored_study, make_study, tmp_path
) -> None:
    new = with_outcome(make_study("new", seed=8))
    alone, scores, _ = applied(new.folder, label_column="tr")
    drift = (tmp_path / "out/drift.tsv").read_text()
    both, all_scores, _ = applied(joined(new, stored_study, tmp_path / "both"), label_column="tr")
    assert (both["n"], both["n_training"], both["n_scored"]) == (86, 42, alone["n_scored"])
    known = all_scores["participant_id"].str.startswith("sub-z")
    assert set(all_scores.loc[known, "status"]) == {"training"}
    pd.testing.assert_frame_equal(
        all_scores[~known].reset_index(drop=True), scores, check_dtype=False
    )
    assert both["performance"] == alone["performance"]
    assert both["blocks"] == alone["blocks"]
    assert (tmp_path / "out/drift.tsv").read_text() == drift
    assert both["cautions"][0].startswith("42 of 86 people are training people of this model")


def test_one_old_scan_beside_new_ones_is_enough(applied, stored_study, tmp_path) -> None:
    table = pd.read_csv(stored_study.folder / "markers.tsv", sep="\t", na_values="n/a")
    rng = np.random.default_rng(4)
    again = table["modality"] != "anat"
    table.loc[again, "value"] += rng.normal(size=again.sum())
    table["value"] *= 1 + 1e-13  # the last bits of another machine
    table.to_csv(tmp_path / "markers.tsv", sep="\t", index=False, na_rep="n/a")
    report, scores, _ = applied(tmp_path / "markers.tsv")
    with_anat = set(table.loc[table["modality"] == "anat", "participant_id"])
    assert set(scores.loc[scores["status"] == "training", "participant_id"]) == with_anat
    assert report["n_training"] == len(with_anat) < 44


def test_the_card_says_what_is_kept(stored_study) -> None:
    card = (stored_study.results / "model/card.md").read_text()
    assert "one-way digests of the markers of 42 of its 44 training people" in card
    with zipfile.ZipFile(stored_study.results / "model/model.skops") as stored:
        schema = json.loads(stored.read("schema.json"))
    assert "sub-0" not in json.dumps(schema)


def test_no_digest_is_kept_of_few_markers() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=(60, 15))
    blocks = (Block("many", tuple(range(12))), Block("few", (12, 13, 14)))
    values[0, 1:12] = np.nan  # one marker of twelve, and three of the other block
    values[1, :12] = np.nan
    values[2, 12:] = np.nan
    domain = {block.name: training_domain(values, block) for block in blocks}
    digests, people = training_digests(values, blocks, domain)
    # Two people have too little; the third has one modality (whose digest stands twice: alone
    # and together with the gap of the other); all others one of "many" and one of both.
    assert (people, len(digests)) == (58, 2 * 58)
    assert in_training(values, blocks, domain, digests).tolist() == [False, False, *[True] * 58]
    alone = values.copy()
    alone[:, :12] = rng.normal(size=(60, 12))
    assert not in_training(alone, blocks, domain, digests).any()


def test_correlated_and_coarse_markers_carry_few_bits() -> None:
    rng = np.random.default_rng(2)
    block = (Block("x", tuple(range(12))),)
    copies = rng.normal(size=(60, 1)) + 1e-6 * rng.normal(size=(60, 12))
    for values in (copies, np.zeros((60, 12))):
        domain = {"x": training_domain(values, block[0])}
        assert training_digests(values, block, domain) == ([], 0)
