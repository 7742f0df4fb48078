from commissure.mrs.definitions import DEFINITIONS, EXCLUSION_RULES


def test_every_marker_is_defined_once() -> None:
    markers = [definition.marker for definition in DEFINITIONS]
    assert len(markers) == len(set(markers))
    assert {definition.modality for definition in DEFINITIONS} == {"mrs"}


def test_spectra_are_excluded_by_confounds() -> None:
    roles = {definition.marker: definition.role for definition in DEFINITIONS}
    assert {roles[rule.marker] for rule in EXCLUSION_RULES} == {"confound"}
