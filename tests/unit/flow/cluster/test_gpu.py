"""Which steps ask for a graphics processor, and where."""

from __future__ import annotations

import pytest

from commissure.errors import ConfigError
from commissure.flow.cluster import gpu
from commissure.flow.cluster.gpu import check_required, gpu_resources, gpus_to_ask, torch_has_cuda
from commissure.flow.cluster.site import SiteSettings


@pytest.mark.parametrize(
    ("settings", "local", "here", "asked"),
    [
        ({"gpu": "never", "gpu_partition": "gpu"}, False, 4, 0),
        ({}, True, 0, 0),
        ({}, True, 1, 2),
        ({}, False, 1, 0),  # that of the login node is not for jobs
        ({"gpu_partition": "gpu"}, False, 0, 2),
        ({"gpu_partition": "gpu"}, True, 0, 0),
        ({"gpu": "require"}, False, 0, 2),
    ],
)
def test_a_step_asks_where_one_is(monkeypatch, settings, local, here, asked) -> None:
    monkeypatch.setattr(gpu, "local_gpus", lambda: here)
    assert gpus_to_ask(SiteSettings(**settings), 2, local=local) == asked
    assert gpus_to_ask(SiteSettings(**settings), 0, local=local) == 0


def test_a_job_on_a_node_knows_what_its_master_asked_for(monkeypatch) -> None:
    monkeypatch.setattr(gpu, "local_gpus", lambda: 0)
    for name in gpu.JOB_NUMBERS:
        monkeypatch.delenv(name, raising=False)
    named = SiteSettings(gpu_partition="gpu")
    on_node = gpu_resources(named, lambda: True, False, 2)
    assert on_node["gpu"](None) == 0, "a workstation without one"
    assert gpu_resources(named, lambda: False, True, 2)["gpu"](None) == 2
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    assert on_node["gpu"](None) == 2 and on_node["slurm_partition"] == "gpu"
    assert gpu_resources(SiteSettings(gpu="never"), lambda: False, False, 2)["gpu"](None) == 0


def test_a_torch_for_the_processor_alone_is_told_from_one_for_cuda(tmp_path, monkeypatch) -> None:
    package = tmp_path / "torch"
    (package / "lib").mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('planning must not import it')")
    monkeypatch.syspath_prepend(tmp_path)
    assert not torch_has_cuda()
    (package / "lib/libtorch_cuda.so").touch()
    assert torch_has_cuda()


def test_required_and_not_there_is_refused(monkeypatch) -> None:
    required = SiteSettings(gpu="require")
    monkeypatch.setattr(gpu, "torch_has_cuda", lambda: False)
    monkeypatch.setattr(gpu, "local_gpus", lambda: 0)
    check_required(SiteSettings(), deep=True, local=True)
    with pytest.raises(ConfigError, match="this machine has none"):
        check_required(required, deep=False, local=True)
    check_required(required, deep=False, local=False)
    with pytest.raises(ConfigError, match="for the processor alone"):
        check_required(required, deep=True, local=False)
