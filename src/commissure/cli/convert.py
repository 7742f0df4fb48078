"""``commissure convert``: spectra of the scanners to NIfTI-MRS."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from commissure.cli.errors import readable
from commissure.mrs.acquisition.convert import convert_dataset


def convert(
    bids: Annotated[Path, typer.Argument(help="BIDS dataset with raw spectra in sourcedata.")],
) -> None:
    """Convert spectra in sourcedata (Philips, Siemens, GE) to NIfTI-MRS, by spec2nii.

    What lies in sourcedata/sub-XX/[ses-YY/]mrs/ goes to sub-XX/[ses-YY/]mrs/; what is there
    already is left alone.
    """
    with readable():
        convert_dataset(bids, typer.echo)
