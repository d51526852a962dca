"""Our lists beside others on a simulated market, judged by its truth.

Takes a Truth whose market lies in the configured database and was refreshed; gives the figures of one
surface. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from apps.simulation.cases import Bench, cases, choose_viewers, open_bench
from apps.simulation.methods import Case, Method, ablations, methods
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
    answered: Mean  # mutual likes that limited inboxes still answer
    likes: Mean  # expected likes by the viewer
    gini: float


@dataclass(frozen=True)
class SurfaceResult:
    """One surface: the methods, and what each stage is worth (ours minus ours without it)."""

    surface: str
    kind: str
    viewers: int
    ablated: int
    eligible: float  # mean number of eligible candidates
    rows: tuple[Row, ...]
    worth: Mapping[str, Mean]


def evaluate_surface(
    truth: Truth, surface: str, *, viewers: int, ablated: int, tick: Callable[[int], None] = lambda done: None
) -> SurfaceResult:
    """The table of one surface. `ablated`: for how many of the viewers stages are switched off."""
    bench = open_bench(truth, surface)
    parts: dict[str, list[Shown]] = {name: [] for name in methods()}
    pools: list[int] = []
    for position, case in enumerate(cases(bench, choose_viewers(bench, viewers))):
        pools.append(len(case.eligible))
        for name, method in _methods(case, ablate=position < ablated).items():
            parts.setdefault(name, []).append(_shown(case, method, position))
        tick(position + 1)
    lists = {name: joined(some) for name, some in parts.items()}
    ablated = min(ablated, len(pools))
    return SurfaceResult(
        surface=surface,
        kind=bench.kind,
        viewers=len(pools),
        ablated=ablated,
        eligible=float(np.mean(pools)) if pools else 0.0,
        rows=tuple(_row(bench, name, lists[name], len(pools)) for name in methods()),
        worth=_worth(lists, ablated),
    )


def _methods(case: Case, *, ablate: bool) -> dict[str, Method]:
    less = {f"without {stage}": method for stage, method in ablations(case.request).items()} if ablate else {}
    return {**methods(), **less}


def _shown(case: Case, method: Method, position: int) -> Shown:
    rows = method(case)
    return Shown(np.full(len(rows), position), case.index[rows], case.p[rows], case.q[rows], case.known[rows])


def _row(bench: Bench, name: str, shown: Shown, viewers: int) -> Row:
    members, venues = bench.truth.members, bench.truth.venues
    attended = shown.p
    if bench.kind == "member":
        attended = answered(shown, members.capacity, scale=int(members.shown.sum()) / max(viewers, 1))
    candidates = int(members.shown.sum()) if bench.kind == "member" else len(venues)

    def mean(values: F64) -> Mean:
        return interval(per_viewer(shown, values, viewers))

    return Row(
        name=name,
        mutual=mean(shown.p * shown.q),
        known=mean(shown.p * shown.known),
        answered=mean(attended),
        likes=mean(shown.p),
        gini=exposure_gini(shown, candidates),
    )


def _worth(lists: Mapping[str, Shown], ablated: int) -> dict[str, Mean]:
    """Ours minus ours without the stage, on the same viewers: above 0, the stage helps."""

    def mutual(shown: Shown) -> F64:
        first = shown.viewer < ablated
        return np.asarray(
            np.bincount(shown.viewer[first], weights=(shown.p * shown.known)[first], minlength=ablated), "f8"
        )

    ours = mutual(lists[OURS])
    return {
        name.removeprefix("without "): interval(ours - mutual(shown))
        for name, shown in lists.items()
        if name.startswith("without ")
    }
