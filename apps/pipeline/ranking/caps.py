"""How often each candidate may be shown: the policy's caps, lowered by the rules that the candidate meets.

Takes words of candidates, gives limits; counting and refusing is the ledger's (apps.delivery).
"""

from __future__ import annotations

import numpy as np

from apps.pipeline.contracts import I32, Request
from apps.pipeline.rules import U64

MOST = 65_535  # the ledger counts this far


def caps_of(request: Request, words: U64, n: int) -> I32:
    """[n, 2] the most exposures in 24 hours and in 60 minutes; 0: no cap of that kind."""
    caps = np.empty((n, 2), "i4")
    caps[:] = min(request.params.daily_cap, MOST), min(request.params.hourly_cap, MOST)
    rules = request.rules.caps if request.rules is not None else ()
    if rules and n:
        from apps.pipeline.ranking.multiply import tighten

        limits = np.array([(min(r.daily, MOST), min(r.hourly, MOST)) for r in rules], "i4")
        tighten(words, limits, np.array([rule.candidates for rule in rules], "i4"), caps)
    return caps
