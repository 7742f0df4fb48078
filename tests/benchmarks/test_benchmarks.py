"""Every benchmark runs at its smallest size, so that it cannot rot. Figures are made by hand."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: Arguments of the smallest size; ``{tmp}`` is an empty folder.
SMALLEST = {
    "bad_input": [
        "mrs",
        "dwi",
        "--only",
        "echo-ms",
        "scale",
        "dwi-no-codes",
        "dwi-shuffled-0",
        "dwi-sagittal",
        "dwi-top-missing",
    ],
    "report_pages": ["--people", "12", "--pages", "2", "--head-mm", "6"],
    "anat_faults": ["--faults", "slices", "ghost", "no-codes"],
    "anat_repeat": ["--simulated", "--pairs", "1", "--changes", "c"],
    "anatomy": ["--people", "1", "--voxel-mm", "4"],
    "bold_distortion": [
        "--hz",
        "60",
        "--voxel-mm",
        "4",
        "--anat-mm",
        "3.5",
        "--known",
        "phase difference",
    ],
    "bold_cost": ["{tmp}/cost", "--preset", "tiny"],
    "bold_denoising": ["--people", "1"],
    "bold_strategies": ["--people", "1", "--voxel-mm", "6", "--folder", "{tmp}/people"],
    "bold_echoes": ["--voxel-mm", "5", "--anat-mm", "3.5", "--volumes", "20"],
    "bold_placement": ["{tmp}/placement", "--people", "sub-01", "--faults", "2"],
    "bold_markers": ["--cohorts", "1", "--volumes", "20"],
    # Its faults are tests of their own: tests/cluster.
    "cluster_faults": ["{tmp}/faults", "--only"],
    "checksums": ["--people", "5", "--large-mb", "1"],
    "code_counts": [],
    "compare": ["{tmp}/compare", "--modalities", "mrs", "--repeats", "1"],
    "demo_cost": ["--preset", "tiny", "--people", "0", "1", "1", "--modalities", "mrs"],
    "dwi_fa": ["{tmp}/dwi", "--preset", "demo", "--people", "1", "--stages"],
    "dwi_gradients": ["--clean", "2"],
    "dwi_placement": ["{tmp}/placement", "--people", "sub-01"],
    "dwi_realignment": ["--people", "1", "--preset", "demo"],
    "federated_privacy": [
        "simulated",
        "--sites",
        "3",
        "--markers",
        "12",
        "--seeds",
        "1",
        "--epsilons",
        "inf",
    ],
    "federated_masks": ["masks", "--sites", "3", "--markers", "4"],
    "federated": ["simulated", "faults", "--sites", "3", "--markers", "8"],
    "fusion_families": ["--cohorts", "1", "--permutations", "19"],
    "fusion_frozen": ["null", "--cohorts", "1", "--people", "60"],
    "fusion_leaks": ["--cohorts", "1", "--clean", "1", "--studies", "1"],
    "fusion_lessons": ["--repeats", "1"],
    "fusion_null": ["--cohorts", "1", "--permutations", "19"],
    "fusion_outcomes": ["null", "--cohorts", "1", "--permutations", "19"],
    "ingress": ["--people", "3"],
    "fusion_permutation": [
        "--permutations",
        "20",
        "--peer",
        "1",
        "--people",
        "40",
        "--columns",
        "50",
    ],
    "fusion_scale": [
        "{tmp}/scale",
        "--people",
        "120",
        "--sites",
        "2",
        "--permutations",
        "5",
        "--repeats",
        "1",
    ],
    "lesion_follow_up": ["--patients", "2", "--orientations", "2"],
    "lesion_prediction": ["null", "--cohorts", "1", "--people", "60", "--features", "60"],
    "lesion_sequence": ["{tmp}/sequence", "--people", "20", "--voxel-mm", "6", "--epochs", "2"],
    "lesion_steps": ["{tmp}/lesions", "--patients", "1", "--visits", "2"],
    "lesion_unet": [
        "{tmp}/unet",
        "--body",
        "liver",
        "--train",
        "2",
        "--tried",
        "2",
        "--visits",
        "2",
        "--voxel-mm",
        "6",
        "--patch",
        "16",
        "--steps",
        "5",
        "--passes",
        "1",
    ],
    "kills": [
        "{tmp}/kills",
        "--kills",
        "2",
        "--people",
        "1",
        "--modalities",
        "mrs",
        "--steps",
        "mrs_preprocess",
        "fusion",
    ],
    "marker_tables": ["{tmp}/tables", "--people", "3", "--columns", "4"],
    "mrs_edited": ["--draws", "1", "--trials", "1"],
    "mrs_faults": ["--only", "named PRESS", "in blocks, in header", "TE in ms", "30 mm"],
    "mrs_regularised": ["--spectra", "1", "--levels", "60"],
    "mrs_recovery": ["--people", "1", "--draws", "2"],
    "normative": ["simulated", "--markers", "4"],
    "planning": ["{tmp}/large", "--people", "3"],
    "phantom_cost": ["--presets", "tiny", "--people", "1"],
    "map_representation": [
        "--seeds",
        "1",
        "--healthy",
        "24",
        "--labels",
        "12",
        "--test",
        "12",
        "--mapped",
        "2",
        "--epochs",
        "1",
        "--batch",
        "12",
    ],
    "representation": [
        *("simulated", "--seeds", "1", "--healthy", "80", "--markers", "10", "--labels", "20"),
        *("--epochs", "2"),
    ],
    "slurm_overhead": [
        *("{tmp}/overhead", "--preset", "tiny", "--people", "1", "0", "0", "--modalities", "mrs"),
        "--local",
    ],
    "structures": ["--painted"],
    "realignment": [
        "--volumes",
        "3",
        "--only",
        "commissure",
        "--faults",
        "dropout",
        "drift",
        "distortion",
    ],
    "recovery_clinical": [
        "{tmp}/recovery",
        "--preset",
        "tiny",
        "--people",
        "2",
        "--again",
        "0",
        "--cores",
        "1",
        "--parts",
        "first",
        "--modalities",
        "anat",
        "func",
        "dwi",
        "mrs",
    ],
    "resources": ["{tmp}/resources", "--preset", "tiny", "--modalities", "mrs"],
    "same_tables": ["{tmp}", "{tmp}"],
    "small_network": [
        "train",
        "{tmp}/network.npz",
        "--steps",
        "2",
        "--simulated",
        "1",
        "--voxel-mm",
        "4",
    ],
    "subtypes": [
        "noise",
        "planted",
        "power",
        "indices",
        "kernel",
        "--runs",
        "1",
        "--people",
        "80",
        "--markers",
        "8",
    ],
    "thousands": [
        "{tmp}/thousands",
        "--people",
        "60",
        "--permutations",
        "300",
        "--jobs",
        "2",
        "--no-subtypes",
    ],
    "validate": ["{tmp}/validate", "--people", "2"],
    "vulnerability": ["--repeats", "1"],
    "warp": ["--simulated", "1", "--alone"],
}
#: Packages of extras that benchmarks need.
DEEP = {
    "lesion_sequence": ("torch",),
    "federated_masks": ("cryptography",),
    "lesion_unet": ("torch", "monai"),
    "map_representation": ("torch",),
    "representation": ("torch",),
    "small_network": ("torch",),
}
#: Those that need the real data; ``{data}`` is its folder.
REAL = {
    "lesion_radiomics": ["{data}", "pyradiomics", "borders", "--draws", "2"],
    "bold_denoising": ["--parts", "traces", "--data", "{data}", "--draws", "1"],
    "brain_masks": ["{data}", "--heads", "pu01"],
    "anat_faults": ["{data}", "--heads", "pu01", "--faults", "lesion", "cropped"],
    "anat_changes": ["{data}", "--heads", "pu01", "--shrunk-mm", "--lesions", "dark"],
    "anat_limits": ["{data}/derivatives/mriqc/abide-rated/abide.tsv"],
    "dwi_real": ["{data}", "--parts", "pair", "fieldmap", "noise", "--people", "ui01", "--volumes", "150"],
    "dwi_engines": ["{data}", "--people", "xa01", "--alone"],
    "dwi_atlas": ["--fa-template", "{data}/atlases/not-shippable/FMRIB58_FA_1mm.nii.gz"],
    "federated": ["impac", "--data", "{data}/tables", "--markers", "8"],
    "fusion_real": ["mcic", "--data", "{data}/tables", "--permutations", "0", "--repeats", "1"],
    "hippocampus_crops": ["{data}/t1w-segmentations/msd-hippocampus", "--cases", "1"],
    "ingress": ["{data}", "--people", "2"],
    "mrs_ismrm": ["{data}/mrs-ismrm2016"],
    "mrs_real": ["{data}", "--perturbations", "2"],
    "mrs_scale": ["{data}"],
    "normative": ["folds", "sites", "few", "patients", "--data", "{data}/tables", "--markers", "4", "--draws", "1"],
    "real_heads": ["{data}", "--heads", "pu01"],
    "subtypes": ["trap", "--data", "{data}/tables"],
    "thickness": ["{data}", "--heads", "ui01", "--parts", "heads"],
}  # fmt: skip


def run(repository: Path, name: str, arguments: list[str]) -> None:
    script = repository / "benchmarks" / f"{name}.py"
    program = [script] if script.exists() else ["-m", f"benchmarks.{name}"]
    done = subprocess.run(
        [sys.executable, *program, *arguments],
        cwd=repository,
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        },
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip()


def test_every_benchmark_is_on_a_list(repository: Path) -> None:
    folder = repository / "benchmarks"
    names = {path.stem for path in folder.glob("*.py")}
    names |= {path.parent.name for path in folder.glob("*/__main__.py")}
    assert names == {*SMALLEST, *REAL}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_a_benchmark_runs(repository: Path, tmp_path: Path, name: str) -> None:
    for package in DEEP.get(name, ()):
        pytest.importorskip(package, reason=f"{package} is not installed")
    run(repository, name, [text.format(tmp=tmp_path) for text in SMALLEST[name]])


@pytest.mark.slow
def test_states_of_an_output_folder(repository: Path) -> None:
    run(repository, "bad_input", ["state"])


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.parametrize("name", REAL)
def test_a_benchmark_of_real_data_runs(repository: Path, shared_data: Path, name: str) -> None:
    run(repository, name, [text.format(data=shared_data) for text in REAL[name]])
