"""What belongs to an image: sidecars by inheritance, field maps, water references."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

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
        if suffix == "svs":
            return self._of_spectrum(path)
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
        if opposed := self.opposed(root, path):
            associated["epi"], associated["epi_json"] = opposed
        return associated

    def _of_spectrum(self, path: str) -> dict[str, str]:
        reference = self.water_reference(path)
        if reference is None:
            return {}
        associated = {"mrsref": reference}
        if applying := self.applying(reference, "mrsref", ".json"):
            associated["mrsref_json"] = applying[-1]
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

    def opposed(self, root: Path, path: str) -> tuple[str, str] | None:
        """The ``epi`` field map that says it is for an image, and its own sidecar.

        BIDS has two ways to say so: ``IntendedFor``, and ``B0FieldIdentifier`` of the one with
        ``B0FieldSource`` of the other. Of several the first whose phase encoding is opposite.
        """
        folder = path.rsplit("/", 2)[0] + "/fmap"
        candidates = [
            (candidate, sidecars[-1])
            for candidate in sorted(self.by_folder.get(folder, ()))
            if self.parsed[candidate][1] == "epi"
            and self.parsed[candidate][2] in IMAGE
            and (sidecars := self.applying(candidate, "epi", ".json"))
        ]
        if not candidates:
            return None
        series_fields = self._fields(root, self.applying(path, "dwi", ".json"))
        sources = set(_listed(series_fields.get("B0FieldSource")))
        subject = path.split("/")[0]
        fitting = []
        for candidate, sidecar in candidates:
            fields = self._fields(root, [sidecar])
            meant = {text.rpartition(":")[2] for text in _listed(fields.get("IntendedFor"))}
            meant |= {f"{subject}/{text}" for text in meant}
            if path in meant or sources & set(_listed(fields.get("B0FieldIdentifier"))):
                senses = {
                    str(x.get("PhaseEncodingDirection")).endswith("-")
                    for x in (series_fields, fields)
                }
                fitting.append((len(senses) == 1, candidate, sidecar))
        return min(fitting)[1:] if fitting else None

    def water_reference(self, path: str) -> str | None:
        """The ``mrsref`` image of the same visit and voxel that shares most entities."""
        entities = self.parsed[path][0]
        best: tuple[int, str] | None = None
        for candidate in self.by_folder[path.rpartition("/")[0]]:
            reference, suffix, extension = self.parsed[candidate]
            if suffix != "mrsref" or extension not in IMAGE:
                continue
            # Another voxel or another visit is another measurement; acq and run may differ.
            measured = {key: entities.get(key) for key in ("ses", "voi")}
            if any(reference.get(key, value) != value for key, value in measured.items()):
                continue
            shared = sum(entities.get(key) == value for key, value in reference.items())
            if best is None or (shared, candidate) > best:
                best = (shared, candidate)
        return best[1] if best else None

    def _fields(self, root: Path, sidecars: Iterable[str]) -> dict[str, Any]:
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


def _listed(value: Any) -> list[str]:
    return [str(item) for item in (value if isinstance(value, list) else [value]) if item]
