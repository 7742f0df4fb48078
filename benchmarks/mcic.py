"""Schizophrenia against controls on real two-site data, through the same road as any study.

162 people (MCIC), mean grey-matter density of 116 regions. Site alone is told from the same markers
with an AUC of 0.93, so the numbers to read are those within site and with the site left out.

    python benchmarks/mcic.py [--combat] [--permutations N]

Needs ``../shared/data/tables/mcic-vbm-aal``; says so and stops where it is absent.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path

# Small matrices: threads of the linear algebra cost two hundred times what they save.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pandas as pd

from commissure.fusion.run import fuse
from commissure.fusion.settings import FusionSettings
from commissure.rows import Marker, write_json, write_markers, write_table

TABLE = (
    Path(__file__).resolve().parents[2] / "shared/data/tables/mcic-vbm-aal/gm_density_aal116.csv"
)


def tidy_study(table: Path, folder: Path) -> dict[str, Path]:
    """Write the wide table as the marker table, definitions, exclusions and people of a study."""
    wide = pd.read_csv(table, dtype={"id": str, "site": str, "is_control": str, "sex": str})
    wide["participant_id"] = "sub-" + wide["id"]
    regions = [name for name in wide if name.startswith("gm_")]
    paths = {
        "markers": folder / "markers.tsv",
        "definitions": folder / "markers.json",
        "exclusions": folder / "exclusions.tsv",
        "participants": folder / "participants.tsv",
    }
    write_markers(
        (
            Marker(person["participant_id"], "", "table", name.removeprefix("gm_"), "gm_density",
                   float(person[name]), "1")
            for person in wide.to_dict("records")
            for name in regions
        ),
        paths["markers"],
    )  # fmt: skip
    write_json(
        {"gm_density": {"modality": "table", "unit": "1", "role": "marker",
                        "description": "Mean grey-matter density of an AAL region.",
                        "source": "MCIC, smoothed SPM c1 maps"}},
        paths["definitions"],
    )  # fmt: skip
    columns = ["participant_id", "session", "modality", "rule", "limit", "value"]
    write_table(pd.DataFrame(columns=columns), paths["exclusions"])
    write_table(wide[["participant_id", "age", "sex", "site", "is_control"]], paths["participants"])
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--combat", action="store_true", help="harmonise sites inside the folds")
    parser.add_argument("--permutations", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    if not TABLE.is_file():
        sys.exit("benchmarks/mcic.py: the MCIC table is not on this machine; nothing was measured.")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        start = time.process_time()
        fuse(
            **tidy_study(TABLE, folder),
            treatments=None,
            settings=FusionSettings(
                label={"source": "column", "column": "is_control",
                       "positive": "False", "negative": "True"},
                clinical=[], outer_folds=10, repeats=asked.repeats,
                permutations=asked.permutations,
                combat="in_fold" if asked.combat else "none",
            ),
            out=folder / "fusion",
            progress=print,
        )  # fmt: skip
        spent = time.process_time() - start
        metrics = json.loads((folder / "fusion/metrics.json").read_text(encoding="utf-8"))
    areas = ("auc_within_site", "auc_leave_site_out", "auc_pooled")
    print(f"\n{'model':12s}" + "".join(f"{area:>26s}" for area in areas) + f"{'p':>10s}")
    for model, record in metrics["models"].items():
        cells = [
            "{value:.3f} ({ci_low:.3f} to {ci_high:.3f})".format(**record[area]) for area in areas
        ]
        p = record["p_permutation"]
        print(f"{model:12s}" + "".join(f"{cell:>26s}" for cell in cells) + f"{p or 0:10.4f}")
    print(*metrics["cautions"], sep="\n")
    print(f"{spent:.1f} CPU s")


if __name__ == "__main__":
    main()
