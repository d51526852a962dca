"""The viewers that an evaluation asks for, each with everybody eligible and the truth about them.

Reads the active snapshot, the live release and who acted on whom; gives Cases. It serves nothing: no caps, no
holds, and viewers in the random-order share are treated like everybody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from apps.common.errors import Unprocessable
from apps.pipeline.contracts import Request, Viewer
from apps.pipeline.features.pairs import is_visiting
from apps.pipeline.params import PipelineParams
from apps.pipeline.retrieval.eligible import find_eligible
from apps.pipeline.snapshot import Snapshot
from apps.refresh.selectors import active_snapshot_id
from apps.refresh.store import open_here
from apps.releases.params import build_params
from apps.releases.selectors import live
from apps.simulation.cities import CITIES
from apps.simulation.methods import LENGTH, Case
from apps.simulation.population import DAY, I64
from apps.simulation.schedule import build_trips, market_on
from apps.simulation.selectors import Ties, as_numbers, indices_by_number, ties_of
from apps.simulation.truth import Truth, member_id
from apps.simulation.world import generator


@dataclass(frozen=True)
class Bench:
    """What every case of one surface needs. Indices in the world by number; -1 for whoever is not of it."""

    truth: Truth
    snapshot: Snapshot
    surface: str
    members: I64
    targets: I64
    markets: I64  # market of each member's index: where they look

    @property
    def kind(self) -> str:
        return self.snapshot.surfaces[self.surface].kind


def open_bench(truth: Truth, surface: str) -> Bench:
    """Raises Unprocessable when nothing was refreshed."""
    snapshot_id = active_snapshot_id()
    if snapshot_id is None:
        raise Unprocessable("There is no active snapshot. Run manage.py refresh first.")
    snapshot = open_here(snapshot_id, verify=False)
    if surface not in snapshot.surfaces:
        raise Unprocessable(f"The active snapshot has no surface {surface}. Run manage.py refresh first.")
    members = indices_by_number(truth.world, "member")
    kind, homes = snapshot.surfaces[surface].kind, truth.members.market
    markets = homes
    if kind == "place":
        markets, _ = market_on(build_trips(truth.world, homes), homes, truth.world.anchor // DAY)
    targets = members if kind == "member" else indices_by_number(truth.world, kind)
    return Bench(truth, snapshot, surface, members, targets, markets)


def choose_viewers(bench: Bench, count: int) -> list[int]:
    """Numbers of random members who may be shown, the same ones each time; of people those at home."""
    viewers = bench.snapshot.surfaces[bench.surface].viewers
    at_home = ~is_visiting(viewers) | (bench.kind != "member")
    numbers = np.sort(np.asarray(viewers["number"])[at_home])
    numbers = numbers[numbers < len(bench.members)]
    numbers = numbers[bench.members[numbers] >= 0]
    numbers = numbers[bench.truth.members.shown[bench.members[numbers]]]
    if len(numbers) == 0:
        raise Unprocessable("The active snapshot holds nobody of this market. Run manage.py refresh first.")
    order = generator(bench.truth.world, f"viewers {bench.surface}").permutation(len(numbers))[:count]
    return [int(number) for number in numbers[order]]


def viewers_of_market(bench: Bench, market: int) -> list[int]:
    """Numbers of everybody who may be shown and looks in this market."""
    everybody = choose_viewers(bench, len(bench.members))
    return [number for number in everybody if bench.markets[bench.members[number]] == market]


def cases(bench: Bench, viewers: list[int]) -> Iterator[Case]:
    """The viewers with at least one eligible candidate."""
    content = live().stable_content
    cool = build_params(content, bench.surface, viewer="").cooldown_days
    since = datetime.fromtimestamp(bench.snapshot.created_at, UTC) - timedelta(days=cool)
    ties = ties_of(viewers, bench.surface, bench.kind, seen_since=since)
    for number in viewers:
        name = member_id(bench.truth.world, int(bench.members[number]))
        params = replace(build_params(content, bench.surface, viewer=name), random_order=False)
        case = _case(bench, _request(bench, number, ties[number], params), ties[number])
        if len(case.eligible):
            yield case


def _request(bench: Bench, number: int, ties: Ties, params: PipelineParams) -> Request:
    data = bench.snapshot.surfaces[bench.surface]
    row = data.viewers.gather(np.array([data.viewer_row_of[number]]))
    market = CITIES[bench.markets[bench.members[number]]].key
    return Request(
        snapshot=bench.snapshot,
        surface=bench.surface,
        params=params,
        viewer=Viewer(row, as_numbers(ties.excluded), as_numbers(ties.liked_by)),
        limit=LENGTH,
        now=bench.snapshot.created_at,
        seed=number,
        market=bench.snapshot.market_index(market),
        reserve=0,
    )


def _case(bench: Bench, request: Request, ties: Ties) -> Case:
    found, _ = find_eligible(request)
    eligible = found.pick(np.arange(len(found)))
    me = np.full(len(eligible), bench.members[request.viewer.number])
    # Others than this world's members may share the database, and the truth knows people at home alone: they
    # are nobody to be judged.
    numbers = np.asarray(eligible["number"])
    known = numbers < len(bench.targets)
    if bench.kind == "member":
        known &= ~is_visiting(eligible)
    known[known] = bench.targets[numbers[known]] >= 0
    if not known.all():
        request = replace(request, only=np.sort(numbers[known]))
        eligible, numbers, me = eligible.gather(np.flatnonzero(known)), numbers[known], me[known]
    them = bench.targets[numbers]
    p = bench.truth.probability(bench.surface, me, them)
    if bench.kind == "place":
        return Case(request, eligible, them, p, np.ones(len(p)), np.ones(len(p)))
    q = bench.truth.probability(bench.surface, them, me)
    said = np.where(np.isin(numbers, as_numbers(ties.liked_by)), 1.0, q)
    said = np.where(np.isin(numbers, as_numbers(ties.passed_by)), 0.0, said)
    return Case(request, eligible, them, p, q, said)
