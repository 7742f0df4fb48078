"""Connectivity by strategy, and its file."""

from __future__ import annotations

import numpy as np
import pytest

from commissure.errors import DatasetError
from commissure.func.connectivity import fisher_z
from commissure.func.strategy_edges import StrategyEdges, edges_of_strategies
from commissure.images.atlas import schaefer


@pytest.fixture
def edges() -> StrategyEdges:
    labels = schaefer(100).labels
    rng = np.random.default_rng(1)
    series = {"a": rng.normal(size=(60, 112)), "b": rng.normal(size=(60, 112)), "none": None}
    series["a"][:, 3] = np.nan
    return edges_of_strategies(
        ("a", "b", "none"), lambda name: (series[name], {"a": 40.0, "b": 31.5}.get(name, np.nan)),
        labels, in_use="b", mean_fd_mm=0.21,
    )  # fmt: skip


def test_edges_are_those_of_the_cortex(edges):
    rng = np.random.default_rng(1)
    rng.normal(size=(60, 112))
    z = fisher_z(rng.normal(size=(60, 112))[:, :100])
    np.testing.assert_allclose(edges.z[1], z[np.triu_indices(100, 1)], atol=1e-3)
    first, second = np.triu_indices(100, 1)
    assert np.array_equal(np.isnan(edges.z[0]), (first == 3) | (second == 3))
    assert np.isnan(edges.z[2]).all() and np.isnan(edges.degrees[2])
    assert edges.distances_mm().min() > 5 and edges.distances_mm().max() < 190


def test_the_file_gives_back_what_was_written_and_equal_edges_give_equal_bytes(edges, tmp_path):
    edges.write(tmp_path / "first.npz")
    edges.write(tmp_path / "second.npz")
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    back = StrategyEdges.read(tmp_path / "first.npz")
    assert (back.strategies, back.in_use, back.mean_fd_mm) == (("a", "b", "none"), "b", 0.21)
    np.testing.assert_array_equal(back.z, edges.z)
    np.testing.assert_array_equal(back.degrees, edges.degrees)


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_a_broken_file_is_refused(tmp_path, content):
    path = tmp_path / "broken.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"broken\.npz"):
        StrategyEdges.read(path)
