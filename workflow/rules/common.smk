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

from commissure.flow.plan import Study, readable

ROOT = Path(workflow.basedir)

with readable():
    # Only the main process looks at the dataset; a job on a node reads the index it left.
    study = Study(config, main=workflow.is_main_process)

    COMMAND = study.command(sys.argv)

settings = study.settings


def out(name):
    """A file of the run's output folder."""
    return str(study.output_dir / name)


def output_folder(wildcards):
    """The run's output folder, for scripts that write files by person."""
    return str(study.output_dir)


def work(name):
    """A file that the run keeps for itself."""
    return out(f"work/{name}")


def status(step):
    """The table in which a batch records what became of each image in a step."""
    return work(f"status/{step}/batch-{{batch}}.tsv")


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


def statuses(room, *steps):
    """The status tables of all batches that have images of a modality."""
    return [
        status(f"{room}_{step}").format(batch=b)
        for step in steps
        for b in study.batches(room)
    ]


def anatomy(wildcards):
    """The anatomical preprocessing of the same batch, where it has any T1w image."""
    done = wildcards.batch in study.batches("anat")
    return [status("anat_preprocess").format(batch=wildcards.batch)] if done else []


def code(script):
    """Digest of a script and of the library code that it reaches."""
    return study.code_of(ROOT / "workflow" / "scripts" / script)


def memory(megabytes):
    """Memory to ask for: more with every attempt."""
    return lambda wildcards, attempt: megabytes * attempt
