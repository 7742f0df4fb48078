"""PyTorch where it is installed (extra ``deep``): on which device, and with equal results."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Literal, cast, get_args

from commissure.errors import ConfigError

Device = Literal["auto", "cpu", "cuda"]


def require_packages(
    who: str, packages: Sequence[str] = ("torch",), *, otherwise: str = ""
) -> None:
    """Refuse where packages of the extra ``deep`` are not installed; none is imported.

    Parameters
    ----------
    who
        What needs them, in words.
    packages
        By the names that an import takes.
    otherwise
        What else would help.

    Raises
    ------
    ConfigError
        One is not there.
    """
    lacking = [name for name in packages if find_spec(name) is None]
    if lacking:
        raise ConfigError(
            who,
            found=f"not installed: {' and '.join(lacking)}",
            wanted="the extra 'deep' of this installation",
            mend='Run `make env EXTRAS="deep"`' + (f", or {otherwise}" if otherwise else ""),
        )


def device_named(name: str) -> Device:
    """A device by its name.

    Raises
    ------
    ConfigError
        It is none.
    """
    if name not in get_args(Device):
        raise ConfigError("device", found=f"it is '{name}'", wanted="auto, cpu or cuda")
    return cast(Device, name)


def prepared_torch(device: Device = "auto", *, threads: int = 1) -> str:
    """Set torch up so that two runs give the same bits, and choose where it computes.

    Parameters
    ----------
    device
        ``auto`` is a graphics processor where torch sees one.
    threads
        Of the processor.

    Returns
    -------
    str
        ``cpu`` or ``cuda``.

    Raises
    ------
    ConfigError
        A graphics processor is asked for, and torch sees none.
    """
    # cuBLAS gives the same result twice only with a workspace of its own, set before it is loaded.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    # Only here: the extra need not be installed, and torch takes a second to import.
    import torch

    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(True)
    seen = torch.cuda.is_available()
    if device == "cuda" and not seen:
        raise ConfigError(
            "device",
            found="cuda is asked for, and torch sees no graphics processor",
            wanted="a machine that has one, and a build of torch for CUDA",
            mend="Take the device cpu or auto",
        )
    return "cuda" if seen and device != "cpu" else "cpu"
