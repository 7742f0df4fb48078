# Names that all rules share: the checked settings, the index of the dataset, and where files are.
import os
import sys
from pathlib import Path

# Parallelism is over people: numerical libraries keep to one thread in every job.
for name in (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
):
    os.environ[name] = "1"

from commissure.evaluation.permutation_parts import block_of
from commissure.flow.asked import Asked, attempt_number, times
from commissure.flow.attempts import ATTEMPTS
from commissure.flow.end_at_once import end_at_once
from commissure.flow.job import LATENCY
from commissure.flow.plan import Plan, status_table
from commissure.flow.readable import readable
from commissure.flow.run_lock import only_looks, submitting
from commissure.flow.slurm_watch import executor_of, watch
from commissure.flow.workflow_files import check_laid_version

ROOT = Path(workflow.basedir)

with readable():
    check_laid_version(ROOT)
    # Only the main process looks at the dataset; a job on a node reads the index it left.
    plan = Plan(
        config,
        main=workflow.is_main_process,
        runs=workflow.is_main_process and not only_looks(sys.argv[1:]),
    )

    COMMAND = plan.command(sys.argv)

settings = plan.settings


def out(name):
    """A file of the run's output folder."""
    return str(plan.output_dir / name)


def output_folder(wildcards):
    """The run's output folder, for scripts that write files by person."""
    return str(plan.output_dir)


def work(name):
    """A file that the run keeps for itself."""
    return out(f"work/{name}")


def status(step):
    """The table in which a batch records what became of each image in a step."""
    table = status_table(step, "{batch}")
    return work(f"status/{table}")


def log_of(rule, batch=True):
    """The log of a rule."""
    return out(
        f"logs/{rule}/batch-{{batch}}.log" if batch else f"logs/{rule}/{rule}.log"
    )


def benchmark_of(rule, batch=True):
    """Time and memory of a rule."""
    return out(
        f"benchmarks/{rule}/batch-{{batch}}.tsv"
        if batch
        else f"benchmarks/{rule}/{rule}.tsv"
    )


def statuses(modality, *steps):
    """The status tables of all batches that have images of a modality."""
    return [
        status(f"{modality}_{step}").format(batch=b)
        for step in steps
        for b in plan.batches(modality)
    ]


def all_statuses():
    """The status tables of the whole run; as a function, which jobs of a batch never call."""
    return [
        table
        for modality in settings.modalities
        for table in statuses(modality, "preprocess", "measure")
    ]


def batch_statuses(wildcards):
    """The status tables of one batch."""
    return [
        status(f"{modality}_{step}").format(batch=wildcards.batch)
        for modality in settings.modalities
        for step in ("preprocess", "measure")
        if wildcards.batch in plan.batches(modality)
    ]


def anatomy(wildcards):
    """The anatomical preprocessing of the same batch, where it has any T1w image."""
    done = wildcards.batch in plan.batches("anat")
    return [status("anat_preprocess").format(batch=wildcards.batch)] if done else []


def code(script):
    """Digest of a script and of the library code that it reaches."""
    return plan.code_of(ROOT / "workflow" / "scripts", script)


def step_settings(modality, step):
    """What a step of a modality reads of the configuration, and nothing else."""
    return plan.step_settings(modality, step)


def reopened(rule):
    """A mark that changes when people of the batch have lost files, so that it runs again."""
    return lambda wildcards: plan.reopened(rule, wildcards.batch)


def record(rule):
    """Where a rule records what it wrote, so that a change is noticed."""
    return work(f"outputs/{rule}.json")


# What jobs ask for, and how often those of a batch are tried.
asked = Asked(plan, workflow.resource_settings.default_resources)
memory, minutes = asked.memory, asked.minutes
RETRIES = ATTEMPTS - 1 if workflow.is_main_process else 0


onstart:
    name = ""
    if executor := executor_of(workflow):
        name = watch(executor)
        submitting(plan.output_dir, name)
    if not workflow.local_exec:
        os.environ[LATENCY] = str(workflow.execution_settings.latency_wait)
    end_at_once(local=workflow.local_exec, name=name)
    with readable(leave=workflow.persistence.unlock):
        before_jobs(workflow, plan, site)


include: "cluster.smk"
