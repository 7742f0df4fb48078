"""Every bad layout and configuration of the harness is refused, told or right, and none is silent."""

from __future__ import annotations

import pytest
from benchmarks.bad_input import config, layout
from benchmarks.bad_input.harness import Case, Result, outcome_of

CASES = [
    case for area in (layout, config) for case in area.cases(None, mutations=0, seed=1)
    # Those of the command itself start Snakemake.
    if case.id not in ("c32n", "c34n", "c36n", "c42")
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[f"{case.area}-{case.id}" for case in CASES])
def test_a_bad_layout_or_configuration(case: Case, tmp_path) -> None:
    outcome = outcome_of(case, tmp_path / "case", limit_s=30)
    assert Result(case, outcome).good, outcome
