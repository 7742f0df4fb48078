"""What a job computed in: versions, machine, threads and kernels; never the name of the machine."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from commissure.files import as_json, write_text
from commissure.installed import versions

#: Variables that set how many threads a numerical library takes.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


def environment() -> dict[str, Any]:
    """The surroundings of this process.

    Asked at the end of a job, when the libraries are loaded that it computed with.

    Returns
    -------
    dict
        ``python``, ``versions`` of all packages, ``system``, ``libc``, ``cpu``, ``cores``, ``gpu``,
        ``threads`` by variable, and ``blas``: library, version, kernel (``OPENBLAS_CORETYPE``
        chooses it) and threads of each that is loaded.
    """
    from threadpoolctl import threadpool_info

    blas = [
        {
            "library": item["internal_api"], "version": str(item.get("version")),
            "kernel": str(item.get("architecture", "n/a")), "threads": item["num_threads"],
        }
        for item in threadpool_info()
        if item["user_api"] == "blas"
    ]  # fmt: skip
    distinct = {json.dumps(item, sort_keys=True): item for item in blas}
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip() or "n/a",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "gpu": _gpu(),
        "threads": {name: os.environ.get(name, "not set") for name in THREADS},
        "blas": [distinct[key] for key in sorted(distinct)],
        "versions": versions(),
    }


def _gpu() -> str:
    """The graphics processor that this process computed with."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return "none"
    return str(torch.cuda.get_device_name())


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return " ".join(line.partition(":")[2].split())
    except OSError:
        pass
    return platform.processor() or platform.machine()


def keep(work: Path) -> str:
    """Write this process's surroundings below the run's own folder, once for each kind.

    Returns
    -------
    str
        The digest by which they are named.
    """
    text = as_json(environment())
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = work / "environments" / f"{digest}.json"
    if not path.exists():
        write_text(text, path)
    return digest


def kept(work: Path, used: Counter[str]) -> list[dict[str, Any]]:
    """The surroundings of a run, those of most results first.

    Parameters
    ----------
    work
        The run's own folder.
    used
        How many results were computed in each, by digest.

    Returns
    -------
    list of dict
        As :func:`environment`, with ``results``: how many were computed in it.
    """
    found = []
    for digest, count in sorted(used.items(), key=lambda item: (-item[1], item[0])):
        try:
            content = json.loads((work / "environments" / f"{digest}.json").read_text("utf-8"))
        except (OSError, ValueError):
            continue
        found.append({"results": count, **content})
    return found
