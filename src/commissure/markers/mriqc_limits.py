"""MRIQC's image quality metrics against limits: quality checks like those of measured images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from commissure.engines.ingress.mriqc import WORSE
from commissure.markers.settings import MarkersSettings
from commissure.outputs import TOOL_QUALITY

#: The metric that has a published limit of its own: that of built-in displacement counts for it.
_DISPLACEMENT = "mriqc_bold_fd_mean"

#: Fewer images of a site have no fence: quartiles of so few say nothing.
IMAGES_MIN = 10

#: An image with so many metrics beyond their limits is flagged as a whole. Of 1101 rated T1w images
#: one metric flags every sixth, of which most were kept by the raters.
METRICS_MIN = 2

_VISIT = ["participant_id", "session", "modality"]


def judged_images(
    markers: pd.DataFrame, people: pd.DataFrame, settings: MarkersSettings
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Judge the images of a study by MRIQC's metrics.

    Parameters
    ----------
    markers
        The marker table.
    people
        ``participant_id`` and ``site``.
    settings
        The limits.

    Returns
    -------
    markers
        With the flags of :func:`with_mriqc_flags`.
    checks, cautions
        Of :func:`mriqc_checks`.
    """
    sites = people.set_index("participant_id")["site"].to_dict()
    checks, cautions = mriqc_checks(markers, sites, settings)
    return with_mriqc_flags(markers, checks), checks, cautions


def mriqc_checks(
    markers: pd.DataFrame, sites: Mapping[Any, Any], settings: MarkersSettings
) -> tuple[pd.DataFrame, list[str]]:
    """Compare each metric with the fence of its site, and displacement with its limit.

    Parameters
    ----------
    markers
        The marker table.
    sites
        Site by person; people without one are a site together.
    settings
        The fence, and the limit of displacement.

    Returns
    -------
    checks
        The columns of :data:`commissure.outputs.TOOL_QUALITY`, one row for each metric of an image.
    cautions
        How many images have no fence.
    """
    rows = markers[markers["marker"].isin(WORSE)]
    if rows.empty:
        return TOOL_QUALITY.frame(), []
    site = rows["participant_id"].map(dict(sites)).fillna("").astype(str)
    parts, unfenced = [], set()
    for (name, _), metric in rows.groupby(["marker", site], sort=True):
        side, values = WORSE[str(name)], metric["value"].to_numpy(float)
        low, high = -np.inf, np.inf
        if settings.mriqc_fence is not None and len(values) < IMAGES_MIN:
            unfenced |= set(metric[_VISIT].itertuples(index=False, name=None))
        elif settings.mriqc_fence is not None:
            low, high = _fence(values, settings.mriqc_fence, side)
        if name == _DISPLACEMENT and settings.max_mean_fd_mm is not None:
            high = min(high, settings.max_mean_fd_mm)
        limit = " to ".join(f"{end:.4g}" for end in (low, high) if np.isfinite(end))
        if np.isfinite(low) != np.isfinite(high):
            limit = f"{'>=' if np.isfinite(low) else '<='} {limit}"
        passed = (values >= low) & (values <= high)
        parts.append(
            metric[_VISIT].assign(
                check=str(name), value=values, limit=limit or None,
                passed=pd.array([bool(p) if limit else None for p in passed], dtype="boolean"),
            )
        )  # fmt: skip
    table = pd.concat(parts, ignore_index=True)[TOOL_QUALITY.names]
    cautions = []
    if unfenced:
        cautions.append(
            f"MRIQC: {len(unfenced)} images are of sites with fewer than {IMAGES_MIN} images, "
            "whose metrics have no limits."
        )
    order = [*_VISIT, "check"]
    return table.sort_values(order, kind="stable", ignore_index=True), cautions


def _fence(values: np.ndarray, width: float, side: str) -> tuple[float, float]:
    """Tukey's fence on the bad side; none for a metric that is the same in half of the images."""
    first, third = np.quantile(values, [0.25, 0.75])
    reach = width * (third - first)
    if reach <= 0:
        return -np.inf, np.inf
    return (
        first - reach if side != "above" else -np.inf,
        third + reach if side != "below" else np.inf,
    )


def with_mriqc_flags(markers: pd.DataFrame, checks: pd.DataFrame) -> pd.DataFrame:
    """Markers with ``flag`` at each metric beyond its limit, and at everything of a bad image.

    Parameters
    ----------
    markers
        The marker table.
    checks
        Of :func:`mriqc_checks`.
    """
    failed = checks[checks["passed"].eq(False)]
    if failed.empty:
        return markers
    metrics = pd.MultiIndex.from_frame(failed[[*_VISIT, "check"]])
    counts = failed.groupby(_VISIT).size()
    bad = list(counts[counts >= METRICS_MIN].index)
    flagged = pd.MultiIndex.from_frame(markers[[*_VISIT, "marker"]]).isin(metrics)
    flagged |= pd.MultiIndex.from_frame(markers[_VISIT]).isin(bad)
    return markers.assign(quality=markers["quality"].mask(flagged, "flag"))


def mriqc_exclusions(
    markers: pd.DataFrame, checks: pd.DataFrame, settings: MarkersSettings
) -> Sequence[list[object]]:
    """Rows of exclusions: images with too many metrics beyond their limits, and with much movement.

    Parameters
    ----------
    markers
        The marker table: where it has displacement of its own, MRIQC's does not decide.
    checks
        Of :func:`mriqc_checks`.
    settings
        ``mriqc_outliers`` and ``max_mean_fd_mm``.
    """
    rows: list[list[object]] = []
    if settings.mriqc_outliers is not None:
        counts = checks[checks["passed"].eq(False)].groupby(_VISIT).size()
        for *visit, count in counts.reset_index().itertuples(index=False, name=None):
            if count >= settings.mriqc_outliers:
                rows.append([*visit, "mriqc_outliers", settings.mriqc_outliers, float(count)])
    limit = settings.max_mean_fd_mm
    if limit is not None:
        own = markers[markers["marker"] == "mean_fd"]
        measured = set(own[_VISIT].itertuples(index=False, name=None))
        moved = checks[(checks["check"] == _DISPLACEMENT) & (checks["value"] > limit)]
        rows += [
            [*visit, "max_mean_fd_mm", limit, value]
            for *visit, value in moved[[*_VISIT, "value"]].itertuples(index=False, name=None)
            if tuple(visit) not in measured
        ]
    return rows
