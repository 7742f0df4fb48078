"""A first tiny job that looks at a node, before hundreds fail for one reason.

What is seen on the machine that submits need not be seen on the nodes: the Python environment, the
dataset, the output folder, the scratch. Nothing but a job can tell.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

from commissure import __version__
from commissure.errors import CommissureError, ConfigError
from commissure.files import write_json
from commissure.flow.cluster.queues import SCHEDULERS, Request, exit_status, is_queued, submit
from commissure.flow.cluster.scratch import check_scratch
from commissure.flow.cluster.site import SiteSettings, read_site

#: Hours for which a node that was found in order is believed to be.
BELIEVED_H = 24.0

#: Seconds that the note of a job may come late.
LATE_S = 30.0

#: Lines of a job's output that say why it ended.
_WHY = re.compile(r"Error|error:|No such|not found|cannot|denied|No module", re.IGNORECASE)

_REQUEST = Request(name="commissure-first", mem_mb=600, minutes=5)


def look_at_a_node(
    name: str,
    site: SiteSettings,
    *,
    work: Path,
    bids: Path | None,
    say: Callable[[str], None],
    python: Sequence[str] = (sys.executable,),
) -> None:
    """Let a tiny job look whether a node sees what every job needs.

    Parameters
    ----------
    name
        Key of :data:`commissure.flow.cluster.queues.SCHEDULERS`.
    site
        What the lab says.
    work
        The run's folder for internal files.
    bids
        The dataset.
    say
        Tells the user.
    python
        What starts Python in a job.

    Raises
    ------
    ConfigError
        The job was refused, a node does not see what it needs, or the job ended without a trace.
    """
    if site.first_job_min == 0:
        return
    here = Path.cwd()
    seen = {"site": asdict_of(site), "python": list(python), "folder": str(here),
            "bids": str(bids), "version": __version__}  # fmt: skip
    key = hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()
    stamp = work / "first_job.json"
    if _believed(stamp, key):
        return
    log = work / "first_job" / f"{uuid.uuid4().hex}.log"
    words = [*python, "-m", __name__, __version__, str(bids or "")]
    command = " && ".join(
        (f"cd {shlex.quote(str(here))}", *site.commands, " ".join(map(shlex.quote, words)))
    )
    request = Request(**{**asdict(_REQUEST), "partition": site.partition or ""})
    job, end = submit(name, command, request, site, log=log)
    say(f"a first tiny job ({job}) looks at a node; the others follow when it has ended")
    ended = _awaited(name, job, end, minutes=site.first_job_min)
    if ended is None:
        subprocess.run([SCHEDULERS[name].cancel, job], capture_output=True, check=False)
        say(
            f"the first job did not start within {site.first_job_min:g} minutes and was cancelled: "
            "nobody has looked at a node, and what all jobs lack would show in each of them"
        )
        return
    if ended != 0:
        raise _missing(name, site, job, ended, log, end)
    write_json({"key": key, "time": time.time()}, stamp)
    log.unlink(missing_ok=True)


def asdict_of(site: SiteSettings) -> dict[str, object]:
    """What of a lab's words decides what a node sees."""
    return site.model_dump(include={"partition", "modules", "setup", "scratch"})


def _believed(stamp: Path, key: str) -> bool:
    try:
        record = json.loads(stamp.read_text(encoding="utf-8"))
        return record["key"] == key and time.time() - record["time"] < BELIEVED_H * 3600
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _awaited(name: str, job: str, end: Path, *, minutes: float) -> int | None:
    """What the job ended with, -1 where it is gone without a note; None where it never ended."""
    until, gone = time.monotonic() + 60 * minutes, None
    while True:
        ended = exit_status(end)
        if ended is not None:
            return ended
        now = time.monotonic()
        if is_queued(name, job):
            gone = None
        elif gone is None:
            gone = now
        elif now - gone > LATE_S:
            return -1
        if now > until and gone is None:
            return None
        time.sleep(1.0)


def _missing(
    name: str, site: SiteSettings, job: str, ended: int, log: Path, end: Path
) -> ConfigError:
    """What a node lacks, in the words of the job that looked."""
    place = f"partition {site.partition}" if site.partition else "the default partition"
    try:
        lines = [line for line in log.read_text("utf-8", errors="replace").splitlines() if line]
    except OSError:
        lines = []
    said = next((line for line in lines if line.startswith("commissure: ")), "")
    said = said or next((line for line in reversed(lines) if _WHY.search(line)), "")
    if ended == -1 and not lines:
        found = f"it ended and left nothing in {end.parent}"
    else:
        said = said or (lines[-1] if lines else f"status {ended}")
        found = said.removeprefix("commissure: ").rstrip(".")[:400]
    return ConfigError(
        f"a first job ({job}) in {place} of {SCHEDULERS[name].title}",
        found=found,
        wanted="nodes that see the Python environment, the dataset, the folder of the study and "
        "its output as this machine does",
        mend="Put them on a file system that the nodes share, or name modules and setup in "
        "site.yaml; nothing else was submitted",
    )


def on_node(version: str, bids: str) -> None:
    """What the first job does: look for what every job needs.

    Raises
    ------
    ConfigError
        Something is missing, or differs.
    """
    if __version__ != version:
        raise ConfigError(
            "the Python environment",
            found=f"a node has Commissure {__version__}, this machine {version}",
            wanted="one version",
            mend="Start snakemake from the environment that the nodes see",
        )
    if find_spec("snakemake") is None:
        raise ConfigError(
            "the Python environment", found="a node sees no snakemake", wanted="the environment"
        )
    if bids and not Path(bids).is_dir():
        raise ConfigError("bids_dir", found=f"a node sees no folder {bids}", wanted="the dataset")
    check_scratch(read_site())


if __name__ == "__main__":
    try:
        on_node(*sys.argv[1:])
    except CommissureError as error:
        sys.exit(f"commissure: {error}")
