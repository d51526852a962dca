"""Our lists beside others on a simulated market, judged by its truth.

Takes a Truth whose market lies in the configured database and was refreshed; gives the figures of one
surface. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from apps.simulation.ablation import Ablation, Worth
from apps.simulation.cases import Bench, cases, choose_viewers, open_bench, viewers_of_market
from apps.simulation.cities import CITIES
from apps.simulation.methods import Case, Method, methods, ours_under
from apps.simulation.population import F64
from apps.simulation.scores import Mean, Shown, answered, exposure_gini, interval, joined, per_viewer
from apps.simulation.truth import Truth

OURS = "raya_recs"


@dataclass(frozen=True)
class Row:
    """One method: sums over a list of ten, as means over viewers."""

    name: str
    mutual: Mean  # expected mutual likes; on a surface of places, expected saves
    known: Mean  # the same, given what candidates have already said
    likes: Mean  # expected likes by the viewer
    behind: Mean  # `mutual` of ours minus its own, viewer by viewer: above 0, ours is ahead
    answered: float  # in a whole market: mutual likes that limited inboxes still answer
    gini: float  # in a whole market: of exposure


@dataclass(frozen=True)
class SurfaceResult:
    """One surface: the methods, and what each source, stage and group of features is worth."""

    surface: str
    kind: str
    viewers: int
    ablated: int
    eligible: float  # mean number of eligible candidates
    market: str  # the one whose members all got a list
    market_viewers: int
    rows: tuple[Row, ...]
    worth: tuple[Worth, ...]


@dataclass(frozen=True)
class Lists:
    """Lists by method, and how large the pools were that they were drawn from."""

    shown: Mapping[str, Shown]
    pools: tuple[int, ...]
    worth: tuple[Worth, ...]


def evaluate_surface(
    truth: Truth, surface: str, *, viewers: int, ablated: int, tick: Callable[[int], None] = lambda done: None
) -> SurfaceResult:
    """The table of one surface. `ablated`: for how many of the viewers stages are switched in turn."""
    bench = open_bench(truth, surface)
    market = int(np.argmin(truth.world.city_shares))
    sample = _lists(bench, choose_viewers(bench, viewers), ablated, tick)
    whole = _lists(bench, viewers_of_market(bench, market), 0, tick)
    return SurfaceResult(
        surface=surface,
        kind=bench.kind,
        viewers=len(sample.pools),
        ablated=min(ablated, len(sample.pools)),
        eligible=float(np.mean(sample.pools)) if sample.pools else 0.0,
        market=CITIES[market].name,
        market_viewers=len(whole.pools),
        rows=tuple(_row(bench, name, market, sample, whole) for name in methods(bench.kind)),
        worth=sample.worth,
    )


def _lists(bench: Bench, viewers: list[int], ablated: int, tick: Callable[[int], None]) -> Lists:
    parts: dict[str, list[Shown]] = {name: [] for name in methods(bench.kind)}
    pools: list[int] = []
    ablation = Ablation()
    for position, case in enumerate(cases(bench, viewers)):
        pools.append(len(case.eligible))
        for name, method in methods(bench.kind).items():
            parts[name].append(_shown(case, method, position))
        if position < ablated:
            ablation.add(
                case.request,
                parts[OURS][-1],
                lambda params: _shown(case, ours_under(params), position),  # noqa: B023 (called at once)
            )
        tick(position + 1)
    shown = {name: joined(some) for name, some in parts.items()}
    return Lists(shown, tuple(pools), ablation.worth())


def _shown(case: Case, method: Method, position: int) -> Shown:
    rows = method(case)
    return Shown(np.full(len(rows), position), case.index[rows], case.p[rows], case.q[rows], case.known[rows])


def _row(bench: Bench, name: str, market: int, sample: Lists, whole: Lists) -> Row:
    shown, everybody = sample.shown[name], whole.shown[name]
    members, venues = bench.truth.members, bench.truth.venues
    people = bench.kind == "member"
    candidates = members.shown & (members.market == market) if people else venues.market == market
    attended = answered(everybody, members.capacity) if people else everybody.p

    def mean(values: F64) -> Mean:
        return interval(per_viewer(shown, values, len(sample.pools)))

    lead = [per_viewer(s, s.p * s.q, len(sample.pools)) for s in (sample.shown[OURS], shown)]
    return Row(
        name=name,
        mutual=mean(shown.p * shown.q),
        known=mean(shown.p * shown.known),
        likes=mean(shown.p),
        behind=interval(lead[0] - lead[1]),
        answered=float(attended.sum() / max(len(whole.pools), 1)),
        gini=exposure_gini(everybody, int(candidates.sum())),
    )
