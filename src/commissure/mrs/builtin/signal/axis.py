"""Whether the lines of NAA, creatine and choline lie as far apart as the file's axis says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from commissure.errors import DatasetError
from commissure.mrs.builtin.signal.align import in_band, match_to, singlet_template
from commissure.mrs.chemical_shift import WATER_PPM

#: Lines lie up to four times as near or as far where dwell time or frequency is wrong.
_WIDE = np.geomspace(0.25, 4.0, 113)

#: Around what the file says, where a small error of the frequency would show.
_NEAR = np.linspace(0.94, 1.06, 25)

#: Match that all three lines are needed for: NAA alone reaches .75. Sound spectra have .74 to .96,
#: at signal-to-noise ratios down to 15 at 3 T and in real ones of 3 and 7 T.
_ALL_THREE = 0.78

#: How much better lines must match elsewhere; a sound spectrum has .85 of its match at the best
#: of other scales.
_CLEARLY_BETTER = 1.2

#: Scales that are another axis, no error of reading it.
_ANOTHER_AXIS = 0.06


@dataclass(frozen=True)
class LineScale:
    """Where NAA, creatine and choline lie.

    Attributes
    ----------
    scale
        Their distances over those that the axis of the file gives them.
    match, match_as_told
        Correlation with the three lines there, and where the axis says; 0 to 1.
    """

    scale: float
    match: float
    match_as_told: float

    @property
    def clear(self) -> bool:
        """Whether all three lines are there."""
        return self.match >= _ALL_THREE


def line_scale(fid: np.ndarray, *, dwell_s: float, frequency_mhz: float) -> LineScale:
    """How far apart NAA, creatine and choline lie, against what dwell time and frequency say.

    Parameters
    ----------
    fid
        One averaged FID, (points,), water within 0.4 ppm of the carrier.
    dwell_s, frequency_mhz
        As the file gives them.

    Notes
    -----
    A dwell time that is told twice too long, or a frequency told twice too high, brings all lines
    to half of their distance from each other in ppm; a shift of all of them is left free. NAA and
    creatine are 1.019 ppm apart in every brain.
    """

    def match(scale: float) -> float:
        true_mhz = frequency_mhz * scale
        if (WATER_PPM - 1.6) * true_mhz > 0.5 / dwell_s:
            return 0.0  # Beyond what this dwell time can show.
        template = singlet_template(
            points=len(fid), dwell_s=dwell_s, frequency_mhz=true_mhz, fwhm_hz=6.0 * scale
        )
        lines, spectrum = (
            in_band(each, 1.7, 3.5, dwell_s=dwell_s, frequency_mhz=true_mhz)
            for each in (template, fid)
        )
        reach_hz = 0.4 * true_mhz
        return float(
            match_to(spectrum[None], lines, dwell_s=dwell_s, max_shift_hz=reach_hz).match[0]
        )

    as_told = match(1.0)
    near = np.array([match(scale) for scale in _NEAR])
    best = int(near.argmax())
    scale, highest = float(_NEAR[best]), float(near[best])
    if 0 < best < len(_NEAR) - 1:
        bend = np.polyfit(_NEAR[best - 1 : best + 2], near[best - 1 : best + 2], 2)
        scale = float(-bend[1] / (2 * bend[0])) if bend[0] < 0 else scale
    if highest < _ALL_THREE:
        far = np.array([match(each) for each in _WIDE])
        if far.max() > highest:
            scale, highest = float(_WIDE[far.argmax()]), float(far.max())
    return LineScale(scale, highest, as_told)


def check_axis(lines: LineScale, *, name: str, dwell_s: float, frequency_mhz: float) -> None:
    """Refuse a file whose lines lie elsewhere than its dwell time and frequency say.

    Raises
    ------
    DatasetError
        All three lines lie clearly better on another axis.
    """
    other = abs(lines.scale - 1) > _ANOTHER_AXIS
    if not (lines.clear and other and lines.match > _CLEARLY_BETTER * lines.match_as_told):
        return
    raise DatasetError(
        name,
        found=f"NAA, creatine and choline lie {lines.scale:.2f} times as far apart as a dwell time "
        f"of {1e3 * dwell_s:.4g} ms and a frequency of {frequency_mhz:.5g} MHz say (match "
        f"{lines.match:.2f} there, {lines.match_as_told:.2f} where they should be)",
        wanted="the dwell time and the frequency that the spectrum was measured with",
        mend=f"Convert {name} again, or mend its header: if the frequency is right, the dwell time "
        f"is {1e3 * dwell_s * lines.scale:.4g} ms",
    )
