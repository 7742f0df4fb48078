"""Before a run: which rules a change makes run again, read from the rule files."""

from __future__ import annotations

import json

import pytest
import yaml

from commissure.compare.causes import Cause
from commissure.compare.runs import Run
from commissure.engines.registry import rule_files
from commissure.errors import ConfigError
from commissure.flow.code import codes_of
from commissure.flow.rule_files import read_rules
from commissure.flow.touched import Touched, plan_words, rules_after, rules_of, touched
from commissure.installed import versions
from commissure.modalities import MODALITIES


@pytest.fixture(scope="module")
def rules(repository):
    engines = rule_files(dict.fromkeys(MODALITIES, "builtin"))
    return read_rules(repository / "workflow/rules", engines)


def again(rules, kind, what, person=""):
    found = rules_after(rules, rules_of(Cause(kind, what, "", "", (), person), rules))
    return [rule.name for rule in found]


def test_the_rules_are_in_the_order_of_a_run(rules):
    names = [rule.name for rule in rules]
    order = ["anat_preprocess", "func_preprocess", "func_measure", "markers", "fusion", "provenance",
             "report"]  # fmt: skip
    assert [name for name in names if name in order] == order
    assert len(names) == len(set(names)) >= 15
    assert [rule.name for rule in rules if not rule.writes] == []


def test_an_option_of_measuring_never_repeats_preprocessing(rules):
    names = again(rules, "option", "func.fd_threshold_mm")
    assert names[0] == "func_measure" and "report" in names
    assert not any(name.endswith("_preprocess") or name.startswith("dwi") for name in names)


def test_the_anatomy_reaches_what_is_measured_in_its_space(rules):
    names = again(rules, "code", "anat/preprocess.py")
    in_its_space = [name for name, m in MODALITIES.items() if name == "anat" or m.needs_anatomy]
    assert {f"{m}_{step}" for m in in_its_space for step in ("preprocess", "measure")} <= set(names)


def test_an_option_of_the_page_touches_the_pages_alone(rules):
    names = again(rules, "option", "report.title")
    assert "report" in names and not {"markers", "fusion"} & set(names)


def test_an_input_is_told_by_its_person(rules):
    name = "sub-02/mrs/sub-02_svs.nii.gz"
    cause = Cause("input", name, "a", "b", (), "sub-02")
    item = Touched(cause, rules_after(rules, rules_of(cause, rules)))
    assert item.products[0] == "sub-02/[ses-*/]mrs/" and "markers.tsv" in item.products


def test_a_library_makes_nothing_run_again(rules):
    assert again(rules, "library", "numpy") == []


@pytest.fixture
def finished(tmp_path, repository):
    """The record of a run of tables alone, and the configuration that made it."""
    (tmp_path / "lab.tsv").write_text("participant_id\tglu\nsub-01\t9\n")
    content = {"bids_dir": None, "output_dir": str(tmp_path / "out"), "modalities": ["mrs"],
               "tables": [{"file": str(tmp_path / "lab.tsv"), "modality": "mrs", "unit": "mM"}]}  # fmt: skip
    config = tmp_path / "study.yaml"
    config.write_text(yaml.safe_dump(content))
    out = tmp_path / "out"
    (out / "provenance").mkdir(parents=True)
    (out / "fusion").mkdir()
    for name in ("markers.tsv", "fusion/metrics.json", "report.html"):
        (out / name).write_text("")
    record = {"code": codes_of(repository / "workflow/scripts"), "versions": versions()}
    (out / "provenance/run.json").write_text(json.dumps(record))
    from commissure.flow.settings import read_settings
    from commissure.flow.touched import _plain

    plain = _plain(read_settings(content).model_dump(mode="json"))
    (out / "provenance/config.yaml").write_text(yaml.safe_dump(plain))
    return out, config, content


def test_nothing_changed_says_so(finished):
    out, config, _ = finished
    assert touched(Run.at(out), config) == []
    assert "nothing would be computed again" in plan_words(out, config)


def test_an_option_a_script_and_a_library_are_named_before_the_run(finished):
    out, config, content = finished
    config.write_text(yaml.safe_dump({**content, "fusion": {"permutations": 77}}))
    path = out / "provenance/run.json"
    record = json.loads(path.read_text())
    record["code"]["mrs/measure.py"] = "old"
    record["versions"] = {**record["versions"], "numpy": "1.0"}
    path.write_text(json.dumps(record))
    said = {item.cause.kind: item for item in touched(Run.at(out), config)}
    assert set(said) == {"option", "code", "library"}
    assert said["option"].cause.what == "fusion.permutations"
    assert said["code"].rules[0].name == "mrs_measure"
    words = plan_words(out, config)
    assert "fusion/metrics.json" in words and "runs nothing again by itself" in words
    changes = json.loads(plan_words(out, config, as_json=True))["changes"]
    assert {row["kind"] for row in changes} == set(said)


def test_a_run_that_recorded_too_little_is_refused(finished):
    out, config, _ = finished
    (out / "provenance/run.json").write_text("{}")
    with pytest.raises(ConfigError, match="no digests of the code"):
        touched(Run.at(out), config)
