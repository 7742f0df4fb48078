"""Every file of an output folder, said once: its path, its columns, and what it holds.

Writers take their columns from here, readers their types, the provenance its descriptions, and
``docs/outputs.md`` is generated from it. The files of one image are those of its modality
(:mod:`commissure.derivatives`), the tables of batches are private to :mod:`commissure.flow`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.rows import COLUMNS

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["text", "number", "true or false"]
TEXT: Kind = "text"


@dataclass(frozen=True)
class TableColumn:
    """One column of a table.

    Attributes
    ----------
    name
        Its heading.
    description
        What it holds, in one sentence.
    kind
        What its cells are.
    unit
        Unit of its numbers, empty where they have none or where another column names it.
    """

    name: str
    description: str
    kind: Kind = "number"
    unit: str = ""


@dataclass(frozen=True)
class Output:
    """One file of the output folder.

    Attributes
    ----------
    path
        Below ``output_dir``.
    description
        What it holds, in one sentence without a full stop.
    columns
        Of a table, in the order of the file; empty for every other file.
    more_columns
        Whether a dataset's own columns follow those.
    notes
        Further sentences for the page of outputs.
    when
        When a run writes it: ``always``; where the ``truth`` of a simulated cohort is there;
        where there is ``func`` or ``lesion``; where ``subtypes`` are looked for; only
        ``sometimes``, where there was something to write.
    """

    path: str
    description: str
    columns: Sequence[TableColumn] = ()
    more_columns: bool = False
    notes: str = ""
    when: Literal["always", "truth", "func", "lesion", "subtypes", "sometimes"] = "always"

    @property
    def names(self) -> list[str]:
        """Names of the columns in their order."""
        return [column.name for column in self.columns]

    @property
    def text(self) -> tuple[str, ...]:
        """Names of the columns that hold text."""
        return tuple(column.name for column in self.columns if column.kind == TEXT)

    @property
    def media_type(self) -> str:
        """Media type of the file, by its extension."""
        return _MEDIA_TYPES.get(Path(self.path).suffix, "application/octet-stream")

    def frame(self, rows: Iterable[Any] = ()) -> pd.DataFrame:
        """A table of these columns: rows as tuples or mappings, or the headings alone."""
        import pandas as pd

        return pd.DataFrame(list(rows), columns=self.names)

    def read(self, folder: Path | str) -> pd.DataFrame:
        """Read the table below an output folder; text that is absent is an empty string.

        Raises
        ------
        DatasetError
            The file cannot be read, or lacks one of the columns.
        """
        return self.read_file(Path(folder) / self.path)

    def read_file(self, path: Path) -> pd.DataFrame:
        """Read the table wherever it lies, as :meth:`read`."""
        table = read_table(path, text=self.text)
        missing = [name for name in self.names if name not in table]
        if missing:
            raise DatasetError(
                path.name,
                found=f"the columns {missing} are missing",
                wanted=f"the columns {self.names}",
                mend="Run the step that writes the file again",
            )
        text = list(self.text)
        table[text] = table[text].fillna("")
        return table


_MEDIA_TYPES = {
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".jsonld": "application/ld+json",
    ".yaml": "application/yaml",
    ".md": "text/markdown",
    ".html": "text/html",
}

# Columns that several tables share.
_PERSON = TableColumn("participant_id", "The person, as `sub-01`.", TEXT)
_SESSION = TableColumn("session", "The visit, as `ses-1`; n/a in a dataset without visits.", TEXT)
_MODALITY = TableColumn(
    "modality", "`anat`, `func`, `dwi`, `mrs`, `lesion`, or `table` for a lab's own columns.", TEXT
)
_REGION = TableColumn("region", "Where, as the atlas names it: `Hippocampus_L`, `ACC`.", TEXT)
_MARKER = TableColumn("marker", "What was measured, as `volume` or `glu`.", TEXT)
_UNIT = TableColumn("unit", "Unit of the values; `1` for a pure number.", TEXT)
_SCAN = TableColumn("scan", "Path of the image below the dataset; n/a where there is none.", TEXT)
_CAUSE = TableColumn("cause", "Why it is missing or failed, in one sentence.", TEXT)
_MODEL = TableColumn("model", "Name of the model, as in `metrics.json`.", TEXT)
_SCHEME = TableColumn(
    "scheme", "`cv` for cross-validation, `leave_site_out` for sites left out in turn.", TEXT
)
_REPEAT = TableColumn("repeat", "Number of the repetition, from 0.")
_FOLD = TableColumn("fold", "Name of the test fold; the site where sites are left out.", TEXT)
_LABEL = TableColumn("label", "The person's label.", TEXT)

_OF_MARKERS = (
    _PERSON, _SESSION, _MODALITY, _REGION, _MARKER,
    TableColumn("value", "The measured number."),
    _UNIT,
    TableColumn("quality", "`ok`, or `flag` where a quality check of the image failed.", TEXT),
)  # fmt: skip

# The row of markers is born in commissure.rows, because whatever measures would run again with
# every change of this file.
MARKERS = Output(
    "markers.tsv",
    "One row per person, visit and marker",
    tuple(next(column for column in _OF_MARKERS if column.name == name) for name in COLUMNS),
    notes="What is missing is an absent row. Several runs of one visit are one row: the mean of "
    "those that are not flagged, or the flagged mean of all; of several acquisitions (acq-) or "
    "tasks (task-) one counts.",
)  # fmt: skip
DEFINITIONS = Output(
    "markers.json",
    "Definition, unit, source, role (`marker` or `confound`) and regions of every marker",
)
COMPLETENESS = Output(
    "completeness.tsv",
    "Every expected product: present, missing or failed, with the cause",
    (
        _PERSON, _SESSION, _MODALITY, _SCAN,
        TableColumn("product", "What was expected; `image` is the image itself.", TEXT),
        TableColumn(
            "state",
            "`present`, `missing` or `failed`; `unused` for an image that is refused where another "
            "one of the visit is used.",
            TEXT,
        ),
        _CAUSE,
        TableColumn("command", "The command that repeats a failed step.", TEXT),
    ),
)  # fmt: skip
EXCLUSIONS = Output(
    "exclusions.tsv",
    "Who or what was left out of the models, by which declared rule",
    (
        _PERSON, _SESSION,
        TableColumn("modality", "The modality that is left out; `all` for the whole person.", TEXT),
        TableColumn("rule", "Name of the setting that applied.", TEXT),
        TableColumn("limit", "The limit of that setting.", TEXT),
        TableColumn("value", "The measured value, in the unit of the setting."),
    ),
)  # fmt: skip
QUALITY = Output(
    "quality.tsv",
    "Every quality value of every scan, one row per value",
    (
        _PERSON, _SESSION, _MODALITY,
        TableColumn("scan", "Name of the quality record without `_qc.json`.", TEXT),
        TableColumn("check", "What was measured, with its unit in the name.", TEXT),
        TableColumn("value", "The value, in the unit of the name."),
        TableColumn("limit", "The limit in words, as `<= 0.55`; n/a where none is set.", TEXT),
        TableColumn("passed", "Whether it keeps the limit; n/a where none is set.", TEXT),
    ),
)  # fmt: skip
ACQUISITION = Output(
    "acquisition.tsv",
    "How each image was acquired, as its sidecar says: counts for the methods of a paper",
    (
        _PERSON, _SESSION, _MODALITY, _SCAN,
        TableColumn("manufacturer", "Who made the scanner.", TEXT),
        TableColumn("model", "Its model.", TEXT),
        TableColumn("software", "Its software versions.", TEXT),
        TableColumn("field_strength_t", "Nominal field strength.", unit="T"),
        TableColumn("voxel_mm", "Longest side of a voxel; n/a for spectra.", unit="mm"),
        TableColumn("tr_s", "Repetition time.", unit="s"),
        TableColumn("te_ms", "Echo time.", unit="ms"),
        TableColumn("slice_timing", "Whether a sidecar gives SliceTiming.", "true or false"),
        TableColumn("field_map", "Whether an image of the field belongs to the scan.",
                    "true or false"),
    ),
    notes="Nothing else of the sidecars is copied: no name, date or serial number.",
)  # fmt: skip
VISITS = Output(
    "visits.tsv",
    "Which visit each session of a person is",
    (
        _PERSON, _SESSION,
        TableColumn("visit", "`baseline`, `followup` or `other`.", TEXT),
        TableColumn("days", "Days since the person's baseline, where the dataset has acquisition "
                    "times and they were needed.", unit="days"),
    ),
    notes="The markers of the baseline count; several sessions may be it, and then the first that "
    "has values of a modality.",
)  # fmt: skip
PARTICIPANTS = Output(
    "participants.tsv",
    "The people, with standard names of the columns",
    (
        _PERSON,
        TableColumn("age", "Age at the first visit.", unit="years"),
        TableColumn("sex", "As in the dataset; F, M or O where it is spelt in several ways.", TEXT),
        TableColumn("site", "Where the person was measured.", TEXT),
        TableColumn("group", "As in the dataset; `control` for every value that means so.", TEXT),
        TableColumn("family", "Whose relatives are in the study, by a word for the family.", TEXT),
        TableColumn("listed", "Whether the dataset's table names the person.", "true or false"),
    ),
    more_columns=True,
    notes="Columns that look personal are left out; `cautions.tsv` names them. Where lesions are "
    "followed, `days_to_progression` and `progressed` are added.",
)  # fmt: skip
CAUTIONS = Output(
    "cautions.tsv",
    "What was seen in the tables of the dataset and the lab, and is to be known by their reader",
    (TableColumn("caution", "One sentence; it names no person.", TEXT),),
    notes="They stand in `metrics.json` and in the report, too.",
)
_DAY = TableColumn("day", "Days since the baseline; n/a where no table says it.", unit="days")
LESIONS = Output(
    "lesions.tsv",
    "Every lesion at every visit, with its measures and what it counts for",
    (
        _PERSON, _SESSION, _DAY,
        TableColumn("lesion", "Its name, the same at every visit.", TEXT),
        TableColumn("label", "Its numbers in `desc-numbered_dseg`; n/a where it is gone.", TEXT),
        TableColumn("role", "`target`, `non-target` or `new`.", TEXT),
        TableColumn("organ", "Where it lies, where the table of labels says it.", TEXT),
        TableColumn(
            "state",
            "`measured`, `absent`, `too small`, `merged`, `equivocal` or `not evaluated`.",
            TEXT,
        ),
        TableColumn(
            "event",
            "`first`, `new`, `followed`, `split`, `merged`, `vanished`, `reappeared` or "
            "`not covered`.",
            TEXT,
        ),
        TableColumn("longest_mm", "Longest axial diameter; of parts their sum.", unit="mm"),
        TableColumn("short_mm", "Longest diameter across it.", unit="mm"),
        TableColumn("volume_ml", "Volume.", unit="ml"),
        TableColumn("x_mm", "Centre, to the right, in the image of the visit.", unit="mm"),
        TableColumn("y_mm", "Centre, to the front.", unit="mm"),
        TableColumn("z_mm", "Centre, upwards.", unit="mm"),
        TableColumn("slices", "On how many axial slices it is seen."),
        TableColumn("slice_mm", "Their distance.", unit="mm"),
        TableColumn("cut", "`yes` where the edge of the image cuts it.", TEXT),
        TableColumn("reason", "Why it is a target or not, of lesions of the baseline.", TEXT),
    ),
    when="lesion",
)  # fmt: skip
RESPONSE = Output(
    "response.tsv",
    "The response at every follow-up by the criteria, with the reason",
    (
        _PERSON, _SESSION, _DAY,
        TableColumn("criteria", "Name of the criteria.", TEXT),
        TableColumn("quantity", "What is added up.", TEXT),
        TableColumn("unit", "Unit of the sums.", TEXT),
        TableColumn("sum", "Sum of the target lesions."),
        TableColumn("baseline_sum", "That of the baseline."),
        TableColumn("nadir_sum", "The smallest one before the visit."),
        TableColumn("nadir_session", "The visit of the nadir.", TEXT),
        TableColumn("change_from_baseline_percent", "Change since the baseline.", unit="%"),
        TableColumn("change_from_nadir_percent", "Change since the nadir.", unit="%"),
        TableColumn("change_from_nadir", "Change since the nadir, in the unit of the sums."),
        TableColumn("target_response", "Response of the target lesions.", TEXT),
        TableColumn("non_target_response", "Response of the other lesions.", TEXT),
        TableColumn("new_lesion", "`yes`, `equivocal` or `no`.", TEXT),
        TableColumn("response", "Overall response.", TEXT),
        TableColumn("progression_session", "Of progression the visit at which it began.", TEXT),
        TableColumn("reason", "Why, in words.", TEXT),
        TableColumn("flags", "Doubts about the readings.", TEXT),
    ),
    notes="Arithmetic on what was measured, no diagnosis. [Lesions over time](lesion.md).",
    when="lesion",
)  # fmt: skip
BEST_RESPONSE = Output(
    "best_response.tsv",
    "The best response of every person with a follow-up",
    (
        _PERSON,
        TableColumn("unconfirmed", "As seen once.", TEXT),
        TableColumn("confirmed", "As confirmed by another visit.", TEXT),
        TableColumn("reason", "Why, in words.", TEXT),
        TableColumn("progression_session", "The visit at which progression began.", TEXT),
        TableColumn("progression_day", "Its day.", unit="days"),
        TableColumn("last_session", "The last visit that was judged.", TEXT),
        TableColumn("last_day", "Its day.", unit="days"),
    ),
    when="lesion",
)  # fmt: skip
VULNERABILITY = Output(
    "vulnerability.tsv",
    "How alike each person's brain and the published pattern of a disorder are",
    (
        _PERSON,
        TableColumn(
            "traits",
            "What is compared: `fa` (24 tracts), `fa_21` (without CC, IC and CR), `subcortical` or "
            "`thickness`.",
            TEXT,
        ),
        TableColumn(
            "rvi",
            "Regional vulnerability index: correlation of the person's traits with the pattern.",
        ),
        TableColumn(
            "avi", "Alignment vulnerability index: sum of their products with the pattern."
        ),
        TableColumn("n_traits", "Traits on which the index rests."),
    ),
    notes="Covariates and ranks are taken over everybody: a number to report, no predictor. "
    "[The indices](fusion.md#vulnerability-indices).",
)  # fmt: skip
VULNERABILITY_RECORD = Output(
    "vulnerability.json",
    "Who standardises the vulnerability indices, how many people have one, or why it is absent",
)
NORMATIVE_DEVIATIONS = Output(
    "normative/deviations.tsv",
    "How far each marker of each person lies from healthy people of the same age, sex and site",
    (
        _PERSON,
        TableColumn("modality", "Modality of the marker.", TEXT),
        TableColumn("region", "Region of the marker.", TEXT),
        TableColumn("marker", "Name of the marker.", TEXT),
        TableColumn("value", "The marker's value."),
        TableColumn("z", "Deviation in standard deviations of healthy people."),
        TableColumn("centile", "Share of healthy people with a lower value.", unit="%"),
    ),
    notes="A control is scored by charts in which they had no part. People without an age, or "
    "outside the ages of the controls, have no row. [Reference charts](normative.md).",
)  # fmt: skip
NORMATIVE_PEOPLE = Output(
    "normative/people.tsv",
    "How many of each person's markers are extreme",
    (
        _PERSON,
        TableColumn("n_markers", "Markers with a deviation."),
        TableColumn("n_low", "Of them, extreme and low."),
        TableColumn("n_high", "Of them, extreme and high."),
        TableColumn("mean_z", "Mean deviation."),
        TableColumn("rms_z", "Root of the mean squared deviation; 1 in healthy people."),
        TableColumn(
            "extreme_centile",
            "Share of the study's held-out controls with a smaller part of extreme markers.",
            unit="%",
        ),
        TableColumn(
            "site_controls", "Controls by whom the charts know the person's site; 0: it is unknown."
        ),
    ),
)  # fmt: skip
NORMATIVE_CHARTS = Output(
    "normative/charts.tsv",
    "How well each chart describes controls who had no part in it",
    (
        TableColumn("modality", "Modality of the marker.", TEXT),
        TableColumn("region", "Region of the marker.", TEXT),
        TableColumn("marker", "Name of the marker.", TEXT),
        TableColumn("unit", "Unit of the marker.", TEXT),
        TableColumn("n", "Controls with the marker."),
        TableColumn("charted", "Whether they are enough and differ.", "true or false"),
        TableColumn("n_held_out", "Controls who were scored by charts of the others."),
        TableColumn("rmse", "Root of their mean squared distance from the median expected of them, "
                    "in the unit of the marker."),
        TableColumn("explained_variance", "Share of the variance that age, sex and site explain."),
        TableColumn("extreme_percent", "Of them, beyond `normative.extreme`.", unit="%"),
        TableColumn("skewness", "Skewness of their deviations; 0 in a sound chart."),
        TableColumn("kurtosis", "Excess kurtosis of their deviations; 0 in a sound chart."),
        TableColumn("p_shape", "Kolmogorov-Smirnov test of their centiles against even ones."),
        TableColumn("site_sd", "How far sites lie apart, in standard deviations of people; empty "
                    "with one site."),
        TableColumn("people_sd", "Standard deviation of people of one age, sex and site, in the "
                    "unit of the marker."),
    ),
)  # fmt: skip
NORMATIVE_CURVES = Output(
    "normative/curves.tsv",
    "The centiles of each chart over age, at a site that lies where sites lie on average",
    (
        TableColumn("modality", "Modality of the marker.", TEXT),
        TableColumn("region", "Region of the marker.", TEXT),
        TableColumn("marker", "Name of the marker.", TEXT),
        TableColumn("sex", "`F` or `M`.", TEXT),
        TableColumn("age", "Age.", unit="years"),
        TableColumn("p5", "5th centile, in the unit of the marker."),
        TableColumn("p25", "25th centile."),
        TableColumn("p50", "50th centile."),
        TableColumn("p75", "75th centile."),
        TableColumn("p95", "95th centile."),
    ),
)  # fmt: skip
NORMATIVE_RECORD = Output(
    "normative/normative.json",
    "From whom the charts are learnt, whether they tell the truth, what a site's own controls buy, "
    "or why there are none",
)
NORMATIVE_MODEL = Output(
    "normative/model/charts.skops",
    "The charts, for `normative.charts` of another study and for `commissure apply`; absent where "
    "there are none",
    when="sometimes",
)
SUBTYPES_ASSIGNMENTS = Output(
    "subtypes/assignments.tsv",
    "Where each person lies and to which cluster they belong, or why to none",
    (
        _PERSON,
        TableColumn("part", "`discovery`, `validation` or `not compared`.", TEXT),
        TableColumn("cluster", "Number of the cluster, the largest first; n/a for none."),
        TableColumn("probability", "Of the nearest cluster."),
        TableColumn("distance", "From the nearest centroid."),
        TableColumn("reason", "Why the person is in no cluster; n/a for who is in one.", TEXT),
        TableColumn("axis_1", "Place on the first axis."),
        TableColumn("axis_2", "Place on the second axis; n/a where there is one."),
    ),
    notes="[Groups among people](subtypes.md).",
    when="subtypes",
)  # fmt: skip
SUBTYPES_INDICES = Output(
    "subtypes/indices.tsv",
    "Indices of how many clusters there are, each beside what one cloud of people gives",
    (
        TableColumn("method", "`k_means`, `ward` or `mixture`.", TEXT),
        TableColumn("k", "Number of clusters."),
        TableColumn("silhouette", "Mean silhouette."),
        TableColumn("silhouette_by_chance", "95th percentile in one Gaussian cloud (k-means)."),
        TableColumn("calinski_harabasz", "Calinski and Harabasz' index."),
        TableColumn("calinski_harabasz_by_chance", "95th percentile likewise."),
        TableColumn("gap", "Gap statistic, of k-means."),
        TableColumn("gap_error", "Its standard error."),
    ),
    when="subtypes",
)  # fmt: skip
SUBTYPES_CANONICAL = Output(
    "subtypes/canonical.tsv",
    "What markers and symptoms share, in the people it was learnt from and in people held out; no "
    "rows without `subtypes.items`",
    (
        TableColumn("variate", "Number of the pair of variates."),
        TableColumn("in_sample", "Correlation in the people it was learnt from."),
        TableColumn("by_chance", "Median of the largest when symptoms are dealt out to others."),
        TableColumn("p_in_sample", "Share of the permutations with a largest as large."),
        TableColumn("held_out", "Correlation in people held out."),
        TableColumn("low", "Lower end of its 95 % interval."),
        TableColumn("high", "Upper end of its 95 % interval."),
        TableColumn("p_held_out", "Share of the permutations with a largest as large."),
        TableColumn("likeness", "Cosine with the loadings learnt from the people held out."),
    ),
    when="subtypes",
)  # fmt: skip
SUBTYPES_RECORD = Output(
    "subtypes/subtypes.json",
    "The verdict with its reasons, and what speaks for and against every number of clusters",
    when="subtypes",
)
SUBTYPES_MODEL = Output(
    "subtypes/model/subtypes.skops",
    "The clusters, for `commissure apply`; absent where there are none",
    when="sometimes",
)
QC_FC = Output(
    "qc_fc.tsv",
    "How much of head motion each strategy of denoising leaves in connectivity, over the cohort",
    (
        TableColumn("strategy", "Name of the strategy, as in `func.strategy`.", TEXT),
        TableColumn("in_use", "Whether the markers are made by it.", "true or false"),
        TableColumn("people", "People whom it leaves connectivity."),
        TableColumn("people_lost", "People fewer than with the strategy that leaves most."),
        TableColumn("degrees_of_freedom", "Median over these people."),
        TableColumn("pairs", "Pairs of cortical parcels that are compared."),
        TableColumn("median_abs_r", "Median over the pairs of the absolute partial correlation of "
                    "connectivity with mean framewise displacement."),
        TableColumn("expected_abs_r", "What chance leaves of an absolute correlation."),
        TableColumn("chance_low", "2.5th percentile of the median by chance."),
        TableColumn("chance_high", "97.5th percentile of the median by chance."),
        TableColumn("p_median", "Share of deals of displacements to other people with a median as "
                    "large."),
        TableColumn("significant_percent", "Pairs with p < 0.05.", unit="%"),
        TableColumn("significant_percent_fdr", "Pairs with p < 0.05 after correction for their "
                    "number (FDR).", unit="%"),
        TableColumn("distance_rho", "Spearman correlation of these correlations with the distance "
                    "between the parcels."),
        TableColumn("p_distance", "Share of deals with an absolute value as large."),
        TableColumn("distance_slope", "Change of the correlation per 100 mm."),
        TableColumn("motion_left", "Whether motion is left by the rule of `qc_fc.json`.",
                    "true or false"),
        TableColumn("affordable", "Whether it leaves people and degrees of freedom enough.",
                    "true or false"),
    ),
    notes="Covariates of `qc_fc.covariates` are taken out first. "
    "[QC-FC](func.md#which-strategy-a-cohort-supports).",
    when="func",
)  # fmt: skip
QC_FC_RECORD = Output(
    "qc_fc.json",
    "Which strategy of denoising the cohort supports, by which rule, and the curves over distance",
    when="func",
)
DWI_QUALITY = Output(
    "dwi_quality.tsv",
    "How good each diffusion series is, one row per series",
    (
        _PERSON, _SESSION, _SCAN,
        TableColumn("runs", "Images that were joined to the series."),
        TableColumn("volumes", "Volumes of the series."),
        TableColumn("b_values", "Its b-values, rounded.", TEXT, unit="s/mm²"),
        TableColumn("directions", "Distinct gradient directions."),
        TableColumn("neighbouring_correlation_raw", "Correlation of volumes of neighbouring "
                    "gradients as acquired (Yeh 2019)."),
        TableColumn("neighbouring_correlation", "The same after preprocessing."),
        TableColumn("mean_displacement_mm", "Mean framewise displacement.", unit="mm"),
        TableColumn("largest_displacement_mm", "Largest framewise displacement.", unit="mm"),
        TableColumn("outlier_slices_percent", "Slices of weighted volumes lost to dropout.",
                    unit="%"),
        TableColumn("tensor_outliers_percent", "Values left out of the tensor.", unit="%"),
        TableColumn("tensor_residual_percent", "Residual of the tensor in white matter, of the "
                    "unweighted signal.", unit="%"),
        TableColumn("b0_snr", "Unweighted signal of white matter over the noise."),
        TableColumn("cnr_lowest_shell", "Contrast between directions over noise in white matter."),
        TableColumn("cnr_highest_shell", "The same of the highest b-value."),
        TableColumn("bvec_coherence_lost", "How much less coherent fibres are than with the best "
                    "table of axes; 0 where the table read is the best."),
        TableColumn("bvec_order_gain", "How much better the tensor fits than in random order."),
        TableColumn("fa_white_matter_correlation", "Correlation of FA with the white matter."),
        TableColumn("brain_at_edge", "Largest section of the brain on a face of the image, against "
                    "the largest within."),
        TableColumn("susceptibility", "Image by which distortion was undone; n/a for none.", TEXT),
        TableColumn("flags", "Names of the checks that failed.", TEXT),
    ),
    notes="What is not known is n/a. The checks of all modalities with their limits stand in "
    "`*_qc.json` and in the report.",
)  # fmt: skip
TOOL_QUALITY = Output(
    "tool_quality.tsv",
    "MRIQC's metrics of each image against their limits, where a study names its folder",
    (
        _PERSON, _SESSION, _MODALITY,
        TableColumn("check", "The metric, as its marker is called.", TEXT),
        TableColumn("value", "The metric; the mean of several runs."),
        TableColumn("limit", "The fence of the image's site, or a published limit; n/a for none.",
                    TEXT),
        TableColumn("passed", "Whether the value keeps the limit; n/a without one.",
                    "true or false"),
    ),
    notes="[Limits](ingress.md#mriqc).",
)  # fmt: skip
RECOVERY = Output(
    "recovery.tsv",
    "True against recovered markers, where the truth is known",
    (
        _MODALITY, _REGION, _MARKER, _UNIT,
        TableColumn("n", "People whose first visit is compared."),
        TableColumn("bias", "Mean of recovered minus true, in the marker's unit."),
        TableColumn("bias_percent", "The bias in per cent of the true mean.", unit="%"),
        TableColumn("rmse", "Root mean square of recovered minus true, in the marker's unit."),
        TableColumn("slope", "Slope of recovered on true values."),
        TableColumn("r", "Pearson correlation of true and recovered values."),
        TableColumn("icc_a1", "Agreement of true and recovered values, ICC(A,1)."),
        TableColumn("reliability", "Agreement of the first two visits, ICC(A,1)."),
        TableColumn("n_repeated", "People with two visits."),
        TableColumn("true_d", "Group difference (Hedges' g) of the true values."),
        TableColumn("true_d_low", "Lower end of its 95 % interval."),
        TableColumn("true_d_high", "Upper end of its 95 % interval."),
        TableColumn("recovered_d", "Group difference (Hedges' g) of the recovered values."),
        TableColumn("recovered_d_low", "Lower end of its 95 % interval."),
        TableColumn("recovered_d_high", "Upper end of its 95 % interval."),
        TableColumn("recovered_p", "p-value of the recovered group difference."),
        TableColumn("contrast", "The two groups whose difference is given.", TEXT),
    ),
    when="truth",
)  # fmt: skip
RECOVERY_PAIRS = Output(
    "recovery_pairs.tsv",
    "True and recovered value of each marker, person by person",
    (
        _PERSON, _SESSION, _MODALITY, _REGION, _MARKER, _UNIT,
        TableColumn("true", "The value that was simulated."),
        TableColumn("recovered", "The value that was measured."),
    ),
    when="truth",
)  # fmt: skip
RECOVERY_ORACLE = Output(
    "recovery_oracle.tsv",
    "Scores of the oracle and of a model learned from the true markers, person by person",
    (
        _PERSON,
        TableColumn("oracle", "Log odds of who knows all true markers and their distribution."),
        TableColumn("learned", "Held-out logit of a classifier that learns from the true markers."),
    ),
    when="truth",
)  # fmt: skip
RECOVERY_FALSE_POSITIVES = Output(
    "recovery_false_positives.json",
    "How often the group test finds a difference between patients relabelled at random",
    when="truth",
)
LABELS = Output(
    "fusion/labels.tsv",
    "Label of every person, with its reason",
    (_PERSON, _LABEL, TableColumn("reason", "Why, in one sentence; n/a for controls.", TEXT)),
    more_columns=True,
    notes="Of a number or a time, `outcome` and what is taken out of it (as `severity_before`) "
    "follow; the label is then `measured`, or `event` or `censored`.",
)
SPLITS = Output(
    "fusion/splits.tsv",
    "Folds by person",
    (_PERSON, _SCHEME, _REPEAT, _FOLD),
)
PREDICTIONS = Output(
    "fusion/predictions.tsv",
    "Predictions for people whom the model had not seen",
    (
        _PERSON, _MODEL, _SCHEME, _REPEAT, _FOLD,
        TableColumn("site", "Where the person was measured.", TEXT),
        _LABEL,
        TableColumn("predicted", "The label or class whose probability is given.", TEXT),
        TableColumn("value", "Predicted number, or log hazard; n/a where labels are told apart."),
        TableColumn("probability", "Predicted probability of the label or class."),
    ),
    notes="Where the outcome is a number or a time, `label` is that number or time in words.",
)  # fmt: skip
IMPORTANCE = Output(
    "fusion/importance.tsv",
    "How each marker correlates with each model's logit, and how a fused model weighs modalities",
    (
        _MODEL, _MODALITY, _REGION,
        TableColumn("marker", "The marker; `evidence` for all that a modality says.", TEXT),
        TableColumn("weight", "A correlation; in rows of `evidence` a share of the weights."),
    ),
    notes="[What the weights mean](fusion.md#files).",
)  # fmt: skip
METRICS = Output(
    "fusion/metrics.json",
    "Performance of every model and baseline, and every analysis beside it",
    notes="[Its keys](fusion.md#files).",
)
FALSIFICATION = Output(
    "fusion/falsification.json", "Attempts to prove the models wrong, with their verdicts"
)
MODEL = Output(
    "fusion/model/model.skops", "The declared model, fitted on everybody", when="sometimes"
)
PLAIN_MODEL = Output(
    "fusion/model/model.json",
    "The same model as plain numbers, where it is a sum of weighted markers",
    when="sometimes",
)
SCORER = Output(
    "fusion/model/scorer.py",
    "Scores people by `model.json`; needs NumPy only",
    when="sometimes",
)
CARD = Output(
    "fusion/model/card.md",
    "What the stored model is for, and what it reached",
    when="sometimes",
)
TOLERANCES = Output(
    "tolerances.tsv",
    "What each marker moves by where only the last digit of the input changes",
    (
        _MODALITY, _MARKER, _REGION, _UNIT,
        TableColumn("people", "People who were measured again."),
        TableColumn("repeats", "Measurements of each, the run itself among them."),
        TableColumn("mean", "Mean of their values, in the marker's unit."),
        TableColumn("within_sd", "Standard deviation within a person, in the marker's unit."),
        TableColumn("largest", "Largest difference of two measurements of a person."),
        TableColumn("tolerance", "1.96 √2 of the standard deviation, or the largest difference "
                    "where that is more."),
        TableColumn("tolerance_percent", "The tolerance in per cent of the mean.", unit="%"),
    ),
    notes="Written by `snakemake tolerances` alone. [Tolerances](compare.md#tolerances).",
    when="sometimes",
)  # fmt: skip
ENCODER = Output(
    "representation/encoder.npz",
    "An encoder learnt on the controls, as arrays with their card",
    notes="Written by `snakemake representation` alone. [A learnt representation]"
    "(representation.md).",
    when="sometimes",
)
ENCODER_CARD = Output(
    "representation/encoder.json",
    "The card of the encoder: people, sites, ages, settings, losses, device",
    when="sometimes",
)
METHODS_TEXT = Output(
    "methods.md", "What was done, with the versions used and the literature, to go into a paper",
    notes="[Methods text and checklists](methods.md).",
)  # fmt: skip
METHODS_LATEX = Output("methods.tex", "The same as LaTeX")
METHODS_BIBTEX = Output("methods.bib", "The literature that it cites, as BibTeX")
TRIPOD_PAGE = Output("checklists/tripod_ai.md", "TRIPOD+AI, filled from the run")
TRIPOD_CSV = Output("checklists/tripod_ai.csv", "The same, to go on with")
PROBAST_PAGE = Output("checklists/probast_ai.md", "Evidence for the questions of PROBAST+AI")
PROBAST_CSV = Output("checklists/probast_ai.csv", "The same, to go on with")
COBIDAS_PAGE = Output("checklists/cobidas.md", "COBIDAS: acquisition and preprocessing")
COBIDAS_CSV = Output("checklists/cobidas.csv", "The same, to go on with")
MRSINMRS_PAGE = Output("checklists/mrsinmrs.md", "MRSinMRS over all spectra")
MRSINMRS_CSV = Output(
    "checklists/mrsinmrs.csv", "MRSinMRS: one row per spectrum, the published table's fields"
)
STANDING_OUT = Output(
    "standing_out.tsv",
    "Who stands out of the cohort, breaks a limit or is left out, the report's first rows first",
    (
        _PERSON,
        TableColumn("modalities", "Modalities in which a value stands out.", TEXT),
        TableColumn("beyond_a_limit", "Quality values that break a limit."),
        TableColumn("far_from_others", "Further values with a modified z-score beyond 3.5."),
        TableColumn("largest_z", "Largest size of these z-scores; n/a without any."),
        TableColumn("values", "The values, those beyond a limit first.", TEXT),
        TableColumn("left_out", "Rules that leave a scan out.", TEXT),
    ),
)  # fmt: skip
REPORT = Output("report.html", "The report: one page that needs nothing else")
RUN = Output(
    "provenance/run.json",
    "What made the results: inputs with checksums, configuration, code, versions, seeds, machine, "
    "jobs with their times",
    notes="It names no machine and no folder. [Its keys](compare.md#what-a-run-writes-down).",
)
CONFIG = Output(
    "provenance/config.yaml",
    "The complete configuration, defaults included; absolute paths are shortened",
)
CRATE = Output(
    "ro-crate-metadata.json",
    "The run as a Provenance Run Crate: files, workflow, steps, and when each job began and ended",
)
WORKFLOW = Output("code/Snakefile", "The workflow that ran, as the crate's main entity")
IGNORED = Output(".bidsignore", "What BIDS has no name for, so that a validator passes over it")
PROV_ACTIVITIES = Output("prov/prov-commissure_act.json", "BIDS-Prov (a draft): every job")
PROV_SOFTWARE = Output("prov/prov-commissure_soft.json", "BIDS-Prov: the programs that computed")
PROV_ENVIRONMENTS = Output("prov/prov-commissure_env.json", "BIDS-Prov: machines and versions")
PROV_ENTITIES = Output("prov/prov-commissure_ent.json", "BIDS-Prov: the inputs and the tables")
PROV_TABLE = Output(
    "prov/provenance.tsv",
    "BIDS-Prov: what its files are of",
    (
        TableColumn("provenance_id", "The word in the names of its files.", TEXT),
        TableColumn("description", "What they describe.", TEXT),
    ),
)
PROV_GRAPH = Output("provenance/bids-prov.jsonld", "All of BIDS-Prov as one JSON-LD graph")
DESCRIPTION = Output(
    "dataset_description.json", "What BIDS asks of derivatives: name, version and origin"
)
PERMUTATIONS = Output(
    "work/fusion_null/part-*.tsv",
    "A part of the permutation test: one row per model, repeat and labelling",
    (
        _MODEL, _SCHEME, _REPEAT,
        TableColumn("permutation", "Number of the labelling; 0 is the observed one."),
        TableColumn("auc", "Area under the curve within site, all digits kept.", TEXT),
        TableColumn("delong_variance", "DeLong's variance of that area, all digits kept.", TEXT),
        TableColumn(
            "delong_variance_of_mean",
            "DeLong's variance of all repeats together, where it was computed.",
            TEXT,
        ),
    ),
    when="sometimes",
)  # fmt: skip
FUSION_PARTS = Output(
    "work/fusion_parts/*.json",
    "What a part of the fusion found that was a job of its own, every number in full",
    when="sometimes",
)
#: Every file by its path, in the order in which a run writes them.
OUTPUTS: Mapping[str, Output] = {
    output.path: output
    for output in (
        MARKERS, DEFINITIONS, COMPLETENESS, EXCLUSIONS, QUALITY, ACQUISITION, VISITS,
        PARTICIPANTS, CAUTIONS,
        VULNERABILITY, VULNERABILITY_RECORD,
        NORMATIVE_DEVIATIONS, NORMATIVE_PEOPLE, NORMATIVE_CHARTS, NORMATIVE_CURVES,
        NORMATIVE_RECORD, NORMATIVE_MODEL,
        SUBTYPES_RECORD, SUBTYPES_ASSIGNMENTS, SUBTYPES_INDICES, SUBTYPES_CANONICAL, SUBTYPES_MODEL,
        DWI_QUALITY, TOOL_QUALITY, QC_FC, QC_FC_RECORD,
        LESIONS, RESPONSE, BEST_RESPONSE,
        LABELS, SPLITS, PREDICTIONS, METRICS, FALSIFICATION, IMPORTANCE, MODEL, PLAIN_MODEL,
        SCORER, CARD,
        RECOVERY, RECOVERY_PAIRS, RECOVERY_ORACLE, RECOVERY_FALSE_POSITIVES,
        METHODS_TEXT, METHODS_LATEX, METHODS_BIBTEX,
        TRIPOD_PAGE, TRIPOD_CSV, PROBAST_PAGE, PROBAST_CSV, COBIDAS_PAGE, COBIDAS_CSV,
        MRSINMRS_PAGE, MRSINMRS_CSV,
        STANDING_OUT, REPORT, RUN, CONFIG, CRATE, DESCRIPTION, WORKFLOW, IGNORED,
        PROV_ACTIVITIES, PROV_SOFTWARE, PROV_ENVIRONMENTS, PROV_ENTITIES, PROV_TABLE, PROV_GRAPH,
        TOLERANCES, ENCODER, ENCODER_CARD,
        PERMUTATIONS, FUSION_PARTS,
    )
}  # fmt: skip

#: What a run that failed leaves in place of the report; a run that finishes removes it.
UNFINISHED = "report_unfinished.html"

#: What says how the others were made, all of one rule.
PROVENANCE = (
    RUN, CONFIG, CRATE, DESCRIPTION, WORKFLOW, IGNORED,
    PROV_ACTIVITIES, PROV_SOFTWARE, PROV_ENVIRONMENTS, PROV_ENTITIES, PROV_TABLE, PROV_GRAPH,
)  # fmt: skip

#: What goes into a paper, all of one rule, after what says how the others were made.
REPORTING = (
    METHODS_TEXT, METHODS_LATEX, METHODS_BIBTEX, TRIPOD_PAGE, TRIPOD_CSV, PROBAST_PAGE,
    PROBAST_CSV, COBIDAS_PAGE, COBIDAS_CSV, MRSINMRS_PAGE, MRSINMRS_CSV,
)  # fmt: skip

# Folders of many files, which the page of outputs names beside them.
_FOLDERS = (
    ("sub-*/[ses-*/]{anat,func,dwi,mrs}/", "Derivatives of each image ([engines](engines.md)), "
     "`*_markers.tsv` with the columns of `markers.tsv`, `*_qc.json`, `figures/*.svg`"),
    ("pages/", "`sub-*.html`, the [page of each person](report.md#pages-of-people), and the viewer "
     "that they share"),
    ("logs/<rule>/", "Log of every job"),
    ("benchmarks/<rule>/", "Time and memory of every job"),
    ("work/", "The run's own files: index of the dataset, batches, status tables, records"),
)  # fmt: skip


def outputs_page() -> str:
    """The page ``docs/outputs.md``: every file, then the columns of every table."""
    lines = [
        "# Outputs",
        "",
        "Generated from the declarations by `python -m commissure.flow.generate_docs`; do not edit "
        "by hand.",
        "",
        "Every path is below `output_dir`. A file takes its name only when it is complete. "
        "A missing value of a table is `n/a`.",
        "",
        "| file | what it holds |",
        "|---|---|",
        *(f"| `{path}` | {description} |" for path, description in _FOLDERS),
        *(f"| `{output.path}` | {_told(output)} |" for output in OUTPUTS.values()),
    ]
    for output in OUTPUTS.values():
        if not output.columns:
            continue
        lines += [
            "",
            f"## `{output.path}`",
            "",
            "| column | kind | unit | what it holds |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| `{column.name}` | {column.kind} | {column.unit} | {column.description} |"
            for column in output.columns
        ]
        if output.more_columns:
            lines += ["", "The dataset's own columns follow."]
    return "\n".join(lines) + "\n"


def _told(output: Output) -> str:
    return f"{output.description}. {output.notes}".rstrip() if output.notes else output.description
