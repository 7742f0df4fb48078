"""Components of several echoes: how tedana is called, what is made of its answer, and it itself."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from commissure.errors import ConfigError, DatasetError
from commissure.flow.settings import read_settings
from commissure.func.builtin.tedana import rejected_components
from commissure.func.regressors import regressors
from commissure.func.settings import tedana_program
from commissure.images.load import load_image

TIMES_S = (0.014, 0.038, 0.062)
AFFINE = np.diag([4.0, 4.0, 4.0, 1.0])
WHO = "sub-01"

#: Keeps its call and its images, and answers with two accepted components and one rejected.
PROGRAM = """#!{python}
import json, pathlib, shutil, sys
words = sys.argv[1:]
out = pathlib.Path(words[words.index("--out-dir") + 1])
out.mkdir()
kept = pathlib.Path({kept!r})
shutil.copytree(out.parent, kept / "call", ignore=shutil.ignore_patterns("out"))
(kept / "words.json").write_text(json.dumps(words))
if (kept / "fails").exists():
    sys.exit("No BOLD components found")
shutil.copytree(kept / "answer", out, dirs_exist_ok=True)
"""


@pytest.fixture
def absent(monkeypatch):
    """No tedana, whether it is installed here or not."""
    for module in ("commissure.flow.settings", "commissure.func.builtin.tedana"):
        monkeypatch.setattr(f"{module}.tedana_program", lambda: None)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch) -> Path:
    """A stand-in for the program, found on the path."""
    program = tmp_path / "bin/tedana"
    program.parent.mkdir()
    program.write_text(PROGRAM.format(python=sys.executable, kept=str(tmp_path)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=":")
    answer = tmp_path / "answer"
    answer.mkdir()
    rng = np.random.default_rng(0)
    mixing = pd.DataFrame(rng.normal(size=(17, 3)), columns=["ICA_00", "ICA_01", "ICA_02"])
    mixing.to_csv(answer / "desc-ICA_mixing.tsv", sep="\t", index=False)
    pd.DataFrame(
        {
            "Component": mixing.columns,
            "classification": ["accepted", "rejected", "accepted"],
            "variance explained": [30.0, 60.0, 10.0],
        }
    ).to_csv(answer / "desc-tedana_metrics.tsv", sep="\t", index=False)
    about = {"GeneratedBy": [{"Name": "tedana", "Version": "26.0.3"}]}
    (answer / "dataset_description.json").write_text(json.dumps(about))
    return tmp_path


def found(echoes, box, inside):
    return rejected_components(
        echoes, box, inside, times_s=TIMES_S, affine=AFFINE, tr_s=2.0, first=3, who=WHO
    )


@pytest.fixture
def run() -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Three echoes of 20 volumes, the voxels that are computed, and those of the brain."""
    box = np.zeros((5, 6, 7), bool)
    box[1:4, 1:5, 1:6] = True
    inside = box.copy()
    inside[1] = False
    rng = np.random.default_rng(1)
    echoes = [rng.uniform(500, 900, (box.sum(), 20)).astype(np.float32) for _ in TIMES_S]
    return echoes, box, inside


def test_asked_for_and_not_installed_is_refused_at_planning(absent) -> None:
    with pytest.raises(ConfigError, match="make tedana"):
        read_settings({"func": {"multi_echo": "tedana"}})
    read_settings({"func": {"multi_echo": "tedana"}, "modalities": ["mrs"]})


def test_where_the_job_runs_without_it_the_run_is_refused(absent, run) -> None:
    with pytest.raises(DatasetError, match="tedana is not installed where the job runs"):
        found(*run)


def test_it_sees_the_steady_volumes_of_every_echo_in_the_brain(installed, run) -> None:
    echoes, box, inside = run
    found(echoes, box, inside)
    words = json.loads((installed / "words.json").read_text())
    start = words.index("-e") + 1
    assert tuple(map(float, words[start : start + 3])) == TIMES_S
    for number, echo in enumerate(echoes, start=1):
        image = load_image(installed / f"call/echo-{number}_bold.nii.gz", who=WHO, ndim=4)
        np.testing.assert_allclose(np.asarray(image.dataobj)[box], echo[:, 3:], rtol=1e-4)
    mask = nib.load(installed / "call/mask.nii.gz")
    np.testing.assert_array_equal(np.asarray(mask.dataobj) > 0, inside)


def test_rejected_components_hold_nothing_of_accepted_ones(installed, run) -> None:
    result = found(*run)
    mixing = pd.read_table(installed / "answer/desc-ICA_mixing.tsv").to_numpy()
    assert result.series.shape == (20, 1)
    assert (result.series[:3] == 0).all()
    assert result.series[3:, 0] @ mixing[:, [0, 2]] == pytest.approx([0, 0], abs=1e-10)
    together = np.column_stack([result.series[3:], mixing[:, [0, 2]]])
    assert np.linalg.matrix_rank(np.column_stack([together, mixing[:, 1]]), tol=1e-8) == 3
    assert result.sidecar()["EchoComponents"] == {
        "Program": "tedana 26.0.3",
        "Accepted": 2,
        "Rejected": 1,
        "AcceptedVariancePercent": 40.0,
        "RejectedVariancePercent": 60.0,
    }


def test_they_are_regressors_of_every_strategy(installed, run) -> None:
    columns, meaning = found(*run).columns()
    assert list(columns) == list(meaning) == ["tedana_rejected_00"]
    table = pd.DataFrame({"a_comp_cor_00": np.arange(20.0), **columns})
    metadata = {"a_comp_cor_00": {"Method": "aCompCor", "Mask": "CSF"}, **meaning}
    chosen = regressors(table, metadata, strategy="aCompCor", components=5, who=WHO)
    assert list(chosen) == ["a_comp_cor_00", "tedana_rejected_00"]


def test_its_failure_is_told_in_its_own_words(installed, run) -> None:
    (installed / "fails").touch()
    with pytest.raises(DatasetError, match="status 1: No BOLD components found"):
        found(*run)


@pytest.mark.slow
def test_the_program_itself_rejects_what_does_not_grow_with_the_echo_time() -> None:
    if tedana_program() is None:
        pytest.skip("tedana is not installed: `make tedana` makes its environment")
    rng = np.random.default_rng(3)
    shape, volumes, bold = (18, 18, 18), 90, 6
    box = np.zeros(shape, bool)
    box[2:-2, 2:-2, 2:-2] = True
    maps = [gaussian_filter(rng.normal(size=shape), 2.5)[box] ** 5 for _ in range(9)]
    maps = [values / values.std() for values in maps]
    course = rng.laplace(size=(9, volumes))
    course -= course.mean(axis=1, keepdims=True)
    course /= course.std(axis=1, keepdims=True)
    rate = 25 + 0.35 * sum(map(np.outer, maps[:bold], course[:bold]))
    height = 1000 * (1 + 0.02 * sum(map(np.outer, maps[bold:], course[bold:])))
    echoes = [
        (height * np.exp(-t * rate) + rng.normal(0, 2, rate.shape)).astype(np.float32)
        for t in TIMES_S
    ]
    result = rejected_components(
        echoes, box, box, times_s=TIMES_S, affine=AFFINE, tr_s=2.0, first=0, who=WHO
    )
    basis, _ = np.linalg.qr(np.column_stack([np.ones(volumes), result.series]))
    shares = ((course @ basis) ** 2).sum(axis=1) / (course**2).sum(axis=1)
    assert shares[bold:].min() > 0.8
    assert np.median(shares[:bold]) < 0.1
