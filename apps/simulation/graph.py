"""Who knows whom in a simulated world: referrals, connections and contacts, mostly within communities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apps.simulation.log import pair_key
from apps.simulation.population import I64, Mask, Population
from apps.simulation.world import World, generator

KINDS = ("referral", "connection", "contact")
WITHIN = 0.75  # share of edges that stay within a community
PER_MEMBER = (1, 3, 0.3)  # edges each member starts, by kind (referral: the one who brought them)
VISIBLE = 0.8


@dataclass(frozen=True)
class Edges:
    """Row i is one edge, stored once with a < b; the first kind in KINDS wins."""

    a: I64
    b: I64
    kind: I64
    visible: Mask

    def __len__(self) -> int:
        return len(self.a)


def build_graph(world: World, members: Population) -> Edges:
    """A referral comes from somebody who was there before; the other edges know no order."""
    g = generator(world, "graph")
    order = np.argsort(members.joined, kind="stable")
    parts = []
    for kind, each in enumerate(PER_MEMBER):
        number = g.poisson(each, len(members)) if kind else np.ones(len(members), "i8")
        one = np.repeat(order, number)
        other = _partners(g, members, one, earlier=kind == 0)
        parts.append(np.stack([one, other, np.full(len(one), kind)]))
    one, other, kinds = np.concatenate(parts, axis=1)
    keep = one != other
    a, b, kinds = np.minimum(one, other)[keep], np.maximum(one, other)[keep], kinds[keep]
    _, first = np.unique(pair_key(a, b), return_index=True)
    first.sort()
    return Edges(a[first], b[first], kinds[first], g.random(len(first)) < VISIBLE)


def _partners(g: np.random.Generator, members: Population, one: I64, *, earlier: bool) -> I64:
    """Somebody of the same community, or at times of the same market; `earlier`: who joined before."""
    circle = np.where(g.random(len(one)) < WITHIN, members.community[one], -1 - members.market[one])
    result = one.copy()
    rank = np.argsort(np.argsort(members.joined, kind="stable"), kind="stable")
    u = g.random(len(one))
    for group in (members.community, -1 - members.market):
        rows = np.lexsort((rank, group))
        starts = np.searchsorted(group[rows], circle)
        stops = np.searchsorted(group[rows], circle, side="right")
        place = np.zeros(len(members), "i8")
        place[rows] = np.arange(len(rows))
        last = np.where(earlier, place[one], stops)
        mine = (starts < stops) & (last > starts)
        if earlier:
            mine &= place[one] < stops
        pick = starts + (u * (last - starts)).astype("i8")
        result[mine] = rows[np.minimum(pick[mine], len(rows) - 1)]
    return result
