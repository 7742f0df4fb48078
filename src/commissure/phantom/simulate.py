"""``commissure simulate``: a BIDS cohort with four modalities and known truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from commissure import __version__
from commissure.errors import ConfigError
from commissure.files import write_json
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.cohort.visits import draw_scans
from commissure.phantom.dataset import files_of, write_person, write_study, write_truth
from commissure.phantom.layout import TRUTH, files_of_study
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol
from commissure.phantom.request import Request

#: The request, written before anything else: a folder with it belongs to the simulator.
RECORD = TRUTH / "parameters.json"


def simulate(
    out: Path | str,
    request: Request,
    *,
    jobs: int = 1,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write a simulated study as a BIDS dataset; go on where an earlier call was interrupted.

    Parameters
    ----------
    out
        Folder of the dataset: new, empty, or left by the same request.
    request
        Who is scanned, and how. The same request gives the same bytes.
    jobs
        Scanning sessions simulated at a time, each in a process of its own.
    progress
        Called with the number of all sessions, once for each that is complete.

    Raises
    ------
    ConfigError
        The folder holds something else; nothing has been written.
    """
    out = Path(out)
    if jobs < 1:
        raise ConfigError("--jobs", found=f"{jobs}", wanted="1 or more")
    cohort = request.cohort
    people = draw_scans(draw_cohort(cohort), cohort)
    record = {**request.model_dump(mode="json"), "version": __version__}
    refuse_other_content(out, record)
    todo = [person for person in people if not _complete(out, person, request)]
    for _ in range(len(people) - len(todo)):
        _tell(progress, len(people))
    if not todo and all((out / path).is_file() for path in (RECORD, *files_of_study(people))):
        return  # Times of change stay, too: nothing downstream has to run again.
    write_json(record, out / RECORD)
    for draft in out.rglob(".*-partial.*"):
        draft.unlink(missing_ok=True)
    write_study(out, people, _sentence(cohort, request.preset))
    _write_people(out, todo, request, jobs, lambda: _tell(progress, len(people)))
    write_truth(out, people, factor=cohort.layers[1])


def _write_people(
    out: Path,
    people: Sequence[Person],
    protocol: Protocol,
    jobs: int,
    done: Callable[[], object],
) -> None:
    if jobs == 1:
        for person in people:
            write_person(out, person, protocol)
            done()
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(write_person, out, person, protocol) for person in people]
        for finished in as_completed(waiting):
            finished.result()
            done()


def _complete(out: Path, person: Person, protocol: Protocol) -> bool:
    # Files appear whole or not at all, and the truth last.
    return all((out / path).is_file() for path in files_of(person, protocol))


def _tell(progress: Callable[[int], object] | None, scans: int) -> None:
    if progress is not None:
        progress(scans)


def refuse_other_content(out: Path, record: Mapping[str, Any]) -> None:
    """Refuse a folder that holds something else than what the same request has left.

    Parameters
    ----------
    out
        The folder.
    record
        The request, as :data:`RECORD` holds it.

    Raises
    ------
    ConfigError
        It does.
    """
    if out.exists() and not out.is_dir():
        raise ConfigError(
            str(out), found="this is a file", wanted="a folder", mend="Name another folder"
        )
    if not (out / RECORD).exists():
        if out.is_dir() and any(out.iterdir()):
            raise ConfigError(
                str(out),
                found="the folder holds files that no simulation has left there",
                wanted="a new or an empty folder",
                mend="Name another folder, or empty this one",
            )
        return
    before = _flat(json.loads((out / RECORD).read_text(encoding="utf-8")))
    now = _flat(record)
    other = [
        f"{key} {before.get(key)} there and {now.get(key)} here"
        for key in sorted(before.keys() | now.keys())
        if before.get(key) != now.get(key)
    ]
    if other:
        raise ConfigError(
            str(out),
            found=f"the folder holds another simulation ({'; '.join(other)})",
            wanted="the same request, which goes on where it stopped",
            mend="Name another folder, or remove this one",
        )


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _sentence(cohort: CohortRequest, preset: str) -> str:
    controls, responsive, resistant = cohort.group_sizes
    on_patients, on_resistant = cohort.layers
    planted = f"with {on_patients:g} times the published differences between groups"
    if on_patients != on_resistant:
        planted += f" (resistant against responsive: {on_resistant:.3g} times)"
    if on_patients == on_resistant == 0:
        planted = "without any difference between groups"
    return (
        f"{controls} controls, {responsive} responsive and {resistant} resistant patients at "
        f"{cohort.n_sites} sites, {planted}, measured by the protocol `{preset}`, "
        f"seed {cohort.seed}"
    )
