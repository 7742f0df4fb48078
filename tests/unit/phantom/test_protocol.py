"""Protocols: presets, changes by name, and refusals of what no scanner could run."""

from __future__ import annotations

import pytest

from commissure.errors import ConfigError
from commissure.phantom.protocol import Protocol, chosen_protocol
from commissure.settings import SECTION, options


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"anat.snr": -5.0}, r"anat\.snr: .*found -5\.0"),
        ({"mrs.snr": 0.0}, r"mrs\.snr: .*found 0\.0"),
        ({"func.tsnr": float("nan")}, r"func\.tsnr: .*finite"),
        ({"anat.voxel_mm": 10.0}, "as large as Accumbens"),
        ({"dwi.voxel_mm": 8.0}, "as large as UNC"),
        ({"func.voxel_mm": 10.0}, "smallest structure measured there"),
        ({"func.voxel_mm": 3.5, "off_resonance_hz": 300.0}, "folds over itself"),
        ({"func.repetition_time_s": 0.02}, r"func\.repetition_time_s: .*found 0\.02"),
        ({"func.repetition_time_s": 0.2, "func.echo_time_s": 0.2}, r"func\.echo_time_s"),
        ({"func.repetition_time_s": 0.2, "func.echo_time_s": 0.1}, None),
        ({"mrs.sequence": "STEAM"}, "'PRESS', 'sLASER' or 'MEGA-PRESS'"),
        ({"mrs.sequence": "MEGA-PRESS"}, "0.06 to 0.3 s for MEGA-PRESS"),
        (
            {"mrs.sequence": "MEGA-PRESS", "mrs.echo_time_s": 0.068, "mrs.transients": 7},
            "an even number",
        ),
        ({"mrs.voxel_mm": [20, 20, 50]}, "edges of 8 to 40 mm"),
        ({"dwi.more_shells": [[1000.0, 30]]}, "another b-value"),
        ({"dwi.more_shells": [[2000.0, 5]]}, "another b-value"),
        ({"flavour": 1}, r"flavour is unknown \(no option has this name\)"),
        ({"dwi.voxl_mm": 2}, r"dwi\.voxl_mm is unknown \(did you mean dwi\.voxel_mm\?\)"),
        ({"func.volumes.odd": 2}, r"func\.volumes: .*valid integer"),
        ({"dwi": 2}, "dwi: "),
    ],
)
def test_what_no_scanner_could_run_is_refused(change, says):
    if says is None:
        chosen_protocol("tiny", change)
        return
    with pytest.raises(ConfigError, match=says):
        chosen_protocol("tiny", change)


def test_every_problem_is_named_at_once():
    with pytest.raises(ConfigError) as caught:
        chosen_protocol("demo", {"anat.voxel_mm": 10, "dwi.direction": 30, "mrs.coils": 0})
    assert "as large as Accumbens" in str(caught.value)
    assert "did you mean dwi.directions?" in str(caught.value)
    assert "mrs.coils" in str(caught.value)


def test_an_unknown_preset_is_refused():
    with pytest.raises(ConfigError, match="'grand' is not known"):
        chosen_protocol("grand")


def test_the_clinical_preset_is_a_clinical_protocol():
    protocol = chosen_protocol("clinical")
    voxels = (protocol.anat.voxel_mm, protocol.func.voxel_mm, protocol.dwi.voxel_mm)
    assert voxels == (1.0, 3.0, 2.5)
    func, dwi, mrs = protocol.func, protocol.dwi, protocol.mrs
    assert (func.volumes, func.repetition_time_s) == (240, 2.0)  # Eight minutes.
    assert dwi.directions + dwi.b0s == 65
    assert (dwi.b_value_s_mm2, dwi.more_shells) == (1000.0, ())
    assert (mrs.sequence, mrs.echo_time_s) == ("PRESS", 0.030)
    assert (mrs.transients, mrs.coils, mrs.snr) == (96, 8, 100.0)


def test_the_defaults_are_the_demo():
    assert chosen_protocol("demo") == Protocol() == chosen_protocol("null")


def test_a_change_is_checked_against_what_stays():
    with pytest.raises(ConfigError, match="folds over itself"):
        chosen_protocol("clinical").changed({"off_resonance_hz": 300})
    assert chosen_protocol("tiny").changed({"func.volumes": 20}).func.volumes == 20


def test_every_setting_is_described():
    undescribed = [
        name
        for name, default, text in options(Protocol)
        if default is not SECTION and len(text) < 12
    ]
    assert undescribed == []
