"""The compiled inner products of retrieval: one vector against scattered rows of a matrix, without copying
them."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.compiled import columns, compiled


@compiled(*columns("f4:2", "i4", "f4", "=f4"))
def row_dots(matrix: Any, rows: Any, vector: Any, out: Any) -> None:
    """out[i] = matrix[rows[i]] . vector"""
    for i in range(len(rows)):
        total = np.float32(0.0)
        for k in range(len(vector)):
            total += matrix[rows[i], k] * vector[k]
        out[i] = total
