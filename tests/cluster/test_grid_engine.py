"""The profile ``sge`` on a real Grid Engine: what it would refuse is told first, and jobs run."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
from benchmarks.cluster_faults.cases import PEOPLE, Judged, _fault, _judged
from benchmarks.cluster_faults.lab import Lab, NoSlurm, grid_engine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.cluster,
    pytest.mark.skipif(
        find_spec("snakemake_executor_plugin_cluster_generic") is None,
        reason="the extra cluster is not installed",
    ),
]


@pytest.fixture(scope="module")
def engine_lab(lab):
    """The study of the other tests, with a Grid Engine in place of Slurm."""
    try:
        with grid_engine() as engine:
            yield Lab(lab.whole, engine)
    except NoSlurm as reason:
        pytest.skip(str(reason))


def test_a_parallel_environment_that_is_not_there_is_told_before_the_first_job(engine_lab) -> None:
    run = engine_lab.begin(engine_lab.copy("no-environment"))
    assert run.wait(300) != 0
    assert 'the requested parallel environment "smp" does not exist' in run.said
    assert "the parallel environments are threads" in run.said
    assert "external jobid" not in run.said and "Traceback" not in run.said


def test_a_job_that_needs_more_address_space_gets_it_and_a_second_run_learns(engine_lab) -> None:
    study = engine_lab.copy("grid-engine")
    (study / "site.yaml").write_text("parallel_environment: threads\n")
    run = engine_lab.begin(study, _fault("memory"), arguments=PEOPLE)
    judged: Judged = _judged(engine_lab, study, run.wait(600))
    assert judged.wrong == [] and judged.repeated == 1
    # Limited to twice the memory that was used, jobs would wait in OpenBLAS for ever.
    run = engine_lab.begin(study, arguments=[*PEOPLE, "--forceall"])
    judged = _judged(engine_lab, study, run.wait(600), running=8)
    assert judged.wrong == []
    assert "mem_mb=1000" in run.said
