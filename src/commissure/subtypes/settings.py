"""What a study may change about the search for groups among its people."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from commissure.settings import Section


class SubtypesSettings(Section):
    """Whether there are groups among people, by markers or by what symptoms share with them."""

    search: bool = Field(default=False, description="Whether groups are looked for.")
    groups: list[str] = Field(
        default_factory=list,
        description="Values of the group column among whose people groups are looked for; "
        "everybody but controls if empty.",
    )
    modalities: list[str] = Field(
        default_factory=list,
        description="Modalities whose markers count; all if empty. People without one of them stay "
        "out.",
    )
    remove: list[str] = Field(
        default=["head_size", "site", "motion", "age", "sex"],
        description="What is taken out of every marker: head_size, site, motion, and confounds of "
        "fusion.confounds. Whatever stands here, clusters that head size, site or motion tell are "
        "no subtypes.",
    )
    items: list[str] = Field(
        default_factory=list,
        description="Participants' columns with symptom items, or patterns as hamd_*. With items "
        "people are compared by canonical variates of markers and symptoms, without by the main "
        "axes of the markers.",
    )
    recipe: Literal["guarded", "drysdale"] = Field(
        default="guarded",
        description="How markers and items are brought together. guarded: regularised canonical "
        "correlation on main axes, chosen in people left out; drysdale: the markers that follow an "
        "item most, plain CCA, two variates, Ward (Drysdale et al. 2017), for comparison.",
    )
    selected_markers: int = Field(
        default=178, ge=2, description="Markers that the recipe drysdale selects."
    )
    axes: int = Field(
        default=10,
        ge=1,
        le=50,
        description="Main axes of the markers in which clusters are looked for without items.",
    )
    max_clusters: int = Field(default=6, ge=2, le=12, description="Most clusters that are tried.")
    min_cluster_people: int = Field(
        default=10, ge=3, description="People without whom a cluster is a handful of outliers."
    )
    min_cluster_share: float = Field(
        default=0.1, gt=0, le=0.5, description="Share of the people, likewise."
    )
    min_people: int = Field(
        default=60, ge=30, description="People without whom nothing is looked for."
    )
    validation_sites: list[str] = Field(
        default_factory=list,
        description="Sites whose people are held out for validation; half of every site, drawn at "
        "random, if empty.",
    )
    external: list[str] = Field(
        default_factory=list,
        description="Participants' columns that no cluster has seen and in which clusters should "
        "differ, beside the outcome of fusion.outcome: a response to treatment, cognition.",
    )
    external_covariates: list[str] = Field(
        default_factory=list,
        description="Participants' columns that are taken out of those, beside age, sex, site and "
        "motion: the severity at the baseline.",
    )
    alpha: float = Field(
        default=0.05, gt=0, lt=0.5, description="Level of the tests against one cloud of people."
    )
    permutations: int = Field(
        default=1000,
        ge=19,
        description="Permutations of the symptoms, each of which repeats the selection.",
    )
    simulations: int = Field(
        default=500, ge=19, description="Draws of one Gaussian cloud in the test of clusters."
    )
    draws: int = Field(
        default=50, ge=10, description="Bootstrap samples and subsamples for the stability."
    )
    sure: float = Field(
        default=0.8,
        gt=0.5,
        lt=1,
        description="Probability of a cluster from which a person is assigned to it.",
    )
    seed: int = Field(default=0, ge=0, description="Seed of halves, starts and draws.")

    @model_validator(mode="after")
    def _items_for_the_recipe(self) -> Self:
        if self.recipe == "drysdale" and not self.items:
            raise ValueError("recipe drysdale needs items: it brings markers and symptoms together")
        return self
