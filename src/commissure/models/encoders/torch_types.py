"""Names for the types of PyTorch, which is an extra and need not be installed."""

from __future__ import annotations

from typing import Any, TypeAlias

Tensor: TypeAlias = Any
Generator: TypeAlias = Any
Layer: TypeAlias = Any
Sequential: TypeAlias = Any
Adam: TypeAlias = Any
