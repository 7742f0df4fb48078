"""Attempts to prove the classifier wrong, each with its verdict in words.

``passed`` is true where the attempt left the result standing, false where it did not, and None
where the data cannot decide.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from commissure.fusion.blocks import CONFOUNDS, MISSINGNESS, SITE, Block, Design
from commissure.fusion.evaluation import Area, pair_shares
from commissure.fusion.panel import ModelSpec, fitted_panel
from commissure.fusion.permutation import Null
from commissure.fusion.preparation import has_block
from commissure.fusion.settings import FusionSettings
from commissure.fusion.splits import Fold

#: Above this AUC a model that sees no brain is suspicious (methods: C2, C9).
SUSPICIOUS = 0.60
#: Draws of noise in the two checks on drawn features.
DRAWS = 10
#: Planted difference between the labels, in standard deviations along its own direction.
PLANTED_D = 3.0
#: AUC within site at which the planted difference counts as found.
FOUND = 0.70

Check = dict[str, Any]


def permuted_check(null: Null | None) -> Check:
    """Labels that mean nothing must give chance."""
    question = "Does the procedure find something in labels permuted within site?"
    if null is None or not len(null.permuted):
        return _check("permuted_labels", question, None, "0.50", None,
                      "no permutation was asked for (fusion.permutations)")  # fmt: skip
    mean, spread = float(null.permuted.mean()), float(null.permuted.std())
    band = 0.01 + 3 * spread / math.sqrt(len(null.permuted))
    passed = abs(mean - 0.5) <= band
    return _check(
        "permuted_labels", question, mean, f"0.50 +- {band:.3f}", passed,
        f"{len(null.permuted)} permutations give a mean AUC of {mean:.3f} (SD {spread:.3f}), "
        + ("that of chance" if passed else "which chance does not: there is a leak"),
    )  # fmt: skip


def baseline_checks(areas: Mapping[str, Mapping[str, Area]], primary: str) -> list[Check]:
    """Site, confounds and gaps in the data must not tell the labels apart.

    Parameters
    ----------
    areas
        ``within`` and ``pooled`` of each model.
    primary
        The model whose result is the study's.
    """
    main = areas[primary]["within"].value
    checks = []
    question = "Does the site alone tell the labels apart (pooled over sites)?"
    if SITE in areas:
        value = areas[SITE]["pooled"].value
        even = value <= SUSPICIOUS
        told = f"the site alone reaches a pooled AUC of {value:.2f}"
        told += (
            ": the labels are spread evenly enough"
            if even
            else ": the labels are spread unevenly over sites, so pooled AUCs mean little; read "
            "those within site"
        )
        checks.append(_check("site_only", question, value, f"<= {SUSPICIOUS:.2f}", even, told))
    else:
        checks.append(_check("site_only", question, None, f"<= {SUSPICIOUS:.2f}", None,
                             "there is one site, or the model was not asked for"))  # fmt: skip
    for name, question, subject in (
        (CONFOUNDS, "Do age, sex, motion, noise and head size alone tell the labels apart?",
         "age, sex and the quality of the measurement alone reach"),
        (MISSINGNESS, "Does it tell the labels apart which modalities a person has?",
         "which modalities a person has, alone reaches"),
    ):  # fmt: skip
        key = f"{name}_only"
        if name not in areas:
            why = (
                "nobody lacks a modality that others have"
                if name == MISSINGNESS
                else "there is no such model"
            )
            checks.append(_check(key, question, None, f"<= {SUSPICIOUS:.2f}", None, why))
            continue
        area = areas[name]["within"]
        passed: bool | None = area.value <= SUSPICIOUS
        told = f"{subject} {area.value:.2f} within site, the {primary} model {main:.2f}"
        if not passed and area.ci_low <= 0.5:
            passed, told = None, f"{told}; among so few people that may be chance"
        elif not passed:
            told += ": part of the result may be theirs"
        checks.append(_check(key, question, area.value, f"<= {SUSPICIOUS:.2f}", passed, told))
    return checks


def drawn_checks(
    design: Design,
    labels: np.ndarray,
    specs: Sequence[ModelSpec],
    primary: str,
    folds: Sequence[Fold],
    settings: FusionSettings,
    spread: float,
) -> list[Check]:
    """Noise in place of every marker must give chance; a difference planted in it must be found.

    Parameters
    ----------
    design, labels
        The study; gaps in the data are kept.
    specs, primary
        The models.
    folds
        Those of one repeat.
    settings
        The settings.
    spread
        Standard deviation of the null AUC, for the tolerance.
    """
    main = next(spec for spec in specs if spec.name == primary)
    largest = max(main.blocks, key=lambda block: int(has_block(design.values, block).sum()))
    plant = ModelSpec("planted", "modality", "", (largest.name,), (_plain(largest),))
    noise_spec = dataclasses.replace(main, blocks=tuple(_plain(block) for block in main.blocks))
    noise, planted = [], []
    for draw in range(DRAWS):
        rng = np.random.default_rng(np.random.SeedSequence([settings.seed, 5, draw]))
        drawn = rng.standard_normal(design.values.shape)
        drawn[~np.isfinite(design.values)] = np.nan
        noise.append(_area(drawn, design, labels, noise_spec, folds, settings))
        columns = list(largest.columns)
        drawn[:, columns] += PLANTED_D / math.sqrt(len(columns)) * (labels == 1)[:, None]
        planted.append(_area(drawn, design, labels, plant, folds, settings))
    mean, found = float(np.mean(noise)), float(np.mean(planted))
    band = 0.01 + 3.5 * spread / math.sqrt(DRAWS)
    passed = abs(mean - 0.5) <= band
    return [
        _check(
            "noise_features", "Does it find something where every marker is noise?", mean,
            f"0.50 +- {band:.2f}", passed,
            f"with noise in place of all markers the {primary} model reaches {mean:.2f} (mean of "
            f"{DRAWS} draws)" + ("" if passed else ", which chance does not: there is a leak"),
        ),
        _check(
            "planted_signal", "Is a difference found that was planted in noise?", found,
            f">= {FOUND:.2f}", found >= FOUND,
            f"a difference of {PLANTED_D:g} SD, spread over {len(largest.columns)} noise markers "
            f"of {largest.name}, gives {found:.2f} (mean of {DRAWS} draws)"
            + ("" if found >= FOUND else ": so few people would miss even that"),
        ),
    ]  # fmt: skip


def overlap_check(folds: Sequence[Fold], participants: np.ndarray) -> Check:
    """Nobody may be in training and test at once."""
    shared = {
        str(name)
        for fold in folds
        for name in np.intersect1d(participants[fold.train], participants[fold.test])
    }
    return _check(
        "people_in_two_folds", "Is anybody in training and test at once?", len(shared), "0",
        not shared,
        f"{len(folds)} divisions were compared; "
        + (f"{len(shared)} people are on both sides" if shared else "nobody is on both sides"),
    )  # fmt: skip


def _plain(block: Block) -> Block:
    """The block without corrections: drawn noise has neither head size nor site in it."""
    return Block(block.name, block.columns)


def _area(
    values: np.ndarray,
    design: Design,
    labels: np.ndarray,
    spec: ModelSpec,
    folds: Sequence[Fold],
    settings: FusionSettings,
) -> float:
    logits = np.full((len(labels), 1), np.nan)
    cells = np.empty(len(labels), dtype=object)
    for fold in folds:
        model = fitted_panel(
            [spec], values[fold.train], labels[fold.train], settings=settings, solver="one_step"
        )[spec.name]
        logits[fold.test] = model.logits(values[fold.test])
        cells[fold.test] = [f"{fold.name}\t{site}" for site in design.sites[fold.test]]
    own = labels >= 0
    shares = pair_shares(labels[own, None].astype(float), logits[own], cells[own].astype(str))
    return float(shares[0])


def _check(
    name: str, question: str, value: float | None, expected: str, passed: bool | None, words: str
) -> Check:
    return {
        "name": name, "question": question, "value": value, "expected": expected,
        "passed": passed, "words": words,
    }  # fmt: skip
