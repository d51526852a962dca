"""Who may be shown to whom in a simulated world, by pairs of indices, as
the simulator own reading of the rules.

It shares no code with the pipeline's filters on purpose: a mistake there must not hide here.
"""

from __future__ import annotations

import numpy as np

from apps.pipeline.vocabulary import DATING_INTENTS, NETWORKING_INTENTS
from apps.simulation.population import F64, I64, Mask, Population
from apps.simulation.truth import kilometres


def eligible(m: Population, surface: str, a: I64, b: I64) -> Mask:
    """Whether members `b` may be shown to members `a` on a surface of members (relations aside)."""
    wanted = DATING_INTENTS if surface == "dating" else NETWORKING_INTENTS
    intents = m.open_intents
    fits = (
        m.shown[a]
        & m.shown[b]
        & (a != b)
        & (m.market[a] == m.market[b])
        & (intents[a] & intents[b] & wanted != 0)
        & (kilometres(m, a, b) <= _reach(m, a, b))
    )
    if surface == "dating":
        fits &= (m.gender[b] & m.seeking[a] != 0) & (m.gender[a] & m.seeking[b] != 0)
        fits &= _accepts(m, a, b) & _accepts(m, b, a)
    return np.asarray(fits)


def _accepts(m: Population, a: I64, b: I64) -> Mask:
    age = np.floor(m.age[b]).astype("i8")
    return np.asarray((age >= m.age_min[a]) & (age <= m.age_max[a]))


def _reach(m: Population, a: I64, b: I64) -> F64:
    """The smaller of both accepted distances; 0 is no limit."""
    limit = np.where(m.max_distance == 0, np.inf, m.max_distance)
    return np.asarray(np.minimum(limit[a], limit[b]))
