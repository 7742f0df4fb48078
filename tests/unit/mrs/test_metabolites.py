from commissure.mrs.builtin.basis.spin_systems import SPIN_SYSTEMS
from commissure.mrs.definitions import DEFINITIONS
from commissure.mrs.metabolites import (
    EDITED_ONLY,
    FURTHER_METABOLITES,
    MARKERS,
    METABOLITES,
    REFERENCE,
    REPORTED,
)


def test_every_metabolite_has_a_spin_system() -> None:
    assert tuple(SPIN_SYSTEMS) == (*METABOLITES, *FURTHER_METABOLITES)


def test_what_is_reported_is_a_sum_of_metabolites() -> None:
    assert len(MARKERS) == len(REPORTED) + len(EDITED_ONLY)
    for reported in REPORTED:
        assert reported.parts
        assert set(reported.parts) <= set(METABOLITES)


def test_each_row_of_the_table_defines_its_markers() -> None:
    defined = {definition.marker for definition in DEFINITIONS}
    for marker in MARKERS:
        assert marker in defined
        assert (f"{marker}_{REFERENCE}" in defined) is (marker != REFERENCE)
