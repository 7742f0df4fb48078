"""What masks of sums cost, and what encrypted sums of the engine's kind would be.

``python benchmarks/federated_masks.py [PART ...]``; needs the extra ``federated``. Parts:

``masks``
    invented people at 3 to 20 sites: means, regressions, components, a logistic model and charts in
    the clear and masked. Largest difference of any result, what a site sent, and CPU seconds of all
    sites and the coordinator together.
``encrypted``
    the same sums by CKKS, the scheme of NVIDIA FLARE's filters, with FLARE's own parameters
    (poly_modulus_degree 8192, 60 40 40 bits, scale 2**40); needs ``tenseal``, which is no part of
    this software. Relative error of the standard deviation of markers of different sizes.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
from benchmarks.federated import simulated

from commissure.federated import coordinator, logistic
from commissure.federated.charts import federated_charts
from commissure.federated.federation import Federation
from commissure.federated.masked_rounds import MaskedRounds
from commissure.federated.site import Site
from commissure.federated.wire import message_bytes


def federation_of(sites: list[Site], masked: bool, sent: list[int]) -> Federation:
    """Sites that are asked; with masks after they have met."""

    def watched(site: Site):
        def answer(request):
            message = site.answer(request)
            sent.append(len(message_bytes(message)))
            return message

        return answer

    if not masked:
        return Federation({site.name: watched(site) for site in sites})
    from commissure.federated.masks import Masks

    rounds = MaskedRounds()
    session = rounds.begin()
    sites = [replace(site, masks=Masks(site.name)) for site in sites]
    keys = {site.name: site.masks.key(session) for site in sites}
    for site in sites:
        site.masks.meet(keys)
    return Federation({site.name: watched(site) for site in sites}, masked=rounds)


def results_of(federation: Federation) -> list[np.ndarray]:
    scale = coordinator.moments(federation)
    found = coordinator.regressions(federation)
    parts = coordinator.principal_components(federation, scale, 5)
    model = logistic.logistic(federation, scale, ridge=100.0)
    charts = federated_charts(federation)
    return [
        scale.mean, scale.sd, found.slopes, found.p, parts.axes, model.coefficients,
        charts.knots, charts.mean_.coefficients, charts.variance_.coefficients, charts.shape_,
    ]  # fmt: skip


def masks(counts: list[int], markers: int, console: Console) -> None:
    table = Table("sites", "sums", "largest difference", "clear MB a site", "masked MB a site",
                  "clear CPU s", "masked CPU s", title=f"masked sums of {markers} markers")  # fmt: skip
    for count in counts:
        found, cost, sent = {}, {}, {}
        for masked in (False, True):
            sent[masked] = []
            started = time.process_time()
            federation = federation_of(simulated(count, markers, count), masked, sent[masked])
            found[masked] = results_of(federation)
            cost[masked] = time.process_time() - started
        apart = max(
            float(np.nanmax(np.abs(a - b), initial=0)) for a, b in zip(*found.values(), strict=True)
        )
        size = {masked: sum(sent[masked]) / count / 1e6 for masked in sent}
        table.add_row(
            str(count), str(len(sent[False]) // count), f"{apart:g}", f"{size[False]:.2f}",
            f"{size[True]:.1f}", f"{cost[False]:.1f}", f"{cost[True]:.1f}",
        )  # fmt: skip
    console.print(table)


def encrypted(console: Console) -> None:
    import tenseal

    context = tenseal.context(
        tenseal.SCHEME_TYPE.CKKS, poly_modulus_degree=8192, coeff_mod_bit_sizes=[60, 40, 40],
        encryption_type=tenseal.ENCRYPTION_TYPE.SYMMETRIC,
    )  # fmt: skip
    context.global_scale = 2.0**40
    table = Table("marker", "mean", "SD", "error of the mean", "error of the SD", "people", "bytes",
                  title="three sites, 40 markers of a kind, sums by CKKS; errors relative")  # fmt: skip
    kinds = {
        "volume, mm3": (4000.0, 400.0), "thickness, mm": (2.6, 0.15), "FA": (0.45, 0.03),
        "mean diffusivity, mm2/s": (8e-4, 4e-5),
    }  # fmt: skip
    for name, (mean, sd) in kinds.items():
        rng = np.random.default_rng(0)
        values = [rng.normal(mean, sd, (60, 40)) for _ in range(3)]
        people = total_of(context, [np.full(40, 60.0) for _ in values])[0]
        first = total_of(context, [site.sum(axis=0) for site in values])[0] / 180
        second, size = total_of(context, [((site - first) ** 2).sum(axis=0) for site in values])
        pooled = np.vstack(values)
        with np.errstate(invalid="ignore"):
            found = np.sqrt(second / 179)
        away = np.abs(found / pooled.std(axis=0, ddof=1) - 1)
        table.add_row(
            name, f"{mean:g}", f"{sd:g}", f"{np.abs(first / pooled.mean(axis=0) - 1).max():.0e}",
            f"{np.nan_to_num(away, nan=np.inf).max():.0e}", f"{people[0]:.10f}", f"{size / 40:.0f}",
        )  # fmt: skip
    console.print(table)


def total_of(context, arrays: list[np.ndarray]) -> tuple[np.ndarray, int]:
    """Encrypted at each site, added encrypted, and read with the key that all sites share."""
    import tenseal

    sent = [tenseal.ckks_vector(context, array) for array in arrays]
    total = sent[0]
    for other in sent[1:]:
        total = total + other
    return np.array(total.decrypt()), len(sent[0].serialize())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", default=["masks", "encrypted"])
    parser.add_argument("--sites", type=int, nargs="*", default=[3, 8, 20])
    parser.add_argument("--markers", type=int, default=40)
    arguments = parser.parse_args()
    console = Console(width=140)
    if "masks" in arguments.parts:
        masks(arguments.sites, arguments.markers, console)
    if "encrypted" in arguments.parts:
        if find_spec("tenseal") is None:
            console.print("encrypted: tenseal is not installed")
        else:
            encrypted(console)


if __name__ == "__main__":
    main()
