"""Real confounds of fMRIPrep, taken over from a tree, give the regressors that nilearn gives."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest
from nilearn.interfaces.fmriprep import load_confounds
from tests.tool_trees import SPACE, bold_run, raw_scan, tree_of

from commissure.engines.trees.bold import adopt_bold
from commissure.engines.trees.settings import TreeSettings
from commissure.func.derivatives import read_preprocessed
from commissure.func.regressors import good_volumes, regressors
from commissure.func.strategies import STRATEGIES

#: Name of the confounds without extension below the folder of real outputs, and their volumes.
REAL = {
    "30 volumes": ("fmriprep-loadconfounds-test/test_desc-confounds_regressors", 30),
    **{
        f"sub-{who}": (
            f"halfpipe-ds000030/derivatives/fmriprep/sub-{who}/func/"
            f"sub-{who}_task-rest_desc-confounds_timeseries",
            152,
        )
        for who in (10159, 10171)
    },
}

#: How nilearn is asked for each strategy.
ASKED = {
    "24P+aCompCor": {"strategy": ("motion", "compcor", "high_pass"), "motion": "full"},
    "ridge24P+aCompCor": {"strategy": ("motion", "compcor", "high_pass"), "motion": "full"},
    "12P+aCompCor": {"strategy": ("motion", "compcor", "high_pass"), "motion": "derivatives"},
    "aCompCor": {"strategy": ("compcor", "high_pass")},
    "36P": {"strategy": ("motion", "wm_csf", "global_signal"), "motion": "full",
            "wm_csf": "full", "global_signal": "full"},
    "24P+GSR": {"strategy": ("motion", "global_signal"), "motion": "full",
                "global_signal": "basic"},
}  # fmt: skip


@pytest.fixture(scope="module", params=sorted(REAL))
def taken(request, shared_data, tmp_path_factory):
    """A run with real confounds as it comes out of the tree, and the tree's own series."""
    folder = tmp_path_factory.mktemp("tree")
    name, volumes = REAL[request.param]
    scan, root = raw_scan(folder, "sub-01_task-rest_bold", volumes=volumes), tree_of(folder)
    bold_run(root, "sub-01_task-rest", volumes=volumes)
    func = root / "sub-01/func"
    for extension in (".tsv", ".json"):
        shutil.copyfile(
            shared_data / "derivatives" / f"{name}{extension}",
            func / f"sub-01_task-rest_desc-confounds_timeseries{extension}",
        )
    adopt_bold(scan, folder / "out", anat=None, settings=TreeSettings(tree=str(root)))
    run = read_preprocessed(scan, folder / "out")
    return run, func / f"sub-01_task-rest_space-{SPACE}_desc-preproc_bold.nii.gz"


def of_nilearn(series, **asked):
    """nilearn's regressors and kept volumes, with every threshold told: its defaults have changed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # On the columns of high-pass filters, which are not used.
        return load_confounds(
            str(series), demean=False, compcor="anat_separated", n_compcor=5, scrub=0,
            std_dvars_threshold=1e6, **{"fd_threshold": 0.5, **asked},
        )  # fmt: skip


def test_every_strategy_is_compared():
    assert set(ASKED) == set(STRATEGIES)


@pytest.mark.real
@pytest.mark.parametrize("strategy", sorted(ASKED))
def test_regressors_are_those_of_nilearn(taken, strategy):
    run, series = taken
    theirs, _ = of_nilearn(series, **ASKED[strategy])
    theirs = theirs[[name for name in theirs if not name.startswith(("cosine", "non_steady"))]]
    ours = regressors(run.confounds, run.metadata, strategy=strategy, components=5, who="sub-01")
    assert sorted(ours) == sorted(theirs)
    # The derivative of the first volume is n/a, for which each puts in a number of its own.
    np.testing.assert_allclose(ours[1:], theirs[ours.columns][1:], atol=1e-10)


@pytest.mark.real
@pytest.mark.parametrize("threshold_mm", [0.1, 0.2, 0.5])
def test_censored_volumes_are_those_of_nilearn(taken, threshold_mm):
    run, series = taken
    asked = {"strategy": ("motion", "scrub"), "motion": "basic", "fd_threshold": threshold_mm}
    _, kept = of_nilearn(series, **asked)
    good = good_volumes(run.confounds, fd_threshold_mm=threshold_mm)
    expected = np.arange(len(good)) if kept is None else kept
    assert np.flatnonzero(good).tolist() == list(expected)
