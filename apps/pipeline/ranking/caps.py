"""How often each candidate may be shown: the policy's caps, lowered by the rules that the candidate meets.

Takes words of candidates, gives limits; counting and refusing is the ledger's (apps.delivery).
"""

from __future__ import annotations

import numpy as np

from apps.pipeline.contracts import I32, I64, Request
from apps.pipeline.rules import U64

MOST = 65_535  # the ledger counts this far


def caps_of(request: Request, words: U64, rows: I64) -> I32:
    """[n, 2] the most exposures in 24 hours and in 60 minutes of whom these rows of `words` are of; 0: no cap
    of that kind."""
    caps = np.empty((len(rows), 2), "i4")
    caps[:] = request.params.daily_cap, request.params.hourly_cap
    rules = request.rules
    if rules is not None and len(rows) and rules.counts["cap"]:
        from apps.pipeline.ranking import multiply

        book = rules.rules
        multiply.tighten(words, rows, rules.live, book.limits, book.conditions, caps)
    return np.minimum(caps, MOST, out=caps)
