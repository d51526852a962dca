"""What compiled passes ask of sets that are stored as bits. Whoever calls this `uses` it."""

from __future__ import annotations

from typing import Any

import numpy as np

from apps.pipeline.compiled import part


@part
def count(bits: Any) -> Any:
    """How many bits are set (Warren, Hacker's Delight, figure 5-2)."""
    bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int32((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))
