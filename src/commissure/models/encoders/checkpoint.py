"""Where a pre-training stands, in a file: taken up again after a kill, and only by the same one."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import DatasetError
from commissure.models.encoders.networks import arrays_of
from commissure.models.encoders.settings import PretrainingSettings
from commissure.models.encoders.torch_types import Adam, Sequential, Tensor
from commissure.stored_arrays import read_arrays, write_arrays

#: Seconds after which the next finished epoch is kept.
KEPT_EVERY = 10.0


def fingerprint(data: Iterable[np.ndarray], ages: np.ndarray, settings: PretrainingSettings) -> str:
    """Digest of people, person by person, and of settings; more epochs only go on."""
    digest = hashlib.sha256()
    for person in data:
        digest.update(np.ascontiguousarray(person).tobytes())
    digest.update(np.asarray(ages, float).tobytes())
    digest.update(json.dumps(settings.model_dump(exclude={"epochs"}), sort_keys=True).encode())
    return digest.hexdigest()


class Checkpoint:
    """The state of a pre-training in its file; a run that was killed goes on from it.

    Parameters
    ----------
    path
        The file; None keeps nothing.
    network, optimiser
        Whose state it is.
    content
        Digest of people and settings: a file of other ones is refused.
    """

    def __init__(
        self, path: Path | None, network: Sequential, optimiser: Adam, content: str
    ) -> None:
        self._path, self._network, self._optimiser = path, network, optimiser
        self._content = content
        self._last = time.monotonic()

    def losses(self, epochs: int) -> list[float]:
        """Losses of the epochs that are done, whose state is taken up; none without a file."""
        if self._path is None or not self._path.is_file():
            return []
        arrays, card = read_arrays(self._path, "a checkpoint")
        losses = [float(loss) for loss in arrays.pop("losses", np.zeros(0))]
        self._refuse_other(arrays, card, len(losses), epochs)
        self._take_up(arrays)
        return losses

    def keep(self, losses: list[float]) -> None:
        """Write the state, where the last time is long ago."""
        if self._path is None or time.monotonic() - self._last < KEPT_EVERY:
            return
        arrays = {f"weight.{name}": value for name, value in arrays_of(self._network).items()}
        for number, state in self._optimiser.state_dict()["state"].items():
            for name, value in state.items():
                arrays[f"adam.{number}.{name}"] = value.detach().cpu().numpy()
        arrays["losses"] = np.array(losses)
        card = {"architecture": self._architecture(), "fingerprint": self._content}
        write_arrays(self._path, arrays, card)
        self._last = time.monotonic()

    def _architecture(self) -> dict[str, list[int]]:
        return {name: list(value.shape) for name, value in self._network.state_dict().items()}

    def _refuse_other(
        self, arrays: dict[str, np.ndarray], card: dict[str, Any], done: int, epochs: int
    ) -> None:
        assert self._path is not None
        mend = "Remove it, or name another folder"
        if card.get("architecture") != self._architecture():
            raise DatasetError(
                self._path.name, found="it is a checkpoint of another architecture: "
                f"{_shapes(card.get('architecture'))}",
                wanted=_shapes(self._architecture()), mend=mend,
            )  # fmt: skip
        if card.get("fingerprint") != self._content:
            raise DatasetError(
                self._path.name, found="it is a checkpoint of other people, markers or settings",
                wanted="one of this pre-training", mend=mend,
            )  # fmt: skip
        if done > epochs:
            raise DatasetError(
                self._path.name, found=f"it holds {done} epochs",
                wanted=f"{epochs} at most, as is asked for", mend=mend,
            )  # fmt: skip

    def _take_up(self, arrays: dict[str, np.ndarray]) -> None:
        import torch

        weights = {
            name: torch.as_tensor(arrays[f"weight.{name}"]) for name in self._network.state_dict()
        }
        self._network.load_state_dict(weights)
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in arrays.items():
            if name.startswith("adam."):
                _, number, part = name.split(".", 2)
                state.setdefault(int(number), {})[part] = torch.as_tensor(value)
        whole = self._optimiser.state_dict()
        self._optimiser.load_state_dict({**whole, "state": state})


def _shapes(architecture: object) -> str:
    """The weights of a network in words."""
    if not isinstance(architecture, dict):
        return "an unknown one"
    return ", ".join(
        " x ".join(map(str, shape)) for name, shape in architecture.items() if "weight" in name
    )
