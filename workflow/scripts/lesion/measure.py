"""Follow the lesions of one batch of people, and judge their response."""

from commissure.lesion.derivatives import LesionMeasured
from commissure.lesion.measure import measure
from commissure.lesion.settings import LesionMeasureSettings
from commissure.flow.batch import run_batch
from commissure.flow.job import running

with running(snakemake) as job:
    run_batch(
        job,
        modality="lesion",
        step="measure",
        compute=measure,
        settings_type=LesionMeasureSettings,
        files=LesionMeasured,
    )
