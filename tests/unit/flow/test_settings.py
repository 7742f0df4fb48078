"""Settings: refused in words, documented in full, and every option is read."""

from __future__ import annotations

import re

import pytest
import yaml

from commissure.errors import ConfigError
from commissure.flow.generate_docs import documents
from commissure.flow.settings import Settings, read_settings
from commissure.settings import options


def test_the_shipped_configuration_is_valid(repository):
    read_settings(yaml.safe_load((repository / "config.yaml").read_text()))


def test_a_mistyped_key_gets_a_suggestion():
    with pytest.raises(
        ConfigError,
        match=r"markers.max_mean_fd is unknown \(did you mean markers.max_mean_fd_mm\?\)",
    ):
        read_settings({"markers": {"max_mean_fd": 0.5}})


def test_every_problem_is_named_at_once():
    with pytest.raises(ConfigError) as caught:
        read_settings({"bid_dir": "x", "markers": {"max_mean_fd_mm": -1}})
    assert "did you mean bids_dir?" in str(caught.value)
    assert "markers.max_mean_fd_mm: Input should be greater than 0" in str(caught.value)


def test_harmonisation_without_its_package_is_refused_at_planning(monkeypatch):
    read_settings({"fusion": {"combat": "in_fold"}})
    monkeypatch.setattr("commissure.flow.settings.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match='make env EXTRAS="combat"'):
        read_settings({"fusion": {"combat": "in_fold"}})
    read_settings({})


def test_files_that_are_named_must_exist():
    with pytest.raises(ConfigError, match=r"participants.file: there is no file nowhere.tsv"):
        read_settings({"participants": {"file": "nowhere.tsv"}})
    with pytest.raises(ConfigError, match=r"tables\[0\].file"):
        read_settings({"tables": [{"file": "nowhere.tsv"}]})


def test_a_study_needs_a_dataset_or_a_table():
    with pytest.raises(ConfigError, match="neither a dataset nor a table"):
        read_settings({"bids_dir": None})


def test_every_option_is_described():
    assert [name for name, _, words in options(Settings) if len(words) < 15] == []


def test_every_option_is_read_by_the_library(repository):
    source = {
        path: path.read_text()
        for path in [*(repository / "src").rglob("*.py"), *(repository / "workflow").rglob("*.smk"),
                     repository / "Snakefile"]
        if path.name != "settings.py" or path.parent.name == "flow"
    }  # fmt: skip
    text = "\n".join(source.values())
    unread = []
    for name, _, _ in options(Settings):
        leaf = name.rpartition(".")[2]
        if not re.search(rf"\.{leaf}\b|\"{leaf}\"", text):
            unread.append(name)
    assert unread == []


@pytest.mark.parametrize("name", sorted(documents()))
def test_generated_documents_are_current(repository, name):
    assert (repository / name).read_text() == documents()[name], "run `make docs`"


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"func": {"fd_threshold_mm": True}}, "func.fd_threshold_mm: true or false stands where a number"),
        ({"batch_size": False}, "batch_size: true or false stands where a number belongs, found False"),
        ({"fusion": {"penalties": [1.0, True]}}, "fusion.penalties: true or false"),
        ({"fusion": {"seed": True}}, "fusion.seed: true or false"),
        ({"fusion": {"trrip": {"min_reduction": True}}}, "fusion.trrip.min_reduction: true or false"),
    ],
)  # fmt: skip
def test_truth_is_no_number(config, words):
    with pytest.raises(ConfigError, match=words):
        read_settings(config)


def test_truth_and_numbers_are_taken_where_they_belong():
    settings = read_settings(
        {"fusion": {"secondary_analyses": False, "seed": 3, "penalties": [1, 2.5]}}
    )
    assert settings.fusion.secondary_analyses is False
    assert settings.fusion.penalties == [1.0, 2.5]


@pytest.mark.parametrize(
    "fusion", [{"models": ["late"], "primary": "stacked"}, {"models": ["early", "site"]},
               {"models": ["modalities"], "primary": "early"}],
)  # fmt: skip
def test_a_declared_result_that_no_model_gives_is_refused(fusion):
    with pytest.raises(
        ConfigError, match="fusion.primary: it is '.*', which fusion.models does not"
    ):
        read_settings({"fusion": fusion})


@pytest.mark.parametrize("models", [["modalities", "site"], ["clinical"], ["late"]])
def test_a_study_without_a_fused_model_needs_no_primary(models):
    assert read_settings({"fusion": {"models": models}}).fusion.primary == "late"
