"""Take over the T1w images of one batch of people from a tree of derivatives."""

from commissure.engines.trees.anatomy import AdoptedAnat, adopt_anatomy
from commissure.engines.trees.settings import TreeSettings
from commissure.engines.trees.tree import sources_of
from commissure.flow.batch import run_batch
from commissure.flow.job import running

with running(snakemake) as job:
    run_batch(
        job,
        modality="anat",
        step="preprocess",
        compute=adopt_anatomy,
        settings_type=TreeSettings,
        files=AdoptedAnat,
        sources=sources_of("anat"),
    )
