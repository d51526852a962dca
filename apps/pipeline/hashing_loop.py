"""The compiled loop of hashing.py: FNV-1a (32 bits) of one id with many seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.compiled import columns, compiled


@compiled(*columns("u1", "i4", "u1", "u1", "=f8"))
def hash_all(data: Any, starts: Any, versions: Any, value: Any, out: Any) -> None:
    """Version 1: value, seed; modulo 1,000. Version 2: seed, value, then its digits anew; modulo 10,000."""
    prime, mask, offset = np.uint64(16777619), np.uint64(0xFFFFFFFF), np.uint64(2166136261)
    digits = np.empty(10, np.uint8)
    for i in range(len(versions)):
        state = offset
        if versions[i] == 1:
            for k in range(len(value)):
                state = ((state ^ np.uint64(value[k])) * prime) & mask
        for k in range(starts[i], starts[i + 1]):
            state = ((state ^ np.uint64(data[k])) * prime) & mask
        if versions[i] == 1:
            out[i] = np.float64(state % np.uint64(1000)) / 1000.0
            continue
        for k in range(len(value)):
            state = ((state ^ np.uint64(value[k])) * prime) & mask
        count = 0
        rest = state
        while True:
            digits[count] = np.uint8(48) + np.uint8(rest % np.uint64(10))
            rest = rest // np.uint64(10)
            count += 1
            if rest == 0:
                break
        state = offset
        for k in range(count):
            state = ((state ^ np.uint64(digits[count - 1 - k])) * prime) & mask
        out[i] = np.float64(state % np.uint64(10000)) / 10000.0
