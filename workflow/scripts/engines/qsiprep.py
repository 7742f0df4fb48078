"""Run QSIPrep for one batch of people, and take over what it left."""

from commissure.engines.containers.qsiprep import QSIPREP
from commissure.engines.containers.settings import QsiprepSettings
from commissure.engines.trees.diffusion import AdoptedDwi, adopt_diffusion
from commissure.flow.container import run_container
from commissure.flow.job import running

with running(snakemake) as job:
    run_container(
        job,
        QSIPREP,
        QsiprepSettings,
        {"dwi": (adopt_diffusion, AdoptedDwi)},
        threads=snakemake.threads,
        mem_mb=snakemake.resources.mem_mb,
        gpus=snakemake.resources.get("gpu", 0),
    )
