"""Which steps may use a graphics processor, and whether one is there for them."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from commissure.errors import ConfigError
from commissure.flow.cluster.site import SiteSettings

#: Variables by which a job of Slurm, PBS, SGE or LSF knows its number.
JOB_NUMBERS = ("SLURM_JOB_ID", "PBS_JOBID", "JOB_ID", "LSB_JOBID")


def local_gpus() -> int:
    """Graphics processors of this machine, by the devices of the driver."""
    return len([path for path in Path("/dev").glob("nvidia*") if path.name[6:].isdigit()])


def torch_has_cuda() -> bool:
    """Whether the installed torch can use a graphics processor; it is not imported."""
    torch = find_spec("torch")
    if torch is None or torch.origin is None:
        return False
    return (Path(torch.origin).parent / "lib" / "libtorch_cuda.so").exists()


def gpus_to_ask(site: SiteSettings, wanted: int, *, local: bool) -> int:
    """How many graphics processors a step asks for.

    Parameters
    ----------
    site
        What the lab says.
    wanted
        How many the step could use.
    local
        Whether jobs run on this machine.
    """
    if site.gpu == "never" or not wanted:
        return 0
    if site.gpu == "require":
        return wanted
    return wanted if (local_gpus() if local else site.gpu_partition) else 0


def gpus_of_job(site: SiteSettings, wanted: int) -> int:
    """How many its step asked for, asked again by the process that runs the job.

    Snakemake does not hand over what a job was given; a job of a scheduler is known by its number.
    """
    of_cluster = any(name in os.environ for name in JOB_NUMBERS)
    here = gpus_to_ask(site, wanted, local=True)
    return here or (gpus_to_ask(site, wanted, local=False) if of_cluster else 0)


def gpu_resources(
    site: SiteSettings, local: Callable[[], bool], main: bool, wanted: int
) -> dict[str, Any]:
    """What a step asks for that can use graphics processors: for its rule.

    Parameters
    ----------
    site
        What the lab says.
    local
        Whether jobs run on this machine; asked when jobs are made, Snakemake knows not before.
    main
        Whether this process plans the run.
    wanted
        How many the step could use.
    """

    def asked(wildcards: object) -> int:
        if not main:
            return gpus_of_job(site, wanted)
        return gpus_to_ask(site, wanted, local=local())

    there: dict[str, Any] = {"gpu": asked}
    if wanted and site.gpu != "never" and site.gpu_partition:
        there["slurm_partition"] = site.gpu_partition
    return there


def deep_on_gpu(site: SiteSettings, main: bool) -> bool:
    """Whether a network that finds the brain or lesions may ask for a graphics processor.

    Parameters
    ----------
    site
        What the lab says.
    main
        Whether this process plans the run. One on a node has both rules: its machine is another.
    """
    there = site.gpu == "require" or site.gpu_partition or local_gpus()
    return site.gpu != "never" and torch_has_cuda() and bool(there or not main)


def check_required(site: SiteSettings, *, deep: bool, local: bool) -> None:
    """Refuse ``gpu: require`` where the step or the machine cannot use one.

    Parameters
    ----------
    site
        What the lab says.
    deep
        Whether a network finds the brain or lesions.
    local
        Whether jobs run on this machine.

    Raises
    ------
    ConfigError
        There is no graphics processor here, or torch was installed for the processor alone.
    """
    if site.gpu != "require":
        return
    if local and not local_gpus():
        raise ConfigError(
            "gpu",
            found="site.yaml requires a graphics processor, and this machine has none",
            wanted="a machine with one",
            mend="Set gpu: auto in site.yaml, or start on a machine that has one",
        )
    if deep and not torch_has_cuda():
        raise ConfigError(
            "gpu",
            found="site.yaml requires a graphics processor, and the torch of the network was "
            "installed for the processor alone",
            wanted="a build of torch for CUDA",
            mend="Install one beside deepbet, or set gpu: auto in site.yaml",
        )
