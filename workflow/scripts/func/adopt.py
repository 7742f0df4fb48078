"""Take over the BOLD runs of one batch of people from a tree of derivatives."""

from commissure.engines.trees.bold import AdoptedFunc, adopt_bold
from commissure.engines.trees.settings import TreeSettings
from commissure.engines.trees.tree import sources_of
from commissure.flow.batch import run_batch
from commissure.flow.job import running

with running(snakemake) as job:
    run_batch(
        job,
        modality="func",
        step="preprocess",
        compute=adopt_bold,
        settings_type=TreeSettings,
        files=AdoptedFunc,
        sources=sources_of("func"),
    )
