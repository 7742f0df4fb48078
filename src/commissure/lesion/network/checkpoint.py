"""What an interrupted training goes on from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from commissure.errors import ConfigError
from commissure.files import atomic
from commissure.lesion.network.unet import arrays_of, load_arrays
from commissure.stored_arrays import packed, unpacked

#: Where it stands in the folder of the network until training has ended.
CHECKPOINT = "checkpoint.npz"

#: Options of the command by what a checkpoint says.
_OPTIONS = {
    "voxel_mm": "--voxel-mm",
    "learning_rate": "--learning-rate",
    "held_out": "--held-out",
}


@dataclass(frozen=True)
class Progress:
    """How far a training is.

    Attributes
    ----------
    step
        Steps that are done.
    losses
        The loss of each.
    """

    step: int
    losses: tuple[float, ...]


def write_checkpoint(
    path: Path, request: Mapping[str, Any], module: Any, optimiser: Any, losses: list[float]
) -> None:
    """Write weights, the optimiser's averages and the losses, in one step.

    Parameters
    ----------
    path
        Where.
    request
        What is trained on what: another request does not go on from it.
    module, optimiser
        Of torch.
    losses
        Of all steps that are done.
    """
    arrays = {f"weights/{key}": value for key, value in arrays_of(module).items()}
    for number, averages in optimiser.state_dict()["state"].items():
        for key, value in averages.items():
            arrays[f"optimiser/{number}/{key}"] = value.detach().cpu().numpy()
    arrays["losses"] = np.asarray(losses)
    arrays["request"] = np.asarray(json.dumps(request, sort_keys=True))
    with atomic(path) as draft:
        draft.write_bytes(packed(arrays))


def read_checkpoint(
    path: Path, request: Mapping[str, Any], module: Any, optimiser: Any
) -> Progress:
    """Go on from a checkpoint, if there is one: weights and averages are put in place.

    Raises
    ------
    ConfigError
        It is of another network, another training or other images.
    DatasetError
        It cannot be read.
    """
    if not path.exists():
        return Progress(0, ())
    who = f"checkpoint {path}"
    arrays = unpacked(path.read_bytes(), who=who, what="a checkpoint")
    earlier = json.loads(str(arrays.pop("request", "{}")))
    check_request(earlier, request, who=who)
    losses = tuple(float(loss) for loss in arrays.pop("losses"))
    weights = {
        key.removeprefix("weights/"): value
        for key, value in arrays.items()
        if key.startswith("weights/")
    }
    load_arrays(module, weights, who=who)
    _load_averages(optimiser, arrays)
    return Progress(len(losses), losses)


def _load_averages(optimiser: Any, arrays: Mapping[str, np.ndarray]) -> None:
    import torch

    state: dict[int, dict[str, Any]] = {}
    for name, value in arrays.items():
        if name.startswith("optimiser/"):
            _, number, key = name.split("/")
            state.setdefault(int(number), {})[key] = torch.from_numpy(value.copy())
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def check_request(earlier: Mapping[str, Any], request: Mapping[str, Any], *, who: str) -> None:
    """Refuse what another request left.

    Raises
    ------
    ConfigError
        A part of it differs, which is named.
    """
    for part, what in (("shape", "another network"), ("training", "another training")):
        then, now = earlier.get(part, {}), request[part]
        odd = [key for key in now if then.get(key) != now[key]]
        if odd:
            raise ConfigError(
                who,
                found=f"it is of {what}: "
                + ", ".join(f"{key} {_said(then.get(key))}" for key in odd),
                wanted=", ".join(f"{_OPTIONS.get(key, f'--{key}')} {_said(now[key])}"
                                 for key in odd),
                mend="Give the same options as before, or another folder",
            )  # fmt: skip
    if earlier.get("images_sha256") != request["images_sha256"]:
        raise ConfigError(
            who,
            found="it was trained on other images or masks",
            wanted="those with which it was begun",
            mend="Give another folder, or remove it to begin again",
        )


def _said(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
