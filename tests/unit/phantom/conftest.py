"""A head that is the template itself, and a person without any particular marker."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from commissure.images.atlas import regions
from commissure.images.template import template
from commissure.phantom.head.anatomy import Anatomy
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol, chosen_protocol


@pytest.fixture(scope="session")
def template_head() -> Anatomy:
    maps = {name: template(name, resolution_mm=3.0) for name in ("GM", "WM", "CSF")}
    affine, shape = maps["GM"].affine, maps["GM"].shape[:3]
    grid = np.moveaxis(np.indices(shape), 0, -1)
    gm, wm, csf = (np.asanyarray(maps[name].dataobj) for name in ("GM", "WM", "CSF"))
    return Anatomy(
        affine=affine,
        gm=gm,
        wm=wm,
        csf=csf,
        outside=np.zeros(shape, np.float32),
        regions=regions().on_grid(shape, affine),
        template_mm=nib.affines.apply_affine(affine, grid).astype(np.float32),
    )


@pytest.fixture
def person() -> Person:
    return Person(
        participant_id="sub-01",
        group="control",
        site="A",
        age=30.0,
        sex="F",
        modalities=frozenset({"anat", "func", "dwi", "mrs"}),
        markers={},
        motion_scale_mm=0.15,
        seed=1,
    )


@pytest.fixture(scope="session")
def tiny() -> Protocol:
    return chosen_protocol("tiny")
