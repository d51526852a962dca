"""The compiled loop of rules.py: which rules are live for one viewer, and how many of each sort."""

from __future__ import annotations

from typing import Any

from apps.pipeline.compiled import columns, compiled


@compiled(*columns("f8:2", "i4", "?:2", "u8"), "float64", *columns("=?", "=i8"))
def find_live(times: Any, viewers: Any, traits: Any, met: Any, now: float, live: Any, counts: Any) -> None:
    """Leaves in `live` those that have begun and not ended, and whose viewer condition is -1 or met.

    `met`: words of the viewer. `counts[t]`: how many of those left have trait t.
    """
    counts[:] = 0
    for r in range(len(live)):
        condition = viewers[r]
        if condition >= 0 and (
            condition >> 6 >= len(met) or (met[condition >> 6] >> (condition & 63)) & 1 == 0
        ):
            live[r] = False
        if now < times[0, r] or now >= times[1, r]:
            live[r] = False
        for t in range(len(counts) if live[r] else 0):
            counts[t] += traits[t, r]
