"""Tensors of the white matter: anisotropy as asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from commissure.phantom.head.tensors import radial_diffusivity, tensor_field
from commissure.phantom.scanner.echo_planar import fine_head


@pytest.mark.parametrize("fa", [0.0, 0.2, 0.5**0.5, 0.7, 0.9])
def test_radial_diffusivity_gives_back_the_anisotropy(fa):
    axial = 1.5e-3
    radial = float(radial_diffusivity(np.array(fa), np.array(axial)))
    values = np.array([axial, radial, radial])
    found = np.sqrt(1.5 * ((values - values.mean()) ** 2).sum() / (values**2).sum())
    assert found == pytest.approx(fa, abs=1e-9)
    assert radial <= axial


def test_tract_means_are_the_markers(template_head, person):
    wanted = {("fa", "GCC"): 0.60, ("fa", "SLF_R"): 0.41, ("fa", "WM"): 0.37}
    head = fine_head(template_head, 5.0, pose=np.zeros(6))
    tensors = tensor_field(head, replace(person, markers=wanted))
    for key, value in wanted.items():
        assert tensors.truth[key] == pytest.approx(value, abs=1e-4)
    assert tensors.truth["fa", "BCC"] == pytest.approx(0.591, abs=1e-4)  # The population's mean.
    assert tensors.truth["md", "BCC"] == pytest.approx(0.75e-3, rel=0.01)
    lower = tensor_field(head, replace(person, markers={**wanted, ("fa", "GCC"): 0.55}))
    # Less anisotropy by more radial diffusion alone.
    assert lower.truth["md", "GCC"] > tensors.truth["md", "GCC"]
    assert np.array_equal(lower.axial, tensors.axial)
