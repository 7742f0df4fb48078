"""A job that a scheduler gives too little address space says so, and does not hang."""

from __future__ import annotations

import subprocess
import sys

import pytest

from commissure.flow import address_space
from commissure.flow.address_space import LEAST_LEFT_MB, check_address_space
from commissure.flow.transient import InterruptedRun

LIMITED = """
import resource
from commissure.flow.address_space import check_address_space, taken_mb
limit = int((taken_mb() + {more}) * 2**20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
check_address_space("mrs_preprocess")
print("begun")
"""


@pytest.mark.parametrize(
    ("more", "begun"), [(LEAST_LEFT_MB - 50, False), (LEAST_LEFT_MB + 50, True)]
)
def test_a_job_begins_where_enough_is_left(more, begun) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED.format(more=more)], capture_output=True, text=True
    )
    assert ("begun" in done.stdout) == begun
    if not begun:
        assert "a job of mrs_preprocess" in done.stderr
        assert "--set-resources mrs_preprocess:mem_mb=..." in done.stderr


def test_without_a_limit_nothing_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(address_space, "limit_mb", lambda: None)
    check_address_space("fusion")
    monkeypatch.setattr(address_space, "limit_mb", lambda: 1.0)
    with pytest.raises(InterruptedRun, match="1 MB of address space"):
        check_address_space("fusion")
