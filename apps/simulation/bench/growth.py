"""How the CPU time of one list grows: one thing grows at a time, the others stay at the workload's.

The pipeline alone (`apps.pipeline.run.run`), in one thread, on snapshots that are drawn in memory: no HTTP,
no store. Of each viewer the cheapest of several calls counts, of the viewers the median, so that neighbours
on the machine say little; all cases take turns, so that they meet the same machine.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from apps.common import clock
from apps.pipeline.contracts import Request, Viewer
from apps.pipeline.masks import build_masks, condition_words
from apps.pipeline.params import PipelineParams
from apps.pipeline.retrieval.eligible import find_eligible
from apps.pipeline.rules import RuleMasks, SurfaceRules, live_rules
from apps.pipeline.run import run
from apps.pipeline.signals import Signals
from apps.pipeline.snapshot import Snapshot
from apps.policies.schema import default_content
from apps.releases.params import CompiledSurface, compiled
from apps.simulation.bench.curves import CURVES, PER_MARKET, Case, name_of
from apps.simulation.bench.pool import NOW, drawn_snapshot
from apps.simulation.bench.retrieval import narrowed
from apps.simulation.bench.rulebook import with_rules

SURFACE = "dating"
ELIGIBLE = 0.10  # of the viewer's market
VIEWERS = 15


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    members: int = 200_000  # the largest snapshot; points beyond are left out
    repeat: int = 60  # calls of each viewer

    @property
    def workload(self) -> Case:
        """What stays as it is; in a smaller market when that is all there may be."""
        return Case(market=min(PER_MARKET, self.members))


def bench_growth(plan: Plan, say: Callable[[str], object]) -> dict[str, float | None]:
    """CPU milliseconds by name; None where a point needs more members than the plan has."""
    figures: dict[str, float | None] = {}
    points = {name_of(curve, value): case for curve in CURVES for value, case in _cases(curve, plan.workload)}
    drawn = _Drawn()
    asked = {case: list(_requests(case, drawn)) for case in points.values() if case.members <= plan.members}
    took = _measure(asked, plan.repeat)
    for name, case in points.items():
        figures[name] = took.get(case)
        if case in took:
            eligible = statistics.median(len(find_eligible(one)[0]) for one in asked[case])
            say(f"{name:<26} {took[case]:.3f} ms, {eligible:,.0f} eligible")
    return figures | {"growth_market": plan.workload.market, "growth_load": os.getloadavg()[1]}


def _cases(curve: str, workload: Case) -> Iterator[tuple[int, Case]]:
    for value in CURVES[curve]:
        if curve == "members":
            yield value, replace(workload, markets=max(value // workload.market, 1))
        else:
            yield value, replace(workload, **{curve: value})


class _Drawn:
    """What cases share, made once each: snapshots, the rules' masks, and who asks."""

    def __init__(self) -> None:
        self._snapshots: dict[tuple[int, int], Snapshot] = {}
        self._masks: dict[tuple[str, str], RuleMasks] = {}
        self._asked: dict[tuple[str, int], list[Request]] = {}

    def snapshot(self, case: Case) -> Snapshot:
        key = (case.members, case.markets)
        if key not in self._snapshots:
            drawn = drawn_snapshot(case.members, markets=case.markets, of=(SURFACE,))
            self._snapshots[key] = replace(drawn, id=f"{case.members}-{case.markets}")
        return self._snapshots[key]

    def masks(self, snapshot: Snapshot, rules: SurfaceRules) -> RuleMasks:
        key = (snapshot.id, rules.digest)
        if key not in self._masks:
            self._masks[key] = build_masks(snapshot, SURFACE, rules)
        return self._masks[key]

    def asked(self, snapshot: Snapshot, seen: int) -> list[Request]:
        """Of viewers who have seen so many, a tenth of whose market is eligible."""
        key = (snapshot.id, seen)
        if key not in self._asked:
            rows = (
                np.random.default_rng(7)
                .integers(0, len(snapshot.surfaces[SURFACE].viewers), VIEWERS)
                .tolist()
            )
            self._asked[key] = [_asked_by(row, snapshot, seen) for row in rows]
        return self._asked[key]


def _requests(case: Case, drawn: _Drawn) -> Iterator[Request]:
    """The same viewers' for every case with the same snapshot."""
    snapshot, surface = drawn.snapshot(case), _surface(case.rules)
    masks, params = drawn.masks(snapshot, surface.rules), surface.assign(viewer="", now=0.0).params
    for request in drawn.asked(snapshot, case.seen):
        met = condition_words(surface.rules.viewer_conditions, request.viewer.row, snapshot)[0]
        rules = live_rules(surface.rules, met=met, now=clock.now().timestamp(), masks=masks)
        yield replace(request, params=params, limit=case.limit, rules=rules if case.rules else None)


def _asked_by(row: int, snapshot: Snapshot, seen: int) -> Request:
    data = snapshot.surfaces[SURFACE]
    market = int(data.viewers["market"][row])
    start, stop = data.market_starts[market : market + 2].tolist()
    others = np.random.default_rng(row).permutation(data.candidates["number"][start:stop])
    excluded, tired = np.sort(others[:seen]), np.sort(others[seen : 2 * seen])
    signals = Signals(tired_of=tired, times_seen=np.ones(len(tired), "f4"))
    viewer = Viewer(data.viewers.gather(np.array([row])), excluded=excluded, signals=signals)
    request = Request(snapshot, SURFACE, PipelineParams(), viewer, limit=0, now=NOW, seed=row)
    return narrowed(request, ELIGIBLE * (stop - start))


def _surface(rules: int) -> CompiledSurface:
    """The first release's policy, with rules; nobody is held out."""
    content: dict[str, Any] = with_rules(default_content(), SURFACE, rules=rules, flags=0, experiments=0)
    content["surfaces"][SURFACE]["random_share"] = 0.0
    return compiled(content).surface(SURFACE)


def _measure(asked: Mapping[Case, list[Request]], repeat: int) -> dict[Case, float]:
    """CPU milliseconds of a list by case: the median of the viewers' cheapest. A viewer asks in all cases at
    about the same moment, in another order each round."""
    cases, draw = list(asked), np.random.default_rng(3)
    least = {case: [float("inf")] * VIEWERS for case in cases}
    for call in range(repeat + 1):
        for viewer in range(VIEWERS):
            for case in (cases[i] for i in draw.permutation(len(cases)).tolist()):
                took = _cost(asked[case][viewer])
                if call:  # the first only warms
                    least[case][viewer] = min(least[case][viewer], took)
    return {case: statistics.median(took) for case, took in least.items()}


def _cost(request: Request) -> float:
    fresh = replace(request)  # a request keeps what it has looked up
    started = time.thread_time()
    run(fresh)
    return 1000 * (time.thread_time() - started)
