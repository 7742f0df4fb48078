"""An encoder from elsewhere may know nobody who is tested here."""

from __future__ import annotations

import numpy as np

from commissure.errors import DatasetError
from commissure.fusion.settings import FusionSettings
from commissure.models.embedding import encoder_columns, stored_encoder
from commissure.study.study import Study
from commissure.transport.encoder_people import learnt_on


def refuse_pretrained_people(study: Study[FusionSettings]) -> list[str]:
    """Refuse an encoder that was learnt on people with an outcome: each is tested in some fold.

    Returns
    -------
    list of str
        A sentence where the encoder keeps no digests, so that nobody can tell.

    Raises
    ------
    DatasetError
        The first of these people is named, and how many they are; or the encoder does not fit.
    """
    settings = study.settings
    folder = settings.embedding.encoder
    if folder is None or not settings.embedding_asked:
        return []
    stored = stored_encoder(folder)
    columns = list(encoder_columns(stored, study.design, study.units))
    if not stored.digests:
        return [
            "The encoder of fusion.embedding.encoder keeps no digests: whether it was learnt on "
            "people who are tested here is not known."
        ]
    both = np.flatnonzero(learnt_on(stored, study.design.values[:, columns]) & study.labelled)
    if len(both):
        raise DatasetError(
            "fusion.embedding.encoder", found=f"it was learnt on {len(both)} people with an "
            f"outcome, as {study.design.participants[both[0]]}",
            wanted="an encoder that knows nobody who is tested",
            mend="Name one of other people, or leave the encoder out, so that it is learnt in "
            "every fold",
        )  # fmt: skip
    return []
