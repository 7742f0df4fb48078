"""What a node does not see is told once, by a first tiny job. Its queue is a stand-in that runs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from commissure.errors import ConfigError
from commissure.flow.cluster import first_job
from commissure.flow.cluster.first_job import look_at_a_node
from commissure.flow.cluster.site import SiteSettings


@pytest.fixture
def queue(program, study: Path, monkeypatch):
    """PBS that runs a job where it is submitted, with the output where it was asked for."""
    program("qsub", 'while [ "$1" != -o ]; do shift; done\necho job >> submitted\n'
            'bash "${@: -1}" > "$2" 2>&1\necho 7.server')  # fmt: skip
    program("qstat", "exit 1")
    program("qdel", ": > cancelled")
    monkeypatch.setattr(first_job, "LATE_S", 0.5)
    (study / "bids").mkdir()
    return program


def look(study: Path, said: list[str] | None = None, **options) -> None:
    site = options.pop("site", SiteSettings())
    look_at_a_node(
        "pbs", site, work=study / "out/work", bids=options.pop("bids", study / "bids"),
        say=(said if said is not None else []).append, **options,
    )  # fmt: skip


def submitted(study: Path) -> int:
    path = study / "submitted"
    return len(path.read_text().split()) if path.exists() else 0


def test_a_node_that_sees_everything_is_believed_for_a_day(study: Path, queue) -> None:
    said: list[str] = []
    look(study, said)
    assert len(said) == 1 and "a first tiny job (7.server) looks at a node" in said[0]
    look(study)
    assert submitted(study) == 1
    look(study, site=SiteSettings(setup=["true"]))
    assert submitted(study) == 2, "what the lab says has changed"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"python": ("/env/of/the/login/node/bin/python",)}, "No such file or directory"),
        ({"bids": Path("/not/on/the/node")}, "bids_dir: a node sees no folder /not/on/the/node"),
        ({"site": SiteSettings(setup=["module load apptainer"])}, "module: command not found"),
        ({"site": SiteSettings(scratch="/proc/none")}, "scratch /proc/none"),
    ],
)
def test_what_a_node_lacks_is_told_in_one_sentence(study, queue, options, said) -> None:
    if "site" in options and options["site"].scratch:
        (study / "site.yaml").write_text("scratch: /proc/none")
    with pytest.raises(ConfigError) as caught:
        look(study, **options)
    told = str(caught.value)
    assert said in told and "nothing else was submitted" in told and "\n" not in told
    assert submitted(study) == 1


def test_another_version_on_the_node_is_named(study: Path, queue) -> None:
    (study / "sitecustomize.py").write_text("import commissure; commissure.__version__ = '0.0.9'")
    with pytest.raises(ConfigError, match=r"a node has Commissure 0\.0\.9, this machine "):
        look(study, site=SiteSettings(setup=[f"export PYTHONPATH={study}:$PYTHONPATH"]))


def test_a_job_that_leaves_nothing_is_no_node_in_order(study: Path, queue) -> None:
    queue("qsub", "echo 7.server")
    with pytest.raises(ConfigError, match="it ended and left nothing in"):
        look(study)


def test_one_that_does_not_start_is_cancelled_and_the_run_goes_on(study: Path, queue) -> None:
    queue("qsub", "echo 7.server")
    queue("qstat", "echo '    job_state = Q'")
    said: list[str] = []
    look(study, said, site=SiteSettings(first_job_min=0.01))
    assert "did not start within 0.01 minutes and was cancelled" in said[-1]
    assert (study / "cancelled").exists()


def test_nobody_looks_where_nobody_wants_to(study: Path, queue) -> None:
    look(study, site=SiteSettings(first_job_min=0), python=(sys.executable,))
    assert submitted(study) == 0
