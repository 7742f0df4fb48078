"""Spectra of the scanners to NIfTI-MRS, by the outside program spec2nii."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from commissure.errors import ConfigError, DatasetError

#: Words in a file's name that tell a water reference.
_REFERENCE = ("mrsref", "ref", "water", "h2o", "unsuppressed")

#: spec2nii's command by the extension of the raw file.
_FORMATS = {
    ".sdat": "philips", ".data": "philips_dl", ".dat": "twix", ".rda": "rda", ".7": "ge",
}  # fmt: skip

#: What spec2nii adds to the name of a P-file's water references. Those for quantification come
#: first: the others were taken with the pulses that prepare suppression.
_P_FILE_REFERENCES = ("_ref", "_quant", "_ref_no_ovs", "_ecc", "_ref_ecc")

#: What it adds to the names of a data and list pair: the spectrum is the first mix of a scan, a
#: water reference that was taken along the second.
_DATA_LIST, _DATA_LIST_REFERENCE = "_STD_0", "_STD_1"


@dataclass(frozen=True)
class RawSpectrum:
    """One acquisition as the scanner wrote it.

    Attributes
    ----------
    files
        The file; SDAT and SPAR, or data, list and SPAR, for Philips.
    target
        Where it goes: ``.../sub-01_svs.nii.gz`` or ``_mrsref.nii.gz``.
    """

    files: tuple[Path, ...]
    target: Path

    @property
    def kind(self) -> str:
        """spec2nii's command."""
        return _FORMATS[self.files[0].suffix.lower()]

    @property
    def added(self) -> str:
        """What spec2nii adds to the name of the spectrum."""
        return _DATA_LIST if self.kind == "philips_dl" else ""

    def command(self, folder: Path) -> list[str]:
        """Arguments of spec2nii; without what could name the person."""
        kind = self.kind
        image = ["-e", "image"] if kind == "twix" else []
        name = self.target.name.removesuffix(".nii.gz")
        return [
            kind, *image, *map(str, self.files), "-j", "--anon", "-f", name, "-o", str(folder),
        ]  # fmt: skip


def raw_spectra(bids: Path) -> list[RawSpectrum]:
    """Acquisitions in ``sourcedata`` of a dataset with the places they are converted to.

    A name that is BIDS already is kept (``sub-01_acq-press_svs.SDAT``); any other becomes
    ``sub-XX[_ses-YY]_svs`` or, where it speaks of a reference or of water, ``_mrsref``.

    Raises
    ------
    DatasetError
        A SDAT has no SPAR, a data file no list or SPAR, or two files would get one name.
    """
    by_target: dict[Path, RawSpectrum] = {}
    source = bids / "sourcedata"
    for folder in sorted(p for p in source.glob("sub-*/**/mrs") if p.is_dir()):
        place = folder.relative_to(source).parts[:-1]
        for file in sorted(folder.iterdir()):
            if file.suffix.lower() not in _FORMATS or not file.is_file():
                continue
            stem = file.name.partition(".")[0]
            if not (stem.startswith(place[0]) and stem.endswith(("_svs", "_mrsref"))):
                words = stem.lower().replace("-", "_").split("_")
                reference = any(word in words for word in _REFERENCE)
                stem = "_".join([*place, "mrsref" if reference else "svs"])
            target = bids.joinpath(*place, "mrs", f"{stem}.nii.gz")
            if target in by_target:
                raise DatasetError(
                    " ".join(place),
                    found=f"{by_target[target].files[0].name} and {file.name} would both become "
                    f"{target.name}",
                    wanted="names that tell them apart",
                    mend=f"Name them as in BIDS, as {place[0]}_acq-press_svs{file.suffix}",
                )
            by_target[target] = RawSpectrum((file, *_parameters(file, " ".join(place))), target)
    return list(by_target.values())


#: What must lie beside a file, by its extension.
_BESIDE = {".sdat": (".SPAR",), ".data": (".list", ".SPAR")}


def _parameters(file: Path, who: str) -> tuple[Path, ...]:
    """The SPAR beside a SDAT, list and SPAR beside a data file."""
    needed = _BESIDE.get(file.suffix.lower(), ())
    present: list[Path] = []
    for suffix in needed:
        spellings = (file.with_suffix(s) for s in (suffix, suffix.lower(), suffix.upper()))
        path = next((p for p in spellings if p.is_file()), None)
        if path is None:
            raise DatasetError(
                who,
                found=f"{file.name} has no {suffix.removeprefix('.')} beside it",
                wanted=f"{file.suffix.removeprefix('.')} with {' and '.join(needed)} of one name: "
                "a Philips spectrum is in all of them",
                mend=f"Copy {file.stem}{suffix} into the same folder",
            )
        present.append(path)
    return tuple(present)


def convert_dataset(bids: Path, say: Callable[[str], None]) -> int:
    """Convert every spectrum in ``sourcedata/sub-XX/[ses-YY/]mrs/`` of a dataset.

    Parameters
    ----------
    bids
        The dataset; its ``sub-XX/[ses-YY/]mrs/`` are written to. What is there is left alone.
    say
        Takes one line for each spectrum.

    Returns
    -------
    int
        How many spectra ``sourcedata`` holds.

    Raises
    ------
    ConfigError
        The program is not installed.
    DatasetError
        Two files would get one name, a file of Philips lacks what belongs to it, or a file cannot
        be converted.
    """
    spectra = raw_spectra(bids)
    for raw in spectra:
        convert(raw, who=raw.target.name.partition("_")[0])
        say(str(raw.target.relative_to(bids)))
    return len(spectra)


def convert(raw: RawSpectrum, *, who: str, program: str = "spec2nii") -> None:
    """Convert one acquisition, sidecar included; a target that exists is left alone.

    Raises
    ------
    ConfigError
        The program is not installed.
    DatasetError
        It refused the file or wrote nothing.
    """
    if raw.target.exists():
        return
    executable = _executable(program, raw, who)
    with tempfile.TemporaryDirectory() as draft:
        done = subprocess.run(
            [executable, *raw.command(Path(draft))], capture_output=True, text=True, check=False
        )
        made = {
            suffix: Path(draft) / raw.target.name.replace(".nii.gz", raw.added + suffix)
            for suffix in (".json", ".nii.gz")
        }
        if done.returncode or not all(path.exists() for path in made.values()):
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise DatasetError(
                who,
                found=f"spec2nii could not convert {raw.files[0].name}"
                + (f" ({last[0]})" if last else ""),
                wanted="a file of Philips (SDAT and SPAR, or data, list and SPAR), Siemens (twix "
                "or rda) or GE (P-file)",
                mend=f"Look at {raw.files[0].name}, or convert it by hand",
            )
        raw.target.parent.mkdir(parents=True, exist_ok=True)
        # The image comes last: where it is, the conversion is whole.
        for suffix, path in made.items():
            shutil.move(path, raw.target.with_name(raw.target.name.replace(".nii.gz", suffix)))
        _move_references(Path(draft), raw.target)


def _move_references(draft: Path, target: Path) -> None:
    """Name the water references of a P-file or a data file; several become runs."""
    stem = target.name.removesuffix(".nii.gz")
    names = [f"{stem}{more}" for more in (*_P_FILE_REFERENCES, _DATA_LIST_REFERENCE)]
    made = [name for name in names if (draft / f"{name}.nii.gz").exists()]
    for number, name in enumerate(made, start=1):
        run = f"_run-{number}" if len(made) > 1 else ""
        reference = f"{stem.removesuffix('_svs')}{run}_mrsref"
        for extension in (".json", ".nii.gz"):
            if (draft / f"{name}{extension}").exists():
                shutil.move(draft / f"{name}{extension}", target.with_name(reference + extension))


def _executable(program: str, raw: RawSpectrum, who: str) -> str:
    # It comes with the package, whose environment need not be the active one.
    folders = (os.environ.get("PATH", os.defpath), str(Path(sys.executable).parent))
    executable = shutil.which(program, path=os.pathsep.join(folders))
    if executable is None:
        raise ConfigError(
            who,
            found=f"{raw.files[0].name} is to be converted and the program {program} is not "
            "installed",
            wanted="spec2nii 0.8 or later on the PATH",
            mend='Run `make env EXTRAS="convert"`, or convert the file elsewhere',
        )
    return executable
