"""By whom predictions are judged, in words: home markets, and gender with whom a member seeks.

The second only where the surface itself asks for it. Groups of a thousand labels and more stand in a
report for staff; nobody is served by it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from apps.learning.judging import Grouping, Groupings
from apps.pipeline.filters.rules import ELIGIBILITY
from apps.pipeline.table import Table
from apps.pipeline.vocabulary import GENDERS
from apps.surfaces.models import Surface


def minds_gender(surface: Surface) -> bool:
    """Whether its eligibility asks for gender and whom a member seeks."""
    return "gender_sought_by_viewer" in ELIGIBILITY[surface.eligibility].rules


def groupings_of(members: Table, surface: Surface, markets: Sequence[Mapping[str, Any]]) -> Groupings:
    """Of the rows of those who decide on a surface. `markets`: as a snapshot has them, by index."""
    names = (*(str(market["name"]) for market in markets), "none")  # the last is that of -1
    found = {"home market": Grouping(names, (members["market"].astype("i4") % len(names)).astype("i4"))}
    if minds_gender(surface):
        codes = members["gender"].astype("i4") << 8 | members["seeking"]
        each, of = np.unique(codes, return_inverse=True)
        words = tuple(f"{_said(int(code) >> 8)} seeking {_said(int(code) & 0xFF)}" for code in each)
        found["gender and seeking"] = Grouping(words, of.astype("i4"))
    return found


def _said(bits: int) -> str:
    return " or ".join(word for word, bit in GENDERS.items() if bits & bit) or "unsaid"
