"""The documentation page of all markers, from what the modalities declare."""

from __future__ import annotations

from commissure.definitions import Definition, ExclusionRule, RecoveryGoal
from commissure.engines.ingress.registry import TOOLS
from commissure.markers.registry import definitions, exclusion_rules, products, recovery_goals
from commissure.markers.reliability import EXPECTATIONS
from commissure.markers.settings import MarkersSettings
from commissure.modalities import MEASURED_WITH, MODALITIES

_HEAD = """# Markers

What each marker means, its unit and where its method is published. A run writes the same into
`markers.json`, with the regions that it measured. A `confound` describes the measurement: it enters
corrections, quality control and models of confounds only. Regions name their side at the end
(`ACR_L`); a hyphen joins a pair of networks (`Vis-SomMot`).
An expected range is that of a check or follows from the definition. Reliability is what was
measured by this project; where nothing was, it says so. What rounding alone moves a marker by is on
[another page](compare.md#measured).
Generated from each modality's `definitions.py` by `make docs`.
"""

_TOOLS = """## Results of other tools

What [the folders of other tools](ingress.md) give, where a study names them.
"""


def markers_page() -> str:
    """The page, in Markdown."""
    parts = [_HEAD]
    for name, modality in MODALITIES.items():
        parts.append(f"## `{name}`: {modality.title}\n")
        here = (name, MEASURED_WITH.get(name))
        parts.append(_measured_table([d for d in definitions().values() if d.modality in here]))
        yields = ", ".join(f"`{product}`" for product in products()[name])
        parts.append(f"- An image is expected to yield {yields}.")
        parts += [_rule(rule) for owner, rule in exclusion_rules() if owner == name]
        parts.append(f"- {_goal(recovery_goals()[name])}\n")
    parts.append(_TOOLS)
    for tool in TOOLS.values():
        parts += [f"### {tool.title}\n", _table(list(tool.definitions))]
    return "\n".join(parts).rstrip() + "\n"


def _measured_table(defined: list[Definition]) -> str:
    """Markers that images give, with the range expected and the reliability measured."""
    lines = [
        "| marker | unit | role | meaning | source | expected range | measured reliability |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| `{d.marker}` | {d.unit} | {d.role} | {d.description} | {d.source} | "
        f"{EXPECTATIONS[d.marker].expected} | {EXPECTATIONS[d.marker].reliability} |"
        for d in defined
    ]
    return "\n".join(lines) + "\n"


def _table(defined: list[Definition]) -> str:
    lines = ["| marker | unit | role | meaning | source |", "|---|---|---|---|---|"]
    lines += [
        f"| `{d.marker}` | {d.unit} | {d.role} | {d.description} | {d.source} |" for d in defined
    ]
    return "\n".join(lines) + "\n"


def _rule(rule: ExclusionRule) -> str:
    default = MarkersSettings.model_fields[rule.option].default
    limit = "unset" if default is None else f"{default:g}"
    return (
        f"- `markers.{rule.option}` ({limit}): an image whose `{rule.marker}` lies "
        f"{rule.leaves_out} it is left out of the models."
    )


def _goal(goal: RecoveryGoal) -> str:
    bias = goal.bias_percent_max
    judged = " (no bias is judged)" if bias is None else f" and a bias within {bias:g} %"
    return f"In a simulated cohort r of at least {goal.r_min:g} with the truth{judged} is expected."
