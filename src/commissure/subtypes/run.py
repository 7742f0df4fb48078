"""From the tables of a run to the verdict and its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from commissure.files import write_json, write_table
from commissure.outputs import (
    SUBTYPES_ASSIGNMENTS,
    SUBTYPES_CANONICAL,
    SUBTYPES_INDICES,
    SUBTYPES_RECORD,
)
from commissure.study.settings import StudySettings
from commissure.subtypes.indices import (
    INDICES,
    METHODS,
    gap_statistic,
    indices_by_chance,
    labels_by_method,
    mixture_number,
)
from commissure.subtypes.people import Candidates, read_candidates
from commissure.subtypes.search import Answer, search
from commissure.subtypes.settings import SubtypesSettings
from commissure.subtypes.solutions import Solution
from commissure.subtypes.stored import MODEL_FOLDER, remove_stored, store_subtypes


def run_subtypes(
    *,
    study: StudySettings,
    settings: SubtypesSettings,
    out: Path,
    progress: Callable[[str], None] | None = None,
    **tables: Any,
) -> None:
    """Look for groups, put them to the test, and write what came of it.

    Parameters
    ----------
    study
        The settings of the classifier's question.
    settings
        The settings.
    out
        Folder of the results. Where the question cannot be asked the tables have their
        headers only, and ``subtypes.json`` says why.
    progress
        Takes a line on how far the work is.
    tables
        As :func:`~commissure.subtypes.people.read_candidates` takes them, and raises its errors.
    """
    say = progress or (lambda line: None)
    candidates = read_candidates(study=study, settings=settings, **tables)
    (out / MODEL_FOLDER).mkdir(parents=True, exist_ok=True)
    remove_stored(out)
    if candidates.question is None:
        _write_nothing(candidates, settings, out)
        say(f"subtypes: nothing is looked for: {candidates.reason}")
        return
    answer = search(candidates.question, settings, say=say)
    write_table(assignment_table(candidates, answer), out / Path(SUBTYPES_ASSIGNMENTS.path).name)
    indices, numbers = index_table(answer, settings)
    write_table(indices, out / Path(SUBTYPES_INDICES.path).name)
    write_table(canonical_table(answer), out / Path(SUBTYPES_CANONICAL.path).name)
    write_json(record(candidates, answer, numbers, settings), out / Path(SUBTYPES_RECORD.path).name)
    if answer.chosen is not None:
        store_subtypes(candidates, answer, out)
    say(f"subtypes: {answer.verdict}")


def _write_nothing(candidates: Candidates, settings: SubtypesSettings, out: Path) -> None:
    for table in (SUBTYPES_ASSIGNMENTS, SUBTYPES_INDICES, SUBTYPES_CANONICAL):
        write_table(table.frame(), out / Path(table.path).name)
    write_json(
        {
            "status": "not_searched",
            "reason": candidates.reason,
            "people": {"n": len(candidates.participants), "compared": 0},
            "cautions": list(candidates.cautions),
            "settings": settings.model_dump(mode="json"),
        },
        out / Path(SUBTYPES_RECORD.path).name,
    )


def assignment_table(candidates: Candidates, answer: Answer) -> pd.DataFrame:
    """Where everybody lies and belongs: the rows of ``assignments.tsv``."""
    assert candidates.question is not None
    rows = np.flatnonzero(candidates.compared)
    people = len(candidates.participants)
    part = np.full(people, "not compared", dtype=object)
    part[rows] = np.where(candidates.question.discovery, "discovery", "validation")
    columns: dict[str, Any] = {"participant_id": candidates.participants, "part": part}
    cluster = np.full(people, np.nan)
    probability, distance = cluster.copy(), cluster.copy()
    reason = np.full(people, "too few of the markers or items were measured", dtype=object)
    reason[rows] = "there are no clusters"
    if answer.chosen is not None:
        model, at = answer.chosen.centroids, answer.positions
        given, probability[rows] = model.predict(at), model.predict_proba(at).max(axis=1)
        distance[rows] = model.distances(at).min(axis=1)
        cluster[rows] = np.where(given >= 0, given + 1, np.nan)
        reason[rows] = assignment_reasons(model.outside(at), given)
    columns |= {
        "cluster": cluster, "probability": probability.round(6), "distance": distance.round(6),
        "reason": [words or None for words in reason],
    }  # fmt: skip
    for axis in (0, 1):
        values = np.full(people, np.nan)
        if axis < answer.positions.shape[1]:
            values[rows] = answer.positions[:, axis]
        columns[f"axis_{axis + 1}"] = values.round(6)
    return pd.DataFrame(columns)[SUBTYPES_ASSIGNMENTS.names]


def assignment_reasons(outside: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Why people are in no cluster, empty for those who are in one."""
    between = np.where(given < 0, "between clusters: the nearest is not sure enough", "")
    far = "unlike the people of every cluster: farther from the centroids than they are"
    return np.where(outside, far, between).astype(object)


def index_table(answer: Answer, settings: SubtypesSettings) -> tuple[pd.DataFrame, dict[str, int]]:
    """Indices of every method and number of clusters, and the numbers that choose themselves."""
    rng = np.random.default_rng(np.random.SeedSequence([settings.seed, 22]))
    values = answer.positions[answer.learnt]
    numbers = [solution.k for solution in answer.solutions]
    if not numbers:
        return SUBTYPES_INDICES.frame(), {}
    spread = values.std(axis=0, ddof=1)
    drawn = indices_by_chance(values, numbers, spread, rng)
    labels = labels_by_method(values, numbers, rng, settings.seed)
    gap, error, by_gap = gap_statistic(values, max(numbers), rng)
    rows = []
    for method in METHODS:
        for k in numbers:
            row: dict[str, Any] = {"method": method, "k": k}
            for name, index in INDICES.items():
                row[name] = index(values, labels[method][k])
                row[f"{name}_by_chance"] = float(np.nanquantile(drawn[name][k], 0.95))
            row |= {"gap": gap[k - 1], "gap_error": error[k - 1]} if method == "k_means" else {}
            rows.append({name: row.get(name) for name in SUBTYPES_INDICES.names})
    table = SUBTYPES_INDICES.frame(rows)
    of_recipe = table[table["method"] == ("ward" if settings.recipe == "drysdale" else "k_means")]
    best = of_recipe.set_index("k")["calinski_harabasz"].astype(float)
    return table.round(6), {
        "gap": by_gap,
        "mixture_bic": mixture_number(values, max(numbers), settings.seed),
        "calinski_harabasz": int(best.index[int(best.to_numpy().argmax())]),
    }


def canonical_table(answer: Answer) -> pd.DataFrame:
    """What markers and symptoms share: the rows of ``canonical.tsv``."""
    rows = [{"variate": k + 1, **vars(variate)} for k, variate in enumerate(answer.variates)]
    return SUBTYPES_CANONICAL.frame(rows).round(6)


def record(
    candidates: Candidates, answer: Answer, numbers: dict[str, int], settings: SubtypesSettings
) -> dict[str, Any]:
    """Content of ``subtypes.json``."""
    question = candidates.question
    assert question is not None
    return {
        "status": "searched",
        "verdict": answer.verdict,
        "reasons": list(answer.reasons),
        "people": {
            "n": len(candidates.participants),
            "compared": len(question.values),
            "discovery": int(question.discovery.sum()),
            "validation": int((~question.discovery).sum()),
            "validation_sites": settings.validation_sites,
        },
        "space": {
            "by": "markers" if question.items is None else "markers and symptoms",
            "markers": sum(len(block.columns) for block in question.blocks),
            "items": list(candidates.items),
            "axes": answer.positions.shape[1],
            "learnt_from": len(answer.learnt),
        },
        "shared": shared_sentence(answer, candidates, settings),
        "sigclust": vars(answer.sigclust),
        "k": 1 if answer.chosen is None else answer.chosen.k,
        "k_by_index": numbers,
        "solutions": [solution_record(solution) for solution in answer.solutions],
        "external": list(answer.external),
        "unchecked": list(question.unchecked),
        "cautions": list(candidates.cautions),
        "settings": settings.model_dump(mode="json"),
    }


def solution_record(solution: Solution) -> dict[str, Any]:
    """One number of clusters, as ``subtypes.json`` has it."""
    known = solution.stability
    return {
        "k": solution.k,
        "sizes": solution.sizes,
        "silhouette": solution.silhouette,
        "valley_p": solution.valley,
        "replication": solution.replication,
        "jaccard": None if known is None else [float(x) for x in known.jaccard],
        "pac": None if known is None else known.pac,
        "confounds": solution.confounds,
        "against": solution.against,
    }


def shared_sentence(answer: Answer, candidates: Candidates, settings: SubtypesSettings) -> str:
    """In-sample and held-out correlation in one sentence: neither stands without the other."""
    if not answer.variates:
        return ""
    assert candidates.question is not None
    first = answer.variates[0]
    markers = sum(len(block.columns) for block in candidates.question.blocks)
    chosen = ""
    if settings.recipe == "drysdale" and settings.selected_markers < markers:
        chosen = f" of {settings.selected_markers} markers chosen among {markers}"
    chance = (
        f"symptoms dealt out to other people give {first.by_chance:.2f}, so that it is no evidence"
        if first.p_in_sample > settings.alpha
        else f"symptoms dealt out to other people give {first.by_chance:.2f}"
    )
    return (
        f"The first pair of variates{chosen} correlates by {first.in_sample:.2f} in the people it "
        f"was learnt from, and by {first.held_out:.2f} ({first.low:.2f} to {first.high:.2f}, p "
        f"{first.p_held_out:.2g}) in people held out. In the first, {chance}."
    )
