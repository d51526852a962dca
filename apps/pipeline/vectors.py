"""Vectors as a snapshot stores them: float32, or bfloat16 at half the size.

A bfloat16 is the upper half of a float32: the same range, eight bits of precision. numpy has no such dtype,
so it lies in a uint16. Everybody computes with float32: only `decoded` here, and `as_float` in the compiled
passes (vectors_loop.py), know how it is stored. Decoding loses nothing; encoding rounds to the nearest, and
of two as near to the even one.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

VECTORS = ("taste", "looks")  # the columns that are stored so
DTYPES = {"float32": "f4", "bfloat16": "u2"}  # by the name in a manifest
UPPER, QUIET = np.uint32(16), np.uint16(0x40)


def encoded(vectors: npt.NDArray[np.float32], name: str) -> npt.NDArray[Any]:
    """As they are stored under this name of DTYPES; NaN stays NaN. Raises KeyError for another name."""
    if DTYPES[name] == "f4":
        return vectors
    bits = vectors.view("u4")
    upper = (bits >> UPPER).astype("u2")
    rest = bits & np.uint32(0xFFFF)
    up = (rest > 0x8000) | ((rest == 0x8000) & (upper & 1 == 1))
    return np.where(np.isnan(vectors), upper | QUIET, upper + up)


def decoded(stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The float32 that were stored, whichever way."""
    if stored.dtype != np.uint16:
        return stored
    return (stored.astype("u4") << UPPER).view("f4")
