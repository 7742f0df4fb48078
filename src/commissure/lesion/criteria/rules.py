"""The four criteria as numbers: what is measured, which lesions, and where categories begin."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from commissure.errors import ConfigError

Quantity = Literal["diameter", "product", "volume"]

#: Words and units of the sums.
SUMS: dict[Quantity, tuple[str, str]] = {
    "diameter": ("sum of diameters", "mm"),
    "product": ("sum of products of perpendicular diameters", "mm2"),
    "volume": ("sum of volumes", "ml"),
}


@dataclass(frozen=True)
class Rule:
    """One set of response criteria.

    Attributes
    ----------
    name
        As it is asked for.
    title
        As it is cited.
    quantity
        What is added up over the target lesions.
    decrease
        Share of the baseline's sum by which it has to fall for a partial response.
    increase
        Share of the nadir by which the sum has to rise for progression.
    absolute_mm
        Rise in mm that progression needs beside it; 0 where none is asked for.
    absolute_of
        Whether the ``sum`` has to rise so much, or at least one ``lesion``.
    minor_decrease
        Share for a minor response; None where the criteria have none.
    targets, per_organ
        Largest numbers of target lesions.
    longest_mm, short_mm
        Least diameters of a measurable lesion.
    node_mm, normal_node_mm
        Least short axis of a measurable lymph node; below the second a node is normal. None where
        nodes have no place.
    slices
        Slices on which a measurable lesion is seen.
    clinical
        Whether corticosteroids and clinical state count.
    flair
        Whether T2w or FLAIR counts.
    growth_on_less_steroids
        Whether growth while corticosteroids are reduced is progression.
    radiotherapy_days
        Days after radiotherapy within which progression has to be confirmed; 0 where none.
    source
        Where the criteria are published.
    """

    name: str
    title: str
    quantity: Quantity
    decrease: float
    increase: float
    absolute_mm: float = 0.0
    absolute_of: Literal["sum", "lesion"] = "sum"
    minor_decrease: float | None = None
    targets: int = 5
    per_organ: int = 5
    longest_mm: float = 10.0
    short_mm: float = 0.0
    node_mm: float | None = None
    normal_node_mm: float | None = None
    slices: int = 1
    clinical: bool = True
    flair: bool = False
    growth_on_less_steroids: bool = True
    radiotherapy_days: float = 0.0
    source: str = ""


RECIST_1_1 = Rule(
    "recist-1.1",
    "RECIST 1.1",
    "diameter",
    decrease=0.30,
    increase=0.20,
    absolute_mm=5.0,
    per_organ=2,
    node_mm=15.0,
    normal_node_mm=10.0,
    clinical=False,
    source="Eisenhauer EA et al., Eur J Cancer 45:228-247, 2009",
)
RANO_2010 = Rule(
    "rano-2010",
    "RANO 2010",
    "product",
    decrease=0.50,
    increase=0.25,
    short_mm=10.0,
    slices=2,
    flair=True,
    growth_on_less_steroids=False,
    radiotherapy_days=84.0,
    source="Wen PY et al., J Clin Oncol 28:1963-1972, 2010",
)
RANO_2_0 = Rule(
    "rano-2.0",
    "RANO 2.0",
    "product",
    decrease=0.50,
    increase=0.25,
    targets=2,
    per_organ=2,
    short_mm=10.0,
    slices=2,
    radiotherapy_days=84.0,
    source="Wen PY et al., J Clin Oncol 41:5187-5199, 2023",
)
RANO_BM = Rule(
    "rano-bm",
    "RANO-BM",
    "diameter",
    decrease=0.30,
    increase=0.20,
    absolute_mm=5.0,
    absolute_of="lesion",
    short_mm=5.0,
    slices=2,
    source="Lin NU et al., Lancet Oncol 16:e270-e278, 2015",
)
RULES = {rule.name: rule for rule in (RECIST_1_1, RANO_2010, RANO_2_0, RANO_BM)}


def chosen_rule(name: str, *, volumes: bool = False, non_enhancing: bool = False) -> Rule:
    """The criteria of a name.

    Parameters
    ----------
    name
        One of :data:`RULES`.
    volumes
        Volumes instead of products (RANO 2.0): a fall by 65 % and a rise by 40 %.
    non_enhancing
        A tumour that does not enhance (RANO 2.0): a minor response lies between 25 % and 50 %.

    Raises
    ------
    ConfigError
        The name is unknown, or the criteria have no such form.
    """
    if name not in RULES:
        raise ConfigError(
            "criteria", found=f"'{name}' is not known", wanted=f"one of {', '.join(RULES)}"
        )
    rule = RULES[name]
    if (volumes or non_enhancing) and rule is not RANO_2_0:
        raise ConfigError(
            "criteria",
            found=f"{rule.title} with {'volumes' if volumes else 'tumours that do not enhance'}",
            wanted=f"{RANO_2_0.name}, which defines it",
        )
    if volumes and non_enhancing:
        raise ConfigError(
            "criteria",
            found="volumes of a tumour that does not enhance",
            wanted="products there, for which the minor response is defined here",
        )
    if volumes:
        return replace(rule, quantity="volume", decrease=0.65, increase=0.40)
    if non_enhancing:
        return replace(rule, minor_decrease=0.25)
    return rule
