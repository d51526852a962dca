"""Numbers that are numbers: what can't be computed counts as a default, everywhere the same way."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[Any]


def finite(values: Numbers, default: float = 0.0) -> Numbers:
    """The values, with `default` for NaN and infinities; same dtype."""
    known = np.isfinite(values)
    return values if known.all() else np.where(known, values, values.dtype.type(default))
