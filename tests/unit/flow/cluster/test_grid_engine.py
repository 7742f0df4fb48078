"""What SGE would refuse, asked of a stand-in that writes down how it was called."""

from __future__ import annotations

import pytest

from commissure.errors import ConfigError
from commissure.flow.cluster.grid_engine import check_grid_engine
from commissure.flow.cluster.queues import Request
from commissure.flow.cluster.site import SiteSettings

SITE = SiteSettings(partition="long.q", account="psych", options=["-l", "os=linux"])


def test_the_largest_job_of_each_kind_is_asked_after_and_none_submitted(study, program) -> None:
    program("qsub", 'printf "%s " "$@" >> called; echo >> called')
    jobs = [Request("a", 100, 90), Request("b", 200, 30), Request("results", 3000, 60, 2)]
    check_grid_engine(jobs, SITE)
    one, two = (study / "called").read_text().splitlines()
    assert "-w v" in one and "h_vmem=200M" in one and "h_rt=01:30:00" in one and "os=linux" in one
    assert "-pe smp 2" in two and "h_vmem=1500M" in two and two.strip().endswith("-b y true")


def test_its_words_and_the_parallel_environments_are_told(study, program) -> None:
    program(
        "qsub",
        'echo \'Unable to run job: job rejected: the requested parallel environment "smp" does not '
        "exist' >&2; echo Exiting. >&2; exit 1",
    )
    program("qconf", "echo threads; echo mpi")
    with pytest.raises(ConfigError) as told:
        check_grid_engine([Request("results", 3000, 60, 2)], SITE)
    said = str(told.value)
    assert 'would refuse its job: the requested parallel environment "smp" does not exist;' in said
    assert "the parallel environments are threads mpi" in said and "parallel_environment" in said
    with pytest.raises(ConfigError) as told:
        check_grid_engine([Request("a", 3000, 60)], SITE)
    assert "parallel environments" not in str(told.value)
