"""From a question to a slate: the pipeline's request, its run, and what it was made from.

Takes what is known about the question; asks no store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import thread_time
from typing import Any

import numpy as np

from apps.common.local_time import day_in
from apps.delivery.answers import seed_of
from apps.delivery.coming import sharing
from apps.delivery.question import Prepared, market_asked, market_index
from apps.delivery.sources import sources
from apps.delivery.state import I32, NOBODY
from apps.delivery.told import inputs_of, pack, told_by
from apps.delivery.world import World
from apps.interactions.served import is_logged
from apps.pipeline.contracts import Request, Slate, Viewer
from apps.pipeline.features.calendar import day_of
from apps.pipeline.run import eligible_count, run
from apps.pipeline.sets import union
from apps.pipeline.signals import Signals
from apps.pipeline.watch import Watch

RESERVE = 40
NONE_LEFT_OUT: Mapping[str, str] = {}


def rank_pool(prepared: Prepared) -> tuple[Slate, bytes]:
    """The slate without those known to be at the cap, and what it was made from, packed (a dry run's is not).

    The payload says when caps shorten it.
    """
    question = prepared.question
    request = _watched(prepared)
    capped = over_caps(prepared, request)
    if len(capped):
        everybody = union(request.viewer.excluded, capped)
        slate = run(replace(request, viewer=replace(request.viewer, excluded=everybody)))
    else:
        slate = run(request)
    if request.watch is not None:
        sources.told(question.surface, request.watch)
    if len(capped) and len(slate.numbers) < question.limit:
        prepared.payload["capped_before"] = eligible_count(request) - slate.eligible
    market = market_index(prepared.world, question, prepared.row)
    assert prepared.world.snapshot is not None
    prepared.payload.update(
        {
            "market": prepared.world.snapshot.markets[market].get("id") if market >= 0 else None,
            "exhausted": len(slate.numbers) < question.limit + RESERVE,
        }
    )
    if question.dry_run:
        return slate, b""
    told = told_by(request, capped, slate.ranked)
    prepared.payload["inputs"] = inputs_of(request, slate, told)
    return slate, pack(told)


def _watched(prepared: Prepared) -> Request:
    """The request without the sources that rest. A dry run asks all of them, and nobody takes their time;
    given ids and a random order ask none."""
    question, params = prepared.question, prepared.params
    if question.dry_run or question.candidates is not None or params.random_order:
        return request_of(prepared)
    left_out = sources.left_out(question.surface, params)
    return request_of(prepared, left_out=left_out, watch=Watch(thread_time))


def over_caps(prepared: Prepared, request: Request) -> I32:
    """Sorted numbers that are known to be at a cap they have for this viewer."""
    capped = prepared.world.capped.get(prepared.question.surface)
    return capped.over(request) if capped is not None else NOBODY


def request_of(
    prepared: Prepared, *, left_out: Mapping[str, str] = NONE_LEFT_OUT, watch: Watch | None = None
) -> Request:
    """The pipeline's request: without the sources `left_out`, with the others measured by `watch`."""
    world, question = prepared.world, prepared.question
    assert world.snapshot is not None
    kind = world.kinds[question.surface]
    return Request(
        snapshot=world.snapshot,
        surface=question.surface,
        params=prepared.params,
        viewer=Viewer(
            prepared.row,
            excluded=prepared.state.excluded,
            liked_by=prepared.state.liked_by,
            signals=_signals(prepared, kind),
            is_fresh=world.overlay.viewer_at(question.surface, prepared.viewer) >= 0,
        ),
        limit=question.limit,
        now=prepared.now if question.at is None else question.at,
        seed=seed_of(prepared.delivery) if question.seed is None else question.seed,
        market=market_asked(world, question),
        day=_day(prepared, kind),
        **_stays(prepared, kind),
        only=_only(world, kind, question.candidates),
        newcomers=world.overlay.newcomers.get(question.surface),
        stale=world.overlay.stale.get(question.surface, NOBODY),
        gone=world.overlay.gone_sorted.get(kind, NOBODY),
        untied=world.overlay.untied_for(prepared.viewer),
        rules=prepared.rules,
        pacing=prepared.pacing,
        reserve=RESERVE,
        widths=prepared.widths,
        logs_features=not question.dry_run and is_logged(prepared.delivery),
        left_out=left_out,
        watch=watch,
    )


def _day(prepared: Prepared, kind: str) -> int | None:
    """Of a request for places: today where they are."""
    if kind != "place":
        return None
    assert prepared.world.snapshot is not None
    question = prepared.question
    index = market_index(prepared.world, question, prepared.row)
    market = prepared.world.snapshot.markets[index] if index >= 0 else {}
    return day_in(market.get("timezone"), prepared.now if question.at is None else question.at)


def _stays(prepared: Prepared, kind: str) -> dict[str, Any]:
    """Of a request for places: the coming trips that share the list; where one market was asked for, the
    trip that leads there, if one does."""
    if kind != "place":
        return {}
    world, question, params = prepared.world, prepared.question, prepared.params
    trips = world.overlay.trips.of(prepared.viewer)
    if not trips:
        return {}
    today = day_of(prepared.now if question.at is None else question.at)
    here = int(prepared.row["market"][0])
    if question.market is None:
        return {"trips": sharing(trips, today=today, within=params.trips_days, here=here)}
    asked = market_asked(world, question)
    ahead = [trip for trip in trips if trip.market == asked != here and trip.first_day > today]
    return {"stay": ahead[0] if ahead else None}


def _signals(prepared: Prepared, kind: str) -> Signals:
    """The viewer's own signals, with the candidates' of this moment."""
    signals, crowd = prepared.state.signals, prepared.world.crowd
    if kind != "member":
        return signals
    unread = crowd.unread_on(prepared.question.surface)
    return replace(signals, unread=unread, active_hour=crowd.active_hour)


def _only(world: World, kind: str, candidates: Sequence[str] | None) -> I32 | None:
    if candidates is None:
        return None
    found = (world.number_of(kind, candidate) for candidate in candidates)
    return np.unique(np.array([number for number in found if number is not None], "i4"))
