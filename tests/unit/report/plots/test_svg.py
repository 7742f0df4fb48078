"""Figures that stand in one page, whatever their markers are called."""

from __future__ import annotations

import re

import numpy as np
import pytest

from commissure.report.plots.marker_figures import recovery_scatter
from commissure.report.plots.svg import inline_svg


def test_ids_of_two_figures_do_not_clash():
    document = (
        '<?xml version="1.0"?><svg viewBox="0 0 200 100"><metadata>x</metadata>'
        '<clipPath id="c"/><g id="unused" clip-path="url(#c)"><use xlink:href="#c"/></g></svg>'
    )
    one = inline_svg(document, key="one", description='a "b" < c')
    assert 'id="one-c"' in one and "url(#one-c)" in one and 'href="#one-c"' in one
    assert "unused" not in one and "metadata" not in one
    assert 'aria-label="a &quot;b&quot; &lt; c"' in one


@pytest.mark.parametrize("name", ['x"><script>alert(1)</script>', "a b' onload='x", "\\\\1", "a)b"])
def test_no_name_breaks_out_of_an_id(name):
    values = np.arange(5.0)
    drawn = recovery_scatter(
        values, values, slope=1.0, label="", key=f"truth-table-{name}-R", description="drawn"
    )
    assert "<script" not in drawn and "onload=" not in drawn
    ids = re.findall(r' id="([^"]*)"', drawn)
    assert ids and all(re.fullmatch(r"[\w.-]+", found) for found in ids)
    assert set(re.findall(r"url\(#([^)]*)\)", drawn)) <= set(ids)


def test_names_that_differ_in_a_sign_keep_ids_apart():
    document = '<svg viewBox="0 0 1 1"><g id="c" clip-path="url(#c)"/></svg>'
    written = {inline_svg(document, key=key, description="") for key in ("a b", "a-b", "a_b")}
    assert len(written) == 3
