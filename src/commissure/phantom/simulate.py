"""``commissure simulate``: a BIDS cohort with four modalities and known truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from commissure import __version__
from commissure.errors import ConfigError
from commissure.phantom.cohort import draw_cohort
from commissure.phantom.dataset import (
    STUDY_FILES,
    TRUTH,
    files_of,
    write_person,
    write_study,
    write_truth,
)
from commissure.phantom.person import PRESETS, Person, Protocol
from commissure.rows import write_json

#: The request, written before anything else: a folder with it belongs to the simulator.
RECORD = TRUTH / "parameters.json"


def simulate(
    out: Path | str,
    *,
    controls: int = 14,
    responsive: int = 17,
    resistant: int = 17,
    sites: int = 2,
    preset: str = "demo",
    seed: int = 1,
    missing: float = 0.08,
    effects: bool | float = True,
    site_balance: float = 0.2,
    jobs: int = 1,
    progress: Callable[[], object] | None = None,
) -> None:
    """Write a simulated study as a BIDS dataset; go on where an earlier call was interrupted.

    Parameters
    ----------
    out
        Folder of the dataset: new, empty, or left by the same request.
    controls, responsive, resistant
        How many people of each group.
    sites
        How many scanners; they differ in contrast and noise.
    preset
        Name of the protocol, one of :data:`commissure.phantom.person.PRESETS`.
    seed
        The same request gives the same bytes.
    missing
        Probability with which a person lacks a modality.
    effects
        Factor on all differences between groups: ``True`` is 1, ``False`` is 0 (none at all).
    site_balance
        How far the share of resistant patients differs between sites, 0 to 1.
    jobs
        People simulated at a time, each in a process of its own.
    progress
        Called once for every person who is complete.

    Raises
    ------
    ConfigError
        The request is impossible, or the folder holds something else; nothing has been written.
    """
    out = Path(out)
    if preset not in PRESETS:
        raise ConfigError(
            "--preset", found=f"'{preset}' is not known", wanted=f"one of {', '.join(PRESETS)}"
        )
    if jobs < 1:
        raise ConfigError("--jobs", found=f"{jobs}", wanted="1 or more")
    protocol = PRESETS[preset]
    request = {
        "controls": controls,
        "responsive": responsive,
        "resistant": resistant,
        "sites": sites,
        "site_balance": float(site_balance),
        "missing": float(missing),
        "effects": float(effects),
        "seed": seed,
    }
    people = draw_cohort(**request)  # type: ignore[arg-type]
    record = json.loads(
        json.dumps({**request, "protocol": asdict(protocol), "version": __version__})
    )
    _refuse_other_content(out, record)
    todo = [person for person in people if not _complete(out, person)]
    for _ in range(len(people) - len(todo)):
        _tell(progress)
    if not todo and all((out / path).is_file() for path in (RECORD, *STUDY_FILES)):
        return  # Times of change stay, too: nothing downstream has to run again.
    write_json(record, out / RECORD)
    for draft in out.rglob(".*-partial.*"):
        draft.unlink(missing_ok=True)
    write_study(out, people, _sentence(record))
    _write_people(out, todo, protocol, jobs, progress)
    write_truth(out, people)


def _write_people(
    out: Path,
    people: Sequence[Person],
    protocol: Protocol,
    jobs: int,
    progress: Callable[[], object] | None,
) -> None:
    if jobs == 1:
        for person in people:
            write_person(out, person, protocol)
            _tell(progress)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(write_person, out, person, protocol) for person in people]
        for done in as_completed(waiting):
            done.result()
            _tell(progress)


def _complete(out: Path, person: Person) -> bool:
    # Files appear whole or not at all, and the truth last.
    return all((out / path).is_file() for path in files_of(person))


def _tell(progress: Callable[[], object] | None) -> None:
    if progress is not None:
        progress()


def _refuse_other_content(out: Path, record: Mapping[str, Any]) -> None:
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


def _sentence(record: Mapping[str, Any]) -> str:
    planted = (
        "without any difference between groups"
        if record["effects"] == 0
        else f"with {record['effects']:g} times the published differences between groups"
    )
    return (
        f"{record['controls']} controls, {record['responsive']} responsive and "
        f"{record['resistant']} resistant patients at {record['sites']} sites, "
        f"{planted}, measured by the protocol `{record['protocol']['name']}`, seed {record['seed']}"
    )
