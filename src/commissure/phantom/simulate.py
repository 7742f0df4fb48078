"""``commissure simulate``: a BIDS cohort with four modalities and known truth."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from commissure import __version__
from commissure.errors import ConfigError
from commissure.files import write_json
from commissure.phantom.cohort.draw import Missingness, draw_cohort
from commissure.phantom.cohort.oracle import factor_for_auc
from commissure.phantom.cohort.visits import draw_scans
from commissure.phantom.dataset import write_person, write_study, write_truth
from commissure.phantom.layout import TRUTH, files_of, files_of_study
from commissure.phantom.person import WITHOUT_EFFECTS, Person, Protocol
from commissure.phantom.protocol_limits import chosen_protocol

#: The request, written before anything else: a folder with it belongs to the simulator.
RECORD = TRUTH / "parameters.json"


def simulate(
    out: Path | str,
    *,
    controls: int = 14,
    responsive: int = 17,
    resistant: int = 17,
    sites: int = 2,
    site_people: Sequence[tuple[int, int, int]] = (),
    site_balance: float = 0.2,
    preset: str = "demo",
    protocol: Mapping[str, Any] | None = None,
    missing: float = 0.08,
    missing_by: Missingness = "random",
    effects: bool | float | None = None,
    patient_effects: float = 1.0,
    resistant_effects: float = 1.0,
    auc: float | None = None,
    visits: int = 1,
    years_between: float = 1.0,
    travelling: int = 0,
    motion: float = 1.0,
    seed: int = 1,
    noise_seed: int | None = None,
    jobs: int = 1,
    progress: Callable[[int], object] | None = None,
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
    site_people
        (controls, responsive, resistant) of each site, instead of the numbers above.
    site_balance
        How far the share of resistant patients differs between sites, 0 to 1.
    preset
        Name of the protocol, one of :data:`commissure.phantom.person.PRESETS`.
    protocol
        What to change in it, by the names of :class:`commissure.phantom.person.Protocol`.
    missing, missing_by
        Probability with which a person lacks a modality, and what decides who does: ``random``,
        ``site`` or ``severity``.
    effects
        Factor on all differences between groups: ``True`` is 1, ``False`` is 0 (none at all).
        ``None`` is what the preset says: 0 for ``null``, otherwise 1.
    patient_effects, resistant_effects
        Further factors on patients against controls and on resistant against responsive.
    auc
        Instead of ``resistant_effects``: what the oracle, who knows all true markers and their
        distribution, shall reach when it tells resistant from responsive people.
    visits, years_between
        How often everybody is scanned, and his age between two visits.
    travelling
        How many controls are scanned at every site.
    motion
        Factor on everybody's head motion; 0: the same people lie still.
    seed
        The same request gives the same bytes.
    noise_seed
        The same people with other poses, movements, artefacts and noise.
    jobs
        Scanning sessions simulated at a time, each in a process of its own.
    progress
        Called with the number of all sessions, once for each that is complete.

    Raises
    ------
    ConfigError
        The request is impossible, or the folder holds something else; nothing has been written.
    """
    out = Path(out)
    if jobs < 1:
        raise ConfigError("--jobs", found=f"{jobs}", wanted="1 or more")
    chosen = chosen_protocol(preset, protocol or {})
    if preset in WITHOUT_EFFECTS and (effects or auc is not None):
        raise ConfigError(
            "--preset", found=f"{preset} with effects", wanted="either no effects or another preset"
        )
    factor = float(preset not in WITHOUT_EFFECTS if effects is None else effects)
    if auc is not None:
        if resistant_effects != 1:
            raise ConfigError("--auc", found="--resistant-effects as well", wanted="one of the two")
        if factor == 0:
            raise ConfigError("--auc", found="no effects", wanted="--effects above 0")
        resistant_effects = factor_for_auc(auc) / factor
    cohort = {
        "controls": controls,
        "responsive": responsive,
        "resistant": resistant,
        "sites": sites,
        "site_balance": float(site_balance),
        "missing": float(missing),
        "effects": factor,
        "seed": seed,
        "site_people": [list(counts) for counts in site_people],
        "missing_by": missing_by,
        "patient_effects": float(patient_effects),
        "resistant_effects": float(resistant_effects),
    }
    if site_people:
        cohort |= {
            name: sum(counts[place] for counts in site_people)
            for place, name in enumerate(("controls", "responsive", "resistant"))
        } | {"sites": len(site_people)}
    scans = {
        "visits": visits,
        "years_between": float(years_between),
        "travelling": travelling,
        "motion": float(motion),
        "noise_seed": noise_seed,
    }
    drawn = draw_cohort(**cohort)  # type: ignore[arg-type]
    people = draw_scans(drawn, sites=cohort["sites"], seed=seed, **scans)  # type: ignore[arg-type]
    record = json.loads(
        json.dumps({**cohort, **scans, "protocol": asdict(chosen), "version": __version__})
    )
    _refuse_other_content(out, record)
    todo = [person for person in people if not _complete(out, person, chosen)]
    for _ in range(len(people) - len(todo)):
        _tell(progress, len(people))
    if not todo and all((out / path).is_file() for path in (RECORD, *files_of_study(people))):
        return  # Times of change stay, too: nothing downstream has to run again.
    write_json(record, out / RECORD)
    for draft in out.rglob(".*-partial.*"):
        draft.unlink(missing_ok=True)
    write_study(out, people, _sentence(record))
    _write_people(out, todo, chosen, jobs, lambda: _tell(progress, len(people)))
    write_truth(out, people, factor=record["effects"] * record["resistant_effects"])


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
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

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
    patients, resistant = (
        record["effects"] * record[name] for name in ("patient_effects", "resistant_effects")
    )
    planted = f"with {patients:g} times the published differences between groups"
    if patients != resistant:
        planted += f" (resistant against responsive: {resistant:.3g} times)"
    if patients == resistant == 0:
        planted = "without any difference between groups"
    return (
        f"{record['controls']} controls, {record['responsive']} responsive and "
        f"{record['resistant']} resistant patients at {record['sites']} sites, "
        f"{planted}, measured by the protocol `{record['protocol']['name']}`, seed {record['seed']}"
    )
