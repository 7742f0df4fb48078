"""The words of each scheduler, asked of stand-ins that write down how they were called."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from commissure.errors import ConfigError
from commissure.flow.cluster import queues
from commissure.flow.cluster.queues import (
    Request,
    check_programs,
    main,
    request_of,
    status,
    submit,
)
from commissure.flow.cluster.site import SiteSettings

ANSWERS = {
    "slurm": ("sbatch", "squeue", "4711", "4711"),
    "pbs": ("qsub", "qstat", "4711.server", "4711.server"),
    "sge": ("qsub", "qstat", 'Your job 4711 ("commissure-fmriprep") has been submitted', "4711"),
    "lsf": ("bsub", "bjobs", "Job <4711> is submitted to queue <long>.", "4711"),
}
SITE = SiteSettings(partition="long", gpu_partition="gpu", account="psych", options=["-x"])
#: What a queue prints of a job that waits or runs.
HELD = {"slurm": "RUNNING", "pbs": "    job_state = R", "sge": "job_number: 4711", "lsf": "RUN"}
OVER = {"slurm": "CANCELLED", "pbs": "    job_state = F", "sge": "", "lsf": "EXIT"}


def cluster(program, name: str, *, run: bool = True) -> None:
    """Stand-ins: the job runs at once where it is submitted."""
    send, ask, answer, _ = ANSWERS[name]
    script = "cat > script; bash script" if name == "lsf" else 'bash "${@: -1}"'
    program(send, f"printf '%s\\n' \"$@\" > called\n{script if run else ':'} > output 2>&1\n"
                  f"echo '{answer}'")  # fmt: skip
    program(ask, f"echo '{HELD[name]}'")


def words(study: Path) -> str:
    return " ".join((study / "called").read_text().splitlines())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pbs", "-N fmriprep -V -r n -j oe -o {log} -l select=1:ncpus=4:mem=16000mb:ngpus=1 "
                "-l walltime=12:30:00 -q gpu -A psych -x"),
        ("sge", "-N fmriprep -V -cwd -r n -j y -o {log} -S /bin/bash -l h_vmem=4000M "
                "-l h_rt=12:30:00 -pe smp 4 -l gpu=1 -q gpu -P psych -x"),
        ("lsf", "-J fmriprep -rn -o {log} -n 4 -R span[hosts=1] rusage[mem=16000MB] -M 16000MB "
                "-W 750 -gpu num=1 -q gpu -P psych -x"),
        ("slurm", "--parsable --export=ALL --output {log} --job-name fmriprep --no-requeue "
                  "--mem 16000 --time 750 --cpus-per-task 4 --gpus=1 --ntasks-per-gpu=1 "
                  "--partition gpu --account psych -x"),
    ],
)  # fmt: skip
def test_a_job_is_asked_for_in_the_words_of_the_scheduler(study, program, name, expected) -> None:
    cluster(program, name)
    request = Request("fmriprep", 16000, 750, 4, 1, "gpu")
    job, end = submit(name, "echo done; exit 3", request, SITE, log=Path("log.txt"))
    assert job == ANSWERS[name][3]
    assert words(study).startswith(expected.format(log=study / "log.txt"))
    assert (study / "output").read_text() == "done\n"
    assert end.read_text() == "3\n"


@pytest.mark.parametrize("name", list(ANSWERS))
def test_a_job_says_itself_what_it_ended_with(study, program, name, monkeypatch) -> None:
    cluster(program, name)
    for code, expected in ((0, "success"), (1, "failed")):
        job, _ = submit(name, f"exit {code}", Request(), SITE, log=Path("log.txt"))
        assert status(name, job) == expected


@pytest.mark.parametrize("name", list(ANSWERS))
def test_a_job_that_is_gone_without_a_word_has_failed(study, program, name, monkeypatch) -> None:
    cluster(program, name, run=False)
    job, end = submit(name, "true", Request(), SITE, log=Path("log.txt"))
    assert status(name, job) == "running"
    for gone in (f"echo '{OVER[name]}'", "exit 1"):
        program(ANSWERS[name][1], gone)
        assert status(name, job) == "running", "its note may be late on a shared file system"
    unseen = end.with_suffix(".unseen")
    os.utime(unseen, (time.time() - 61,) * 2)
    assert status(name, job) == "failed"
    program(ANSWERS[name][1], f"echo '{HELD[name]}'")
    assert status(name, job) == "running" and not unseen.exists()


def test_a_job_script_of_snakemake_is_read_and_submitted(study, program, capsys) -> None:
    cluster(program, "pbs")
    properties = {"type": "group", "groupid": "people", "threads": 2, "jobid": "ab",
                  "resources": {"mem_mb": 2500, "runtime": 90, "tmpdir": "/tmp"}}  # fmt: skip
    jobscript = study / "job.sh"
    jobscript.write_text(f"#!/bin/sh\n# properties = {json.dumps(properties)}\necho ran\n")
    (study / "site.yaml").write_text("partition: night")
    main("pbs", "submit", str(jobscript))
    assert capsys.readouterr().out == "4711.server\n"
    assert "-N commissure-people" in words(study) and "-q night" in words(study)
    assert "select=1:ncpus=2:mem=2500mb " in words(study)
    main("pbs", "status", "4711.server")
    assert capsys.readouterr().out == "success\n"


def test_steps_on_a_graphics_processor_go_to_its_queue() -> None:
    asked = {"rule": "qsiprep", "resources": {"gpu": 1, "mem_mb": 100}, "threads": 1}
    assert request_of(asked, SITE).partition == "gpu"
    assert request_of({**asked, "resources": {}}, SITE).partition == "long"


def test_a_refusal_is_told_in_the_schedulers_words(study, program) -> None:
    program("qsub", "echo 'qsub: Unknown queue MSG=cannot locate queue' >&2; exit 170")
    program("qstat", "exit 0")
    with pytest.raises(ConfigError, match=r"PBS: qsub refuses a job: qsub: Unknown queue"):
        submit("pbs", "true", Request(), SITE, log=Path("log.txt"))


def test_a_profile_of_another_site_names_the_one_of_this(study, program) -> None:
    with pytest.raises(ConfigError, match=r"no sbatch and no squeue.*snakemake --cores all"):
        check_programs("slurm")
    cluster(program, "lsf")
    with pytest.raises(ConfigError, match=r"no qsub and no qstat.*LSF: snakemake --profile lsf"):
        check_programs("pbs")
    check_programs("lsf")


def test_profiles_name_a_scheduler_that_is_known(repository: Path) -> None:
    for name in ("pbs", "sge", "lsf"):
        text = (repository / f"workflow/profiles/{name}/config.yaml").read_text()
        for what in ("submit", "status"):
            assert f'"python -m {queues.__name__} {name} {what}"' in text
        assert f"cluster-generic-cancel-cmd: {queues.SCHEDULERS[name].cancel}\n" in text
        slurm = (repository / "workflow/profiles/slurm/config.yaml").read_text()
        assert text.partition("groups:")[2] == slurm.partition("groups:")[2]
