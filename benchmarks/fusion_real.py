"""Two real multi-site tables through the same road as any study, without and with ComBat.

The numbers to read are the AUC within site and with the site left out; a pooled AUC mixes in what
the site tells. Settings stand in the configuration beside this file (fusion_mcic.yaml,
fusion_impac.yaml).

    python benchmarks/fusion_real.py [mcic impac] [--data ../shared/data/tables] [--permutations N]

Needs the tables mcic-vbm-aal and impac-autism-freesurfer; says so and stops where they are absent.
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
import yaml

from commissure.files import write_json, write_table
from commissure.fusion.run import fuse
from commissure.fusion.settings import FusionSettings
from commissure.rows import Marker, write_markers

HERE = Path(__file__).resolve().parent
AREAS = ("auc_within_site", "auc_leave_site_out", "auc_pooled")


def tidy_mcic(tables: Path, folder: Path) -> dict[str, Path]:
    """Write the MCIC table as markers, definitions, exclusions and people of a study."""
    wide = pd.read_csv(
        tables / "mcic-vbm-aal/gm_density_aal116.csv",
        dtype={"id": str, "site": str, "is_control": str, "sex": str},
    )
    wide["participant_id"] = "sub-" + wide["id"]
    names = {name: ("gm_density", name.removeprefix("gm_")) for name in wide if name[:3] == "gm_"}
    return _written(wide, names, ["age", "sex", "site", "is_control"], folder)


def tidy_impac(tables: Path, folder: Path) -> dict[str, Path]:
    """Write the IMPAC tables likewise."""
    source = tables / "impac-autism-freesurfer"
    # Identifiers are longer than 64 bits: text.
    text = {"subject_id": str}
    wide = pd.read_csv(source / "anatomy.csv", dtype=text)
    own = [name for name in wide if name not in ("subject_id", "participant_id")]
    names = {name: (f"freesurfer_{name.rsplit('_', 1)[-1]}", name) for name in own}
    people = pd.read_csv(source / "participants.csv", dtype=text | {"site": str, "asd": str})
    wide = wide.merge(people, on="subject_id", validate="one_to_one")
    wide["participant_id"] = "sub-" + wide["subject_id"]
    return _written(wide, names, ["age", "sex", "site", "asd"], folder)


def _written(
    wide: pd.DataFrame, names: dict[str, tuple[str, str]], columns: list[str], folder: Path
) -> dict[str, Path]:
    paths = {
        "markers": folder / "markers.tsv",
        "definitions": folder / "markers.json",
        "exclusions": folder / "exclusions.tsv",
        "participants": folder / "participants.tsv",
    }
    write_markers(
        (
            Marker(person["participant_id"], "", "table", region, marker, float(person[name]), "1")
            for person in wide.to_dict("records")
            for name, (marker, region) in names.items()
        ),
        paths["markers"],
    )
    write_json({marker: {"role": "marker"} for marker, _ in names.values()}, paths["definitions"])
    rules = ["participant_id", "session", "modality", "rule", "limit", "value"]
    write_table(pd.DataFrame(columns=rules), paths["exclusions"])
    write_table(wide[["participant_id", *columns]], paths["participants"])
    return paths


STUDIES = {"mcic": tidy_mcic, "impac": tidy_impac}


def settings_of(name: str, **changes: object) -> FusionSettings:
    """The settings of a study, as they stand in its configuration."""
    text = (HERE / f"fusion_{name}.yaml").read_text(encoding="utf-8")
    return FusionSettings(**{**yaml.safe_load(text)["fusion"], **changes})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", help=f"of {', '.join(STUDIES)}; all by default")
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared/data/tables")
    parser.add_argument("--permutations", type=int)
    parser.add_argument("--repeats", type=int)
    asked = parser.parse_args()
    if not asked.data.is_dir():
        sys.exit(
            "benchmarks/fusion_real.py: the tables are not on this machine; nothing was measured."
        )
    changes = {key: getattr(asked, key) for key in ("permutations", "repeats")
               if getattr(asked, key) is not None}  # fmt: skip
    print(f"{'study':7s}{'ComBat':9s}{'model':11s}" + "".join(f"{a:>24s}" for a in AREAS)
          + f"{'p':>8s}{'n':>12s}")  # fmt: skip
    for name in asked.studies or STUDIES:
        for combat in ("none", "in_fold"):
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                start = time.process_time()
                settings = settings_of(name, combat=combat, secondary_analyses=False, **changes)
                paths = STUDIES[name](asked.data, folder)
                fuse(**paths, treatments=None, settings=settings, out=folder / "fusion")
                metrics = json.loads((folder / "fusion/metrics.json").read_text(encoding="utf-8"))
                checks = json.loads((folder / "fusion/falsification.json").read_text())["checks"]
            for model, record in metrics["models"].items():
                cells = ["{value:.3f} ({ci_low:.3f}-{ci_high:.3f})".format(**record[a])
                         if record[a]["value"] is not None else "n/a" for a in AREAS]  # fmt: skip
                p = record["p_permutation"]
                print(f"{name:7s}{combat:9s}{model:11s}" + "".join(f"{c:>24s}" for c in cells)
                      + (f"{p:8.4f}" if p is not None else f"{'n/a':>8s}")
                      + f"{record['n_positive']:>6d} of {record['n']}")  # fmt: skip
            for row in metrics["site_classifier"]:
                after = "" if row["after"] is None else f", {row['after']:.3f} after ComBat"
                print(f"        AUC of the site from the markers: {row['before']:.3f}{after}")
            failed = [check["name"] for check in checks if check["passed"] is False]
            print(f"        checks that failed: {', '.join(failed) or 'none'}; "
                  f"{time.process_time() - start:.0f} CPU s", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
