"""Components of several echoes that are not BOLD: independent component analysis by tedana.

The program has an environment of its own (``make tedana``): it needs another nilearn than this
package.

Notes
-----
DuPre E et al., J Open Source Softw 6:3669, 2021; Kundu P et al., NeuroImage 60:1759-1770, 2012. A
change of T2*, as BOLD is, grows with the echo time; a change of the signal as such, by movement or
inflow, does not. tedana judges each component by which of the two it looks like.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from commissure.errors import DatasetError
from commissure.files import read_table
from commissure.func.settings import tedana_program
from commissure.images.load import save_image

#: With fewer echoes a change of T2* cannot be told from one of the signal.
LEAST_ECHOES = 3

#: Of FastICA's random start.
SEED = 42


@dataclass(frozen=True)
class RejectedComponents:
    """What tedana took for no BOLD.

    Attributes
    ----------
    series
        Shape (T, k): the rejected components, less what accepted ones explain of them; 0 in the
        volumes before the steady state.
    accepted
        How many components were accepted.
    variance_percent
        Of the combined series' variance that the accepted, and the rejected ones have.
    version
        Of tedana.
    """

    series: np.ndarray
    accepted: int
    variance_percent: tuple[float, float]
    version: str

    def columns(self) -> tuple[dict[str, np.ndarray], dict[str, dict]]:
        """Columns of the confounds table, and what each is."""
        names = [f"tedana_rejected_{k:02d}" for k in range(self.series.shape[1])]
        meaning = {
            "Method": f"tedana {self.version}",
            "Description": "Independent component of several echoes that is no BOLD, "
            "less what accepted components explain of it",
        }
        return dict(zip(names, self.series.T, strict=True)), dict.fromkeys(names, meaning)

    def sidecar(self) -> dict[str, Any]:
        """What the JSON of the series says of it."""
        accepted, rejected = self.variance_percent
        return {
            "EchoComponents": {
                "Program": f"tedana {self.version}",
                "Accepted": self.accepted,
                "Rejected": self.series.shape[1],
                "AcceptedVariancePercent": round(accepted, 2),
                "RejectedVariancePercent": round(rejected, 2),
            }
        }


def rejected_components(
    echoes: Sequence[np.ndarray],
    box: np.ndarray,
    inside: np.ndarray,
    *,
    times_s: Sequence[float],
    affine: np.ndarray,
    tr_s: float,
    first: int,
    who: str,
) -> RejectedComponents:
    """Let tedana find the components of a run and tell those that are no BOLD.

    Parameters
    ----------
    echoes
        Each echo, realigned, shape (N, T).
    box, inside
        Boolean, shape (X, Y, Z): the N voxels, and those of the brain, which alone are looked at.
    times_s
        Echo times.
    affine
        4x4, voxel to mm.
    tr_s
        Repetition time.
    first
        First volume of steady magnetisation; those before it are left out.
    who
        Person and visit, for error messages.

    Raises
    ------
    DatasetError
        tedana is not installed, or ended without a result.
    """
    program = tedana_program()
    if program is None:
        raise DatasetError(
            who,
            found="tedana is not installed where the job runs",
            wanted="the program of func.multi_echo: tedana",
            mend="Run `make tedana` there, or set func.multi_echo: combine in config.yaml",
        )
    with tempfile.TemporaryDirectory(prefix="commissure-tedana-") as name:
        folder = Path(name)
        paths = []
        for number, echo in enumerate(echoes, start=1):
            whole = np.zeros((*box.shape, echo.shape[1] - first), np.float32)
            whole[box] = echo[:, first:]
            paths.append(folder / f"echo-{number}_bold.nii.gz")
            save_image(whole, affine, paths[-1], tr_s=tr_s)
        mask = folder / "mask.nii.gz"
        nib.save(nib.Nifti1Image((inside & box).astype(np.float32), affine), mask)
        out = folder / "out"
        options = ["--mask", mask, "--seed", SEED, "--no-reports", "--out-dir", out]
        _run([program, "-d", *paths, "-e", *times_s, *options], folder, who)
        return _read(out, first)


def _run(command: Sequence[object], folder: Path, who: str) -> None:
    """Run tedana; what it said last is the cause where it fails."""
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, capture_output=True, text=True
    )
    wanted = ("desc-ICA_mixing.tsv", "desc-tedana_metrics.tsv", "dataset_description.json")
    if done.returncode == 0 and all((folder / "out" / name).is_file() for name in wanted):
        return
    lines = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    raise DatasetError(
        who,
        found=f"tedana ended with status {done.returncode}: {(lines or ['it said nothing'])[-1]}",
        wanted="components of the run",
        mend="Look at the echoes, or set func.multi_echo: combine in config.yaml",
    )


def _read(out: Path, first: int) -> RejectedComponents:
    """The rejected components from what tedana wrote."""
    mixing = read_table(out / "desc-ICA_mixing.tsv")
    metrics = read_table(out / "desc-tedana_metrics.tsv").set_index("Component")
    about = json.loads((out / "dataset_description.json").read_text(encoding="utf-8"))
    accepted = mixing[metrics.index[metrics["classification"] == "accepted"]].to_numpy(float)
    rejected = mixing[metrics.index[metrics["classification"] == "rejected"]].to_numpy(float)
    rejected = rejected - accepted @ np.linalg.lstsq(accepted, rejected, rcond=None)[0]
    share = metrics.groupby("classification")["variance explained"].sum()
    return RejectedComponents(
        np.vstack([np.zeros((first, rejected.shape[1])), rejected]),
        accepted.shape[1],
        (float(share.get("accepted", 0.0)), float(share.get("rejected", 0.0))),
        str(about["GeneratedBy"][0]["Version"]),
    )
