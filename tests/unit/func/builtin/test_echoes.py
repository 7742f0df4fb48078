"""Several echoes of one run."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.func.builtin.echoes import (
    LONGEST_T2STAR_S,
    combined_echoes,
    combined_volume,
    echo_weights,
    read_echoes,
    resampled_echoes,
    sharpest_echo,
    t2star_s,
)
from commissure.func.builtin.realign import Motion
from commissure.func.derivatives import FuncFiles, FuncMeasured
from commissure.names import Scan, parse_name

TIMES_S = (0.014, 0.038, 0.062)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])


def run_of(folder, *, times=TIMES_S, shapes=None, affines=None, **fields):
    """A run of several echoes; of each its shape, affine and echo time."""
    paths, rng = [], np.random.default_rng(0)
    for number, time in enumerate(times, start=1):
        path = folder / f"sub-01_task-rest_echo-{number}_bold.nii.gz"
        shape = shapes[number - 1] if shapes else (6, 7, 8, 12)
        affine = affines[number - 1] if affines else AFFINE
        data = rng.uniform(100, 900, shape).astype(np.float32)
        nib.save(nib.Nifti1Image(data, affine), path)
        sidecar = {"RepetitionTime": 2.0, "EchoTime": time, **fields.get(f"echo{number}", {})}
        path.with_name(f"{path.name.partition('.')[0]}.json").write_text(json.dumps(sidecar))
        paths.append(path)
    sidecars = [path.with_name(f"{path.name.partition('.')[0]}.json") for path in paths]
    associated = {}
    for number, path in enumerate(paths[1:], start=2):
        associated |= {f"echo{number}": path, f"echo{number}_json0": sidecars[number - 1]}
    return Scan(paths[0], parse_name(paths[0].name)[0], "bold", [sidecars[0]], associated)


def test_echoes_are_read_in_the_order_of_their_times(tmp_path):
    echoes = read_echoes(run_of(tmp_path, times=(0.062, 0.014, 0.038)))
    assert echoes.times_s == TIMES_S
    assert [image.shape for image in echoes.images] == [(6, 7, 8, 12)] * 3
    assert echoes.sidecar(1)["RealignmentEchoTime"] == 0.038


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"shapes": [(6, 7, 8, 12), (6, 7, 8, 11), (6, 7, 8, 12)]}, "12 and 11 volumes"),
        ({"shapes": [(6, 7, 8, 12), (6, 7, 9, 12), (6, 7, 8, 12)]}, "the grids (6, 7, 8)"),
        ({"affines": [AFFINE, 1.1 * AFFINE, AFFINE]}, "or lie elsewhere"),
        ({"echo2": {"RepetitionTime": 1.5}}, "the repetition times 2.0 and 1.5"),
        ({"echo2": {"EchoTime": None}}, "EchoTime of sub-01_task-rest_echo-2_bold.nii.gz is None"),
        ({"times": (14, 38, 62)}, "wanted: a time in seconds"),
        ({"times": (0.03, 0.03)}, "another EchoTime for each echo"),
    ],
)
def test_echoes_that_do_not_belong_together_are_refused(tmp_path, how, said):
    with pytest.raises(DatasetError) as caught:
        read_echoes(run_of(tmp_path, **how))
    assert said.removeprefix("wanted: ") in str(caught.value)


def test_an_echo_that_is_alone_is_told(tmp_path):
    scan = run_of(tmp_path, times=(0.03,))
    assert read_echoes(scan).notes == (
        "Of several echoes only echo-1 is there; it is taken as it is.",
    )
    assert FuncFiles.of(scan, tmp_path).series.name.startswith("sub-01_task-rest_echo-1_")


def test_what_is_derived_from_combined_echoes_names_none(tmp_path):
    scan = run_of(tmp_path)
    names = [path.name for paths in FuncFiles.of(scan, tmp_path).files().values() for path in paths]
    names += [path.name for path in FuncMeasured.of(scan, tmp_path).present()]
    assert not any("echo-" in name for name in names)
    assert FuncFiles.of(scan, tmp_path).t2star.name.endswith("_T2starmap.nii.gz")


def test_t2star_of_a_pure_decay_is_exact_and_bounded():
    true = np.array([0.02, 0.045, 0.2])
    means = 900 * np.exp(-np.array(TIMES_S)[:, None] / true)
    assert t2star_s(means, TIMES_S) == pytest.approx(true, rel=1e-5)
    endless = np.array([[100.0, 0], [100, 0], [101, 0]])
    assert t2star_s(endless, TIMES_S) == pytest.approx(LONGEST_T2STAR_S)


def test_weights_are_those_of_posse():
    weights = echo_weights(np.array([0.03, 0.06], np.float32), TIMES_S)
    for column, t2star in enumerate((0.03, 0.06)):
        posse = np.array(TIMES_S) * np.exp(-np.array(TIMES_S) / t2star)
        assert weights[:, column] == pytest.approx(posse / posse.sum(), rel=1e-5)


def test_the_combination_shows_a_change_of_t2star_best():
    rng = np.random.default_rng(1)
    volumes, t2star = 400, 0.04 * (1 + 0.02 * np.sin(np.arange(400)))
    echoes = [1000 * np.exp(-time / t2star) + rng.normal(0, 5, (300, volumes)) for time in TIMES_S]
    weights = echo_weights(t2star_s(np.stack([e.mean(axis=1) for e in echoes]), TIMES_S), TIMES_S)
    together = sum(w[:, None] * e for w, e in zip(weights, echoes, strict=True))

    def correlation(values):
        return np.mean([np.corrcoef(row, t2star)[0, 1] for row in values])

    assert correlation(together) > max(map(correlation, echoes)) + 0.02
    # Any other order of the weights is worse.
    others = sum(w[:, None] * e for w, e in zip(weights[[2, 0, 1]], echoes, strict=True))
    assert correlation(together) > correlation(others)


def test_the_sharpest_echo_has_edges_and_little_noise():
    rng = np.random.default_rng(2)
    edges = 100.0 * rng.random((12, 12, 12))
    clear, blurred, noisy = (
        (height * edges)[..., None] + rng.normal(0, sd, (12, 12, 12, 10))
        for height, sd in ((1, 2), (0.2, 2), (1, 20))
    )
    mask = np.ones((12, 12, 12))
    assert sharpest_echo([blurred, clear, noisy], mask) == 1
    assert sharpest_echo([clear], mask) == 0


def test_every_echo_is_resampled_and_combined_where_it_lies():
    rng = np.random.default_rng(3)
    proton = rng.uniform(500, 900, (8, 8, 8))
    series = [
        np.repeat((proton * np.exp(-time / 0.04))[..., None], 4, axis=3).astype(np.float32)
        for time in TIMES_S
    ]
    motion = Motion(np.zeros((4, 6)), np.zeros(3))
    coordinates = np.moveaxis(np.indices((8, 8, 8)), 0, -1) * 4.0
    inside = np.ones((8, 8, 8), bool)
    echoes, seen = resampled_echoes(series, AFFINE, motion, coordinates, inside)
    values, t2star = combined_echoes(echoes, TIMES_S)
    assert t2star == pytest.approx(0.04, rel=1e-4)
    assert values[:, 0] == pytest.approx(
        combined_volume([echo[..., 0] for echo in series], TIMES_S).ravel(), rel=1e-4
    )
    assert (seen == 1).all()
    alone, none = combined_echoes(echoes[:1], ())
    assert none is None
    assert alone[:, 0] == pytest.approx(series[0][..., 0].ravel(), rel=1e-5)
