"""Who asks in a benchmark: viewers with a like share to choose from, and as many seen and held each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import numpy as np

from apps.common import clock, online
from apps.common.valkey import background_client
from apps.delivery.runtime import runtime
from apps.pipeline.contracts import Request, Viewer
from apps.pipeline.lineup import PEOPLE
from apps.pipeline.params import PipelineParams
from apps.pipeline.retrieval.eligible import find_eligible
from apps.pipeline.snapshot import Snapshot
from apps.simulation.bench.scanned import rows_scanned

ELIGIBLE = 0.10  # of the market, wanted
VIEWERS = 2000
SEEN_HOURS_AGO = 24
HELD_SECONDS = 1500


@dataclass(frozen=True)
class Asked:
    """Who asks on one surface, what share of their market they may be shown, and how much of it a search
    judges."""

    surface: str
    numbers: list[int]
    ids: list[str]
    eligible: float
    scanned: float  # rows, of the viewer in the middle

    def paths(self, limit: int) -> list[str]:
        questions = ({"surface": self.surface, "member": one, "limit": limit} for one in self.ids)
        return ["/api/v1/recommendations?" + urlencode(question) for question in questions]


def askers(snapshot: Snapshot, surface: str) -> Asked:
    """Of some viewers those whose eligible share of the market is nearest to the one that is wanted."""
    data = snapshot.surfaces[surface]
    rows = np.flatnonzero(np.asarray(data.viewers["market"]) >= 0)
    rows = np.random.default_rng(1).permutation(rows)[: 2 * VIEWERS]
    requests = [_request(snapshot, surface, row) for row in rows.tolist()]
    shares = np.array([_eligible_share(request) for request in requests])
    order = np.argsort(np.abs(shares - ELIGIBLE), kind="stable")[:VIEWERS]
    numbers = np.asarray(data.viewers["number"])[rows[order]].tolist()
    ids = runtime().world.ids_of("member", numbers)
    known = [(number, one) for number, one in zip(numbers, ids, strict=True) if one]
    return Asked(
        surface,
        numbers=[number for number, _ in known],
        ids=[one for _, one in known],
        eligible=float(np.median(shares[order])),
        scanned=float(np.median([rows_scanned(requests[i]) for i in order.tolist()])),
    )


def _request(snapshot: Snapshot, surface: str, row: int) -> Request:
    viewer = Viewer(snapshot.surfaces[surface].viewers.gather(np.array([row])))
    params, now = PipelineParams(lineup=PEOPLE.name), clock.now().timestamp()
    return Request(snapshot, surface, params, viewer, limit=20, now=now, seed=1)


def _eligible_share(request: Request) -> float:
    found, received = find_eligible(request)
    return len(found) / received


def fill(snapshot: Snapshot, asked: Asked, *, seen: int, held: int) -> None:
    """Seen and held of every viewer, drawn from their own market."""
    draw, now = np.random.default_rng(2), clock.now().timestamp()
    data = snapshot.surfaces[asked.surface]
    pipe = background_client().pipeline(transaction=False)
    for viewer in asked.numbers:
        market = int(data.viewers["market"][data.viewer_row_of[viewer]])
        start, stop = data.market_starts[market : market + 2].tolist()
        size = min(seen + held, (stop - start) // 2)
        rows = draw.choice(stop - start, size, replace=False) + start
        numbers = np.asarray(data.candidates["number"])[rows]
        few = min(held, size // 2)
        pipe.set(online.held_key(asked.surface, viewer), _packed(numbers[:few], now + HELD_SECONDS))
        seen_at = now - SEEN_HOURS_AGO * 3600
        pipe.set(online.seen_key(asked.surface, viewer), _packed(numbers[few:], seen_at))
    pipe.execute()


def _packed(numbers: Any, at: float) -> bytes:
    records = np.zeros(len(numbers), online.RECORD)
    records["number"], records["state"], records["at"] = numbers, 1, at
    return records.tobytes()
