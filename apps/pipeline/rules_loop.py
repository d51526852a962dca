"""The compiled loop of rules.py: which rules are live for one viewer, and of which sorts they are."""

from __future__ import annotations

from typing import Any

from apps.pipeline.compiled import columns, compiled


@compiled(*columns("i4:2", "u8", "=?"), returns="int64")
def find_live(is_open: Any, met: Any, live: Any) -> int:
    """Writes which of those that are open have a viewer condition that is -1 or met; returns the bits of all
    their traits.

    `is_open` [3, rules]: see OpenRules. `met`: words of the viewer.
    """
    traits = 0
    for r in range(len(live)):
        condition, word = is_open[1, r], is_open[1, r] >> 6
        is_met = condition < 0 or (word < len(met) and (met[word] >> (condition & 63)) & 1 == 1)
        live[r] = is_open[0, r] == 1 and is_met
        if live[r]:
            traits |= is_open[2, r]
    return traits
