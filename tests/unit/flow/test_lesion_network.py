"""A network that marks lesions, in the configuration and in the rules."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from commissure import torch_device
from commissure.errors import CommissureError, ConfigError
from commissure.flow.plan import Plan
from commissure.flow.settings import read_settings
from commissure.lesion.network.card import network_sources
from commissure.lesion.network.settings import NetworkShape
from commissure.lesion.network.unet import write_network
from commissure.lesion.settings import LesionPreprocessSettings


@pytest.fixture
def network(tmp_path):
    folder = tmp_path / "network"
    write_network(folder, {}, NetworkShape(image="FLAIR", voxel_mm=2.0), {})
    return str(folder)


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(torch_device, "find_spec", lambda name: object())


def plan_of(masks, *modalities, **anat):
    plan = Plan.__new__(Plan)
    plan.settings = read_settings(
        {"lesion": {"masks": masks}, "modalities": list(modalities), "anat": anat}
    )
    return plan


def test_masks_are_given_unless_a_network_is_named():
    plan = plan_of("given", "lesion")
    assert plan.settings.unmarked == "" and plan.lesion_network == [] and plan.deep == []
    assert "lesion_gpu.smk" not in plan.engine_files(gpu=True)
    assert network_sources(None, LesionPreprocessSettings()) == ""


def test_a_network_marks_images_of_its_kind_and_may_ask_for_a_graphics_processor(
    network, installed
):
    plan = plan_of(network, "lesion")
    assert plan.settings.unmarked == "FLAIR" and plan.deep == ["lesion"]
    assert plan.lesion_network == [f"{network}/network.json", f"{network}/network.npz"]
    assert "lesion_gpu.smk" in plan.engine_files(gpu=True)
    assert "lesion_gpu.smk" not in plan.engine_files(gpu=False)
    assert "anat_gpu.smk" not in plan.engine_files(gpu=True)


def test_other_weights_are_another_source(network, installed):
    settings = LesionPreprocessSettings(masks=network)
    before = network_sources(None, settings)
    write_network(Path(network), {"a": np.ones(2)}, NetworkShape(image="FLAIR", voxel_mm=2.0), {})
    assert network_sources(None, settings) not in ("", before)


def test_a_study_without_lesions_asks_for_no_network(tmp_path):
    assert plan_of(str(tmp_path), "mrs").settings.unmarked == ""


def test_a_folder_without_a_network_and_an_absent_extra_are_refused_in_words(
    network, tmp_path, monkeypatch
):
    with pytest.raises(CommissureError, match="there is no network"):
        plan_of(str(tmp_path), "lesion")
    monkeypatch.setattr(torch_device, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"lesion.masks: not installed: torch and monai.*given"):
        plan_of(network, "lesion")
