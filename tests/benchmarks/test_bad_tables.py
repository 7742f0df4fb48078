"""Every bad table of the harness is refused, told or right, and none is silent."""

from __future__ import annotations

import pytest
from benchmarks.bad_input.harness import Case, Outcome, Result
from benchmarks.bad_input.tables import cases

from commissure.errors import CommissureError

CASES = cases(None, mutations=0, seed=1)


@pytest.mark.parametrize("case", CASES, ids=[f"{case.area}-{case.id}" for case in CASES])
def test_a_bad_table(case: Case, tmp_path) -> None:
    try:
        outcome = case.attempt(tmp_path)
    except CommissureError as error:
        outcome = Outcome("refused", str(error))
        assert (error.wanted and error.mend) or error.who == "config.yaml is not valid"
    assert Result(case, outcome).good, outcome
