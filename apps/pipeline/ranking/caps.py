"""How often each candidate may be shown: the policy's caps, lowered by the rules that the candidate meets.

Takes words of candidates, gives limits; counting and refusing is the ledger's (apps.delivery).
"""

from __future__ import annotations

import numpy as np

from apps.pipeline.contracts import I32, I64, NO_RULES, Request
from apps.pipeline.passes import Passes
from apps.pipeline.rules import U64

multiply = Passes("ranking.multiply")

MOST = 65_535  # the ledger counts this far


def caps_of(request: Request, words: U64, rows: I64) -> I32:
    """[n, 2] the most exposures in 24 hours and in 60 minutes of whom these rows of `words` are of; 0: no cap
    of that kind."""
    return looked_at(request, words, rows, 0)[0]


def looked_at(request: Request, words: U64, rows: I64, shown: int) -> tuple[I32, I64]:
    """Their caps; and [rules] how many of the first `shown` each live rule is about, pins aside."""
    caps, rules = np.empty((len(rows), 2), "i4"), request.rules
    caps[:] = request.params.daily_cap, request.params.hourly_cap
    there = NO_RULES
    if rules is not None and rules.have("rules"):
        there = np.empty(len(rules.live), "i8")
        multiply.look_at(words, rows, shown, rules.live, rules.rules.book, caps, there)
    return np.minimum(caps, MOST, out=caps), there
