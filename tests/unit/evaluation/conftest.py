"""Studies that are drawn, not read: blocks with a known difference between the labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest

from commissure.fusion.settings import FusionSettings
from commissure.models.registry import ModelSpec
from commissure.study.design import Block, Design, DesignColumn
from commissure.study.splits import Fold, stratified_folds
from commissure.study.study import Study

FEW = FusionSettings(penalties=[1.0, 10.0], inner_folds=3, permutations=99, permutation_repeats=1)


@dataclass(frozen=True)
class Drawn:
    """A drawn study, its four folds and its late fusion."""

    study: Study[FusionSettings]
    spec: ModelSpec
    folds: list[Fold]

    @property
    def values(self) -> np.ndarray:
        return self.study.design.values

    def fused(self, name: str) -> ModelSpec:
        """Another fused model of the same blocks."""
        return replace(self.spec, name=name)


def draw_study(n: int, effects: dict[str, float], seed: int, columns: int = 4) -> Drawn:
    """One block per effect, of two sites and two labels."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    blocks, parts, names = {}, [], []
    for at, (name, d) in enumerate(effects.items()):
        parts.append(rng.normal(size=(n, columns)) + d / np.sqrt(columns) * y[:, None])
        blocks[name] = Block(name, tuple(range(at * columns, (at + 1) * columns)))
        names += [DesignColumn(name, f"r{i}", "m") for i in range(columns)]
    sites = np.array(["N", "S"])[np.arange(n) // 2 % 2]
    who = np.array([f"sub-{i:03d}" for i in range(n)])
    design = Design(who, sites, np.hstack(parts), tuple(names), blocks, tuple(effects))
    fold = stratified_folds(np.char.add(y.astype(str), sites), 4, (seed,))
    folds = [
        Fold("cv", 0, str(k), np.flatnonzero(fold != k), np.flatnonzero(fold == k))
        for k in range(4)
    ]
    spec = ModelSpec("late", "fusion", "", tuple(effects), tuple(blocks.values()))
    return Drawn(Study(FEW, design, y), spec, folds)


@pytest.fixture
def drawn_study() -> Callable[..., Drawn]:
    """A function that draws a study."""
    return draw_study
