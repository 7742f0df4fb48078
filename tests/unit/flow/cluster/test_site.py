"""site.yaml: read, refused in words, and what it adds to the jobs of a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from snakemake.resources import Resources

from commissure.errors import ConfigError
from commissure.flow.cluster.defaults import with_site
from commissure.flow.cluster.site import SiteSettings, read_site


def test_without_a_file_everything_is_as_it_was(study: Path) -> None:
    assert read_site() == SiteSettings()
    assert with_site(None, SiteSettings(partition="long")) is None


def test_every_line_of_the_file_that_ships_is_an_option(repository: Path, study: Path) -> None:
    text = (repository / "site.yaml").read_text()
    options = [line[2:] for line in text.splitlines() if line.startswith("# ") and ": " in line]
    options = [line for line in options if line.split(":")[0] in SiteSettings.model_fields]
    assert {line.split(":")[0] for line in options} == set(SiteSettings.model_fields)
    assert yaml.safe_load(text) is None
    (study / "site.yaml").write_text("\n".join(options))
    site = read_site()
    assert (site.partition, site.gpu_partition) == ("long", "gpu")
    assert site.commands == ["module load apptainer/1.3", "ulimit -c 0"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("partitoin: long", "partitoin"),
        ("gpu: sometimes", "gpu"),
        ("partition: [", "it is no YAML"),
        ("- partition", "it holds no options"),
        ("partition: 'a; rm -rf x'", "partition"),
    ],
)
def test_a_wrong_file_is_refused_in_words(study: Path, text: str, said: str) -> None:
    (study / "site.yaml").write_text(text)
    with pytest.raises(ConfigError, match=said):
        read_site()


def test_a_file_of_the_lab_is_named_by_a_variable(study: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("COMMISSURE_SITE", str(tmp_path / "lab.yaml"))
    with pytest.raises(ConfigError, match=r"COMMISSURE_SITE.*there is no file"):
        read_site()
    (tmp_path / "lab.yaml").write_text("account: psych")
    assert read_site().account == "psych"


def test_what_a_profile_or_the_command_line_names_is_kept() -> None:
    site = SiteSettings(partition="long", account="psych")
    named = Resources.parse(["slurm_partition=short", "runtime=30"], allow_expressions=True)
    merged = with_site(named, site)
    assert set(merged) == {"slurm_partition", "slurm_account", "runtime"}
    assert merged["slurm_account"].raw == "psych"
    assert merged["slurm_partition"].raw == "short"
