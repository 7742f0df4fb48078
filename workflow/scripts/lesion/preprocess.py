"""Number the lesions of one batch of people, in the space of each baseline."""

from commissure.lesion.derivatives import LesionFiles
from commissure.lesion.builtin.preprocess import preprocess
from commissure.lesion.network.card import network_sources
from commissure.lesion.settings import LesionPreprocessSettings
from commissure.flow.batch import run_batch
from commissure.flow.job import running

with running(snakemake) as job:
    run_batch(
        job,
        modality="lesion",
        step="preprocess",
        compute=preprocess,
        settings_type=LesionPreprocessSettings,
        files=LesionFiles,
        sources=network_sources,
    )
