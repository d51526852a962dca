"""One number of a stored vector inside a compiled pass (numba): what apps.pipeline.vectors.decoded does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from apps.pipeline.vectors import UPPER, decoded


def as_float(stored: Any) -> Any:
    """The float32 of a float32, or of a bfloat16 in a uint16."""
    return decoded(np.asarray(stored))[()]


@overload(as_float, strict=False)  # annotations differ: ours are of the maker
def _as_float(stored: Any) -> Callable[[Any], Any]:
    if isinstance(stored, types.Float):
        return lambda stored: stored
    return lambda stored: np.uint32(np.uint32(stored) << UPPER).view(np.float32)
