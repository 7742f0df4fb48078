"""Strategies of denoising, as data: which confounds each takes out, and where it is published.

A row of :data:`STRATEGIES` is all that a further strategy needs: the configuration, its schema and
its page take the names from here. Each works with censoring and, with ``fd_threshold_mm: null``,
without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

#: fMRIPrep's names of the six movement parameters: mm, then radians.
MOTION = ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z")

#: The mean signals of tissues.
SIGNALS = ("csf", "white_matter", "global_signal")

#: What fMRIPrep appends to a column: itself, its backward difference, the squares of both.
EXPANSIONS = ("", "_derivative1", "_power2", "_derivative1_power2")


@dataclass(frozen=True)
class Strategy:
    """One set of confounds.

    Attributes
    ----------
    movement
        How many movement regressors: 24 are the six parameters, their derivatives and the squares
        of both; 12 are without the squares, 6 the parameters alone; 0 none.
    source
        Where it is published.
    compcor
        Whether the principal components of CSF and white matter are taken out.
    signals
        Columns of mean signals.
    ridge
        Whether the movement regressors are taken out by a share that grows with the movement
        (:func:`commissure.func.regressors.movement_penalties`); otherwise whole.
    """

    movement: Literal[0, 6, 12, 24]
    source: str
    compcor: bool = False
    signals: tuple[str, ...] = ()
    ridge: bool = False

    def columns(self) -> list[str]:
        """Names of the columns that do not depend on the run; components do."""
        expansions = EXPANSIONS[: self.movement // len(MOTION)]
        return [f"{name}{end}" for name in MOTION for end in expansions] + list(self.signals)


_BEHZADI = "Behzadi Y et al., NeuroImage 2007;37:90-101"
_FRISTON = "Friston KJ et al., Magn Reson Med 1996;35:346-355"

STRATEGIES: dict[str, Strategy] = {
    "24P+aCompCor": Strategy(24, f"{_FRISTON}; {_BEHZADI}", compcor=True),
    "12P+aCompCor": Strategy(
        12, f"Muschelli J et al., NeuroImage 2014;96:22-35; {_BEHZADI}", compcor=True
    ),
    "aCompCor": Strategy(0, _BEHZADI, compcor=True),
    "36P": Strategy(
        24,
        "Satterthwaite TD et al., NeuroImage 2013;64:240-256; Ciric R et al., NeuroImage "
        "2017;154:174-187",
        signals=tuple(f"{name}{end}" for name in SIGNALS for end in EXPANSIONS),
    ),
    "24P+GSR": Strategy(
        24,
        f"{_FRISTON}; Yan C-G et al., NeuroImage 2013;76:183-201",
        signals=("global_signal",),
    ),
    "ridge24P+aCompCor": Strategy(
        24,
        "Freire L, Mangin J-F, NeuroImage 2001;14:709-722 (the cause); Hoerl AE, Kennard RW, "
        f"Technometrics 1970;12:55-67 (the regression); {_BEHZADI}",
        compcor=True,
        ridge=True,
    ),
}

#: What ``auto`` stands for: the first, or the second where the first leaves too little.
AUTO = ("24P+aCompCor", "12P+aCompCor")

if TYPE_CHECKING:
    StrategyName = str
else:  # The names are the table's.
    StrategyName = Literal[("auto", *STRATEGIES)]
