"""What Slurm would refuse is told before anything is submitted. Stand-ins answer as Slurm 22.05 does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from commissure.errors import ConfigError
from commissure.flow.cluster.asking import largest
from commissure.flow.cluster.queues import Request
from commissure.flow.cluster.site import SiteSettings
from commissure.flow.cluster.slurm import check_slurm

SINFO = "main*|1-00:00:00|64000|16|(null)\nshort|1:00:00|64000+|16|(null)\n" + (
    "gpu|infinite|128000|32|gpu:a100:4(S:0)\ngpu|infinite|96000|48|(null)"
)
JOB = Request("people", 9500, 90, 4)


@pytest.fixture
def slurm(program):
    """A Slurm that takes every job."""
    program("sinfo", f"cat <<'X'\n{SINFO}\nX")
    program("squeue", "true")
    program("sbatch", "printf '%s ' \"$@\" > asked; echo 'sbatch: Job 1 to start at now' >&2")
    return program


def refusal(site: SiteSettings, *jobs: Request) -> str:
    with pytest.raises(ConfigError) as caught:
        check_slurm(jobs, site)
    assert "\n" not in str(caught.value).strip()
    return str(caught.value)


def test_what_slurm_takes_is_asked_after_and_not_submitted(study, slurm) -> None:
    check_slurm([JOB], SiteSettings())
    assert (study / "asked").read_text().startswith("--test-only --job-name people --no-requeue")


def test_no_slurm_and_one_that_does_not_answer(study, program) -> None:
    assert "no sbatch and no squeue" in refusal(SiteSettings(), JOB)
    for name in ("sbatch", "squeue"):
        program(name, "true")
    program("sinfo", "echo 'slurm_load_partitions: Unable to contact slurm controller' >&2; exit 1")
    assert "it does not answer (Unable to contact slurm controller" in refusal(SiteSettings(), JOB)


def test_a_partition_that_does_not_exist(study, slurm) -> None:
    said = refusal(SiteSettings(), replace(JOB, partition="nosuch"))
    assert "no partition nosuch; gpu or main or short is expected" in said


def test_an_account_that_does_not_exist(study, slurm) -> None:
    check_slurm([JOB], SiteSettings(account="psych"))  # no sacctmgr: sbatch has the say
    slurm("sacctmgr", "printf 'psych\\nother\\n'")
    check_slurm([JOB], SiteSettings(account="Psych"))
    said = refusal(SiteSettings(account="nosuch"), JOB)
    assert "gives you no account nosuch; other or psych is expected" in said


def test_a_step_that_asks_for_a_gpu_in_a_partition_without(study, slurm) -> None:
    job = replace(JOB, name="qsiprep", gpus=1)
    said = refusal(SiteSettings(), job)
    assert "the step qsiprep: it asks for a graphics processor, and the partition main has" in said
    assert "gpu_partition: gpu" in said
    check_slurm([replace(job, partition="gpu")], SiteSettings(gpu_partition="gpu"))


def test_a_job_that_would_wait_for_ever(study, slurm) -> None:
    said = refusal(SiteSettings(), replace(JOB, partition="short"))
    assert "asks for 90 minutes, and the partition short gives 60 at most" in said
    check_slurm([replace(JOB, partition="short", minutes=60)], SiteSettings())


def test_what_sbatch_refuses_is_told_in_its_words(study, slurm) -> None:
    slurm("sbatch", "echo 'allocation failure: Requested node configuration is not available' >&2\n"
          "exit 1")  # fmt: skip
    said = refusal(SiteSettings(), replace(JOB, mem_mb=99_000))
    assert "Requested node configuration is not available" in said
    assert "99000 MB, 90 minutes and 4 cores, and the largest node of main has 64000 MB" in said


def test_of_each_kind_the_largest_is_asked_after() -> None:
    jobs = [Request("a", 100, 90), Request("b", 200, 30), Request("c", 50, 10, gpus=1)]
    assert largest(jobs) == [Request("b", 200, 90), Request("c", 50, 10, gpus=1)]
