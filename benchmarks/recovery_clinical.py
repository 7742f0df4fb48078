"""Where the whole pipeline stands: simulated people through the whole workflow, beside the goals.

    python benchmarks/recovery_clinical.py FOLDER [--preset clinical] [--people 20] [--again 5]
                                           [--spectra 100] [--cores 2] [--parts first again still spectra]
                                           [--modalities anat func]

Four datasets of the same people lie below FOLDER: `first` (all of them, moving), `still` (the same scans
without head motion, T1w and BOLD alone), `again` (the first few with another noise seed) and `spectra`
(one person's spectrum with many draws of thermal noise). Each is simulated and run; what is there
already stays, so a long run can be stopped and goes on with the same command. The table is printed
from whatever is complete. With `--modalities` the people of `first` and `again` have these images alone,
and nothing behind their markers is computed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "1")

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from scipy.stats import t as student

from commissure.files import read_table
from commissure.images.connectivity_sets import NETWORKS
from commissure.intraclass import icc_a1
from commissure.markers.recovery import truth_pairs
from commissure.phantom.cohort.draw import draw_cohort
from commissure.phantom.cohort.request import CohortRequest
from commissure.phantom.cohort.visits import draw_scans
from commissure.phantom.dataset import files_of, write_person, write_study, write_truth
from commissure.phantom.head.anatomy import draw_anatomy
from commissure.phantom.person import Person
from commissure.phantom.protocol import Protocol, chosen_protocol
from commissure.phantom.request import WITHOUT_EFFECTS
from commissure.phantom.scanner.bold_signal import (
    connectivity_truth,
    haemodynamic_signals,
    latent_correlation,
)
from commissure.phantom.scanner.mrs import simulate_mrs
from commissure.phantom.scanner.mrs_files import write_mrs
from commissure.phantom.scanner.simulator import random_streams
from commissure.phantom.simulators import SIMULATORS
from commissure.rows import read_markers

ROOT = Path(__file__).resolve().parents[1]
PARTS = ("first", "again", "still", "spectra")

#: Size of the FA bias that a weighted least-squares fit of 30 directions has at SNR 20, by true FA.
TENSOR_BIAS = ((0.0, 0.193, 0.573, 0.80), (0.105, 0.023, 0.002, 0.002))

VOLUMES = {"hippocampus": "Hippocampus", "SFG": "SFG", "lateral ventricle": "LateralVentricle"}


def everybody(
    people: int, preset: str, noise_seed: int | None = None, motion: float = 1.0
) -> list[Person]:
    """A fifth are controls; the others are resistant or responsive in equal numbers."""
    controls = people // 5
    resistant = (people - controls) // 2
    request = CohortRequest(
        controls=controls,
        responsive=people - controls - resistant,
        resistant=resistant,
        sites=1,
        missing=0.0,
        effects=0.0 if preset in WITHOUT_EFFECTS else 1.0,
        seed=11,
        noise_seed=noise_seed,
        motion=motion,
    )
    return draw_scans(draw_cohort(request), request)


def simulate(folder: Path, people: Sequence[Person], protocol: Protocol, preset: str) -> None:
    """Write the people who are not there yet."""
    write_study(folder, people, f"a benchmark with the protocol `{preset}`")
    for person in people:
        if not all((folder / path).is_file() for path in files_of(person, protocol)):
            start = time.process_time()
            write_person(folder, person, protocol)
            print(f"{folder.parent.name}: {person.participant_id} simulated in "
                  f"{time.process_time() - start:.0f} CPU s", flush=True)  # fmt: skip
    write_truth(folder, people)


def simulate_spectra(folder: Path, number: int, protocol: Protocol) -> None:
    """One person's spectrum with many draws of thermal noise, each as another person."""
    one = replace(everybody(5, "null")[0], modalities=frozenset({"mrs"}))
    people = [replace(one, participant_id=f"sub-{n + 1:03d}") for n in range(number)]
    write_study(folder, people, "one person's spectrum with many draws of thermal noise")
    anatomy = draw_anatomy(one, protocol.changed({"anat.voxel_mm": 2.0}), np.random.default_rng(0))
    for n, person in enumerate(people):
        if not (folder / files_of(person, protocol)[0]).is_file():
            measured = simulate_mrs(
                anatomy,
                person,
                protocol,
                np.random.default_rng(1),
                noise=np.random.default_rng(n + 2),
            )
            write_mrs(folder, person, protocol, measured)


def run(folder: Path, cores: int, until: str | None = None) -> None:
    """Run the workflow; it goes on where it stopped."""
    command = [
        Path(sys.executable).parent / "snakemake", "--cores", str(cores), "--directory", folder,
        "--snakefile", ROOT / "Snakefile", "--configfile", ROOT / "config.yaml", "--keep-going",
        "--rerun-incomplete", "--quiet", "all", *(["--until", until] if until else []),
        "--config", f"bids_dir={folder / 'bids'}", f"output_dir={folder / 'out'}",
    ]  # fmt: skip
    start = time.monotonic()
    subprocess.run(command, check=True)
    print(f"{folder.name}: workflow {time.monotonic() - start:.0f} s", flush=True)


def pairs_of(folder: Path) -> pd.DataFrame | None:
    """True and recovered values of a run, if it is complete."""
    markers, truth = folder / "out/markers.tsv", folder / "bids/sourcedata/truth/markers.tsv"
    if not (markers.is_file() and truth.is_file()):
        return None
    return truth_pairs(read_markers(truth), read_markers(markers))


def paired_d(still: pd.DataFrame, moving: pd.DataFrame) -> tuple[float, float, float, int]:
    """Mean difference moving - still of the same people, over the SD between people; 95 % interval."""
    key = "participant_id"
    both = still.merge(moving, on=key, suffixes=("_still", "_moving"))
    difference = both["recovered_moving"] - both["recovered_still"]
    n, spread = len(both), both["recovered_still"].std()
    if n < 3:
        return float(difference.mean() / spread) if n > 1 else float("nan"), np.nan, np.nan, n
    half = student.ppf(0.975, n - 1) * difference.std() / np.sqrt(n)
    low, middle, high = ((difference.mean() + step) / spread for step in (-half, 0, half))
    return middle, low, high, n


def of(pairs: pd.DataFrame, modality: str, marker: str, region: str) -> pd.DataFrame:
    own = (pairs["modality"] == modality) & (pairs["marker"] == marker)
    return pairs[own & pairs["region"].str.startswith(region)]


def r_and_bias(part: pd.DataFrame) -> tuple[float, float]:
    """Correlation and bias in per cent."""
    true, found = part["true"].to_numpy(), part["recovered"].to_numpy()
    r = float(np.corrcoef(true, found)[0, 1]) if len(part) > 2 and true.std() > 0 else float("nan")
    return r, 100 * float((found - true).mean() / true.mean())


def goals(first: pd.DataFrame, ceiling: dict[str, float]) -> list[tuple[str, str, str]]:
    """Goal, what was found, how many people it rests on, of the modalities that are there."""
    there = set(first["modality"])
    lines = []
    for words, prefix in VOLUMES.items() if "anat" in there else ():
        for side in "LR":
            part = of(first, "anat", "volume", f"{prefix}_{side}")
            r, bias = r_and_bias(part)
            lines.append((f"volume of {words} {side}: r >= 0.9, bias within 5 %",
                          f"r {r:.2f}, bias {bias:+.1f} %", f"{len(part)}"))  # fmt: skip
    if "dwi" in there:
        lines.append(tract_goal(first))
    for network in NETWORKS if "func" in there else ():
        part = first[(first["marker"] == "fc") & (first["region"] == network)]
        lines.append(
            (
                f"FC within {network}: r >= 0.7",
                f"r {r_and_bias(part)[0]:.2f}, of {ceiling[network]:.2f} that the length allows",
                f"{len(part)}",
            )
        )
    for marker, bias_limit, cv_limit in (("glu", 5, 6), ("gsh", 10, 15)) if "mrs" in there else ():
        part = of(first, "mrs", marker, "")
        ratio = part["recovered"] / part["true"]
        cv = 100 * ratio.std() / ratio.mean()
        lines.append((f"{marker}: bias within {bias_limit} %, CV at most {cv_limit} %",
                      f"bias {100 * (ratio.mean() - 1):+.1f} %, CV {cv:.1f} %", f"{len(part)}"))  # fmt: skip
    return lines


def tract_goal(first: pd.DataFrame) -> tuple[str, str, str]:
    """The goal of tract FA, and how many tracts reach it."""
    tracts = list(first.loc[first["marker"] == "fa", "region"].unique())
    found = []
    for tract in tracts:
        part = first[(first["marker"] == "fa") & (first["region"] == tract)]
        r, _ = r_and_bias(part)
        bias = float((part["recovered"] - part["true"]).mean())
        found.append((tract, r, bias, float(np.interp(part["true"].mean(), *TENSOR_BIAS))))
    table = pd.DataFrame(found, columns=["tract", "r", "bias", "limit"])
    good = (table["r"] >= 0.9) & (table["bias"].abs() <= table["limit"])
    return ("tract FA: r >= 0.9 and bias within that of the tensor fit, every tract",
            f"{good.sum()} of {len(table)} tracts; median r {table['r'].median():.2f}, "
            f"median bias {table['bias'].median():+.3f}, largest "
            f"{table.loc[table['bias'].abs().idxmax(), 'bias']:+.3f}", "")  # fmt: skip


def sampling_ceiling(people: Sequence[Person], protocol: Protocol) -> dict[str, float]:
    """Correlation with the truth that the planted signals themselves have, by network.

    The very signals that these people's runs were made of, band-passed, seen without scanner, head
    or noise: what a run of this length cannot tell, no denoising brings back.
    """
    from commissure.func.denoising import band_passed, detrended
    from commissure.func.settings import FuncSettings

    settings = FuncSettings()
    true, seen = [], []
    for person in people:
        streams = random_streams(person, SIMULATORS["func"].stream)
        signals = haemodynamic_signals(
            latent_correlation(person, streams.lasting),
            volumes=protocol.func.volumes, tr_s=protocol.func.repetition_time_s, rng=streams.scan,
            lasting=streams.lasting,
        )  # fmt: skip
        filtered = band_passed(
            detrended(signals.series), tr_s=protocol.func.repetition_time_s,
            low_hz=settings.band_low_hz, high_hz=settings.band_high_hz, order=settings.filter_order,
        )  # fmt: skip
        true.append(connectivity_truth(signals.correlation))
        seen.append(connectivity_truth(np.corrcoef(filtered.T)))
    return {
        network: float(
            np.corrcoef([t["fc", network] for t in true], [s["fc", network] for s in seen])[0, 1]
        )
        for network in NETWORKS
    }


def motion_alone(moving: pd.DataFrame, still: pd.DataFrame) -> list[tuple[str, str, str]]:
    lines = []
    for network in NETWORKS:
        one, other = (p[(p["marker"] == "fc") & (p["region"] == network)] for p in (still, moving))
        d, low, high, n = paired_d(one, other)
        lines.append((f"FC within {network}, moving - still: |d| < 0.1",
                      f"d {d:+.2f} ({low:+.2f} to {high:+.2f})", f"{n}"))  # fmt: skip
    return lines


def reliabilities(first: pd.DataFrame, again: pd.DataFrame) -> list[tuple[str, str, str]]:
    """ICC(A,1) of two noise seeds: the median over the regions of each marker."""
    keys = ["participant_id", "modality", "marker", "region"]
    both = first.merge(again, on=keys, suffixes=("_1", "_2"))
    rows = [
        (marker, icc_a1(part[["recovered_1", "recovered_2"]].to_numpy()), len(part))
        for (marker, _), part in both.groupby(["marker", "region"])
    ]
    table = pd.DataFrame(rows, columns=["marker", "icc", "n"]).groupby("marker")
    return [
        (f"reliability of {marker} over two noise seeds",
         f"median {part['icc'].median():.2f} of {len(part)} regions", f"{part['n'].max()}")
        for marker, part in table
    ]  # fmt: skip


def crlb_over_scatter(folder: Path) -> list[tuple[str, str, str]]:
    tables = sorted(folder.glob("out/sub-*/mrs/*_fit.tsv"))
    if len(tables) < 3:
        return []
    fits = pd.concat([read_table(path) for path in tables])
    lines = []
    for name in ("Glu", "Gln", "GSH", "tNAA", "tCr", "tCho", "Ins"):
        own = fits[fits[fits.columns[0]] == name]
        if len(own) > 2:
            ratio = own["crlb"].mean() / own["amplitude"].std()
            lines.append(
                (f"{name}: CRLB over scatter, 0.8 to 1.25", f"{ratio:.2f}", f"{len(own)} spectra")
            )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", default="clinical")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--again", type=int, default=5, help="people with a second noise seed")
    parser.add_argument("--spectra", type=int, default=100)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--modalities", nargs="*", choices=("anat", "dwi", "func", "mrs"))
    given = parser.parse_args()
    protocol = chosen_protocol(given.preset)
    folder = given.folder.resolve()
    simple = frozenset({"anat", "func"})
    datasets = {
        "first": everybody(given.people, given.preset),
        "again": everybody(given.people, given.preset, noise_seed=12)[: given.again],
        "still": [
            replace(person, modalities=simple)
            for person in everybody(given.people, given.preset, motion=0.0)
        ],
    }
    if given.modalities:
        for part in ("first", "again"):
            datasets[part] = [
                replace(person, modalities=frozenset(given.modalities)) for person in datasets[part]
            ]
    for part in given.parts:
        if part == "spectra":
            simulate_spectra(folder / part / "bids", given.spectra, protocol)
            run(folder / part, given.cores, "mrs_preprocess")
        else:
            simulate(folder / part / "bids", datasets[part], protocol, given.preset)
            # The full road once; elsewhere the markers are all that is compared.
            whole = part == "first" and not given.modalities
            run(folder / part, given.cores, None if whole else "markers")
    pairs = {part: pairs_of(folder / part) for part in datasets}
    lines = []
    if pairs["first"] is not None:
        lines += goals(pairs["first"], sampling_ceiling(datasets["first"], protocol))
        if pairs["still"] is not None:
            lines += motion_alone(pairs["first"], pairs["still"])
        if pairs["again"] is not None:
            lines += reliabilities(pairs["first"], pairs["again"])
    lines += crlb_over_scatter(folder / "spectra")
    table = Table("goal", "found", "people", title=f"recovery, {given.preset}")
    for line in lines:
        table.add_row(*line)
    console = Console(width=130)
    console.print(table)
    by_chance = folder / "first/out/recovery_false_positives.json"
    if by_chance.is_file():
        console.print(f"group test between relabelled patients: {by_chance.read_text().strip()}")
        p = read_table(folder / "first/out/recovery.tsv")["recovered_p"].dropna()
        console.print(f"as labelled: {(p < 0.05).sum()} of {len(p)} markers at p < 0.05")


if __name__ == "__main__":
    main()
