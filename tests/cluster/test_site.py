"""What a site gets wrong is told once by the real Slurm, and a step finds its graphics processor.

A run takes five seconds of Slurm for each job. So what is refused is provoked on the whole study, and
what runs is one step of one person.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from commissure.phantom.request import chosen_request
from commissure.phantom.simulate import simulate

pytestmark = [pytest.mark.slow, pytest.mark.cluster]

#: A stand-in for torch with CUDA: it sees a graphics processor where Slurm gave one.
TORCH = """
import os
class Tensor: ...
def set_num_threads(count): ...
def use_deterministic_algorithms(wanted): ...
class cuda:
    @staticmethod
    def is_available():
        return bool(os.environ.get("CUDA_VISIBLE_DEVICES"))
    @staticmethod
    def get_device_name():
        return "one of Slurm's books"
"""
DEEPBET = """
import nibabel as nib
import numpy as np
class BrainExtraction:
    def __init__(self, no_gpu=False): ...
    def run(self, image):
        data = np.asanyarray(image.dataobj)
        place = nib.affines.apply_affine(image.affine, np.moveaxis(np.indices(data.shape), 0, -1))
        middle = nib.affines.apply_affine(image.affine, (np.array(data.shape) - 1) / 2)
        mask = np.linalg.norm(place - middle, axis=-1) < 65
        return None, nib.Nifti1Image(mask.astype(np.uint8), image.affine), 0.0
"""


@pytest.fixture(scope="module")
def study(clone, tmp_path_factory):
    """A study of one person in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    asked = {"controls": 1, "responsive": 0, "resistant": 0, "sites": 1, "missing": 0.0}
    changes = {f"cohort.{name}": value for name, value in asked.items()}
    simulate(folder / "bids", chosen_request("tiny", changes))
    (folder / "config.yaml").write_text("bids_dir: bids\noutput_dir: out\nmodalities: [anat]\n")
    (folder / "slurm").symlink_to(clone / "workflow/profiles/slurm")
    return folder


@pytest.fixture
def run(cluster, clone, study):
    """Runs the study's Snakefile by a profile, with a site of its own."""

    def snakemake(site: str, *arguments: str, profile="slurm", **environment):
        (study / "site.yaml").write_text(site)
        return subprocess.run(
            [str(Path(sys.executable).parent / "snakemake"), "--profile", profile, "--snakefile",
             str(clone / "Snakefile"), *arguments],
            cwd=study, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240,
            env={**os.environ, **cluster.environment, **environment},
        )  # fmt: skip

    return snakemake


def refused(done) -> str:
    """The one sentence of a run that submitted nothing."""
    told = [line for line in done.stderr.splitlines() if " is expected. " in line]
    assert done.returncode != 0 and "submitted with SLURM jobid" not in done.stderr
    assert len(told) == 1 and "Traceback" not in done.stderr, done.stderr[-3000:]
    return told[0]


@pytest.mark.parametrize(
    ("site", "said"),
    [
        ("partition: nosuch", "Slurm has no partition nosuch; gpu or main or plain or short"),
        ("partition: short", "the partition short gives 20 at most: it would wait for ever"),
        ("setup: [cd /env/of/the/login/node]", "/env/of/the/login/node: No such file or directory"),
        ("setup: ['export PATH=/none PYTHONPATH=/none PYTHONHOME=/none']", "No module named"),
        ("scratch: /proc/none", "scratch /proc/none"),
    ],
)
def test_a_site_that_is_wrong_is_told_once_before_anything_is_submitted(run, site, said):
    assert said in refused(run(site))


def test_a_job_that_no_node_is_large_enough_for(run):
    done = run("partition: plain", "--set-resources", "anat_preprocess:mem_mb=99000")
    assert "Requested node configuration is not available" in refused(done)


def test_a_machine_without_slurm(run, tmp_path):
    for name in ("bash", "sh", "env", "which"):
        (tmp_path / name).symlink_to(shutil.which(name))
    told = refused(run("", PATH=str(tmp_path)))
    assert "there is no sbatch and no squeue" in told and "snakemake --cores all" in told


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """Stand-ins for deepbet and a torch with CUDA, as packages that are installed."""
    site = tmp_path_factory.mktemp("network")
    for name, version, code in (("deepbet", "1.0.2", DEEPBET), ("torch", "2.13.0", TORCH)):
        (site / name / "lib").mkdir(parents=True)
        (site / name / "__init__.py").write_text(code)
        about = site / f"{name}-{version}.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    (site / "torch/lib/libtorch_cuda.so").touch()
    return {"PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])}


def test_a_step_on_a_graphics_processor_in_a_partition_without_one_is_refused(run, network):
    site = "gpu_partition: plain"
    target = ["out/work/status/anat_preprocess/batch-0001.tsv"]
    told = refused(run(site, *target, **network))
    assert "the step anat_preprocess_gpu: it asks for a graphics processor, and the" in told
    assert "gpu_partition: gpu in site.yaml" in told


def test_the_network_runs_where_slurm_gives_a_graphics_processor_and_says_so(run, network, study):
    target = ["out/work/status/anat_preprocess/batch-0001.tsv"]
    site = (
        f"partition: plain\ngpu_partition: gpu\nscratch: {study}/local\nscratch_least_gb: 0.001\n"
    )
    done = run(site, *target, **network)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "anat_preprocess_gpu" in done.stderr
    (mask,) = (study / "out").glob("sub-*/**/*desc-brain_mask.json")
    assert json.loads(mask.read_text())["BrainExtraction"]["Device"] == "cuda"
    kept = [json.loads(p.read_text()) for p in (study / "out/work/environments").glob("*.json")]
    assert "one of Slurm's books" in {item["gpu"] for item in kept}
    assert list((study / "local").iterdir()) == []
    assert "disk: " in done.stderr and "MB a person" in done.stderr


@pytest.mark.skipif(find_spec("snakemake_executor_plugin_cluster_generic") is None,
                    reason="the extra cluster is not installed")  # fmt: skip
def test_the_road_of_other_schedulers_is_walked_by_the_real_one(run, clone, study):
    """The profiles of PBS, SGE and LSF differ from this one in the words of their programs alone."""
    text = (clone / "workflow/profiles/pbs/config.yaml").read_text()
    text = text.replace("queues pbs", "queues slurm").replace("qdel", "scancel")
    (study / "generic").mkdir()
    (study / "generic/config.yaml").write_text(text)
    done = run(
        "partition: plain\nsetup: [export SEEN_ON_THE_NODE=1]\n",
        "own/work/status/mrs_preprocess/batch-0001.tsv",
        "--config", "modalities=[mrs]", "output_dir=own",
        profile="generic",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    assert "a first tiny job" in done.stderr
    assert "with external jobid" in done.stderr
    table = (study / "own/work/status/mrs_preprocess/batch-0001.tsv").read_text()
    assert "\tpresent\t" in table
