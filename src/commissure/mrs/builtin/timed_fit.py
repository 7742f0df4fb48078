"""The fit with a simulated basis whose timing is known, or is read from the spectrum itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from commissure.mrs.acquisition.nifti_mrs import Svs
from commissure.mrs.builtin.basis.choice import SequenceChoice, simulated_for
from commissure.mrs.builtin.basis.simulated import Basis, with_lipids
from commissure.mrs.builtin.fit.lipids import fit_options, fit_with_lipids
from commissure.mrs.builtin.fit.sequence_evidence import FirstEcho, SequenceEvidence
from commissure.mrs.builtin.fit.spectrum import SpectralFit
from commissure.mrs.builtin.fit.spread import fit_variants, spread_record
from commissure.mrs.settings import MrsPreprocessSettings


@dataclass(frozen=True)
class TimedFit:
    """A fit, and what is known of the sequence that its basis went through.

    Attributes
    ----------
    svs, settings
        What was fitted, and how.
    fit, basis
        As :func:`commissure.mrs.builtin.fit.lipids.fit_with_lipids` gives them.
    choice
        The sequence, with the first echo that the spectrum shows where nothing else says it.
    echo
        What the spectrum shows of the first echo; None where it was not asked.
    """

    svs: Svs
    settings: MrsPreprocessSettings
    fit: SpectralFit
    basis: Basis
    choice: SequenceChoice
    echo: FirstEcho | None

    @cached_property
    def record(self) -> dict[str, Any]:
        """For ``fit.json``: how the sequence is known, and what another one would leave."""
        evidence = _evidence(self.svs, self.fit, self.basis, self.settings)
        return sequence_record(self.choice, self.echo, evidence)

    @cached_property
    def spread(self) -> dict[str, Any]:
        """For ``fit.json``: what other choices would give.

        See :func:`commissure.mrs.builtin.fit.spread.spread_record`. It costs as much as the fit and
        all else together: a fit that is thrown away is never asked.
        """
        return _spread(self.svs, self.fit, self.choice, self.settings)


def timed_fit(svs: Svs, choice: SequenceChoice, settings: MrsPreprocessSettings) -> TimedFit:
    """Fit an averaged spectrum; a first echo that nobody gives is looked for in the spectrum.

    Parameters
    ----------
    svs
        One FID, referenced to creatine.
    choice
        From :func:`commissure.mrs.builtin.basis.choice.sequence_of`.
    settings
        See :class:`MrsPreprocessSettings`.

    Raises
    ------
    QualityError
        Creatine cannot be told from noise.
    """
    fit, basis = fit_with_lipids(svs, simulated_for(svs, choice.sequence, settings), settings)
    echo: FirstEcho | None = None
    if choice.sequence.name == "press" and choice.first_echo_from == "assumed":
        for _ in range(2):
            echo = _evidence(svs, fit, basis, settings).first_echo(choice.sequence)
            if not echo.clear or echo.seconds == choice.sequence.first_echo_s:
                break
            choice = choice.with_first_echo(echo.seconds)
            fit, basis = fit_with_lipids(
                svs, simulated_for(svs, choice.sequence, settings), settings
            )
    return TimedFit(svs, settings, fit, basis, choice, echo)


def _spread(
    svs: Svs, fit: SpectralFit, choice: SequenceChoice, settings: MrsPreprocessSettings
) -> dict[str, Any]:
    lipids = any(name.startswith("Lip") for name in fit.names)

    def basis_of(changed: Mapping[str, Any]) -> Basis:
        basis = simulated_for(svs, choice.sequence, settings, **changed)
        if not lipids:
            return basis
        return with_lipids(basis, dwell_s=svs.dwell_s, frequency_mhz=svs.frequency_mhz)

    model = "measured" if settings.measured_macromolecules else settings.macromolecules
    variants = fit_variants(svs.averaged(), fit, basis_of, model, **fit_options(svs, settings))
    return spread_record(fit, variants)


def _evidence(
    svs: Svs, fit: SpectralFit, basis: Basis, settings: MrsPreprocessSettings
) -> SequenceEvidence:
    return SequenceEvidence(
        svs.averaged(), fit, basis, settings.metabolites,
        dwell_s=svs.dwell_s, frequency_mhz=svs.frequency_mhz,
    )  # fmt: skip


def sequence_record(
    choice: SequenceChoice, echo: FirstEcho | None, evidence: SequenceEvidence
) -> dict[str, Any]:
    """``Sequence`` of ``fit.json``: how the sequence is known, and what another would leave."""
    sequence = choice.sequence
    record: dict[str, Any] = {
        "Name": sequence.name,
        "NameFrom": choice.name_from,
        "NamedBy": choice.named_by,
        "Contradiction": choice.contradiction,
    }
    if sequence.name in ("press", "mega-press"):
        first = sequence.te_s / 2 if sequence.first_echo_s is None else sequence.first_echo_s
        record |= {"FirstEchoS": first, "FirstEchoFrom": choice.first_echo_from}
    if echo is not None and np.isfinite(echo.se_s):
        record |= {"FirstEchoShownS": echo.seconds, "FirstEchoSeS": echo.se_s}
    if sequence.name != "mega-press":
        best = evidence.alternatives(sequence)[0]
        record |= {"Alternative": str(best.sequence), "AlternativeRatio": best.residual_ratio}
    return record
