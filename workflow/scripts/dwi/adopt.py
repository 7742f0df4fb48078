"""Take over the diffusion series of one batch of people from a tree of derivatives."""

from commissure.engines.trees.diffusion import AdoptedDwi, adopt_diffusion
from commissure.engines.trees.settings import TreeSettings
from commissure.engines.trees.tree import sources_of
from commissure.flow.batch import run_batch
from commissure.flow.job import running

with running(snakemake) as job:
    run_batch(
        job,
        modality="dwi",
        step="preprocess",
        compute=adopt_diffusion,
        settings_type=TreeSettings,
        files=AdoptedDwi,
        sources=sources_of("dwi"),
    )
