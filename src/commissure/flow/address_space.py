"""Address space, which some schedulers limit in place of memory, as SGE with ``h_vmem``.

A job takes two to three times as much of it as of memory. Where it comes to its end, OpenBLAS asks
for more for ever and no error is raised: so a job that begins with too little is refused.
"""

from __future__ import annotations

import resource

import psutil

from commissure.flow.transient import InterruptedRun

#: What a job must have left when it begins, MB: ten buffers of OpenBLAS, of 32 MB each.
LEAST_LEFT_MB = 320


def limit_mb() -> float | None:
    """Most address space that this process may take, MB; None where there is no limit."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if limit == resource.RLIM_INFINITY else limit / 2**20


def taken_mb() -> float:
    """Address space that this process takes, MB."""
    return float(psutil.Process().memory_info().vms / 2**20)


def check_address_space(rule: str) -> None:
    """Refuse to begin a job that has hardly any address space left.

    Parameters
    ----------
    rule
        The job's rule.

    Raises
    ------
    InterruptedRun
        Less than :data:`LEAST_LEFT_MB` is left; the next attempt has more.
    """
    limit = limit_mb()
    if limit is None or limit - taken_mb() >= LEAST_LEFT_MB:
        return
    raise InterruptedRun(
        f"a job of {rule}",
        found=f"it may take {limit:.0f} MB of address space (h_vmem, ulimit -v), and Python with "
        f"its packages takes {taken_mb():.0f}",
        wanted=f"at least {LEAST_LEFT_MB} MB more than that",
        mend=f"Give --set-resources {rule}:mem_mb=... with more to the command",
    )
