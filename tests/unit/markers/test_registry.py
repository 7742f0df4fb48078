"""What the modalities declare fits together, and a change of it reaches the scripts that use it."""

from __future__ import annotations

from commissure.flow import code
from commissure.markers.registry import definitions, exclusion_rules, products, recovery_goals
from commissure.markers.settings import MarkersSettings
from commissure.modalities import MEASURED_WITH, MODALITIES


def test_every_modality_declares_itself():
    assert list(MODALITIES) == list(products())
    assert list(MODALITIES) == list(recovery_goals())
    blocks = set(MODALITIES) | set(MEASURED_WITH.values())
    assert blocks == {definition.modality for definition in definitions().values()}


def test_an_exclusion_rule_has_its_option_and_its_marker():
    limits = {name for name in MarkersSettings.model_fields if name.startswith(("max_", "min_"))}
    rules = exclusion_rules()
    assert limits == {rule.option for _, rule in rules}
    assert len(limits) == len(rules)
    for modality, rule in rules:
        assert definitions()[rule.marker].modality == modality
        assert rule.option.startswith("max_" if rule.leaves_out == "above" else "min_")


def test_an_edited_definition_reaches_the_marker_table(repository):
    reached = code.reached(repository / "workflow/scripts/markers/table.py")
    assert {code.SOURCE / name / "definitions.py" for name in MODALITIES} <= set(reached)
