"""A lab's tables become marker rows, or are refused in words."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from commissure.errors import ConfigError, DatasetError
from commissure.markers.lab_tables import lab_table
from commissure.markers.registry import definitions
from commissure.markers.settings import TableSettings, read_tables
from commissure.markers.table import definition_record, marker_table
from commissure.rows import Marker, write_markers


def test_a_wide_table_becomes_rows(tmp_path):
    path = tmp_path / "aseg.csv"
    path.write_text(
        "Measure:volume,vol_Left-Hippocampus,vol_Right-Hippocampus,eTIV\n01,4000,4100,1.5e6\n02,,3900,1.4e6\n"
    )
    aseg = TableSettings(
        file=str(path), participant="Measure:volume", columns=["vol_*"], prefix="vol_",
        modality="anat", marker="fs_volume", unit="mm3",
    )  # fmt: skip
    table, cautions = marker_table([], [aseg])
    assert cautions == [
        "aseg.csv: fs_volume seems to be volumes, which are not freed of head size; "
        "tables[].adjust: head_size does that."
    ]
    assert table["region"].unique().tolist() == ["Left-Hippocampus", "Right-Hippocampus"]
    assert table["value"].tolist() == [4000, 4100, 3900]
    assert table["participant_id"].tolist() == ["sub-01", "sub-01", "sub-02"]


def test_a_tidy_table_is_taken_as_it_is(tmp_path):
    write_markers([Marker("01", "", "mrs", "ACC", "lc_glu", 9.5, "mM")], tmp_path / "t.tsv")
    table, _ = marker_table([], [TableSettings(file=str(tmp_path / "t.tsv"), layout="tidy")])
    assert table["participant_id"].tolist() == ["sub-01"]
    assert definition_record({}, table)["lc_glu"]["unit"] == "mM"


def test_tables_that_do_not_fit_are_refused_in_words(tmp_path):
    path = tmp_path / "t.tsv"
    path.write_text("id\ta\n01\t1\n01\t2\n")
    with pytest.raises(ConfigError, match=r"tables \(t.tsv\).participant: the file has no column"):
        lab_table(TableSettings(file=str(path)))
    with pytest.raises(ConfigError, match="no numeric column matches"):
        lab_table(TableSettings(file=str(path), participant="id", columns=["b*"]))
    with pytest.raises(DatasetError, match="sub-01 has several rows"):
        lab_table(TableSettings(file=str(path), participant="id"))


def wide(tmp_path, text, **options):
    (tmp_path / "lab.tsv").write_text(text)
    return TableSettings(file=str(tmp_path / "lab.tsv"), **options)


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (["1", "<0.5", "3"], r"lab.tsv, line 3 \(sub-02\): x is '<0.5'; a finite number with a"),
        (["1", "n.d.", "3"], r"line 3 \(sub-02\): x is 'n.d.'.*or leave the column out"),
        (["1,5", "2,5", "3,5"], r"line 2 \(sub-01\): x is '1,5'"),
        (["1,5", "", ""], r"line 2 \(sub-01\): x is '1,5'"),
        (["1", "1e999", "3"], r"line 3 \(sub-02\): x is '1e999'"),
        ([">5", ">6", "low"], r"line 2 \(sub-01\): x is '>5'"),
        (["1.234,5", "2", "3"], r"x is '1.234,5'"),
        (["1", "inf", "3"], r"line 3 \(sub-02\): x is 'inf'"),
        (["1", "-Infinity", "3"], r"x is '-Infinity'"),
        (["1", "1_000", "3"], r"x is '1_000'"),
    ],
)
def test_a_word_among_numbers_is_refused_with_its_place(tmp_path, column, words):
    rows = "".join(f"{i + 1:02d}\t{cell}\t{i}\n" for i, cell in enumerate(column))
    with pytest.raises(DatasetError, match=words):
        lab_table(wide(tmp_path, f"participant_id\tx\ty\n{rows}"))


def test_columns_of_words_are_left_out_and_named(tmp_path):
    text = "participant_id\tx\tnote\tday\tname\tflag\n01\t1\tlow\t2020-01-02\tA\tTrue\n02\t2\thigh\t2020-01-03\tB\tFalse\n"
    rows, cautions = lab_table(wide(tmp_path, text))
    assert rows["region"].unique().tolist() == ["x"]
    assert "lab.tsv: the columns note, flag hold words and join no marker." in cautions
    assert any("the columns day, name look personal" in caution for caution in cautions)


def test_a_record_number_is_no_marker(tmp_path):
    rows, cautions = lab_table(wide(tmp_path, "participant_id\tx\tMRN\n01\t1\t778899\n"))
    assert rows["region"].unique().tolist() == ["x"]
    assert "MRN" in cautions[0] and "778899" not in cautions[0]


def test_codes_for_nothing_are_told(tmp_path):
    text = "participant_id\tx\ty\tz\n01\t-9999\t999\t950\n02\t3\t12\t999\n03\t4\t13\t1000\n"
    rows, cautions = lab_table(wide(tmp_path, text))
    assert rows["value"].min() == -9999
    assert [caution.split(" and is")[0] for caution in cautions] == [
        "lab.tsv: -9999 stands in 1 of 3 cells of the column x",
        "lab.tsv: 999 stands in 1 of 3 cells of the column y",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("participant_id\tx\n01\t1\t\n", "line 2: it has 3 cells, the header 2"),
        ("participant_id\tx\tx\n01\t1\t2\n", "two columns are called 'x'"),
        ("participant_id\tx\n", "it has a header and no row"),
        ("participant_id\tx\nn/a\t1\n", "line 2: participant_id is empty"),
        ("participant_id;x\n01;1,5\n", "separated by semicolons"),
    ],
)
def test_what_would_shift_or_lose_a_value_is_refused(tmp_path, text, words):
    with pytest.raises(DatasetError, match=words):
        lab_table(wide(tmp_path, text))


@pytest.mark.parametrize(
    ("prefix", "words"), [("a_", "the region 'x' several times"), ("x", "nothing is left")]
)
def test_a_prefix_that_makes_two_columns_one_is_refused(tmp_path, prefix, words):
    with pytest.raises(ConfigError, match=words):
        lab_table(wide(tmp_path, "participant_id\tx\ta_x\n01\t1\t2\n", prefix=prefix))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"quality": "good"}, r"lab.tsv, line 2 \(sub-01\): quality is 'good'; ok or flag"),
        ({"value": "three"}, r"line 2 \(sub-01\): value is 'three'"),
        ({"value": "inf"}, r"value is 'inf'"),
        ({"value": "3,5"}, r"value is '3,5'"),
        ({"unit": "n/a"}, r"unit is 'n/a'; a word"),
        ({"participant_id": ""}, r"line 2: participant_id is empty"),
    ],
)
def test_a_tidy_cell_that_cannot_be_is_refused(tmp_path, change, words):
    cells = {"participant_id": "01", "session": "n/a", "modality": "mrs", "region": "ACC",
             "marker": "lc_glu", "value": "9.5", "unit": "mM", "quality": "ok", **change}  # fmt: skip
    text = "\t".join(cells) + "\n" + "\t".join(cells.values()) + "\n"
    with pytest.raises(DatasetError, match=words):
        lab_table(wide(tmp_path, text, layout="tidy"))


def volume(who, value, unit, region="Hippocampus_L", session=""):
    return Marker(who, session, "anat", region, "volume", value, unit)


@pytest.mark.parametrize("who", ["sub-01", "sub-02"])
def test_a_marker_that_is_measured_already_is_refused(tmp_path, who):
    write_markers([volume("sub-01", 2936.5, "mm3")], tmp_path / "own.tsv")
    write_markers([volume(who, 3.1, "cm3")], tmp_path / "lab.tsv")
    tidy = TableSettings(file=str(tmp_path / "lab.tsv"), layout="tidy")
    with pytest.raises(
        DatasetError, match="lab.tsv: it holds anat volume Hippocampus_L, which is measured"
    ):
        marker_table([tmp_path / "own.tsv"], [tidy])
    (tmp_path / "fs.tsv").write_text("participant_id\tHippocampus_L\n01\t3500\n")
    fs = TableSettings(file=str(tmp_path / "fs.tsv"), modality="anat", marker="volume", unit="mm3")
    with pytest.raises(DatasetError, match="fs.tsv: it holds anat volume Hippocampus_L"):
        marker_table([tmp_path / "own.tsv"], [fs])


def test_two_tables_that_hold_the_same_value_are_refused_and_two_sites_are_not(tmp_path):
    tables = []
    for name, who in (("a", "sub-01"), ("b", "sub-02"), ("c", "sub-01")):
        write_markers([volume(who, 3, "mm3")], tmp_path / f"{name}.tsv")
        tables.append(TableSettings(file=str(tmp_path / f"{name}.tsv"), layout="tidy"))
    assert len(marker_table([], tables[:2])[0]) == 2
    with pytest.raises(
        DatasetError, match="c.tsv, sub-01: it holds anat volume Hippocampus_L, and so does a.tsv"
    ):
        marker_table([], tables)


def test_units_that_disagree_are_refused_before_anything_is_averaged(tmp_path):
    rows = [volume("sub-01", 3, "cm3"), volume("sub-02", 3000, "mm3")]
    write_markers(rows, tmp_path / "lab.tsv")
    with pytest.raises(
        DatasetError, match="marker anat volume Hippocampus_L: its units are cm3 and mm3"
    ):
        marker_table([], [TableSettings(file=str(tmp_path / "lab.tsv"), layout="tidy")])


def test_words_for_nothing_and_decimal_commas_are_declared(tmp_path):
    text = "participant_id\tx\ty\n01\t1,5\tn.d.\n02\t-999\t2,25e1\n03\t7\t\n"
    declared = {"missing": ["n.d.", "-999"], "decimal": ","}
    rows, cautions = lab_table(wide(tmp_path, text, **declared))
    values = rows.dropna().set_index(["participant_id", "region"])["value"].to_dict()
    assert values == {("sub-01", "x"): 1.5, ("sub-03", "x"): 7.0, ("sub-02", "y"): 22.5}
    assert cautions == []
    with pytest.raises(DatasetError, match=r"line 2 \(sub-01\): x is '1.234'; a decimal comma"):
        lab_table(wide(tmp_path, "participant_id\tx\n01\t1.234\n", decimal=","))
    tidy = "participant_id\tsession\tmodality\tregion\tmarker\tvalue\tunit\tquality\n"
    tidy += "01\tn/a\tmrs\tACC\tglx\t9,5\tmM\tok\n02\tn/a\tmrs\tACC\tglx\tn.d.\tmM\tok\n"
    rows, _ = lab_table(wide(tmp_path, tidy, layout="tidy", **declared))
    assert rows["value"].dropna().tolist() == [9.5]


def test_every_pattern_must_match(tmp_path):
    text = "participant_id\tr3\tr4\tr7\tnote\n01\t1\t2\t3\tlow\n"
    with pytest.raises(ConfigError, match=r"no numeric column matches 'R4'.*Did you mean 'r4'\?"):
        lab_table(wide(tmp_path, text, columns=["r3", "R4", "r7"]))
    with pytest.raises(ConfigError, match="no numeric column matches 'note'"):
        lab_table(wide(tmp_path, text, columns=["r*", "note"]))
    with pytest.raises(ConfigError, match=r"exclude: no column matches 'q\*'"):
        lab_table(wide(tmp_path, text, exclude=["q*"]))
    with pytest.raises(ConfigError, match="no numeric column is left"):
        lab_table(wide(tmp_path, text, exclude=["r*"]))


def test_what_was_taken_and_what_was_left_out_is_logged(tmp_path):
    text = "participant_id\ta\tb\tnote\tMRN\n01\t1\t2\tlow\t77\n"
    lines = []
    lab_table(wide(tmp_path, text, exclude=["b"]), lines.append)
    assert lines == [
        "lab.tsv: 1 columns are table value: a",
        "lab.tsv: 3 columns are left out: b, note, MRN",
    ]


FREESURFER = (
    "participant_id\tlh_bank_volume\tlh_bank_thickness\trh_bank_volume\trh_bank_thickness\teTIV\t"
    "qc\n01\t4000\t2.5\t4100\t2.4\t1500000\t1\n02\t3800\t2.3\t3900\t2.2\t1400000\t2\n"
)
KINDS = {
    "fs_volume": {
        "columns": ["*_volume"],
        "suffix": "_volume",
        "unit": "mm3",
        "adjust": "head_size",
    },
    "fs_thickness": {"columns": ["*_thickness"], "suffix": "_thickness", "unit": "mm"},
    "fs_qc": {"columns": ["qc"], "role": "confound"},
}


def test_one_table_may_hold_several_kinds_of_value(tmp_path):
    settings = wide(tmp_path, FREESURFER, modality="anat", markers=KINDS)
    table, cautions = marker_table([], [settings])
    assert cautions == []
    kinds = table.groupby("marker")["region"].unique().map(list).to_dict()
    assert kinds == {
        "fs_volume": ["lh_bank", "rh_bank"], "fs_thickness": ["lh_bank", "rh_bank"],
        "fs_qc": ["qc"], "lab_head_size": ["head"],
    }  # fmt: skip
    assert table.groupby("marker")["unit"].first()["lab_head_size"] == "mm3"
    record = definition_record(definitions([settings]), table)
    assert record["fs_volume"]["adjust"] == "head_size"
    assert {record[name]["role"] for name in ("fs_qc", "lab_head_size")} == {"confound"}
    with pytest.raises(ConfigError, match="fs_volume and more both take the column 'lh_bank_vol"):
        lab_table(wide(tmp_path, FREESURFER, markers={**KINDS, "more": {"columns": ["lh_*"]}}))
    with pytest.raises(ValueError, match="unit is not set here"):
        TableSettings(file="x.tsv", unit="mm3", markers=KINDS)


@pytest.mark.parametrize("given", [{"layout": "tidy"}, {"markers": KINDS}, {}])
def test_settings_reach_a_job_as_they_are(given):
    settings = TableSettings(file="x.tsv", **given)
    assert read_tables([settings.model_dump(mode="json")]) == [settings]


def test_the_head_size_of_two_tables_is_taken_once(tmp_path):
    (tmp_path / "b.tsv").write_text(FREESURFER.replace("bank", "pole"))
    first = wide(tmp_path, FREESURFER, modality="anat", markers=KINDS)
    kinds = {"other_volume": {**KINDS["fs_volume"]}}
    second = TableSettings(file=str(tmp_path / "b.tsv"), modality="anat", markers=kinds)
    table, _ = marker_table([], [first, second])
    assert (table["marker"] == "lab_head_size").sum() == 2


@given(st.lists(st.text("0123456789.,-<>e n", max_size=5), min_size=1, max_size=6))
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_value_is_the_number_of_its_cell(tmp_path, cells):
    rows = "".join(f"{i:02d}\t{cell}\t1\n" for i, cell in enumerate(cells))
    try:
        table, _ = lab_table(wide(tmp_path, f"participant_id\tx\ty\n{rows}"))
    except DatasetError:
        return
    values = table[table["region"] == "x"].set_index("participant_id")["value"]
    for i, cell in enumerate(cells):
        if len(values) and cell.strip():
            assert values[f"sub-{i:02d}"] == pytest.approx(float(cell), rel=1e-15)
