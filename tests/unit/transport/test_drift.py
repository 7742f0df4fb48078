"""What differs in the new place is named."""


def test_labels_tell_how_well_it_does_elsewhere(applied, make_study) -> None:
    study = make_study("new", seed=8, n=120, d=3.0)
    report, _, _ = applied(study.folder)
    study.run(repeats=1, permutations=0, models=["late", "modalities"])
    report, _, _ = applied(study.folder)
    performance = report["performance"]
    assert performance["auc_within_site"]["value"] > 0.8
    assert performance["n"] == (study.table("labels.tsv")["label"] != "control").sum()


def test_a_marker_that_drifted_is_named(applied, edited, make_study) -> None:
    def shifted(table):
        glu = (table["marker"] == "glu") & (table["region"] == "r1")
        table.loc[glu, "value"] += 2.0
        return table

    report, _, drift = applied(edited(make_study("new", seed=8), shifted).folder)
    assert drift.loc[drift["drifted"], ["marker", "region"]].to_numpy().tolist() == [["glu", "r1"]]
    assert report["blocks"]["mrs"]["two_sample_auc"] > 0.8
    assert report["blocks"]["anat"]["two_sample_auc"] < 0.75


def test_missing_markers_and_new_sites_are_told(applied, edited, make_study) -> None:
    study = edited(make_study("new"), lambda t: t[~t["region"].isin(["r0", "r1"])])
    path = study.folder / "participants.tsv"
    path.write_text(path.read_text().replace("north", "west"))
    report, _, _ = applied(study.folder)
    assert any("func: 3 of 5 markers are there" in caution for caution in report["cautions"])
    assert any("The sites west were not in training" in caution for caution in report["cautions"])
