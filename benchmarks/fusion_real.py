"""Three real multi-site tables through the same road as any study, without and with ComBat.

The numbers to read are the AUC within site and with the site left out, at each site, and the
prediction interval for a new one; a pooled AUC mixes in what the site tells. Settings stand in the
configuration beside this file (fusion_mcic.yaml, fusion_impac.yaml, fusion_abide.yaml). The report
of each study is written, to ``--reports`` where it is to be kept.

    python benchmarks/fusion_real.py [mcic impac abide] [--data ../shared/data/tables]
        [--permutations N] [--repeats N] [--combat none in_fold] [--reports FOLDER]

Needs the tables mcic-vbm-aal, impac-autism-freesurfer and abide-ho-timeseries; says so and stops
where they are absent.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# Small matrices: threads of the linear algebra cost two hundred times what they save.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import yaml

from commissure.files import write_json, write_table
from commissure.fusion.run import fuse
from commissure.fusion.settings import FusionSettings
from commissure.report.page import write_report
from commissure.report.settings import ReportSettings
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


def tidy_abide(tables: Path, folder: Path) -> dict[str, Path]:
    """Write the correlations of the ABIDE time series (Fisher's z) likewise."""
    source = tables / "abide-ho-timeseries"
    people = pd.read_csv(source / "phenotype.csv", dtype={"SUB_ID": str, "DX_GROUP": str})
    rows = []
    for name in people["FILE_ID"]:
        with gzip.open(source / f"timeseries/{name}_rois_ho.1D.gz", "rt") as file:
            series = np.loadtxt(file)
        with np.errstate(invalid="ignore", divide="ignore"):
            z = np.arctanh(np.corrcoef(series.T))
        rows.append(z[np.triu_indices(len(z), 1)])
    one, other = np.triu_indices(series.shape[1], 1)
    edges = [f"{a:03d}-{b:03d}" for a, b in zip(one, other, strict=True)]
    wide = pd.concat([people, pd.DataFrame(rows, columns=edges)], axis=1).rename(
        columns={"AGE_AT_SCAN": "age", "SEX": "sex", "SITE_ID": "site", "DX_GROUP": "group",
                 "func_mean_fd": "mean_fd"}
    )  # fmt: skip
    wide["participant_id"] = "sub-" + wide["SUB_ID"]
    wide["autism"] = (wide["group"] == "1").map({True: "yes", False: "no"})
    names = {edge: ("connectivity", edge) for edge in edges}
    return _written(wide, names, ["age", "sex", "site", "mean_fd", "autism"], folder)


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


STUDIES = {"mcic": tidy_mcic, "impac": tidy_impac, "abide": tidy_abide}


def settings_of(name: str, **changes: object) -> FusionSettings:
    """The settings of a study, as they stand in its configuration."""
    text = (HERE / f"fusion_{name}.yaml").read_text(encoding="utf-8")
    return FusionSettings(**{**yaml.safe_load(text)["fusion"], **changes})


def cell(area: Mapping[str, float | None]) -> str:
    """An AUC with its interval."""
    if area["value"] is None:
        return "n/a"
    return "{value:.3f} ({ci_low:.3f}-{ci_high:.3f})".format(**area)


def print_models(name: str, combat: str, metrics: Mapping[str, Any]) -> None:
    """Print a row per model."""
    for model, record in metrics["models"].items():
        p = record["p_permutation"]
        print(
            f"{name:7s}{combat:9s}{model:11s}" + "".join(f"{cell(record[a]):>24s}" for a in AREAS)
            + (f"{p:8.4f}" if p is not None else f"{'n/a':>8s}")
            + f"{record['n_positive']:>6d} of {record['n']}"
            + f", {record['auc_within_site']['pairs']} pairs"
        )  # fmt: skip


def print_sites(schemes: Mapping[str, Any]) -> None:
    """Print a row per site, and what is said of sites in general."""
    away = {row["site"]: row for row in schemes.get("leave_site_out", {}).get("sites", [])}
    print(f"        {'site':14s}{'n':>5s}{'positive':>9s}{'within':>24s}{'left out':>24s}"
          f"{'predicted':>10s}{'observed':>9s}{'slope':>7s}{'intercept':>10s}")  # fmt: skip
    for row in schemes["cv"]["sites"]:
        other = away.get(row["site"])
        told = other or row
        numbers = [told[key] for key in ("predicted", "observed", "calibration_slope",
                                         "calibration_intercept")]  # fmt: skip
        shown = ["n/a" if value is None else f"{value:.2f}" for value in numbers]
        print(f"        {row['site']:14s}{row['n']:5d}{row['n_positive']:9d}{cell(row['auc']):>24s}"
              + f"{cell(other['auc']) if other else 'n/a':>24s}"
              + "".join(f"{text:>{width}s}" for text, width in zip(shown, (10, 9, 7, 10),
                                                                   strict=True)))  # fmt: skip
    for scheme, part in schemes.items():
        total = part["random_effects"]
        if total["value"] is None:
            continue
        line = (f"        {scheme}: mean of {total['sites']} sites {cell(total)}, "
                f"I2 {100 * total['i2']:.0f} %, tau {total['tau2'] ** 0.5:.3f}")  # fmt: skip
        if total["prediction_low"] is not None:
            line += (f", a new site {total['prediction_low']:.3f} to "
                     f"{total['prediction_high']:.3f}")  # fmt: skip
        print(line)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="*", help=f"of {', '.join(STUDIES)}; all by default")
    parser.add_argument("--data", type=Path, default=HERE.parents[1] / "shared/data/tables")
    parser.add_argument("--permutations", type=int)
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--combat", nargs="+", default=["none", "in_fold"])
    parser.add_argument("--reports", type=Path, help="folder in which the reports are kept")
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
        for combat in asked.combat:
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place)
                start = time.process_time()
                settings = settings_of(name, combat=combat, secondary_analyses=False, **changes)
                paths = STUDIES[name](asked.data, folder)
                fuse(**paths, treatments=None, settings=settings, out=folder / "fusion")
                metrics = json.loads((folder / "fusion/metrics.json").read_text(encoding="utf-8"))
                checks = json.loads((folder / "fusion/falsification.json").read_text())["checks"]
                spent = time.process_time() - start
                page = (asked.reports or folder) / f"{name}-{combat}.html"
                page.parent.mkdir(parents=True, exist_ok=True)
                write_report(
                    folder, page, statuses=[],
                    participants=pd.read_csv(paths["participants"], sep="\t", na_values="n/a",
                                             dtype={"site": str}),
                    settings=ReportSettings(), config_text="",
                )  # fmt: skip
                size = page.stat().st_size / 1e6
            print_models(name, combat, metrics)
            print_sites(metrics["by_site"])
            for row in metrics["by_group"]:
                print(f"        {row['by']} {row['group']}: {cell(row['auc_within_site'])}, "
                      f"{row['n_positive']} of {row['n']}")  # fmt: skip
            for row in metrics["site_classifier"]:
                after = "" if row["after"] is None else f", {row['after']:.3f} after ComBat"
                print(f"        AUC of the site from the markers: {row['before']:.3f}{after}")
            for verdict, passed in (("failed", False), ("are not decided", None)):
                names = [check["name"] for check in checks if check["passed"] is passed]
                print(f"        checks that {verdict}: {', '.join(names) or 'none'}")
            print(f"        {spent:.0f} CPU s, report of {size:.1f} MB\n", flush=True)


if __name__ == "__main__":
    main()
