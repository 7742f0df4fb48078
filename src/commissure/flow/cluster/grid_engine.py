"""What SGE would refuse or leave waiting for ever, asked before the first job is submitted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from commissure.errors import ConfigError
from commissure.flow.cluster.asking import in_words, largest, said
from commissure.flow.cluster.queues import SCHEDULERS, Request
from commissure.flow.cluster.site import SiteSettings


def check_grid_engine(requests: Iterable[Request], site: SiteSettings) -> None:
    """Let SGE look at the largest jobs of each kind without taking them (``qsub -w v``).

    Parameters
    ----------
    requests
        What the jobs of the run ask for.
    site
        What the lab says.

    Raises
    ------
    ConfigError
        A queue, project, parallel environment or resource does not exist, or no host is as large
        as a job; in the words of SGE.
    """
    scheduler = SCHEDULERS["sge"]
    for request in largest(requests):
        words = scheduler.words(request, site, Path("/dev/null"))
        done = said([scheduler.submit, "-w", "v", *words, *site.options, "-b", "y", "true"])
        if done.returncode == 0:
            continue
        several = request.threads > 1
        known = " ".join(said(["qconf", "-spl"]).stdout.split()) if several else ""
        raise ConfigError(
            f"the step {request.name}",
            found=f"SGE would refuse its job: {in_words(done)}",
            wanted=f"a job that it takes; this one asks for {request.mem_mb} MB, "
            f"{request.minutes} minutes and {request.threads} cores"
            + (f" of one node, and the parallel environments are {known}" if known else ""),
            mend="Correct partition, account"
            + (", parallel_environment" if several else "")
            + " or options in site.yaml, or lower batch_size in config.yaml or the resources in "
            "the profile",
        )
