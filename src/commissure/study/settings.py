"""Settings of the question: the people, the label, the columns that are asked about, the folds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, PositiveFloat, model_validator

from commissure.markers.vulnerability_settings import VulnerabilitySettings
from commissure.settings import Section
from commissure.study.labels.scales import SCALES, ScaleName
from commissure.study.labels.vocabulary import CONTROL_WORDS


class ParticipantsSettings(Section):
    """Where the people are described, and under which column names."""

    file: str | None = Field(
        default=None,
        description="TSV or CSV with one row per person; participants.tsv of the dataset if unset.",
    )
    id: str = Field(default="participant_id", description="Column with the person's identifier.")
    age: str | None = Field(
        default=None, description="Column with the age in years; age, if there is such a column."
    )
    sex: str | None = Field(
        default=None, description="Column with the sex; sex, if there is such a column."
    )
    site: str | None = Field(
        default=None, description="Column with the site; site, if there is such a column."
    )
    group: str | None = Field(
        default=None,
        description="Column that tells controls from patients; group, if there is such a column.",
    )
    family: str | None = Field(
        default=None,
        description="Column with a word or number that relatives and matched pairs share: they "
        "stay in one fold, and the permutation test takes them as a whole.",
    )
    control: list[str] = Field(
        default=list(CONTROL_WORDS),
        description="Values of the group column that mean a healthy control, whatever their case; "
        "control always does. participants.tsv of the run has control for all of them.",
    )


LabelSource = Literal["treatments", "depression", "column"]

#: One sentence on each label rule of :mod:`commissure.study.labels.registry`.
LABEL_RULES: Mapping[LabelSource, str] = {
    "treatments": "by the TRRIP rules from the treatment history",
    "depression": "by adequate trials of antidepressants in the treatment history",
    "column": "a column of the participants table",
}


class LabelSettings(Section):
    """Where the label comes from, and which of its values are told apart."""

    source: LabelSource = Field(
        default="treatments",
        description="; ".join(f"{name}: {words}" for name, words in LABEL_RULES.items()) + ".",
    )
    column: str | None = Field(
        default=None, description="The participants' column that holds the label (source: column)."
    )
    positive: str = Field(default="resistant", description="Label whose probability is predicted.")
    negative: str = Field(default="responsive", description="The other label.")
    positive_name: str | None = Field(
        default=None,
        description="What the report calls the people of the positive label, as patients with "
        "autism; by their label if unset.",
    )
    negative_name: str | None = Field(
        default=None, description="The same for the other label, as comparison people."
    )

    def people(self, label: str) -> str:
        """The people of one of the two labels, in words for a sentence."""
        name = self.positive_name if label == self.positive else self.negative_name
        if name:
            return name
        if self.source == "column":
            return f"people with {self.column} “{label}”"
        return f"{label} patients"

    def shown(self, label: str) -> str:
        """One of the two labels, in words for a table; a bare code says of which column it is."""
        name = self.positive_name if label == self.positive else self.negative_name
        if name:
            return name
        coded = self.source == "column" and not any(map(str.isalpha, label))
        return f"{self.column} {label}" if coded else label

    @model_validator(mode="after")
    def _two_labels(self) -> Self:
        if self.positive == self.negative:
            raise ValueError(f"positive and negative are both '{self.positive}'")
        return self


OutcomeKindName = Literal["binary", "continuous", "classes", "time_to_event"]

#: One sentence on each kind of outcome of :mod:`commissure.study.outcomes.registry`.
OUTCOME_SENTENCES: Mapping[OutcomeKindName, str] = {
    "binary": "the two labels of fusion.label",
    "continuous": "a number, as the change of symptoms",
    "classes": "three or more labels",
    "time_to_event": "the time until an event, where observation may end before it",
}


class OutcomeSettings(Section):
    """What is predicted, where it is not one of two labels."""

    kind: OutcomeKindName = Field(
        default="binary",
        description="; ".join(f"{kind}: {words}" for kind, words in OUTCOME_SENTENCES.items())
        + ".",
    )
    column: str | None = Field(
        default=None,
        description="Participants' column with the outcome: the number, the class, or the time "
        "until the event or the end of observation. Without one, continuous takes the PANSS change "
        "of the treatment history (or before and after), classes the label rule of fusion.label.",
    )
    before: str | None = Field(
        default=None,
        description="continuous: participants' column with the score before, of which the "
        "percentage above the floor that went away is predicted.",
    )
    after: str | None = Field(
        default=None, description="continuous: participants' column with the score after."
    )
    trial: Literal["first", "last"] = Field(
        default="first",
        description="continuous: whose change is taken among the complete trials of a person's "
        "treatment history.",
    )
    covariates: list[str] = Field(
        default_factory=list,
        description="continuous: participants' columns whose part in the outcome is taken out in "
        "the training people and in what is compared. A change always has its score before: "
        "regression to the mean is no prediction.",
    )
    event_column: str | None = Field(
        default=None,
        description="time_to_event: participants' column that says whether the event happened (1 "
        "or 0, yes or no).",
    )
    classes: list[str] = Field(
        default_factory=list,
        description="classes: the words that are told apart, in their order; both labels of "
        "fusion.label if empty.",
    )
    controls_as_class: bool = Field(
        default=False, description="classes: healthy controls are a class and no reference."
    )
    days_column: str | None = Field(
        default=None,
        description="Participants' column with the days from the baseline visit to the outcome; an "
        "outcome before a visit that is used is refused. A time to an event is its own.",
    )
    name: str = Field(default="", description="What the report calls the outcome.")
    unit: str = Field(default="", description="Unit of a number or a time, for the report.")

    @model_validator(mode="after")
    def _enough_classes(self) -> Self:
        if self.kind == "classes" and self.classes:
            if len(set(self.classes)) != len(self.classes):
                raise ValueError("a class is named twice")
            if len(self.classes) + (self.controls_as_class and "control" not in self.classes) < 2:
                raise ValueError("classes names one word only")
        return self


class TrripSettings(Section):
    """Thresholds of treatment resistance (TRRIP consensus, Howes et al. 2017)."""

    min_cpz_eq_mg: float = Field(
        default=600, gt=0, description="Chlorpromazine equivalents a day of an adequate trial."
    )
    min_weeks_at_dose: float = Field(
        default=6, gt=0, description="Weeks at that dose of an adequate trial."
    )
    min_adherence: float = Field(
        default=0.8, gt=0, le=1, description="Share of doses taken in an adequate trial."
    )
    min_adherence_sources: int = Field(
        default=2, ge=0, description="Independent sources of the adherence of a failed trial."
    )
    scale: ScaleName = Field(
        default="panss",
        description="Scale of panss_before and panss_after (or score_before, score_after) in the "
        "treatment history: PANSS with items 1 to 7 (from 30) or 0 to 6 (from 0), BPRS of 18 items "
        "1 to 7 (from 18) or 0 to 6, BPRS of 24 items (from 24), or CGI severity (from 1).",
    )
    min_reduction: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="Share of the symptoms, above the floor of the scale, below which a trial "
        "failed.",
    )
    min_response: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="Share from which a trial helped; from min_reduction to here is a grey zone in "
        "which a trial neither failed nor helped. 0.2 is without a grey zone.",
    )
    mild_score: float | None = Field(
        default=None,
        ge=0,
        description="Score at or below which a trial that did not fail helped, whatever its share; "
        "what mildly ill corresponds to if unset (58 of the PANSS, 31 of the BPRS, 3 of the CGI; "
        "Leucht et al. 2005), and unused for the BPRS of 24 items.",
    )
    min_failed_drugs: int = Field(
        default=2, ge=1, description="Different drugs that must have failed."
    )
    min_current_score: float | None = Field(
        default=None,
        ge=0,
        description="Score after the last trial from which symptoms count as at least moderate (75 "
        "of the PANSS by Leucht et al. 2005); unchecked if unset, and the report says so.",
    )
    functioning_column: str | None = Field(
        default="sofas",
        description="Participants' column with a functioning scale (higher is better); unchecked "
        "where the table has none, and the report says so.",
    )
    functioning_impaired_below: float = Field(
        default=60, gt=0, description="Functioning below which impairment is at least moderate."
    )

    @model_validator(mode="after")
    def _within_the_scale(self) -> Self:
        scale = SCALES[self.scale]
        if self.min_response < self.min_reduction:
            raise ValueError("min_response is below min_reduction")
        for name in ("mild_score", "min_current_score"):
            score = getattr(self, name)
            if score is not None and not scale.floor <= score <= scale.ceiling:
                raise ValueError(
                    f"{name} is {score:g}, and the {scale.title} goes from {scale.floor:g} to "
                    f"{scale.ceiling:g}"
                )
        return self


class DepressionSettings(Section):
    """Thresholds of treatment resistance in depression."""

    min_weeks_at_dose: float = Field(
        default=6, gt=0, description="Weeks at an adequate dose of an adequate trial."
    )
    min_reduction: float = Field(
        default=0.5, gt=0, lt=1, description="Share of the score that a response takes away."
    )
    min_failed_drugs: int = Field(
        default=2, ge=1, description="Different antidepressants that must have failed."
    )


class StudySettings(Section):
    """Who is asked about what."""

    outcome: OutcomeSettings = OutcomeSettings()
    label: LabelSettings = LabelSettings()
    trrip: TrripSettings = TrripSettings()
    depression: DepressionSettings = DepressionSettings()
    vulnerability: VulnerabilitySettings = VulnerabilitySettings()
    clinical: list[str] = Field(
        default=["age_at_onset"],
        description="Participants' columns of the clinical model, known before the outcome.",
    )
    confounds: list[str] = Field(
        default=["age", "sex"],
        description="Participants' columns of the confounds model, beside motion, noise and head "
        "size from the marker table.",
    )
    allow_post_outcome: list[str] = Field(
        default_factory=list,
        description="Columns that follow or define the outcome (hospitalisations, clozapine, "
        "current dose) and are to be used all the same.",
    )
    visit_markers: list[Literal["baseline", "change", "residual_change"]] = Field(
        default=["baseline"],
        min_length=1,
        description="Markers that the models see. change: sessions.followup minus the baseline; "
        "residual_change: the follow-up freed of the baseline, learnt in the training people; each "
        "is a block of its own beside those of the baseline.",
    )
    retest_sd: dict[str, PositiveFloat] = Field(
        default_factory=dict,
        description="Standard deviation of a marker measured again in the same person, by the "
        "marker's name and in its unit; without it that of the controls' change tells it.",
    )
    head_size: Literal["residual", "none"] = Field(
        default="residual",
        description="residual: regional volumes are freed of head size by a regression fitted on "
        "the training fold's controls.",
    )
    combat: Literal["none", "in_fold"] = Field(
        default="none",
        description="in_fold: ComBat over sites, learnt in each training fold without the label; "
        "people of an unseen site stay as they are. Needs the extra: make env EXTRAS=combat.",
    )
    combat_covariates: list[str] = Field(
        default_factory=list,
        description="Confounds (as age, sex) whose part in the markers ComBat keeps, learnt in "
        "each training fold; never the label.",
    )
    remove_confounds: list[str] = Field(
        default_factory=list,
        description="Confounds whose linear part is taken out of every marker, with slopes of the "
        "training fold's controls, or of all its people where controls are few: columns of "
        "fusion.confounds (age, sex), markers that are confounds (mean_fd), or motion for those of "
        "motion in the modality. Not what the outcome itself may change.",
    )
    outer_folds: int = Field(default=5, ge=2, description="Folds of the outer cross-validation.")
    repeats: int = Field(
        default=10, ge=1, description="Repeats of the outer cross-validation with new folds."
    )
    min_per_class: int = Field(
        default=10, ge=2, description="People of each label without whom nothing is fitted."
    )
    seed: int = Field(default=0, ge=0, description="Seed of folds, permutations and noise.")
