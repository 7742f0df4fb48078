import pytest

from commissure.mrs.builtin.basis.spin_systems import SPIN_SYSTEMS, CoupledProtons


def protons(groups: tuple[CoupledProtons, ...]) -> float:
    return sum(len(group.ppm) * group.protons for group in groups)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("Cr", 5),
        ("NAA", 6),
        ("NAAG", 11),
        ("Glu", 5),
        ("Gln", 5),
        ("GSH", 10),
        ("Ins", 6),
        ("Glc", 7),
    ],
)
def test_every_proton_that_is_not_exchanged_is_there(name: str, count: int) -> None:
    assert protons(SPIN_SYSTEMS[name]) == count


@pytest.mark.parametrize("name", SPIN_SYSTEMS)
def test_couplings_name_protons_of_their_group(name: str) -> None:
    for group in SPIN_SYSTEMS[name]:
        assert all(0 <= i < k < len(group.ppm) for i, k, _ in group.j_hz)
        assert all(len(nucleus.j_hz) == len(group.ppm) for nucleus in group.passive)
