"""An output folder as a run leaves it: 48 people, two sites, four modalities, losses and doubts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score, roc_curve
from tests.charts_of_a_run import write_charts

from commissure.checks import Check, write_quality
from commissure.files import write_json, write_table
from commissure.markers.intervals import wilson_interval
from commissure.markers.outcomes import outcomes, quality_table
from commissure.markers.ratings import RATING_COLUMNS, rating_files
from commissure.markers.recovery import recovery
from commissure.markers.status import Status, write_statuses
from commissure.markers.visits import visit_table
from commissure.names import Scan
from commissure.outputs import (
    ACQUISITION,
    COMPLETENESS,
    EXCLUSIONS,
    IMPORTANCE,
    LABELS,
    PREDICTIONS,
    QC_FC,
    QC_FC_RECORD,
    QUALITY,
    RECOVERY_PAIRS,
    TOOL_QUALITY,
    VULNERABILITY,
    Output,
)
from commissure.report.cohort import cohort
from commissure.report.page import write_report
from commissure.report.results import read_results
from commissure.report.section import ReportInput
from commissure.report.settings import ReportSettings
from commissure.rows import Marker, read_markers, write_markers

STUDY = "0a1b2c3d4e5f"
GROUPS = ("control", "responsive", "resistant")
CAUTION = "Site alone reaches an AUC of 0.62 <within> the noise of 30 people & must be watched"
CAUSE = "the header says 3 < 4 dimensions & the file /data/study/raw/sub-05_bold.nii.gz is short"

# Marker, region, unit, mean, standard deviation, true difference resistant - responsive.
MARKERS = {
    "anat": [
        *(("volume", f"{name}_{side}", "mm3", mean, sd, d)
          for name, mean, sd, d in (("Hippocampus", 3600, 320, -0.5), ("Amygdala", 1500, 160, -0.2),
                                    ("SFG", 21000, 2100, -0.45), ("LateralVentricle", 8200, 2600, .2),
                                    ("Thalamus", 7100, 600, -0.1), ("Caudate", 3900, 380, 0.0))
          for side in "LR"),
        ("volume", "TIV", "mm3", 1.47e6, 1.3e5, 0.0),
    ],
    "func": [
        *(("fc", name, "1", 0.45, 0.09, d) for name, d in
          (("Vis", 0), ("SomMot", 0), ("Cont", -.2), ("Default", .35), ("Cont-Default", .1))),
        ("fc_dmn_core", "Default", "1", 0.38, 0.12, 0.3),
        ("fc_dlpfc_strength", "DLPFC_bilateral", "1", 0.21, 0.05, -0.35),
        ("fc_thal_cortex", "Cont", "1", 0.18, 0.07, -0.3),
        ("fc_striatum_cortex", "frontal", "1", 0.15, 0.07, -0.3),
    ],
    "dwi": [
        *(("fa", name, "1", mean, 0.022, -0.35) for name, mean in
          (("WM", .41), ("GCC", .61), ("BCC", .58), ("ACR_L", .44), ("ACR_R", .45))),
        ("md", "WM", "mm2/s", 7.6e-4, 2.4e-5, 0.2),
    ],
    "mrs": [("glu", "ACC", "mmol/kg", 11.8, 1.1, .4), ("gln", "ACC", "mmol/kg", 2.9, .5, 0),
            ("gsh", "ACC", "mmol/kg", 1.5, .22, -.5), ("glu_tcr", "ACC", "1", 1.31, .11, .4)],
}  # fmt: skip
CONFOUNDS = {
    "anat": ("tiv", "head", "mm3", 1.47e6, 1.3e5),
    "func": ("mean_fd", "brain", "mm", 0.22, 0.13),
    "dwi": ("dwi_motion", "brain", "mm", 0.4, 0.15),
    "mrs": ("fwhm", "ACC", "ppm", 0.06, 0.015),
}
CHECKS = {
    "anat": (("cnr", 2.4, 0.4, ">= 1.5"), ("tiv_ml", 1470, 130, "900 to 2100")),
    "func": (("mean_fd_mm", 0.25, 0.13, "<= 0.55"), ("tsnr", 62, 12, ">= 30"),
             ("degrees_of_freedom", 88, 9, "")),
    "dwi": (("motion_mm", 0.4, 0.15, "<= 1"), ("b0_snr", 21, 3.5, ">= 12")),
    "mrs": (("fwhm_ppm", 0.062, 0.016, "<= 0.1"), ("snr", 48, 9, ">= 20"), ("f_csf", .16, .06, "")),
}  # fmt: skip
SCANS = {
    "anat": ("T1w", {}),
    "func": ("bold", {"task": "rest"}),
    "dwi": ("dwi", {}),
    "mrs": ("svs", {"voi": "ACC"}),
}
PRODUCTS = {
    "anat": ("preproc", "volumes"),
    "func": ("preproc", "connectivity"),
    "dwi": ("preproc", "tracts"),
    "mrs": ("preproc", "concentrations"),
}


@dataclass(frozen=True)
class Run:
    """An output folder and its people."""

    folder: Path
    participants: pd.DataFrame

    @property
    def statuses(self) -> list[Path]:
        """The status table of the one batch."""
        return [self.folder / "work/status/measure/batch-0001.tsv"]

    def input(self, settings: ReportSettings | None = None) -> ReportInput:
        """What the sections of the report are made from."""
        results = read_results(
            self.folder, self.statuses, ratings=rating_files(self.folder), study=STUDY
        )
        people = cohort(
            self.participants,
            results.tables["fusion/labels.tsv"],
            question=results.metrics.get("question") or {},
        )
        return ReportInput(results, people, settings or ReportSettings())

    def report(self, page: Path, settings: ReportSettings | None = None) -> str:
        """Write the report and give its text."""
        write_report(
            self.folder,
            page,
            statuses=self.statuses,
            participants=self.participants,
            settings=settings or ReportSettings(),
            config_text="bids_dir: /data/study/bids\noutput_dir: out\nmrs:\n  reference: water\n",
            ratings=rating_files(self.folder),
            study=STUDY,
        )
        return page.read_text(encoding="utf-8")


def people_table(n: int, rng: np.random.Generator) -> pd.DataFrame:
    """Three groups of equal size over two sites."""
    return pd.DataFrame(
        {
            "participant_id": [f"sub-{at + 1:02d}" for at in range(n)],
            "age": np.round(rng.normal(34, 9, n), 1),
            "sex": rng.choice(["female", "male"], n),
            "site": [("north", "south")[at // 3 % 2] for at in range(n)],
            "group": [("control", "patient", "patient")[at % 3] for at in range(n)],
            "age_at_onset": [
                float(np.round(rng.normal(23, 4), 1)) if at % 3 else np.nan for at in range(n)
            ],
        }
    )


def figure(title: str) -> str:
    """A small figure with an id that every other figure has too."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        '<svg xmlns="http://www.w3.org/2000/svg" width="560" height="150" viewBox="0 0 560 150">\n'
        '<defs><clipPath id="clip"><circle cx="75" cy="80" r="55"/></clipPath></defs>\n'
        f'<text x="10" y="18" font-size="13" font-family="sans-serif">{title} 100 %</text>\n'
        '<rect width="560" height="150" fill="#4466aa" clip-path="url(#clip)"/>\n'
        '<path d="M 180 120 \nL 260 60 \nL 340 95 \nL 540 40" fill="none" stroke="#a33"/></svg>\n'
    )


def build_run(folder: Path, n: int = 48, seed: int = 7) -> Run:
    """Write every file that a run leaves, with losses, exclusions, flags and a known truth."""
    rng = np.random.default_rng(seed)
    people = people_table(n, rng)
    kinds = [GROUPS[at % 3] for at in range(n)]
    who = people["participant_id"].tolist()
    unclear = {who[10]}
    rows, completeness, pairs, left = [], [], [], []
    for at, person in enumerate(who):
        site = 0.5 if people["site"][at] == "south" else 0.0
        for modality, markers in MARKERS.items():
            suffix, entities = SCANS[modality]
            scan = Scan(Path("x"), {"sub": person[4:], **entities}, suffix)
            image = f"{person}/{modality}/{scan.label}_{suffix}.nii.gz"
            if modality == "mrs" and at % 12 == 5:
                completeness.append((person, "", modality, "", "image", "missing",
                                     "the dataset has no image of this modality", ""))  # fmt: skip
                continue
            failed = modality == "func" and at == 4
            for product in PRODUCTS[modality]:
                state, cause, command = "present", "", ""
                if failed:
                    state, cause = "failed", f"{person}: {CAUSE}"
                    command = "snakemake --cores all --forcerun work/status/func_4.tsv"
                elif modality == "func" and product == "connectivity" and at % 16 == 9:
                    state, cause = "missing", "20 volumes leave no degree of freedom after 34 terms"
                completeness.append((person, "", modality, image, product, state, cause, command))
            if failed:
                continue
            place = folder / person / modality
            bad = at % 17 == 3
            checks = []
            for name, mean, sd, limit in CHECKS[modality]:
                value = max(0.1 * mean, rng.normal(mean, sd * 0.6))
                if bad and limit.startswith(("<", ">")):
                    value = mean + (4 * sd if limit.startswith("<") else -4 * sd)
                bound = float(limit.split()[1]) if limit[:1] in "<>" and limit else None
                passed = None
                if bound is not None:
                    passed = value <= bound if limit.startswith("<") else value >= bound
                elif limit:
                    passed = True
                checks.append(Check(name, float(value), limit, passed))
            if at == 20 and modality == "dwi":
                checks.append(Check("outlier_slices", None, "<= 5", None, "too few directions"))
            missing = {"connectivity": "no degree of freedom"} if at % 16 == 9 else {}
            reporting = [] if modality != "mrs" else [
                {"section": "1. Hardware", "item": "Field strength", "value": "2.89 T", "unit": ""},
                {"section": "4. Quality", "item": "SNR of the fit", "value": 20 + at, "unit": ""},
                {"section": "2. Acquisition", "item": "Shimming", "value": None, "unit": ""},
            ]  # fmt: skip
            write_quality(
                checks, place / scan.derivative("qc", ".json"), missing=missing, mrsinmrs=reporting
            )
            drawn = place / "figures" / scan.derivative(suffix, ".svg", desc="fitAndTissue")
            drawn.parent.mkdir(parents=True, exist_ok=True)
            drawn.write_text(figure(f"{person} {modality}"), encoding="utf-8")
            files = {str(p.relative_to(place)): 0 for p in place.rglob("*") if p.is_file()}
            left.append(Status(person, "", modality, image, "measure", "present", files=files))
            if modality == "func" and at % 16 == 9:
                continue
            for marker, region, unit, mean, sd, d in markers:
                real = mean + sd * (
                    rng.normal() + d * (kinds[at] == "resistant") + 0.2 * d * (at % 3 > 0)
                )
                blur = {"anat": 0.25, "func": 0.9, "dwi": 0.3, "mrs": 0.6}[modality]
                got = (
                    real
                    + sd * (blur * rng.normal() + site)
                    + (0.12 * mean if marker == "gsh" else 0)
                )
                rows.append(Marker(person, "", modality, region, marker, got, unit,
                                   "flag" if bad else "ok"))  # fmt: skip
                pairs.append((person, "", modality, region, marker, unit, real, got))
            name, region, unit, mean, sd = CONFOUNDS[modality]
            rows.append(Marker(person, "", modality, region, name, abs(rng.normal(mean, sd)), unit))
    write_markers(rows, folder / "markers.tsv")
    write_statuses(left, folder / "work/status/measure/batch-0001.tsv")
    done = outcomes([folder / "work/status/measure/batch-0001.tsv"], folder)
    write_table(quality_table(done), folder / QUALITY.path)
    _acquisition(folder, done)
    _ratings(folder, who)
    write_json(
        {
            marker: {"modality": modality, "unit": unit, "role": role, "regions": [region],
                     "description": f"The {marker} of a region.", "source": "Doe 2020, J Imaging"}
            for role, table in (("marker", MARKERS),
                                ("confound", {m: [c] for m, c in CONFOUNDS.items()}))
            for modality, entries in table.items() for marker, region, unit, *_ in entries
        },
        folder / "markers.json",
    )  # fmt: skip
    write_table(_frame(completeness, COMPLETENESS), folder / "completeness.tsv")
    measured = read_markers(folder / "markers.tsv")
    write_table(visit_table(measured)[0].replace({"session": {"": None}}), folder / "visits.tsv")
    write_table(
        _frame(
            [(who[3], "", "func", "max_mean_fd_mm", 0.55, 0.77), (who[8], "", "all", "markers.exclude", "named", "n/a")],
            EXCLUSIONS,
        ),
        folder / "exclusions.tsv",
    )  # fmt: skip
    labels = [
        (p, "indeterminate" if p in unclear else kind,
         "only one trial reached 600 mg for 6 weeks" if p in unclear else "")
        for p, kind in zip(who, kinds, strict=True)
    ]  # fmt: skip
    write_table(_frame(labels, LABELS), folder / "fusion/labels.tsv")
    _fusion(folder, people, labels, rng)
    _recovery(folder, pairs, dict(zip(who, kinds, strict=True)))
    _vulnerability(folder, dict(zip(who, kinds, strict=True)))
    _qc_fc(folder, n)
    write_table(TOOL_QUALITY.frame(), folder / TOOL_QUALITY.path)
    write_charts(folder, dict(zip(who, kinds, strict=True)))
    write_json(
        {
            "versions": {"commissure": "0.1.0", "numpy": "2.3.5", "antspyx": "0.6.3"},
            "name": "Commissure",
            "version": "0.1.0",
            "python": "3.11.2",
            "system": "Linux x86_64",
            "commit": "0123456789abcdef",
            "uncommitted_changes": False,
            "command": "snakemake --cores all --configfile /home/someone/study.yaml",
            "written": "2025-03-01T10:19:00+00:00",
        },
        folder / "provenance/run.json",
    )
    return Run(folder, people)


def _acquisition(folder: Path, done: pd.DataFrame) -> None:
    rows = [
        (row["participant_id"], None, row["modality"], row["scan"], *scanner, 3.0, 1.0, 2.3, 30.0,
         row["modality"] == "func" and at % 3 == 0, at % 2 == 0)
        for at, row in enumerate(done.to_dict("records"))
        for scanner in [("Siemens", "Prisma", "XA30") if at % 2 else ("GE", "MR750", "DV26")]
    ]  # fmt: skip
    write_table(ACQUISITION.frame(rows), folder / ACQUISITION.path)


def _ratings(folder: Path, who: list[str]) -> None:
    """Two raters of twelve people; they differ over the third."""
    for rater in ("anna", "ben"):
        rows = [
            (STUDY, person, None, "anat", "drop" if at in (2, 5)[rater == "ben":] else "keep", None,
             "moved <b>" if at == 5 else None)
            for at, person in enumerate(who[:12])
        ]  # fmt: skip
        table = pd.DataFrame(rows, columns=list(RATING_COLUMNS))
        write_table(table, folder / f"ratings_{rater}.tsv")


def _frame(rows: list[tuple], output: Output) -> pd.DataFrame:
    return output.frame(rows).replace("", None)


def _area(value: float) -> dict:
    return {"value": value, "ci_low": value - 0.2, "ci_high": value + 0.15, "interval": "Newcombe",
            "n_compared": 15, "pairs": 56}  # fmt: skip


def _by_site(value: float) -> dict:
    sites = [
        {"site": site, "n": 15, "n_positive": 8, "auc": _area(value + shift), "predicted": 0.5,
         "observed": 0.53, "calibration_slope": 0.7, "calibration_intercept": 0.1}
        for site, shift in (("north", 0.05), ("south", -0.05))
    ]  # fmt: skip
    effects = {"value": value, "ci_low": value - 0.1, "ci_high": value + 0.1,
               "prediction_low": 0.41, "prediction_high": 0.83, "tau2": 0.0049, "i2": 0.16,
               "sites": 2}  # fmt: skip
    return {"sites": sites, "random_effects": effects}


def _fusion(folder: Path, people: pd.DataFrame, labels: list[tuple], rng) -> None:
    inside = [(p, kind) for p, kind, _ in labels if kind in GROUPS[1:]]
    n, positive = len(inside), sum(kind == "resistant" for _, kind in inside)
    site = people.set_index("participant_id")["site"]
    shown, curves = {}, {}
    predictions = []
    for name, kind, strength, about in (
        ("late", "fusion", 0.72, "the mean of the single-modality models"),
        ("stacked", "fusion", 0.6, "a ridge over the single-modality models"),
        ("anat", "modality", 0.4, "volumes alone"),
        ("func", "modality", 0.2, "connectivity alone"),
        ("dwi", "modality", 0.5, "tract averages alone"),
        ("mrs", "modality", 0.6, "metabolites alone"),
        ("clinical", "baseline", 0.55, "age, sex and age at onset"),
        ("confounds", "baseline", 0.1, "motion, noise and head size"),
        ("site", "baseline", 0.0, "the site"),
    ):
        area = 0.5 + 0.25 * strength
        shown[name] = {
            "kind": kind, "description": about, "n": n, "n_positive": positive, "modalities": [],
            "auc_within_site": {"value": area, "ci_low": area - 0.19, "ci_high": area + 0.16},
            "auc_pooled": {"value": area + 0.02, "ci_low": area - 0.16, "ci_high": area + 0.17},
            "auc_leave_site_out": {"value": area - 0.06, "ci_low": area - 0.27,
                                   "ci_high": area + 0.13},
            "brier": 0.25 - 0.05 * strength, "calibration_slope": 0.62,
            "calibration_intercept": -0.05,
            "p_permutation": 0.031 if kind == "fusion" else None,
        }  # fmt: skip
        for person, label in inside:
            base = (label == "resistant") * strength
            own = base - strength / 2 + rng.normal(0, 0.8)
            for repeat in range(3):
                score = 1 / (1 + np.exp(-own - rng.normal(0, 0.2)))
                predictions.append(
                    (person, name, "cv", repeat, "0", site[person], label, "", math.nan, score)
                )
        curves[name] = _curves([row for row in predictions if row[1] == name])
    write_table(_frame(predictions, PREDICTIONS), folder / "fusion/predictions.tsv")
    write_json(
        {
            "status": "fitted", "primary": "late",
            "question": {
                "positive": "resistant", "negative": "responsive", "n": n, "n_positive": positive,
                "n_indeterminate": 1, "n_controls": 16,
                "sites": {s: {"n": 15, "n_positive": 8} for s in ("north", "south")},
            },
            "models": shown, "best_baseline": "clinical",
            "by_site": {scheme: _by_site(area) for scheme, area in (("cv", 0.68), ("leave_site_out", 0.62))},
            "by_group": [
                {"by": by, "group": group, "n": 15, "n_positive": 8, "auc_within_site": _area(0.66),
                 "predicted": 0.5, "observed": 0.53, "calibration_slope": 0.6,
                 "calibration_intercept": 0.1}
                for by, group in (("sex", "female"), ("sex", "male"), ("age", "18 to 30"))
            ],
            "curves": {name: curves[name] for name in ("late", "clinical")},
            "decision_curve": {
                "threshold": [0.1, 0.35, 0.6], "all": [0.46, 0.25, -0.2], "none": [0.0, 0.0, 0.0],
                "late": [0.45, 0.28, 0.1],
            },
            "sample_size": {"prevalence": 0.5, "rows": [
                {"auc": 0.7, "predictors_carried": 0,
                 "people_needed": {"6": 417, "10": 695, "20": 1389}},
            ]},
            "cautions": [CAUTION], "settings": {"repeats": 10, "folds": 5},
        },
        folder / "fusion/metrics.json",
    )  # fmt: skip
    write_json(
        {
            "checks": [
                {"name": "shuffled_labels", "question": "Does it know shuffled labels?",
                 "value": 0.503, "expected": "0.45 to 0.55", "passed": True,
                 "description": "with shuffled labels the AUC is that of chance"},
                {"name": "site_only", "question": "Does the site alone tell?", "value": 0.62,
                 "expected": "< 0.60", "passed": False, "description": "the site alone tells too much"},
                {"name": "planted_leak", "question": "Is a planted leak found?", "value": None,
                 "expected": "found", "passed": None, "description": "too few people to decide"},
            ]
        },
        folder / "fusion/falsification.json",
    )  # fmt: skip
    weights = [
        ("stacked", "mrs", "ACC", "gsh", -0.61), ("stacked", "dwi", "WM", "fa", -0.42),
        ("late", "mrs", "", "evidence", 0.64), ("late", "dwi", "", "evidence", 0.36),
    ]  # fmt: skip
    write_table(_frame(weights, IMPORTANCE), folder / "fusion/importance.tsv")


def _curves(predictions: list[tuple]) -> dict:
    """The curves of one model, as the models' room writes them."""
    table = PREDICTIONS.frame(predictions).groupby("participant_id")
    outcome = (table["label"].first() == "resistant").to_numpy(int)
    score = table["probability"].mean().to_numpy(float)
    alarms, hits, _ = roc_curve(outcome, score, drop_intermediate=False)
    groups = []
    for group in np.array_split(np.argsort(score, kind="stable"), 5 if len(score) >= 25 else 3):
        share = outcome[group].mean()
        low, high = wilson_interval(int(outcome[group].sum()), len(group))
        groups.append({"predicted": score[group].mean(), "observed": share, "ci_low": low,
                       "ci_high": high, "n": len(group)})  # fmt: skip
    return {
        "n": len(outcome), "n_positive": int(outcome.sum()),
        "roc": {"auc": roc_auc_score(outcome, score), "false_positive_rate": alarms.tolist(),
                "true_positive_rate": hits.tolist()},
        "calibration": groups,
    }  # fmt: skip


def _recovery(folder: Path, pairs: list[tuple], kinds: dict[str, str]) -> None:
    table = RECOVERY_PAIRS.frame(pairs)
    labels = pd.DataFrame({"participant_id": list(kinds), "label": list(kinds.values())})
    write_table(table.replace("", None), folder / "recovery_pairs.tsv")
    write_table(recovery(table, labels), folder / "recovery.tsv")
    write_json(
        {"tests": 1000, "rate": 0.052, "low": 0.04, "high": 0.0676},
        folder / "recovery_false_positives.json",
    )
    # An oracle who separates all, and a model of the truth that separates none.
    patients = labels[labels["label"] != "control"]
    write_table(
        pd.DataFrame(
            {
                "participant_id": patients["participant_id"],
                "oracle": np.where(patients["label"] == "resistant", 1.0, -1.0),
                "learned": 0.0,
            }
        ),
        folder / "recovery_oracle.tsv",
    )


def _vulnerability(folder: Path, kinds: dict[str, str]) -> None:
    """RVI is 0 in controls, 0.2 in the responsive, 0.4 in the resistant, give or take 0.1."""
    level = {"control": 0.0, "responsive": 0.2, "resistant": 0.4}
    rows = [
        (who, "fa", level.get(kind, 0.2) + 0.1 * (-1) ** i, i % 5, 24)
        for i, (who, kind) in enumerate(kinds.items())
    ]
    write_table(VULNERABILITY.frame(rows), folder / "vulnerability.tsv")
    of_controls = {"n_controls": sum(kind == "control" for kind in kinds.values()), "n": len(rows)}
    write_json(
        {
            "disorder": "schizophrenia", "reference": "control", "within_site": False,
            "min_controls": 10, "cautions": [],
            "indices": [
                {"traits": "fa", "title": "White matter, 24 tracts", "source": "Kelly 2018",
                 "modality": "dwi", "marker": "fa", "n_traits": 24, "traits_not_measured": [],
                 "covariates": ["age", "sex=M", "tiv"], "n_without_covariates": 1,
                 "n_too_few_traits": 0, "sites_too_small": [], **of_controls},
                {"traits": "thickness", "title": "Thickness of the cortex", "source": "van Erp",
                 "reason": "no marker has four fifths of the 33 traits"},
            ],
        },
        folder / "vulnerability.json",
    )  # fmt: skip


def _qc_fc(folder: Path, people: int) -> None:
    """Three strategies: the one in use leaves motion in near pairs, one costs too much."""
    strategies = (("24P+aCompCor", True, 0.19, -0.31, 44.2, True, True),
                  ("36P", False, 0.1, 0.02, 41.0, False, True),
                  ("12P+aCompCor", False, 0.11, 0.03, 12.5, False, False))  # fmt: skip
    rows = [
        {
            "strategy": name, "in_use": used, "people": people, "people_lost": 0,
            "degrees_of_freedom": degrees, "pairs": 4950, "median_abs_r": median,
            "expected_abs_r": 0.12, "chance_low": 0.09, "chance_high": 0.14, "p_median": 0.005,
            "significant_percent": 9.0, "significant_percent_fdr": 1.5, "distance_rho": rho,
            "p_distance": 0.005 if left else 0.4, "distance_slope": rho / 4, "motion_left": left,
            "affordable": affordable,
        }
        for name, used, median, rho, degrees, left, affordable in strategies
    ]  # fmt: skip
    write_table(QC_FC.frame(rows), folder / QC_FC.path)
    write_json(
        {
            "people": people, "covariates": ["age", "site"], "min_people": 20,
            "mean_fd_mm": {"median": 0.14, "low": 0.05, "high": 0.6},
            "rule": "A strategy is affordable that leaves people and degrees of freedom.",
            "verdict": {"supported": "36P", "motion_left": False},
            "sentence": "This cohort supports 36P (median |r| 0.100, rho with distance 0.02).",
            "curves": {
                name: [(20 + 14 * k, rho * (0.5 - k / 9) * 0.6) for k in range(10)]
                for name, _, _, rho, *_ in strategies
            },
        },
        folder / QC_FC_RECORD.path,
    )  # fmt: skip


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A complete run."""
    return build_run(tmp_path_factory.mktemp("output"))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A complete run of few people, for what needs several reports."""
    return build_run(tmp_path_factory.mktemp("small"), n=15)


@pytest.fixture(scope="session")
def page(run: Run, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The report of the complete run."""
    return run.report(tmp_path_factory.mktemp("page") / "report.html")
