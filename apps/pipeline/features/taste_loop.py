"""The compiled loop of taste.py. Named where it is used by Passes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import from_dtype, types

from apps.pipeline import signals, vectors_loop
from apps.pipeline.compiled import columns, compiled
from apps.pipeline.features import taste
from apps.pipeline.features.taste import HALF_LIVES
from apps.pipeline.signals import DEED
from apps.pipeline.vectors_loop import as_float

DEEDS = types.Array(from_dtype(DEED), 1, "C", readonly=True)


@compiled(
    DEEDS, *columns("f4"), "float64", "float64", *columns("i4", "vector:2", "=f4"),
    exact=True, uses=[signals, taste, vectors_loop],
)  # fmt: skip
def pull(deeds: Any, strength: Any, now: float, half_life: float, row_of: Any, looks: Any, out: Any) -> None:
    """Adds to `out` the sum of the directions of whom `deeds` are about, each by the strength of what was
    done, faded with its age (see taste.py). What is no number in somebody's looks counts 0."""
    total, one = np.zeros(len(out)), np.empty(len(out))
    for deed in deeds:
        age = max(now - deed.at, 0.0) / half_life
        known = 0 <= deed.number < len(row_of) and row_of[deed.number] >= 0
        if not known or age >= HALF_LIVES or strength[deed.what] == 0.0:
            continue
        squares = 0.0
        for k in range(len(out)):
            value = np.float64(as_float(looks[row_of[deed.number], k]))
            one[k] = value if math.isfinite(value) else 0.0
            squares += one[k] * one[k]
        share = strength[deed.what] * math.exp2(-age) / (math.sqrt(squares) if squares > 0.0 else 1.0)
        for k in range(len(out)):
            total[k] += share * one[k]
    for k in range(len(out)):
        out[k] += np.float32(total[k])
