"""Before the first job of a run: what would stop every one of them, and what is watched after that.

Called by the Snakefile's ``onstart``, when all jobs are known and none is submitted.
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from commissure.dataset.index import Entry, read_entries
from commissure.flow.cluster.first_job import look_at_a_node
from commissure.flow.cluster.gpu import check_required
from commissure.flow.cluster.grid_engine import check_grid_engine
from commissure.flow.cluster.queues import SCHEDULERS, Request, check_programs, request_of
from commissure.flow.cluster.room import room_note, still_to_come, watch
from commissure.flow.cluster.scratch import check_scratch
from commissure.flow.cluster.site import SiteSettings
from commissure.flow.cluster.slurm import check_slurm
from commissure.flow.plan import Plan

Say = Callable[[str], None]


def before_jobs(workflow: Any, plan: Plan, site: SiteSettings, *, say: Say | None = None) -> None:
    """Refuse what would stop every job, and watch the room of the output folder.

    Parameters
    ----------
    workflow
        Snakemake's, with its jobs.
    plan
        The study.
    site
        What the lab says.
    say
        Tells the user; the terminal if not given.

    Raises
    ------
    ConfigError
        The scheduler is not there or would refuse a job, a node does not see what jobs need, a
        graphics processor is required that is not there, or the scratch is full.
    """
    say = say or _say
    local = bool(workflow.local_exec)
    check_required(site, deep=bool(plan.deep), local=local)
    name = scheduler_name(workflow)
    if local:
        check_scratch(site)
    if name is not None:
        if name == "slurm":
            check_slurm(requests(workflow, site), site)
        else:
            check_programs(name)
            if name == "sge":
                check_grid_engine(requests(workflow, site), site)
            _by_this_python(workflow.executor_settings)
        if site.commands:
            settings = workflow.remote_execution_settings
            before = [settings.precommand] if settings.precommand else []
            settings.precommand = " && ".join([*before, *site.commands])
        look_at_a_node(name, site, work=plan.output_dir / "work", bids=plan.settings.bids, say=say)
    _say_room(plan, say)
    watch(plan.output_dir)


def _by_this_python(settings: Any) -> None:
    """Let the commands of a profile be run by this Python, whether its folder is on the path."""
    for command in ("submit_cmd", "status_cmd"):
        words = getattr(settings, command) or ""
        if words.startswith("python "):
            setattr(settings, command, shlex.quote(sys.executable) + words.removeprefix("python"))


def scheduler_name(workflow: Any) -> str | None:
    """Which of our schedulers takes the jobs; None for this machine, or where we know nothing."""
    plugin = getattr(workflow, "executor_plugin", None)
    executor = plugin.name if plugin else ""
    if executor == "cluster-generic":
        words = str(workflow.executor_settings.submit_cmd).split()
        return next((word for word in words if word in SCHEDULERS), None)
    return executor if executor in SCHEDULERS else None


def limits_address_space(workflow: Any) -> bool:
    """Whether the scheduler that takes the jobs limits address space and not memory."""
    name = scheduler_name(workflow)
    return name is not None and SCHEDULERS[name].address_space


def requests(workflow: Any, site: SiteSettings) -> Iterator[Request]:
    """What the jobs of a run ask for; those of a group as one."""
    seen = set()
    for job in workflow.dag.needrun_jobs():
        if job.is_local:
            continue
        unit = workflow.dag.get_job_group(job) or job
        if id(unit) in seen:
            continue
        seen.add(id(unit))
        resources = dict(unit.resources.items())
        request = request_of(
            {"rule": "" if unit.is_group() else unit.rule.name,
             "groupid": getattr(unit, "groupid", ""), "threads": unit.threads,
             "resources": resources},
            site,
        )  # fmt: skip
        partition = str(resources.get("slurm_partition") or "")
        yield Request(
            request.name.removeprefix("commissure-"), request.mem_mb, request.minutes,
            request.threads, request.gpus, partition,
        )  # fmt: skip


def _say_room(plan: Plan, say: Say) -> None:
    if plan.settings.bids is None:
        return
    entries = read_entries(plan.output_dir / "work" / "index.tsv")
    note = room_note(plan.output_dir, still_to_come(plan.output_dir, due_images(entries, plan)))
    if note:
        say(note)


def due_images(entries: Sequence[Entry], plan: Plan) -> Mapping[str, list[Path]]:
    """Images that no batch has preprocessed yet, by modality."""
    bids = plan.settings.bids or Path()
    due: dict[str, list[Path]] = {}
    for modality in plan.settings.modalities:
        folder = plan.output_dir / "work/status" / f"{modality}_preprocess"
        done = {re.sub(r"\D", "", path.stem) for path in folder.glob("*.tsv")}
        due[modality] = [
            bids / entry.scan
            for entry in entries
            if entry.modality == modality and entry.used and f"{entry.batch:04d}" not in done
        ]
    return due


def _say(message: str) -> None:
    print(f"commissure: {message}", file=sys.stderr, flush=True)
