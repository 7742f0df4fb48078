"""Who is scanned in a simulated study, how often, and what is planted in them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from commissure.errors import ConfigError
from commissure.phantom.cohort.oracle import factor_for_auc
from commissure.phantom.cohort.planted_effects import LARGEST_FACTOR
from commissure.settings import Section

#: What decides who lacks a modality.
Missingness = Literal["random", "site", "severity"]

#: Controls, responsive and resistant people of the demo: ``subjects`` are shared out like them.
DEMO_SIZES = (14, 17, 17)


class CohortRequest(Section):
    """The people of a simulated study."""

    model_config = ConfigDict(allow_inf_nan=False)

    subjects: int | None = Field(
        None,
        ge=1,
        description="People in all, instead of the next three: 14 of 48 are controls, 17 "
        "responsive, 17 resistant.",
    )
    controls: int = Field(DEMO_SIZES[0], ge=0, description="Healthy controls.")
    responsive: int = Field(DEMO_SIZES[1], ge=0, description="Patients who respond.")
    resistant: int = Field(DEMO_SIZES[2], ge=0, description="Treatment-resistant patients.")
    sites: int = Field(2, ge=1, description="Scanners, which differ in contrast and noise.")
    site_balance: float = Field(
        0.2,
        ge=0,
        le=1,
        description="How far the share of resistant patients differs between sites: with two sites "
        "and 0.2 the first has 60 % of the resistant and 40 % of the responsive.",
    )
    site_people: tuple[tuple[int, int, int], ...] = Field(
        (),
        description="[controls, responsive, resistant] of each site, instead of the numbers above.",
    )
    missing: float = Field(
        0.08,
        ge=0,
        le=0.5,
        description="Probability with which a person lacks a modality; above 0.5 more would be "
        "missing than present. Of eight or more people at least one lacks each, and nobody all.",
    )
    missing_by: Missingness = Field(
        "random",
        description="What decides who lacks a modality: random, site (from none at the first to "
        "twice the probability at the last) or severity of the illness likewise.",
    )
    effects: float = Field(
        1.0, description="Factor on all differences between groups, 0 to 3; 0 plants none."
    )
    patient_effects: float = Field(
        1.0, description="Further factor on patients against controls; 0 to 3 with effects."
    )
    resistant_effects: float = Field(
        1.0, description="Further factor on resistant against responsive; 0 to 3 with effects."
    )
    auc: float | None = Field(
        None,
        description="Instead of resistant_effects: area under the curve that the oracle reaches, "
        "who knows all true markers and their distribution.",
    )
    visits: int = Field(1, ge=1, le=9, description="How often everybody is scanned.")
    years_between: float = Field(
        1.0, ge=0, le=20, description="Years between visits; 0 changes nothing but the noise."
    )
    change: dict[str, Annotated[float, Field(gt=-0.5, lt=1)]] = Field(
        default_factory=dict,
        description="Planted change of volumes from each visit to the next in everybody, as a "
        "share: {Hippocampus_L: -0.05, LateralVentricle_R: 0.1}; beside what the years do.",
    )
    travelling: int = Field(0, ge=0, description="Controls who are scanned at every site.")
    motion: float = Field(
        1.0, ge=0, le=20, description="Factor on head motion; 0: the same people lie still."
    )
    seed: int = Field(1, ge=0, description="The same request gives the same bytes.")
    noise_seed: int | None = Field(
        None, ge=0, description="The same people with other poses, movement, artefacts and noise."
    )

    @property
    def group_sizes(self) -> tuple[int, int, int]:
        """Controls, responsive and resistant people."""
        if self.site_people:
            controls, responsive, resistant = map(sum, zip(*self.site_people, strict=True))
            return controls, responsive, resistant
        if self.subjects is None:
            return self.controls, self.responsive, self.resistant
        return shared_out(self.subjects)

    @property
    def n_sites(self) -> int:
        """Sites, as ``site_people`` or ``sites`` say."""
        return len(self.site_people) or self.sites

    @property
    def layers(self) -> tuple[float, float]:
        """Factors on the differences patients - controls and resistant - responsive."""
        return self.effects * self.patient_effects, self.effects * self.resistant_factor

    @property
    def resistant_factor(self) -> float:
        """``resistant_effects``, or what ``auc`` asks for in their place."""
        if self.auc is None:
            return self.resistant_effects
        return factor_for_auc(self.auc) / self.effects

    @model_validator(mode="after")
    def _is_a_study(self) -> Self:
        problems = [*self._wrong_people(), *self._wrong_effects(), *self._wrong_scans()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _wrong_people(self) -> Iterator[str]:
        named = {"controls", "responsive", "resistant"} & self.model_fields_set
        if self.subjects is not None and (named or self.site_people):
            yield "subjects and numbers of each group as well, where one of the two is expected"
        if any(count < 0 for counts in self.site_people for count in counts):
            yield f"site_people is {self.site_people}, where numbers of people are expected"
        if any(sum(counts) == 0 for counts in self.site_people):
            yield "site_people has a site without people, where at least one person is expected"
        people = sum(self.group_sizes)
        if people < 1:
            yield "a cohort of 0 people, where at least one person is expected"
        elif self.n_sites > people:
            yield f"{self.n_sites} sites for {people} people, where 1 to {people} are expected"
        if self.missing_by == "site" and self.n_sites < 2:
            yield "missing_by is site, with one site, where two sites or more are expected"

    def _wrong_effects(self) -> Iterator[str]:
        factors = {"effects": self.effects, "patient_effects": self.effects * self.patient_effects}
        if self.auc is None:
            factors["resistant_effects"] = self.effects * self.resistant_effects
        elif self.resistant_effects != 1:
            yield "auc and resistant_effects as well, where one of the two is expected"
        elif self.effects == 0:
            yield "auc with no effects, where effects above 0 are expected"
        else:
            try:
                factor_for_auc(self.auc)
            except ConfigError as error:
                yield f"auc is {error.found}, where {error.wanted} is expected"
        for name, factor in factors.items():
            if not 0 <= factor <= LARGEST_FACTOR:
                yield (
                    f"{name} makes a factor of {factor:g} on the planted effects, where 0 (none) "
                    f"to {LARGEST_FACTOR:g} (so many times the published size) is expected"
                )

    def _wrong_scans(self) -> Iterator[str]:
        controls = self.group_sizes[0]
        if self.change and self.visits < 2:
            yield "change with one visit, where visits of 2 or more are expected"
        if self.travelling > controls:
            yield (
                f"{self.travelling} travelling subjects among {controls} controls, where 0 to "
                f"{controls} are expected"
            )
        if self.travelling and self.n_sites < 2:
            yield "travelling with one site, where two sites to travel between are expected"


def shared_out(subjects: int) -> tuple[int, int, int]:
    """Share people out over the groups as in :data:`DEMO_SIZES`, by largest remainders."""
    whole = sum(DEMO_SIZES)
    sizes = [subjects * size // whole for size in DEMO_SIZES]
    remainders = [subjects * size % whole for size in DEMO_SIZES]
    order = sorted(range(3), key=lambda group: -remainders[group])
    for group in order[: subjects - sum(sizes)]:
        sizes[group] += 1
    return sizes[0], sizes[1], sizes[2]
