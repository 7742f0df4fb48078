"""Pages of a large study: size and time of the report of 500 people, and of the page of a person.

    python benchmarks/report_pages.py [--people 500] [--head-mm 1] [--chromium /usr/bin/chromium]

The tables are drawn at random with the shape of a real run (60 quality values a scan at most, 120
markers a person); figures have the size of those of the demo, images that of a clinical scan. Time
is CPU time of this process after its imports. With a Chromium, and Playwright from envs/dev.lock,
both pages are opened too: wall time to the loaded page, and to the first image of the viewer, by a
browser that has just started and draws without a graphics card.
"""

from __future__ import annotations

import argparse
import base64
import statistics
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd

from commissure.checks import Check, write_quality
from commissure.files import read_table, write_table
from commissure.markers.outcomes import outcomes, quality_table
from commissure.markers.status import Status, write_statuses
from commissure.names import Scan
from commissure.outputs import COMPLETENESS, LABELS, PARTICIPANTS, QUALITY, VISITS
from commissure.report.page import write_report
from commissure.report.settings import ReportSettings
from commissure.report.subjects.page import write_pages
from commissure.report.subjects.page_tables import read_page_tables
from commissure.rows import Marker, write_markers

CHECKS, MARKERS = {"anat": 25, "func": 25, "dwi": 22, "mrs": 30}, 30
SCANS = {"anat": ("T1w", {}), "func": ("bold", {"task": "rest"}), "dwi": ("dwi", {}),
         "mrs": ("svs", {"voi": "ACC"})}  # fmt: skip
#: Figures of a person by modality, bytes of each: those of the demo.
FIGURES = {"anat": (290_000, 325_000), "func": (180_000, 90_000, 355_000), "dwi": (38_000, 105_000),
           "mrs": (126_000, 103_000, 63_000)}  # fmt: skip


def figure(size: int, rng: np.random.Generator) -> str:
    """A figure of so many bytes, most of them an image."""
    image = base64.b64encode(rng.bytes(int(size * 0.74))).decode()
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 600 200"><text x="9" y="20">x</text>'
        f'<image width="600" height="200" href="data:image/png;base64,{image}"/></svg>'
    )


def head(folder: Path, who: str, voxel_mm: float, rng: np.random.Generator) -> list[Status]:
    """T1w image with segmentation, mean BOLD and FA of one person; their rows of the status table."""
    shape = tuple(round(size / voxel_mm) for size in (176, 240, 200))
    grid = np.indices(shape, np.float32) - np.array(shape).reshape(3, 1, 1, 1) / 2
    inside = ((grid * voxel_mm / np.array([68, 85, 66]).reshape(3, 1, 1, 1)) ** 2).sum(0) < 1
    noise = rng.normal(500, 100, shape).astype(np.float32)
    affine = np.diag([voxel_mm] * 3 + [1])
    stem = f"{who}_task-rest_space-MNI152NLin2009aSym"
    files = {
        f"anat/{who}_desc-preproc_T1w": noise, f"anat/{who}_desc-brain_mask": inside,
        f"anat/{who}_desc-aseg_dseg": inside * (17 + (noise > 500)),
        f"func/{stem}_boldref": noise[::2, ::2, ::2], f"func/{stem}_desc-brain_mask": inside[::2, ::2, ::2],
        f"dwi/{who}_model-tensor_param-fa_dwimap": (noise / 1000)[::2, ::2, ::2],
        f"dwi/{who}_space-T1w_desc-brain_mask": inside[::2, ::2, ::2],
    }  # fmt: skip
    for name, data in files.items():
        scaled = affine if data.shape == shape else np.diag([2 * voxel_mm] * 3 + [1])
        kind = np.float32 if data.dtype.kind == "f" else np.uint8
        nib.save(nib.Nifti1Image(data.astype(kind), scaled), folder / who / f"{name}.nii.gz")
    return [
        Status(who, "", name, f"{who}/{name}/{Scan(Path('x'), {'sub': who[4:], **SCANS[name][1]}, '').label}_{SCANS[name][0]}.nii.gz",
               "preprocess", "present")
        for name in ("anat", "func", "dwi")
    ]  # fmt: skip


def build(folder: Path, n: int, shown: int, voxel_mm: float) -> Path:
    """Write what a run of n people leaves; of the first ``shown`` with figures and images, too."""
    rng = np.random.default_rng(1)
    statuses, rows, products = [], [], []
    people = [f"sub-{at:04d}" for at in range(1, n + 1)]
    for at, who in enumerate(people):
        for modality, (suffix, entities) in SCANS.items():
            scan = Scan(Path("x"), {"sub": who[4:], **entities}, suffix)
            place = folder / who / modality
            checks = [
                Check(f"value_{k}", float(rng.normal(1, 0.2)), "<= 1.6" if k % 3 else "",
                      None if k % 3 == 0 else bool(rng.random() > 0.02))
                for k in range(CHECKS[modality])
            ]  # fmt: skip
            notes = [
                f"fa and md of T{k}_L are missing: {k} voxels, 5 are needed." for k in range(4)
            ]
            write_quality(checks, place / scan.derivative("qc", ".json"), notes=notes)
            if at < shown:
                for k, size in enumerate(FIGURES[modality]):
                    drawn = place / "figures" / scan.derivative(suffix, ".svg", desc=f"figure{k}")
                    drawn.parent.mkdir(parents=True, exist_ok=True)
                    drawn.write_text(figure(size, rng), encoding="utf-8")
            files = {str(p.relative_to(place)): 0 for p in place.rglob("*") if p.is_file()}
            image = f"{who}/{modality}/{scan.label}_{suffix}.nii.gz"
            statuses.append(Status(who, "", modality, image, "measure", "present", files=files))
            products.append((who, None, modality, image, "preproc", "present", None, None))
            rows += [
                Marker(
                    who,
                    "",
                    modality,
                    f"Region{k}",
                    f"marker_{modality}",
                    float(rng.normal(3, 1)),
                    "1",
                )
                for k in range(MARKERS)
            ]
        if at < shown:
            statuses += head(folder, who, voxel_mm, rng)
    write_statuses(statuses, folder / "work/status/measure/batch-0001.tsv")
    write_markers(rows, folder / "markers.tsv")
    write_table(COMPLETENESS.frame(products), folder / COMPLETENESS.path)
    write_table(VISITS.frame((who, None, "baseline", None) for who in people), folder / VISITS.path)
    group = rng.choice(["control", "responsive", "resistant"], n)
    table = {
        "participant_id": people, "age": rng.normal(34, 9, n).round(1), "sex": rng.choice(["F", "M"], n),
        "site": rng.choice(["A", "B", "C", "D"], n), "group": group,
    }  # fmt: skip
    write_table(pd.DataFrame(table), folder / PARTICIPANTS.path)
    write_table(
        LABELS.frame(zip(people, group, [None] * n, strict=True)), folder / "fusion/labels.tsv"
    )
    done = outcomes([folder / "work/status/measure/batch-0001.tsv"], folder)
    write_table(quality_table(done), folder / QUALITY.path)
    return folder / "work/status/measure/batch-0001.tsv"


def report(folder: Path, table: Path) -> tuple[float, float]:
    """CPU seconds and megabytes of the report."""
    start = time.process_time()
    write_report(
        folder, folder / "report.html", statuses=[table],
        participants=read_table(folder / PARTICIPANTS.path, text=PARTICIPANTS.text),
        settings=ReportSettings(), config_text="",
    )  # fmt: skip
    return time.process_time() - start, (folder / "report.html").stat().st_size / 1e6


def opened(chromium: str, page: Path, ready: str) -> float:
    """Seconds from the address to what is waited for: median of three fresh browsers."""
    from playwright.sync_api import sync_playwright

    options = ["--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader",
               "--enable-unsafe-swiftshader"]  # fmt: skip
    times = []
    with sync_playwright() as driver:
        for _ in range(3):
            browser = driver.chromium.launch(executable_path=chromium, args=options)
            tab = browser.new_page()
            start = time.perf_counter()
            tab.goto(page.as_uri())
            tab.wait_for_selector(ready, state="attached")
            times.append(time.perf_counter() - start)
            browser.close()
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--pages", type=int, default=10, help="people with figures and images")
    parser.add_argument("--head-mm", type=float, default=1.0)
    parser.add_argument("--chromium", default="", help="program that opens the pages")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        table = build(folder, options.people, options.pages, options.head_mm)
        people = [f"sub-{at:04d}" for at in range(1, options.pages + 1)]
        times = []
        for _ in range(2):
            start = time.process_time()
            pages = write_pages(
                people, folder, statuses=[table], tables=read_page_tables(folder),
                settings=ReportSettings(), study="0" * 12,
            )[1:]  # fmt: skip
            times.append((time.process_time() - start) / len(pages))
        largest = max(page.stat().st_size for page in pages) / 1e6
        seconds, size = report(folder, table)
        print("| what | people | CPU s | MB |\n|---|---|---|---|")
        print(f"| report | {options.people} | {seconds:.2f} | {size:.1f} |")
        print(
            f"| page of a person ({options.head_mm:g} mm) | {len(pages)} | {times[0]:.2f} | {largest:.2f} |"
        )
        print(f"| the same, images kept | {len(pages)} | {times[1]:.2f} | {largest:.2f} |")
        if options.chromium:
            study = opened(options.chromium, folder / "report.html", "footer")
            person = opened(options.chromium, pages[0], "canvas[data-shown]")
            print("\n| opened in Chromium | s |\n|---|---|")
            print(f"| report of {options.people} people, loaded | {study:.2f} |")
            print(f"| page of a person, first image of the viewer | {person:.2f} |")


if __name__ == "__main__":
    main()
