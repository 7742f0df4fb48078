"""Run fMRIPrep for one batch of people, and take over what it left."""

from commissure.engines.containers.fmriprep import FMRIPREP
from commissure.engines.containers.settings import FmriprepSettings
from commissure.engines.trees.anatomy import AdoptedAnat, adopt_anatomy
from commissure.engines.trees.bold import AdoptedFunc, adopt_bold
from commissure.flow.container import run_container
from commissure.flow.job import running

with running(snakemake) as job:
    run_container(
        job,
        FMRIPREP,
        FmriprepSettings,
        {"anat": (adopt_anatomy, AdoptedAnat), "func": (adopt_bold, AdoptedFunc)},
        threads=snakemake.threads,
        mem_mb=snakemake.resources.mem_mb,
    )
