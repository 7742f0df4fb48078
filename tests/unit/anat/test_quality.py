from __future__ import annotations

import numpy as np
import pytest

from commissure.anat.quality import (
    TemplateAgreement,
    components,
    contrast_to_noise,
    flagged,
    quality_checks,
    template_agreement,
)
from commissure.anat.volumes import template_volumes
from commissure.images.template import template

#: The template, four fifths as large.
GOOD = {name: 0.8 * value for name, value in template_volumes().items()}
AGREEMENT = TemplateAgreement(mask_dice=0.96, correlation=0.9, folded_percent=0.0)


def _failed(volumes=GOOD, agreement=AGREEMENT, cnr=2.5, mask_components=1) -> set[str]:
    found = quality_checks(volumes, agreement, cnr=cnr, mask_components=mask_components)
    return {check.name for check in found if check.passed is False}


def test_a_good_person_fails_nothing() -> None:
    assert _failed() == set()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"volumes": {**GOOD, "TIV": 2.3e6}}, {"tiv_l"}),
        (
            {"volumes": {**GOOD, "Hippocampus_L": 0.5 * GOOD["Hippocampus_L"]}},
            {"hippocampus_left_relative", "hippocampus_asymmetry"},
        ),
        ({"agreement": TemplateAgreement(0.7, 0.2, 5.0)}, {"mask_dice_template", "template_correlation", "folded_percent"}),
        ({"agreement": TemplateAgreement(0.95, float("nan"), 0.0)}, {"template_correlation"}),
        ({"cnr": float("nan")}, {"cnr_gm_wm"}),
        ({"mask_components": 3}, {"mask_components"}),
    ],
)  # fmt: skip
def test_each_fault_fails_its_own_check(change: dict, expected: set[str]) -> None:
    assert _failed(**change) == expected


def test_a_small_hippocampus_flags_itself_and_a_bad_mask_flags_all() -> None:
    small = quality_checks(
        {**GOOD, "Hippocampus_L": 0.6 * GOOD["Hippocampus_L"]},
        AGREEMENT,
        cnr=2.5,
        mask_components=1,
    )
    assert flagged(small, "Hippocampus_R")
    assert not flagged(small, "SFG_L")
    broken = quality_checks(GOOD, AGREEMENT, cnr=2.5, mask_components=2)
    assert flagged(broken, "SFG_L")


def test_contrast_to_noise_is_difference_over_joint_spread() -> None:
    rng = np.random.default_rng(2)
    posterior = np.zeros((3, 20, 20, 20), np.float32)
    posterior[0, :10], posterior[1, 10:] = 1, 1
    t1w = np.where(posterior[0] > 0, rng.normal(60, 3, (20,) * 3), rng.normal(100, 4, (20,) * 3))
    assert contrast_to_noise(t1w, posterior) == pytest.approx(40 / 5, rel=0.05)


def test_small_islands_do_not_count_as_parts() -> None:
    mask = np.zeros((30, 30, 30), bool)
    mask[:15, :15, :15], mask[20:, 20:, 20:], mask[0, 29, 29] = True, True, True
    assert components(mask, np.eye(4)) == 1  # 3.4 mL; 1.0 mL is not more than 1 mL
    assert components(mask, np.diag([2.0, 2, 2, 1])) == 2


def test_the_template_agreements_itself_and_not_its_mirror_image() -> None:
    image = template("T1w", resolution_mm=4.0)
    data = np.asarray(image.dataobj)
    mask = np.asarray(template("mask", resolution_mm=4.0).dataobj) > 0
    voxels = np.moveaxis(np.indices(data.shape), 0, -1)
    place = voxels @ image.affine[:3, :3].T + image.affine[:3, 3]
    fit = template_agreement(data, mask, place.astype(np.float32), image.affine)
    assert fit.mask_dice > 0.98
    assert fit.correlation > 0.9
    assert fit.folded_percent == 0
    mirrored = place * [-1, 1, 1]
    assert (
        template_agreement(data, mask, mirrored.astype(np.float32), image.affine).folded_percent
        == 100
    )
