"""The template that comes with nilearn."""

from __future__ import annotations

import numpy as np

from commissure.images.template import template


def test_the_template_is_the_symmetrical_one_and_its_tissues_fill_it() -> None:
    brain = np.asanyarray(template("T1w").dataobj)
    np.testing.assert_array_equal(brain, brain[::-1])
    parts = [np.asanyarray(template(name).dataobj) for name in ("GM", "WM", "CSF")]
    inside = np.asanyarray(template("mask").dataobj) > 0
    np.testing.assert_allclose(sum(parts)[inside], 1, atol=0.05)
