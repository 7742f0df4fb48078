"""Configuration: what config.yaml and the command line may say by mistake, and output folders."""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError

from commissure.flow.config_files import check_files
from commissure.flow.plan import Plan

from .harness import TOLD, Case, Outcome, Verdict

SNAKEFILE = Path(__file__).resolve().parents[2] / "Snakefile"
RIGHT: Sequence[Verdict] = ("right",)
REFUSED: Sequence[Verdict] = ("refused",)


def bomb(kind: str) -> str:
    """References to references: nine times nine times nine values, in lists or in mappings."""
    letters = "abcdefghi"
    lines = [f"a: &a [{', '.join('x' * 9)}]"]
    for old, new in itertools.pairwise(letters):
        items = [f"{key}: *{old}" if kind == "{}" else f"*{old}" for key in letters]
        lines.append(f"{new}: &{new} {kind[0]}{', '.join(items)}{kind[1]}")
    return "\n".join(lines) + "\n"


def study(folder: Path) -> None:
    """A dataset of one person in ``folder``, which becomes the working folder."""
    image = folder / "bids/sub-01/anat/sub-01_T1w.nii.gz"
    image.parent.mkdir(parents=True)
    image.write_text("image")
    (folder / "bids/participants.tsv").write_text("participant_id\tsite\nsub-01\tA\n")
    (folder / "bids/dataset_description.json").write_text('{"Name": "raw"}')


def digest_of(folder: Path) -> dict[str, str]:
    """Content of every file of the dataset."""
    files = sorted(path for path in (folder / "bids").rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def plan(folder: Path, content: bytes) -> Outcome:
    """What the Snakefile does with the ``config.yaml`` of the working folder."""
    study(folder)
    raw = digest_of(folder)
    (folder / "config.yaml").write_bytes(content)
    said = io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stderr(said):
        check_files(["config.yaml"])
        try:
            config = load_configfile("config.yaml")
        except WorkflowError as error:
            return Outcome("refused", f"by Snakemake: {' '.join(str(error).split())}")
        planned = Plan({"bids_dir": "bids", "output_dir": "out", **config}, main=True)
        found = Path(planned.output_dir, "work/index.tsv").read_text().count("\n") - 1
    if digest_of(folder) != raw or found != 1:
        return Outcome("silent", f"{found} images; the raw data are other ones")
    return Outcome("flagged" if said.getvalue() else "right", said.getvalue())


def settings(**values: Any) -> bytes:
    """A configuration."""
    return yaml.safe_dump(values).encode()


def planted(content: bytes) -> Callable[[Path], Outcome]:
    """A case of the working folder's ``config.yaml``."""
    return lambda folder: plan(folder, content)


def linked(link: str, target: str, **values: str) -> Callable[[Path], Outcome]:
    """A link in the working folder, and what the configuration says."""

    def attempt(folder: Path) -> Outcome:
        (folder / link).symlink_to(target)
        return plan(folder, settings(**values))

    return attempt


def bound(folder: Path) -> Outcome:
    """An output folder below a bind mount of the dataset."""
    (folder / "bound").mkdir()
    (folder / "bids").mkdir()
    mounting = ["mount", "--bind", str(folder / "bids"), str(folder / "bound")]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        return Outcome("refused", "(not tried: mounting is not allowed here)")
    try:
        return _in_mount(folder)
    finally:
        subprocess.run(["umount", str(folder / "bound")], check=True)


def _in_mount(folder: Path) -> Outcome:
    (folder / "bids/sub-01/anat").mkdir(parents=True)
    (folder / "bids/sub-01/anat/sub-01_T1w.nii.gz").write_text("image")
    with contextlib.chdir(folder):
        Plan({"bids_dir": "bids", "output_dir": "bound/results"}, main=True)
    return Outcome("silent", "planned into the dataset")


def table_in_output(folder: Path) -> Outcome:
    """The people's table lies where the run would write its own."""
    (folder / "out").mkdir()
    (folder / "out/participants.tsv").write_text("participant_id\nsub-01\n")
    return plan(folder, settings(participants={"file": "out/participants.tsv"}))


def command(*arguments: str, files: Mapping[str, bytes]) -> Callable[[Path], Outcome]:
    """A case of the snakemake command itself."""

    def attempt(folder: Path) -> Outcome:
        study(folder)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        done = subprocess.run(
            [str(Path(sys.executable).parent / "snakemake"), "-n", "--quiet", "all", "--cores",
             "1", "--snakefile", str(SNAKEFILE), *arguments],
            cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
            env={**os.environ, "PYTHONPATH": str(SNAKEFILE.parent / "src")},
        )  # fmt: skip
        said = done.stdout + done.stderr
        if "Traceback" in said:
            return Outcome("traceback", said[-300:])
        return Outcome("refused" if done.returncode else "silent", " ".join(said.split())[-300:])

    return attempt


def _refused() -> list[tuple[str, str, bytes]]:
    """Configurations that are refused, as the content of ``config.yaml``."""
    reversed_band = {"band_low_hz": 0.08, "band_high_hz": 0.01}
    return [
        ("c01b", "a number", b"5\n"),
        ("c02", "broken YAML", b"bids_dir: [a\n"),
        ("c03", "a list", b"- a\n- b\n"),
        ("c04", "tabs", b"func:\n\ttasks: [rest]\n"),
        ("c05", "unknown key", settings(func={"fd_treshold_mm": 0.5})),
        ("c06", "a number as text", settings(func={"fd_threshold_mm": "half"})),
        ("c07", "bids_dir is a number", settings(bids_dir=5)),
        ("c08", "bids_dir empty", settings(bids_dir="")),
        ("c09", "bids_dir is a file", settings(bids_dir="config.yaml")),
        ("c10", "output_dir is the dataset", settings(output_dir="bids")),
        ("c11", "output_dir in the dataset", settings(output_dir="bids/results")),
        ("c11b", "output_dir is derivatives itself", settings(output_dir="bids/derivatives")),
        ("c11c", "output_dir above the dataset", settings(output_dir=".")),
        ("c12", "output_dir is a file", settings(output_dir="config.yaml")),
        ("c13", "output_dir empty", settings(output_dir="")),
        ("c14", "output_dir with braces", settings(output_dir="out/{x}")),
        ("c16", "output_dir with ~", settings(output_dir="~/out")),
        ("c17", "modalities: [eeg]", settings(modalities=["eeg"])),
        ("c18", "modalities: []", settings(modalities=[])),
        ("c18b", "a modality twice", settings(modalities=["anat", "anat"])),
        ("c19", "batch_size 0", settings(batch_size=0)),
        ("c20", "unknown engine", settings(anat={"engine": "unknown"})),
        ("c21", "engine with a path", settings(anat={"engine": "../../../../etc/passwd"})),
        ("c22", "band reversed", settings(func=reversed_band)),
        ("c23", "negative threshold", settings(func={"fd_threshold_mm": -1})),
        ("c24", "NaN threshold", b"func: {fd_threshold_mm: .nan}\n"),
        ("c26", "true for a number", settings(func={"fd_threshold_mm": True})),
        ("c27", "primary is no model", settings(fusion={"primary": "early", "models": ["late"]})),
        ("c28", "unknown model", settings(fusion={"models": ["lates"]})),
        ("c29", "a table that is not there", settings(tables=[{"file": "nope.tsv"}])),
        ("c30", "a table that is a folder", settings(tables=[{"file": "bids"}])),
        ("c31", "participants.site is no column", settings(participants={"site": "scanner"})),
        ("c32", "references to references, lists", bomb("[]").encode()),
        ("c32b", "references to references, mappings", bomb("{}").encode()),
        ("c32c", "a reference to itself", b"a: &a [*a]\n"),
        ("c33", "a Python object", b"title: !!python/object/apply:os.system [ls]\n"),
        ("c34", "a key twice", b"batch_size: 1\nbatch_size: 2\n"),
        ("c35", "UTF-16", "report: {title: Studie}\n".encode("utf-16")),
        ("c36", "Latin-1", "report: {title: Jürgen}\n".encode("latin-1")),
        ("c37", "no penalties", settings(fusion={"penalties": []})),
        ("c38", "one fold", settings(fusion={"outer_folds": 1})),
        ("c39", "fit range reversed", settings(mrs={"fit_low_ppm": 4.2, "fit_high_ppm": 0.2})),
        ("c40", "unknown metabolite", settings(mrs={"metabolites": ["Foo"]})),
        ("c41", "exclude names nobody", settings(markers={"exclude": ["sub-99"]})),
        ("c44", "null for a section", b"func:\n"),
        ("c45", "unknown source of the label", settings(fusion={"label": {"source": "colum"}})),
        ("c46", "mrs.basis is not there", settings(mrs={"basis": "nowhere.BASIS"})),
        ("c47", "title is a list", settings(report={"title": [1, 2]})),
        ("c48", "nested 100 000 deep", b"title: " + b"[" * 100_000),
    ]


def cases(work: Path | None, *, mutations: int, seed: int) -> list[Case]:
    """Everything; nothing here is random."""
    here = [
        Case("config", name, words, planted(content), REFUSED)
        for name, words, content in _refused()
    ]
    named = ("--configfile", "study.yaml", "--config", "bids_dir=bids", "output_dir=out")
    latin = "report: {title: Jürgen}\n".encode("latin-1")
    # Snakemake reads the files of --configfile before anything of this project runs.
    out_of_reach: Sequence[Verdict] = (*TOLD, "traceback")
    return [
        *here,
        Case("config", "c01", "empty file", planted(b""), ("refused", "right")),
        Case("config", "c15", "output_dir with blank, umlaut, quote", planted(settings(output_dir="o ü 'x")), RIGHT),
        Case("config", "c25", "infinite threshold", planted(b"func: {fd_threshold_mm: .inf}\n"), RIGHT),
        Case("config", "c43", "a linked dataset", linked("there", "bids", bids_dir="there"), RIGHT),
        Case("config", "c10b", "output_dir is a link to the dataset", linked("link", "bids", output_dir="link"), REFUSED),
        Case("config", "c11d", "output_dir below a link into the dataset", linked("link", "bids/sub-01", output_dir="link/x"), REFUSED),
        Case("config", "c11e", "output_dir below a bind mount of the dataset", bound, REFUSED),
        Case("config", "c49", "a table that the run reads lies in the output", table_in_output, REFUSED),
        Case("config", "c34n", "a key twice in a file of --configfile", command(*named, files={"study.yaml": b"batch_size: 1\nbatch_size: 2\n"}), REFUSED),
        Case("config", "c32n", "references to references, lists, by --configfile", command(*named, files={"study.yaml": bomb("[]").encode()}), REFUSED),
        Case("config", "c36n", "Latin-1 by --configfile", command(*named, files={"study.yaml": latin}), out_of_reach, detectable=False),
        Case("config", "c42", "--configfile of a missing name", command(*named, files={}), out_of_reach, detectable=False),
    ]  # fmt: skip
