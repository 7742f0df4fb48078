"""Layout: names, folders, links and rights of a dataset, and what planning keeps of it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from commissure.dataset.index import read_entries
from commissure.flow.plan import Plan
from commissure.names import bids_name

from .harness import TOLD, Case, Outcome, Verdict

#: The undisturbed dataset: what each image holds, by its path.
CLEAN = {
    "sub-01/anat/sub-01_T1w.nii.gz": "anat of 01",
    "sub-01/mrs/sub-01_voi-ACC_svs.nii.gz": "mrs of 01",
    "sub-02/mrs/sub-02_voi-ACC_svs.nii.gz": "mrs of 02",
    "sub-02/anat/sub-02_T1w.nii.gz": "anat of 02",
}
_NOBODY = 65534
RIGHT: Sequence[Verdict] = ("right",)
RIGHT_OR_TOLD: Sequence[Verdict] = ("right", *TOLD)


@dataclass(frozen=True)
class Planted:
    """A dataset of two people in which something is planted.

    Attributes
    ----------
    plant
        Does it, given the dataset.
    more
        What a good run takes beside :data:`CLEAN`, by path.
    lost
        Images of :data:`CLEAN` that a good run leaves out.
    told
        What must stand in what planning says.
    config
        What ``config.yaml`` says beside the folders.
    """

    plant: Callable[[Path], object]
    more: Mapping[str, str] = field(default_factory=dict)
    lost: Sequence[str] = ()
    told: str = ""
    config: Mapping[str, object] = field(default_factory=dict)


def run(case: Planted, folder: Path) -> Outcome:
    """Plan the study, plant, plan again, and read every image that would be processed."""
    bids, out = folder / "bids", folder / "out"
    for path, content in CLEAN.items():
        lay(bids, path, content)
        lay(bids, path.replace(".nii.gz", ".json"), "{}")
    config = {"bids_dir": str(bids), "output_dir": str(out), **case.config}
    case.plant(bids)
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        Plan(config, main=True)
    found: dict[str, str] = {}
    notes = []
    for entry in read_entries(out / "work/index.tsv"):
        notes += [f"{entry.scan}: {entry.note}"] if entry.note else []
        if entry.used:
            scan = entry.scan_in(bids)
            label = bids_name(scan.entities, "", "")
            place = f"{entry.participant_id}/{entry.session}/{entry.modality}/{label}"
            if place in found:
                return Outcome("silent", f"{entry.scan} overwrites another image")
            found[place] = scan.path.read_text()
    wanted = {**CLEAN, **case.more}
    truth = sorted(content for path, content in wanted.items() if path not in case.lost)
    told = [*said.getvalue().splitlines(), *notes]
    words = "; ".join(told)
    if sorted(found.values()) != truth:
        return Outcome("flagged" if told and not case.told else "silent", f"{words} {found}")
    if case.told and case.told not in words:
        return Outcome("silent", f"'{case.told}' is not told: {words}")
    return Outcome("flagged" if told else "right", words)


def lay(bids: Path, path: str, content: str = "another") -> Path:
    """Write a file of the dataset."""
    file = bids / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    return file


def laid(path: str, **expected: object) -> Planted:
    """A file that is there too many; its name is told if nothing else is said."""
    return Planted(
        lambda bids: lay(bids, path),
        **{"told": path, **expected},  # type: ignore[arg-type]
    )


def link(path: str, target: str, **expected: object) -> Planted:
    """A link."""

    def plant(bids: Path) -> None:
        (bids / path).parent.mkdir(parents=True, exist_ok=True)
        (bids / path).unlink(missing_ok=True)
        (bids / path).symlink_to(target)

    return Planted(plant, **expected)  # type: ignore[arg-type]


def _pipe(bids: Path, path: str) -> None:
    (bids / path).unlink(missing_ok=True)
    os.mkfifo(bids / path)


def _no_text(bids: Path) -> None:
    path = os.fsencode(bids) + b"/sub-02/anat/sub-02_T1w_\xff\xfe.nii.gz"
    with open(path, "w", encoding="utf-8") as file:
        file.write("another")


def _closed(bids: Path, path: str) -> None:
    """Take the right to read away. Root would have it all the same: this process gives that up."""
    (bids / path).chmod(0)
    if os.geteuid() == 0:
        for item in (bids.parent, *bids.parent.rglob("*")):
            os.chown(item, _NOBODY, _NOBODY)
        for folder in bids.parents:
            if folder.is_relative_to(tempfile.gettempdir()):
                folder.chmod(folder.stat().st_mode | 0o011)
        os.seteuid(_NOBODY)


T1W, SVS = "sub-02/anat/sub-02_T1w.nii.gz", "sub-02/mrs/sub-02_voi-ACC_svs.nii.gz"


def planted_cases() -> list[tuple[str, str, Planted, Sequence[Verdict]]]:
    """Everything that the review planted in a dataset, and what stands beside it."""
    one_is = {"told": "is passed over"}
    return [
        ("l01", "folder sub-01 holds sub-02_T1w as well", laid("sub-01/anat/sub-02_T1w.nii.gz"), TOLD),
        ("l02", "a broken link (git-annex, not fetched)",
         link(T1W, "../../.git/annex/objects/x/y.nii.gz", lost=[T1W], told="datalad get"), TOLD),
        ("l02b", "a pointer of git-annex in place of the image",
         Planted(lambda bids: lay(bids, T1W, "/annex/objects/MD5E-x.nii.gz\n"), lost=[T1W], told="git annex get"), TOLD),
        ("l02c", "a broken sidecar", link(T1W.replace(".nii.gz", ".json"), "gone", lost=[T1W], told="sub-02_T1w.json"), TOLD),
        ("l02d", "a person's folder is a broken link", link("sub-03", "gone", told="sub-03/"), TOLD),
        ("l03", "a loop of links", link("sub-01/loop", "..", told="sub-01/loop"), TOLD),
        ("l05", ".NII.GZ in capitals", laid("sub-03/anat/sub-03_T1w.NII.GZ"), TOLD),
        ("l06", "blanks and umlauts in names", laid("sub-03/anat/sub-03_T1w Jürgen 2.nii.gz"), TOLD),
        ("l07", "a name of 250 signs", laid(f"sub-03/func/sub-03_task-{'x' * 220}_bold.nii.gz", told="",
         more={"sub-03/x": "another"}), RIGHT),
        ("l08", "a folder called as an image", Planted(lambda bids: (bids / "sub-03/anat/sub-03_T1w.nii.gz").mkdir(parents=True), told="it is a folder"), RIGHT_OR_TOLD),
        ("l09", "a pipe as a sidecar", Planted(lambda bids: _pipe(bids, T1W.replace(".nii.gz", ".json")), lost=[T1W], told="named pipe"), TOLD),
        ("l09b", "a pipe as an image", Planted(lambda bids: _pipe(bids, T1W), lost=[T1W], told="named pipe"), TOLD),
        ("l09c", "a pipe as participants.tsv", Planted(lambda bids: _pipe(bids, "participants.tsv")), TOLD),
        ("l10", "an identifier with an underscore", laid("sub-AB_01/anat/sub-AB_01_T1w.nii.gz"), TOLD),
        ("l11", "an identifier with a hyphen", laid("sub-AB-01/anat/sub-AB-01_T1w.nii.gz"), TOLD),
        ("l12", "a folder ses-, names without", laid("sub-03/ses-1/anat/sub-03_T1w.nii.gz", told="", more={"x": "another"}), RIGHT),
        ("l13", "T1W in capitals", laid("sub-03/anat/sub-03_T1W.nii.gz"), TOLD),
        ("l14", "a resource fork of a Mac", laid("sub-02/anat/._sub-02_T1w.nii.gz", told=""), RIGHT),
        ("l15", "images in anat/ without a person", laid("anat/T1w.nii.gz"), RIGHT_OR_TOLD),
        ("l16", "sub-02 and sub-2 both", laid("sub-2/anat/sub-2_T1w.nii.gz", told="", more={"x": "another"}), RIGHT),
        ("l17", "a newline in a name", laid("sub-03/anat/sub-03_T1w\n.nii.gz", **one_is), RIGHT_OR_TOLD),
        ("l18", "bytes that are no text in a name", Planted(_no_text, **one_is), TOLD),
        ("l19", "a folder without the right to read it",
         Planted(lambda bids: _closed(bids, "sub-02/anat"), lost=[T1W], told="Permission denied"), TOLD),
        ("l19b", "a sidecar without the right to read it",
         Planted(lambda bids: _closed(bids, T1W.replace(".nii.gz", ".json")), lost=[T1W], told="ermission denied"), TOLD),
        ("l20", "a second T1w image of the visit", laid("sub-02/anat/sub-02_desc-preproc_T1w.nii.gz", told="an image of this visit as it was acquired is used",), RIGHT_OR_TOLD),
        ("l23", "a spectrum of sub-02 in the folder of sub-09", laid("sub-09/mrs/sub-02_voi-ACC_svs.nii.gz"), TOLD),
        ("l25", "visit of the folder and of the name differ", laid("sub-03/ses-1/anat/sub-03_ses-2_T1w.nii.gz"), TOLD),
        ("l26", ".nii beside .nii.gz", laid(T1W.removesuffix(".gz"), lost=[T1W]), TOLD),
        ("l27", "two names that differ by case", laid(SVS.replace("ACC", "acc"), lost=[SVS]), TOLD),
        ("l28", "two people who differ by case", Planted(
            lambda bids: (lay(bids, "sub-ab/anat/sub-ab_T1w.nii.gz"), lay(bids, "sub-AB/anat/sub-AB_T1w.nii.gz")), told="sub-AB"), TOLD),
        ("l29", "two orders of one name", Planted(
            lambda bids: (lay(bids, "sub-03/func/sub-03_task-a_run-1_bold.nii.gz"), lay(bids, "sub-03/func/sub-03_run-1_task-a_bold.nii.gz")), told="the same image"), TOLD),
        ("l30", "a BOLD image in anat/", laid("sub-03/anat/sub-03_task-rest_bold.nii.gz"), TOLD),
        ("l31", "a nested dataset", laid("results/sub-02/anat/sub-02_T1w.nii.gz"), TOLD),
        ("l32", "a part of a name that BIDS does not know", laid("sub-03/mrs/sub-03_voxel-ACC_svs.nii.gz"), TOLD),
        ("l33", "other images: T2w, sbref, field map", Planted(lambda bids: [
            lay(bids, f"sub-02/{name}.nii.gz") for name in
            ("anat/sub-02_T2w", "func/sub-02_task-rest_sbref", "fmap/sub-02_dir-AP_epi", "mrs/sub-02_mrsi")]), RIGHT),
        ("l34", "a sidecar nested 100 000 deep beside a field map", Planted(lambda bids: [
            lay(bids, "sub-02/dwi/sub-02_dwi.nii.gz"), lay(bids, "sub-02/fmap/sub-02_dir-PA_epi.nii.gz"),
            lay(bids, "sub-02/fmap/sub-02_dir-PA_epi.json", "[" * 100_000)], more={"x": "another"}), RIGHT),
        ("l35", "participants.tsv is a broken link", link("participants.tsv", "gone"), TOLD),
    ]  # fmt: skip


def _empty(folder: Path) -> Outcome:
    lay(folder / "bids", "dataset_description.json", "{}")
    Plan({"bids_dir": str(folder / "bids"), "output_dir": str(folder / "out")}, main=True)
    return Outcome("silent", "planned")


def _index(content: str | None) -> Callable[[Path], Outcome]:
    """The index of a run is spoilt between two plannings."""

    def attempt(folder: Path) -> Outcome:
        planted = Planted(lambda bids: None)
        run(planted, folder)
        record = folder / "out/work/index.json"
        if content is None:
            record.unlink()
        else:
            record.write_text(content)
        outcome = run(planted, folder)
        json.loads(record.read_text())
        return outcome

    return attempt


def _same_size_and_time(folder: Path) -> Outcome:
    run(Planted(lambda bids: None), folder)
    path = folder / "bids" / T1W
    index = folder / "out/work/index.tsv"
    before, content = path.stat(), index.read_text()
    path.write_text("anat of 03")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    config = {"bids_dir": str(folder / "bids"), "output_dir": str(folder / "out")}
    Plan(config, main=True)
    return Outcome("silent" if index.read_text() == content else "right")


def _closed_output(folder: Path) -> Outcome:
    return run(Planted(lambda bids: None, config={"output_dir": "/proc/out"}), folder)


def cases(work: Path | None, *, mutations: int, seed: int) -> list[Case]:
    """Everything; nothing here is random."""
    listed = [
        Case("layout", name, words, lambda folder, p=planted: run(p, folder), expected)  # type: ignore[misc]
        for name, words, planted, expected in planted_cases()
    ]
    return [
        *listed,
        Case("layout", "l04", "an empty dataset", _empty),
        Case("state", "s06", "work/index.json cut off", _index("{"), ("right", "flagged")),
        Case("state", "s07", "work/index.json removed", _index(None), ("right", "flagged")),
        Case(
            "state", "s08", "image bytes changed, same size and time", _same_size_and_time,
            detectable=False,
        ),
        Case("state", "s14", "an output that cannot be written", _closed_output),
    ]  # fmt: skip
