"""What belongs to an image: sidecars by inheritance, field maps, water references."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from commissure.dataset.diffusion_runs import Acquisition, acquisitions
from commissure.dataset.echoes import echoes_of
from commissure.dataset.field_maps import field_maps_of, same_sense_of
from commissure.dataset.lesion_masks import of_mask

#: Extensions of images.
IMAGE = (".nii.gz", ".nii")


class Associations:
    """Which sidecars and other files belong to an image (BIDS inheritance principle).

    Parameters
    ----------
    parsed
        Entities, suffix and extension of every file with a BIDS name, by its path.
    unreadable
        Those of them that cannot be read, and are not opened.
    """

    def __init__(
        self,
        parsed: Mapping[str, tuple[dict[str, str], str, str]],
        unreadable: Collection[str] = (),
    ) -> None:
        self.parsed, self.unreadable = parsed, unreadable
        self.by_folder: dict[str, list[str]] = {}
        for path in parsed:
            self.by_folder.setdefault(path.rpartition("/")[0], []).append(path)
        self._acquisitions: dict[str, dict[str, Acquisition]] = {}

    def of(self, root: Path, path: str) -> dict[str, str]:
        """Files other than sidecars that belong to an image, by what they are to it.

        Parameters
        ----------
        root
            The dataset.
        path
            The image below it.
        """
        suffix = self.parsed[path][1]
        if suffix == "dwi":
            return self._of_diffusion(root, path)
        if suffix == "bold":
            return self._of_bold(root, path)
        if suffix == "svs":
            return self._of_spectrum(path)
        if suffix in ("dseg", "mask"):
            return of_mask(self, path)
        return self._of_t1w(path) if suffix in ("T1w", "UNIT1") else {}

    def _of_t1w(self, path: str) -> dict[str, str]:
        """The mask of a lesion, and of an MP2RAGE its second inversion."""
        associated = {}
        if lesion := self._same_grid(path, "roi", {"label": "lesion"}):
            associated["roi"] = lesion
        if self.parsed[path][1] == "UNIT1":
            inversion = self._same_grid(path, "MP2RAGE", {"inv": "2", "part": "mag"})
            inversion = inversion or self._same_grid(path, "MP2RAGE", {"inv": "2"})
            associated |= {"inv2": inversion} if inversion else {}
        return associated

    def _same_grid(self, path: str, suffix: str, more: Mapping[str, str]) -> str | None:
        """The image beside an image whose entities are among its own and those of ``more``.

        Of several the one that shares most.
        """
        entities = {**self.parsed[path][0], **more}
        fitting = []
        for candidate in self.by_folder[path.rpartition("/")[0]]:
            required, kind, extension = self.parsed[candidate]
            if kind != suffix or extension not in IMAGE or any(k not in required for k in more):
                continue
            if all(entities.get(key) == value for key, value in required.items()):
                fitting.append((len(required), candidate))
        return max(fitting)[1] if fitting else None

    def _of_diffusion(self, root: Path, path: str) -> dict[str, str]:
        associated = {}
        for kind in ("bval", "bvec"):
            if applying := self.applying(path, "dwi", f".{kind}"):
                associated[kind] = applying[-1]
        associated |= field_maps_of(self, root, path)
        acquisition = self.acquisition(root, path)
        for number, run in enumerate(acquisition.runs[1:] if acquisition else (), start=2):
            associated[f"run{number}"] = run
            for kind in ("bval", "bvec"):
                associated[f"run{number}_{kind}"] = self.applying(run, "dwi", f".{kind}")[-1]
            for level, sidecar in enumerate(self.applying(run, "dwi", ".json")):
                associated[f"run{number}_json{level}"] = sidecar
        if acquisition and acquisition.opposed and "epi" not in associated:
            associated["epi"] = acquisition.opposed
            associated["epi_json"] = self.applying(acquisition.opposed, "dwi", ".json")[-1]
        return associated

    def _of_bold(self, root: Path, path: str) -> dict[str, str]:
        """Field maps and single-band reference of a run, and of several echoes the others."""
        associated = field_maps_of(self, root, path)
        if single := self._same_grid(path, "sbref", {}):
            associated["sbref"] = single
        if opposed := associated.get("epi"):
            associated |= same_sense_of(self, root, path, opposed)
        echoes = self._echoes(path)
        for number, echo in enumerate(echoes[1:] if echoes[0] == path else (), start=2):
            associated[f"echo{number}"] = echo
            for level, sidecar in enumerate(self.applying(echo, "bold", ".json")):
                associated[f"echo{number}_json{level}"] = sidecar
        return associated

    def _echoes(self, path: str) -> list[str]:
        return echoes_of(self.parsed, self.by_folder[path.rpartition("/")[0]], path)

    def echo_of(self, path: str) -> str:
        """Why a BOLD image is not processed by itself; empty where it is."""
        first = self._echoes(path)[0]
        return "" if first == path else f"combined with {first.rpartition('/')[2]}"

    def acquisition(self, root: Path, path: str) -> Acquisition | None:
        """The acquisition whose results carry the name of a diffusion image, if there is one."""
        return self._by_lead(root, path.rpartition("/")[0]).get(path)

    def part_of(self, root: Path, path: str) -> str:
        """Why a diffusion image is not processed by itself; empty where it is."""
        for lead, acquisition in self._by_lead(root, path.rpartition("/")[0]).items():
            if path in acquisition.runs[1:]:
                return f"joined to {lead.rpartition('/')[2]}"
            if path == acquisition.opposed:
                return f"b0 images of the opposite phase encoding for {lead.rpartition('/')[2]}"
            if path in acquisition.idle:
                return f"b0 images alone, of no use to {lead.rpartition('/')[2]}"
        return ""

    def _by_lead(self, root: Path, folder: str) -> dict[str, Acquisition]:
        if folder not in self._acquisitions:
            sorted_images = acquisitions(self, root, folder)
            self._acquisitions[folder] = {each.runs[0]: each for each in sorted_images}
        return self._acquisitions[folder]

    def is_image(self, path: str) -> bool:
        """Whether a file with a BIDS name is an image that can be read."""
        return self.parsed[path][2] in IMAGE and path not in self.unreadable

    def _of_spectrum(self, path: str) -> dict[str, str]:
        associated = {}
        for number, reference in enumerate(self.water_references(path), start=1):
            key = "mrsref" if number == 1 else f"mrsref{number}"
            associated[key] = reference
            if applying := self.applying(reference, "mrsref", ".json"):
                associated[f"{key}_json"] = applying[-1]
        return associated

    def applying(self, path: str, suffix: str, extension: str) -> list[str]:
        """Files of that kind whose entities all hold for ``path``, the most general first."""
        entities = self.parsed[path][0]
        folders = [""]
        for part in path.split("/")[:-1]:
            folders.append(f"{folders[-1]}/{part}".lstrip("/"))
        applying = []
        for folder in folders:
            in_folder = []
            for candidate in self.by_folder.get(folder, ()):
                required, *kind = self.parsed[candidate]
                if kind != [suffix, extension]:
                    continue
                if all(entities.get(key) == value for key, value in required.items()):
                    in_folder.append((len(required), candidate))
            applying += [candidate for _, candidate in sorted(in_folder)]
        return applying

    def water_references(self, path: str) -> list[str]:
        """The ``mrsref`` images of the same visit and voxel that share most entities, by name."""
        entities = self.parsed[path][0]
        by_shared: dict[int, list[str]] = {}
        for candidate in self.by_folder[path.rpartition("/")[0]]:
            reference, suffix, extension = self.parsed[candidate]
            if suffix != "mrsref" or extension not in IMAGE:
                continue
            # Another voxel or another visit is another measurement; acq and run may differ.
            measured = {key: entities.get(key) for key in ("ses", "voi")}
            if any(reference.get(key, value) != value for key, value in measured.items()):
                continue
            shared = sum(entities.get(key) == value for key, value in reference.items())
            by_shared.setdefault(shared, []).append(candidate)
        return sorted(by_shared[max(by_shared)]) if by_shared else []

    def fields(self, root: Path, sidecars: Iterable[str]) -> dict[str, Any]:
        """Merged sidecars; one that cannot be read is refused by its step."""
        merged: dict[str, Any] = {}
        for sidecar in sidecars:
            if sidecar in self.unreadable:
                continue
            try:
                content = json.loads((root / sidecar).read_text(encoding="utf-8"))
            except (OSError, ValueError, RecursionError):
                continue
            merged.update(content if isinstance(content, dict) else {})
        return merged

    def twin(self, path: str) -> str:
        """The image of the same name that is compressed where this one is not, or empty."""
        other = path.removesuffix(".gz") if path.endswith(".gz") else f"{path}.gz"
        return other if other in self.parsed else ""
