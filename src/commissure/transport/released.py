"""A stored model as it may leave the hospital: without digests of whom it was trained on."""

from __future__ import annotations

import shutil
from pathlib import Path

from commissure.errors import DatasetError
from commissure.transport.card import HOLDS_PEOPLE
from commissure.transport.stored_model import CARD, MODEL_FILE, PLAIN, SCORER, load

#: Begins the paragraph of the card on digests, and stands in its place.
_DIGESTS = "It keeps one-way digests"
_NONE = (
    "It keeps no digests of its training people: by it nobody sees on whom it was trained, and "
    "`commissure apply` takes a score of theirs for a prediction."
)


def release(model: Path, out: Path) -> None:
    """Copy a stored model without the digests of its training people.

    Parameters
    ----------
    model
        Folder ``fusion/model`` of a finished run.
    out
        Folder of the copy, which must not be the same.

    Raises
    ------
    DatasetError
        There is no model that this version can use, it holds people's own values, or the copy
        would lie in its place.
    """
    if out.resolve() == model.resolve():
        raise DatasetError(
            str(out), found="the copy would take the model's place", wanted="another folder",
            mend="Name another folder under --out",
        )  # fmt: skip
    load(model)
    card = (model / CARD).read_text(encoding="utf-8")
    if HOLDS_PEOPLE in card:
        raise DatasetError(
            str(model), found="it holds values of its training people",
            wanted="a model of weights alone", mend="Store another model of fusion.models",
        )  # fmt: skip
    content = MODEL_FILE.read(model, dict)
    about = {**content["about"], "n_recognisable": 0}
    out.mkdir(parents=True, exist_ok=True)
    MODEL_FILE.write(MODEL_FILE.dumped({**content, "digests": [], "about": about}), out)
    lines = [_NONE if line.startswith(_DIGESTS) else line for line in card.splitlines()]
    (out / CARD).write_text("\n".join(lines) + "\n", encoding="utf-8")
    for name in (PLAIN, SCORER):
        if (model / name).exists():
            shutil.copyfile(model / name, out / name)
