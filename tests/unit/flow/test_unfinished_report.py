"""The report of a run that failed never makes it worse."""

from __future__ import annotations

import time

from commissure.flow.unfinished_report import forget_unfinished, report_unfinished


def test_a_folder_of_which_nothing_can_be_told_is_no_second_failure(tmp_path):
    said = report_unfinished(tmp_path)
    assert "nothing could be reported" in said and not list(tmp_path.iterdir())
    forget_unfinished(tmp_path)


def test_it_ends_when_it_takes_too_long(tmp_path):
    start = time.monotonic()
    assert "did not finish" in report_unfinished(tmp_path, limit_s=0.01)
    assert time.monotonic() - start < 5
